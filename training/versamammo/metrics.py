"""Metrics: each a function of arrays, and the contributions of single images to it, so that patients can be resampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import rankdata

Array = np.ndarray


def ranked_auc(positive: Array, score: Array) -> Callable[[Array | None], float]:
    """`auc` as a function of the weight alone: the ranking is done once, for many bootstrap replicates."""
    known = positive.astype(bool)
    rank = rankdata(score, "dense").astype(int) - 1

    def value(weight: Array | None) -> float:
        w = np.ones(len(score)) if weight is None else weight.astype(float)
        p, q = w * known, w * ~known
        if p.sum() == 0 or q.sum() == 0:
            return float("nan")
        below = np.bincount(rank, q)
        less = np.concatenate([[0.0], np.cumsum(below)[:-1]])
        return float((p * (less[rank] + 0.5 * below[rank])).sum() / (p.sum() * q.sum()))

    return value


def auc(positive: Array, score: Array, weight: Array | None = None) -> float:
    """Area under the ROC curve, ties counted half; NaN without both outcomes.

    Args:
        positive: bool [n]; score: float [n]; weight: how often each image counts [n] (a bootstrap replicate), or None.
    """
    return ranked_auc(positive, score)(weight)


def macro_auc(hot: Array, score: Array, weight: Array | None = None) -> float:
    """Mean one-against-rest AUC over the answers with both outcomes. hot, score: [n, answers]; two exclusive answers: the second's."""
    return ranked_macro_auc(hot, score)(weight)


def ranked_macro_auc(hot: Array, score: Array) -> Callable[[Array | None], float]:
    """`macro_auc` as a function of the weight alone."""
    columns = [1] if score.shape[1] == 2 and (hot.sum(1) == 1).all() else range(score.shape[1])
    each = [ranked_auc(hot[:, c], score[:, c]) for c in columns]

    def value(weight: Array | None) -> float:
        known = [v for v in (f(weight) for f in each) if not np.isnan(v)]
        return float(np.mean(known)) if known else float("nan")

    return value


def balanced_accuracy(target: Array, predicted: Array, weight: Array | None = None) -> float:
    """Mean recall over the classes present."""
    w = np.ones(len(target)) if weight is None else weight.astype(float)
    recalls = [
        (w * (target == c) * (predicted == c)).sum() / (w * (target == c)).sum()
        for c in np.unique(target)
        if (w * (target == c)).sum() > 0
    ]
    return float(np.mean(recalls)) if recalls else float("nan")


def mean_over_classes(values: Array, classes: Array, weight: Array | None = None) -> float:
    """Mean of per-query values within each class, then over classes (macro). Queries with NaN do not count."""
    known = ~np.isnan(values)
    w = np.ones(len(values)) if weight is None else weight.astype(float)
    means = []
    for c in np.unique(classes[known]):
        rows = known & (classes == c)
        if w[rows].sum() > 0:
            means.append((w[rows] * values[rows]).sum() / w[rows].sum())
    return float(np.mean(means)) if means else float("nan")


def retrieval(
    queries: Array, archive: Array, query_class: Array, archive_class: Array, depth: int = 10
) -> dict[str, Array]:
    """Per query: precision at 5, average precision and nDCG at `depth`, and chance (the class's share of the archive).

    Args:
        queries: [q, d], archive: [a, d], unit vectors; classes: int [q], [a]. Relevant: equal class.
    """
    similarity = queries @ archive.T
    k = min(depth, archive.shape[0])
    top = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    hits = (archive_class[top] == query_class[:, None]).astype(float)
    total = np.array([(archive_class == c).sum() for c in query_class])
    discount = 1 / np.log2(np.arange(2, k + 2))
    precision = np.cumsum(hits, 1) / np.arange(1, k + 1)
    best = np.minimum(total, k)
    ideal = np.array([discount[:n].sum() for n in best])
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "P@5": np.where(total > 0, hits[:, :5].mean(1), np.nan),
            f"mAP@{depth}": np.where(total > 0, (hits * precision).sum(1) / best, np.nan),
            f"nDCG@{depth}": np.where(total > 0, (hits * discount).sum(1) / ideal, np.nan),
            "chance": total / len(archive_class),
        }


def expected_calibration_error(confidence: Array, correct: Array, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over bins of equal width, weighted by their size."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[place == b].mean() - correct[place == b].mean()) * (place == b).mean() for b in np.unique(place)
    ]
    return float(sum(gaps))


def dice(a: Array, b: Array) -> float:
    """2 |a ∧ b| / (|a| + |b|); 1 where both are empty."""
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else 1.0


def overlaps(boxes: Array, others: Array) -> Array:
    """Intersection over union of every pair, [n, m]; boxes [n, 4] as x0, y0, x1, y1."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)[:, None] + (others[:, 2:] - others[:, :2]).prod(1)[None]
    return inside / np.maximum(area - inside, 1e-9)


def match(boxes: Array, scores: Array, truth: Array, overlap: float = 0.5) -> tuple[Array, Array]:
    """Greedy matching by descending score: which detections are true [n], and the score at which each truth is found [m] (−inf: never)."""
    true, found = np.zeros(len(boxes), bool), np.full(len(truth), -np.inf)
    if len(boxes) == 0 or len(truth) == 0:
        return true, found
    iou = overlaps(boxes, truth)
    for i in np.argsort(-scores, kind="stable"):
        free = np.where((iou[i] >= overlap) & np.isinf(found))[0]
        if len(free):
            best = free[np.argmax(iou[i, free])]
            found[best], true[i] = scores[i], True
    return true, found


def average_precision(scores: Array, true: Array, truths: int) -> float:
    """Area under the interpolated precision–recall curve (all points)."""
    if truths == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hit = np.cumsum(true[order])
    precision = hit / np.arange(1, len(order) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1] if len(order) else precision
    recall = hit / truths
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision)) if len(order) else 0.0


def froc(per_image: Sequence[tuple[Array, Array, Array]], rates: Sequence[float]) -> list[float]:
    """Sensitivity at each number of false positives an image.

    Args:
        per_image: (scores [n], true [n], found [m]) as `match` gives them.
    """
    images = len(per_image)
    false = np.sort(np.concatenate([s[~t] for s, t, _ in per_image]))[::-1] if images else np.array([])
    found = np.concatenate([f for _, _, f in per_image]) if images else np.array([])
    if len(found) == 0:
        return [float("nan")] * len(rates)
    result = []
    for rate in rates:
        allowed = int(np.floor(rate * images + 1e-9))
        threshold = false[allowed] if allowed < len(false) else -np.inf
        result.append(float(((found > threshold) & ~np.isinf(found)).mean()))
    return result
