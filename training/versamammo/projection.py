"""Projection: pooled features to the exported vector. Whitening and supervised directions, chosen on validation patients."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from versamammo import metrics

#: Inverse strengths of L2 on standardised inputs; the best on validation counts.
STRENGTHS = (0.0003, 0.003, 0.03)
#: To choose from: powers of the deviation that principal axes are divided by, and weights of the directions fitted here.
#: Those that the encoder's own training ended with (fitted through dropout and augmentation, they generalise better; the
#: ones fitted here gather the archive better) always join, with weight 1. Few candidates, since one validation split tells
#: few apart: over eight students the mean sums of 2 to 5, with and without the encoder's own, are within 0.01, a single
#: student's move by 0.03. Other pooling (maximum, deviation, finer maps), whole whitening and no supervision were no better.
POWERS, SUPERVISED = (0.0, 0.5), (3.0, 5.0)


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


def principal(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal axes of the features about their mean [axes, width] and the deviation along each, descending."""
    centred = (features - features.mean(0)).astype(np.float64)
    variance, vectors = np.linalg.eigh(centred.T @ centred / max(1, len(features) - 1))
    deviation = np.sqrt(np.maximum(variance[::-1], 0))
    rank = min(len(features) - 1, int((deviation > deviation[0] * 1e-4).sum()))
    return vectors[:, ::-1].T[:rank], deviation[:rank]


def whitening(axes: np.ndarray, deviation: np.ndarray, dimension: int, power: float) -> np.ndarray:
    """The first axes each divided by its deviation to the `power` (0: rotation, 1: whitening), total variance 1."""
    scale = np.maximum(deviation[:dimension], deviation[0] * 1e-2) ** -power
    total = np.sqrt(((deviation[:dimension] * scale) ** 2).sum())
    return axes[:dimension] * scale[:, None] / total


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


def source_directions(features: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    """Orthonormal rows that span the differences between the sources' means; none where there is one source."""
    of = np.asarray(sources)
    means = np.stack([features[of == name].mean(0) for name in dict.fromkeys(sources)])
    _, singular, axes = np.linalg.svd(means - means.mean(0), full_matrices=False)
    return axes[: int((singular > 1e-6 * max(singular[0], 1e-12)).sum())] if len(means) > 1 else axes[:0]


def directions(features: np.ndarray, targets: Iterable[Target], strength: float = 0.01) -> np.ndarray:
    """Directions that separate the targets' answers, each target's share of the total variance (1) equal."""
    fitted = (
        fit_logistic(features[target.train], target.train_class, strength)[0] for target in targets if target.usable
    )
    return balanced(features, fitted)


def balanced(features: np.ndarray, weights: Iterable[np.ndarray]) -> np.ndarray:
    """Rows of linear heads [classes, width] as one set of directions; every head has the same share of a total variance
    of 1. What adds alike to all classes is left out."""
    rows = []
    for weight in weights:
        apart = weight[1:] - weight[:1] if len(weight) == 2 else weight - weight.mean(0)
        variance = ((features @ apart.T).std(0) ** 2).sum()
        if variance > 0:
            rows.append(apart / np.sqrt(variance))
    return np.concatenate(rows) / np.sqrt(len(rows)) if rows else np.empty((0, features.shape[1]))


def judge(train: np.ndarray, validation: np.ndarray, targets: Iterable[Target]) -> dict[str, float]:
    """Figures of vectors on validation, means over targets: macro AUC of linear probes, on standardised numbers and on
    the vector as it is; macro P@5 and mAP@10 of retrieval from training images."""
    aucs: list[float] = []
    precisions: dict[str, list[float]] = {"P@5": [], "mAP@10": []}
    for target in targets:
        if not target.usable:
            continue
        x, xv = train[target.train], validation[target.validation]
        standardised = fit_logistic(x, target.train_class, STRENGTHS[1])
        plain = _plain_logistic(x, target.train_class)
        hot = (target.validation_class[:, None] == plain[2][None]).astype(float)
        aucs += [metrics.macro_auc(hot, xv @ weight.T + bias) for weight, bias, _ in (standardised, plain)]
        found = metrics.retrieval(xv, x, target.validation_class, target.train_class)
        for name, values in precisions.items():
            values.append(metrics.mean_over_classes(found[name], target.validation_class))

    def mean(values: list[float]) -> float:
        known = [v for v in values if not np.isnan(v)]
        return float(np.mean(known)) if known else 0.0

    return {"probe": mean(aucs), "retrieval": mean(precisions["P@5"]), "ranking": mean(precisions["mAP@10"])}


def _plain_logistic(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What someone does who knows nothing of these vectors: scikit-learn's own strength, nothing standardised."""
    model = LogisticRegression(max_iter=200).fit(x, y)
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    return weight, bias, model.classes_


def choose(
    train: np.ndarray,
    validation: np.ndarray,
    targets: list[Target],
    dimension: int,
    sources: Sequence[str],
    learnt: Sequence[np.ndarray] = (),
) -> Projection:
    """The candidate with the highest sum of probe, retrieval and ranking on validation.

    Candidates: principal axes of the training features to some power of their deviation, beside supervised directions of
    some weight; with and without the directions that tell the sources apart.

    Args:
        sources: of each training row.
        learnt: weights [classes, width] of the linear heads that the encoder was trained with.
    """
    best: Projection | None = None
    tried: dict[str, dict[str, float]] = {}
    mean = train.mean(0).astype(np.float16).astype(np.float32)
    apart = source_directions(train, sources)
    for without in (False, True) if len(apart) else (False,):
        left_out = apart if without else apart[:0]
        inside = train - mean
        inside = inside - (inside @ left_out.T) @ left_out
        own = balanced(inside, (weight - (weight @ left_out.T) @ left_out for weight in learnt))
        fitted = directions(inside, targets)
        principal_axes = principal(inside)
        for power, weight_of in product(POWERS, SUPERVISED):
            supervised = np.concatenate([own, fitted * weight_of])
            axes = whitening(*principal_axes, max(1, dimension - len(supervised)), power)
            parts = np.concatenate([axes, supervised])[:dimension]
            name = f"whitening {power:g}, supervised {weight_of:g}" + (", without sources" if without else "")
            # rounded as the bundle stores it
            weight = (parts - (parts @ left_out.T) @ left_out).astype(np.float16).astype(np.float32)
            candidate = Projection(mean, weight, name, tried)
            tried[name] = judge(candidate(train), candidate(validation), targets)
            if best is None or sum(tried[name].values()) > sum(tried[best.chosen].values()):
                best = candidate
    if best is None:
        raise AssertionError("there is always a candidate")
    return best
