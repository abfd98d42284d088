"""Projection: pooled features to the exported vector. Whitening and supervised directions, chosen on validation patients."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from versamammo import metrics

#: Inverse strengths of L2 on standardised inputs; the best on validation counts.
STRENGTHS = (0.0003, 0.003, 0.03)


@dataclass(frozen=True)
class Target:
    """A question within some images: rows of the training and validation features, class of each."""

    name: str
    train: np.ndarray
    train_class: np.ndarray
    validation: np.ndarray
    validation_class: np.ndarray

    @property
    def usable(self) -> bool:
        """Both sides hold the same classes, at least two."""
        return (
            len(set(self.train_class)) > 1
            and len(set(self.validation_class)) > 1
            and set(self.validation_class) <= set(self.train_class)
        )


@dataclass(frozen=True)
class Projection:
    """vector = unit(weight · (features − mean)); weight [dimension, width]."""

    mean: np.ndarray
    weight: np.ndarray
    #: What was chosen, and the figures of every candidate on validation.
    chosen: str
    candidates: dict[str, dict[str, float]]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        projected = (features - self.mean) @ self.weight.T
        return unit(projected)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of unit length, float32."""
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def whitening(features: np.ndarray, dimension: int, power: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and principal axes each divided by its deviation to the `power` (0: rotation, 1: whitening), total variance 1."""
    mean = features.mean(0)
    _, singular, axes = np.linalg.svd(features - mean, full_matrices=False)
    deviation = singular / np.sqrt(max(1, len(features) - 1))
    keep = min(dimension, int((deviation > deviation[0] * 1e-4).sum()))
    floor = deviation[0] * 1e-2
    scale = np.maximum(deviation[:keep], floor) ** -power
    total = np.sqrt(((deviation[:keep] * scale) ** 2).sum())
    return mean, axes[:keep] * scale[:, None] / total


def fit_logistic(x: np.ndarray, y: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Multinomial logistic regression on standardised inputs, folded back: weight [classes, width], bias, classes."""
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=strength, max_iter=150).fit((x - mean) / deviation, y)
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        weight, bias = np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    folded = weight / deviation
    return folded, bias - folded @ mean, model.classes_


def directions(features: np.ndarray, targets: Iterable[Target], strength: float = 0.001) -> np.ndarray:
    """Orthogonal directions that separate the targets' answers, each target's share of the total variance (1) equal."""
    rows = []
    for target in targets:
        if not target.usable:
            continue
        x = features[target.train]
        weight, _, _ = fit_logistic(x, target.train_class, strength)
        weight = weight[1:] - weight[:1] if len(weight) == 2 else weight - weight.mean(0)
        variance = ((x @ weight.T).std(0) ** 2).sum()
        rows.append(weight / np.sqrt(variance))
    return np.concatenate(rows) / np.sqrt(len(rows)) if rows else np.empty((0, features.shape[1]))


def judge(
    train: np.ndarray, validation: np.ndarray, targets: Iterable[Target], retrieved: set[str]
) -> dict[str, float]:
    """Figures of vectors on validation: mean macro AUC of linear probes, mean macro P@5 of retrieval from training images."""
    aucs, precisions = [], []
    for target in targets:
        if not target.usable:
            continue
        x, xv = train[target.train], validation[target.validation]
        weight, bias, classes = fit_logistic(x, target.train_class, STRENGTHS[1])
        hot = (target.validation_class[:, None] == classes[None]).astype(float)
        aucs.append(metrics.macro_auc(hot, xv @ weight.T + bias))
        if target.name in retrieved:
            found = metrics.retrieval(xv, x, target.validation_class, target.train_class)
            precisions.append(metrics.mean_over_classes(found["P@5"], target.validation_class))
    known = [p for p in precisions if not np.isnan(p)]
    return {"probe": float(np.nanmean(aucs)) if aucs else 0.0, "retrieval": float(np.mean(known)) if known else 0.0}


def choose(
    train: np.ndarray, validation: np.ndarray, targets: list[Target], retrieved: set[str], dimension: int
) -> Projection:
    """The candidate with the highest sum of both figures: power of the whitening × weight of the supervised directions."""
    supervised = directions(train, targets)
    best: Projection | None = None
    tried: dict[str, dict[str, float]] = {}
    bases = {power: whitening(train, dimension - len(supervised), power) for power in (0.0, 0.5, 1.0)}
    for power, strength in product(bases, (0.0, 0.5, 1.0, 2.0)):
        mean, axes = bases[power]
        weight = np.concatenate([axes, supervised * strength]) if strength and len(supervised) else axes
        name = f"whitening {power:g}, supervised {strength:g}"
        # rounded as the bundle stores it
        candidate = Projection(
            mean.astype(np.float16).astype(np.float32), weight.astype(np.float16).astype(np.float32), name, tried
        )
        figures = judge(candidate(train), candidate(validation), targets, retrieved)
        tried[name] = figures
        if best is None or sum(figures.values()) > sum(tried[best.chosen].values()):
            best = candidate
    if best is None:
        raise AssertionError("there is always a candidate")
    return best
