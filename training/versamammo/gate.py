"""Gate: how much the neighbours' vote weighs beside the head; the arithmetic of the manifest's `Answers`, and its fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from scipy.optimize import minimize

from versamammo.calibration import sigmoid, softmax


@dataclass(frozen=True)
class Vote:
    """What neighbours say of one image and topic: shares smoothed by the prior, best similarity, number of voters."""

    shares: np.ndarray
    best: float
    voters: int


def vote(
    similarity: np.ndarray, says: np.ndarray, prior: np.ndarray, temperature: float, smoothing: float, multilabel: bool
) -> Vote:
    """Similarity-weighted vote of the neighbours that carry the topic's label.

    Args:
        similarity: [v], descending or not; says: [v, labels] of 0 and 1; prior: [labels].
    """
    if len(similarity) == 0:
        return Vote(prior.copy(), 0.0, 0)
    weight = np.exp((similarity - 1) / temperature)
    total = weight.sum()
    shares = (weight @ says + smoothing * prior) / (total + smoothing)
    if not multilabel:
        shares = shares / shares.sum()
    return Vote(shares, float(similarity.max()), len(similarity))


def entropy(p: np.ndarray, multilabel: bool) -> float:
    """In nats divided by ln(labels); of several answers the mean of the binary ones, each divided by ln 2."""
    p = np.clip(p, 1e-7, 1)
    if multilabel:
        q = np.clip(1 - p, 1e-7, 1)
        return float(-(p * np.log(p) + q * np.log(q)).mean() / np.log(2))
    return float(-(p * np.log(p)).sum() / np.log(max(2, len(p))))


@dataclass(frozen=True)
class Gate:
    """w = sigmoid(bias + weights · [best similarity, ln(1 + voters), entropy of head, entropy of vote])."""

    weights: tuple[float, float, float, float]
    bias: dict[str, float] = field(default_factory=dict)
    neighbours: int = 20
    vote_temperature: float = 0.1
    smoothing: float = 1.0

    def weight(self, topic: str, head: np.ndarray, found: Vote, multilabel: bool) -> float:
        """The neighbours' weight, 0 where nobody votes."""
        if found.voters == 0:
            return 0.0
        z = self.bias[topic] + float(np.dot(self.weights, inputs(head, found, multilabel)))
        return float(sigmoid(np.array(z)))


def inputs(head: np.ndarray, found: Vote, multilabel: bool) -> np.ndarray:
    return np.array([found.best, np.log1p(found.voters), entropy(head, multilabel), entropy(found.shares, multilabel)])


def combine(head: np.ndarray, shares: np.ndarray, weight: float | np.ndarray, multilabel: bool) -> np.ndarray:
    """softmax((1 − w) ln head + w ln vote), or the same for each label between present and absent. Rows or one row."""
    w = np.asarray(weight)[..., None] if np.ndim(weight) else weight
    p, q = np.clip(head, 1e-7, 1 - 1e-7), np.clip(shares, 1e-7, 1 - 1e-7)
    if multilabel:
        return sigmoid((1 - w) * np.log(p / (1 - p)) + w * np.log(q / (1 - q)))
    return softmax((1 - w) * np.log(p) + w * np.log(q))


@dataclass(frozen=True)
class Sample:
    """One validation image and topic: the head's probabilities, its neighbours' similarities and labels, the truth."""

    topic: str
    multilabel: bool
    head: np.ndarray
    similarity: np.ndarray
    says: np.ndarray
    prior: np.ndarray
    truth: np.ndarray


def loss(probability: np.ndarray, truth: np.ndarray, multilabel: bool) -> np.ndarray:
    """Negative log likelihood of each row in nats; of several answers the mean over them."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    if multilabel:
        return -(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean(1)
    return -(truth * np.log(p)).sum(1)


def fit(samples: Sequence[Sample], topics: Sequence[str], neighbours: int) -> Gate:
    """The gate of least mean loss over topics on validation. Vote temperature and smoothing by search, weights with a small L2."""
    groups = [[s for s in samples if s.topic == name] for name in topics]
    best: tuple[float, Gate] | None = None
    for temperature, smoothing in product((0.02, 0.05, 0.1, 0.2), (0.3, 1.0, 3.0)):
        parts = [_stack(group, temperature, smoothing) for group in groups]
        start = np.concatenate([np.zeros(4), np.full(len(topics), -1.0)])
        found = minimize(_mean_loss, start, args=(parts,), method="L-BFGS-B", options={"maxiter": 40})
        if best is None or found.fun < best[0]:
            w = [float(v) for v in found.x[:4]]
            bias = {name: float(found.x[4 + i]) for i, name in enumerate(topics)}
            best = (float(found.fun), Gate((w[0], w[1], w[2], w[3]), bias, neighbours, temperature, smoothing))
    if best is None:
        raise AssertionError("there is always a candidate")
    return best[1]


@dataclass(frozen=True)
class _Part:
    """One topic's samples as arrays: gate inputs [n, 4], whether anybody votes [n], head, shares, truth [n, labels]."""

    inputs: np.ndarray
    some: np.ndarray
    head: np.ndarray
    shares: np.ndarray
    truth: np.ndarray
    multilabel: bool


def _stack(group: Sequence[Sample], temperature: float, smoothing: float) -> _Part | None:
    if not group:
        return None
    votes = [vote(s.similarity, s.says, s.prior, temperature, smoothing, s.multilabel) for s in group]
    return _Part(
        np.stack([inputs(s.head, v, s.multilabel) for s, v in zip(group, votes, strict=True)]),
        np.array([v.voters > 0 for v in votes]),
        np.stack([s.head for s in group]),
        np.stack([v.shares for v in votes]),
        np.stack([s.truth for s in group]),
        group[0].multilabel,
    )


def _mean_loss(theta: np.ndarray, parts: Sequence[_Part | None]) -> float:
    total = 1e-3 * float(theta[:4] @ theta[:4]) + 1e-4 * float(((theta[4:] + 1) ** 2).sum())
    for i, part in enumerate(parts):
        if part is not None:
            w = sigmoid(part.inputs @ theta[:4] + theta[4 + i]) * part.some
            p = combine(part.head, part.shares, w, part.multilabel)
            total += float(loss(p, part.truth, part.multilabel).mean()) / len(parts)
    return total
