"""Gate: how much the neighbours' vote weighs beside the head; the arithmetic of the manifest's `Answers`, and its fit.

A topic's gate is shut where the combined answer is worse than the head on patients whom the fit did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from scipy.optimize import minimize

from versamammo import metrics
from versamammo.calibration import sigmoid, softmax

#: Bias of a topic whose neighbours do not count: a weight of 1e-9.
SHUT = -20.0
FOLDS = 5


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
    patient: str
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


@dataclass(frozen=True)
class Gain:
    """What neighbours add on patients whom the gate's fit left out."""

    #: Mean over patients of the fall in loss (nats), and its standard error.
    nats: float
    error: float
    #: Rise of balanced accuracy (of several answers: of accuracy by label).
    accuracy: float

    @property
    def harmful(self) -> bool:
        """Worse by more than the standard error. Elsewhere the fit's small weights do no harm, and cases that their owner
        labelled, which no validation here knows, have a say."""
        return self.nats < -self.error


def fit(samples: Sequence[Sample], topics: Sequence[str], neighbours: int) -> tuple[Gate, dict[str, Gain]]:
    """The gate of least mean loss over topics on validation, and what it gains on patients held out.

    Vote temperature and smoothing by search, weights with a small L2. A topic whose neighbours do harm is shut, and the
    others are fitted again.
    """
    gate, _ = min(
        (_fitted(samples, topics, neighbours, t, s) for t, s in product(TEMPERATURES, SMOOTHINGS)), key=lambda f: f[1]
    )
    gains = _held_out_gains(samples, topics, gate)
    open_ = [name for name in topics if not gains[name].harmful]
    shut = {name: SHUT for name in topics}
    if not open_:
        return replace(gate, weights=(0.0, 0.0, 0.0, 0.0), bias=shut), gains
    kept = [s for s in samples if s.topic in open_]
    again, _ = _fitted(kept, open_, neighbours, gate.vote_temperature, gate.smoothing)
    return replace(again, bias={**shut, **again.bias}), gains


TEMPERATURES, SMOOTHINGS = (0.02, 0.05, 0.1, 0.2), (0.3, 1.0, 3.0)


def _fitted(
    samples: Sequence[Sample], topics: Sequence[str], neighbours: int, temperature: float, smoothing: float
) -> tuple[Gate, float]:
    parts = [_stack([s for s in samples if s.topic == name], temperature, smoothing) for name in topics]
    start = np.concatenate([np.zeros(4), np.full(len(topics), -1.0)])
    found = minimize(_mean_loss, start, args=(parts,), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    w = [float(v) for v in found.x[:4]]
    bias = {name: float(found.x[4 + i]) for i, name in enumerate(topics)}
    return Gate((w[0], w[1], w[2], w[3]), bias, neighbours, temperature, smoothing), float(found.fun)


def _held_out_gains(samples: Sequence[Sample], topics: Sequence[str], gate: Gate) -> dict[str, Gain]:
    """Each patient by a gate that was fitted without him."""
    patients = sorted({s.patient for s in samples})
    order = np.random.default_rng(0).permutation(len(patients))
    fold = {patients[p]: i % FOLDS for i, p in enumerate(order)}
    both: dict[str, list[tuple[Sample, np.ndarray]]] = {name: [] for name in topics}
    for k in range(FOLDS):
        seen = [s for s in samples if fold[s.patient] != k]
        fitted, _ = _fitted(seen, topics, gate.neighbours, gate.vote_temperature, gate.smoothing)
        for s in (s for s in samples if fold[s.patient] == k):
            both[s.topic].append((s, answer(fitted, s)[0]))
    return {name: _gain(found) for name, found in both.items()}


def _gain(found: Sequence[tuple[Sample, np.ndarray]]) -> Gain:
    if not found:
        return Gain(0.0, 0.0, 0.0)
    multilabel = found[0][0].multilabel
    truth = np.stack([s.truth for s, _ in found])
    head, both = np.stack([s.head for s, _ in found]), np.stack([p for _, p in found])
    fall = loss(head, truth, multilabel) - loss(both, truth, multilabel)
    of = np.unique([s.patient for s, _ in found], return_inverse=True)[1]
    means = np.bincount(of, fall) / np.bincount(of)
    error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else float("inf")

    def accuracy(p: np.ndarray) -> float:
        if multilabel:
            return float(((p >= 0.5) == (truth > 0.5)).mean())
        return metrics.balanced_accuracy(truth.argmax(1), p.argmax(1))

    return Gain(float(means.mean()), error, accuracy(both) - accuracy(head))


def answer(gate: Gate, s: Sample) -> tuple[np.ndarray, Vote]:
    """The combined probabilities of one sample, and its vote."""
    found = vote(s.similarity, s.says, s.prior, gate.vote_temperature, gate.smoothing, s.multilabel)
    weight = gate.weight(s.topic, s.head, found, s.multilabel)
    return combine(s.head, found.shares, weight, s.multilabel), found


@dataclass(frozen=True)
class _Part:
    """One topic's samples as arrays: gate inputs [n, 4], whether anybody votes [n], head, shares, truth [n, labels]."""

    inputs: np.ndarray
    some: np.ndarray
    head: np.ndarray
    shares: np.ndarray
    truth: np.ndarray
    multilabel: bool

    @property
    def apart(self) -> np.ndarray:
        """Logits of the vote minus those of the head, [n, labels]."""
        p, q = np.clip(self.head, 1e-7, 1 - 1e-7), np.clip(self.shares, 1e-7, 1 - 1e-7)
        gap = np.log(q) - np.log(p)
        return gap - (np.log1p(-q) - np.log1p(-p)) if self.multilabel else gap


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


def _mean_loss(theta: np.ndarray, parts: Sequence[_Part | None]) -> tuple[float, np.ndarray]:
    """Mean over topics of the mean loss, with its gradient."""
    pull = np.concatenate([2e-3 * theta[:4], 2e-4 * (theta[4:] + 1)])
    total = 1e-3 * float(theta[:4] @ theta[:4]) + 1e-4 * float(((theta[4:] + 1) ** 2).sum())
    for i, part in enumerate(parts):
        if part is None:
            continue
        w = sigmoid(part.inputs @ theta[:4] + theta[4 + i]) * part.some
        p = combine(part.head, part.shares, w, part.multilabel)
        total += float(loss(p, part.truth, part.multilabel).mean()) / len(parts)
        # d loss / d w = Σ (p − truth) · (what the vote adds to each logit); d w / d z = w (1 − w)
        by_weight = (p - part.truth) * part.apart
        slope = (by_weight.mean(1) if part.multilabel else by_weight.sum(1)) * w * (1 - w) / len(p) / len(parts)
        pull[:4] += slope @ part.inputs
        pull[4 + i] += slope.sum()
    return total, pull
