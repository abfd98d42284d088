"""Metrics: each a function of arrays, and the contributions of single images to it, so that patients can be resampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


#: How often each image counts: [n], or [replicates, n] of a bootstrap; None: once.
Weight = Array | None
#: A metric of fixed images as a function of how often each counts: a number, or one for each replicate; NaN where it is undefined.
Metric = Callable[[Weight], Any]


def _rows(weight: Weight, n: int) -> Array:
    """Weights as float [replicates, n]."""
    return np.ones((1, n)) if weight is None else np.atleast_2d(weight).astype(float)


def _as_asked(values: Array, weight: Weight) -> Any:
    return values if weight is not None and weight.ndim == 2 else float(values[0])


def _over(a: Array, b: Array) -> Array:
    """a / b; NaN where b is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b > 0, a / b, np.nan)


def _mean_of_known(values: Array) -> Array:
    """Mean over the first axis without NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    return _over(np.where(known, values, 0).sum(0), known.sum(0))


def ranked_auc(positive: Array, score: Array) -> Metric:
    """Area under the ROC curve, ties counted half; NaN without both outcomes. The ranking is done once.

    Args:
        positive: bool [n]; score: float [n].
    """
    order = np.argsort(score, kind="stable")
    known = positive.astype(bool)[order]
    ordered = score[order]
    starts = np.concatenate([[0], np.where(np.diff(ordered) > 0)[0] + 1]).astype(int)

    def value(weight: Weight) -> Any:
        w = _rows(weight, len(score))[:, order]
        p, q = (np.add.reduceat(w * part, starts, axis=1) for part in (known, ~known))
        below = np.cumsum(q, 1) - q / 2
        return _as_asked(_over((p * below).sum(1), p.sum(1) * q.sum(1)), weight)

    return value


def auc(positive: Array, score: Array, weight: Weight = None) -> Any:
    """`ranked_auc` of one weight."""
    return ranked_auc(positive, score)(weight)


def macro_auc(hot: Array, score: Array, weight: Weight = None) -> Any:
    """Mean one-against-rest AUC over the answers with both outcomes. hot, score: [n, answers]; two exclusive answers: the second's."""
    return ranked_macro_auc(hot, score)(weight)


def ranked_macro_auc(hot: Array, score: Array) -> Metric:
    """`macro_auc` as a function of the weight alone."""
    columns = [1] if score.shape[1] == 2 and (hot.sum(1) == 1).all() else range(score.shape[1])
    each = [ranked_auc(hot[:, c], score[:, c]) for c in columns]
    return lambda weight: _as_asked(_mean_of_known(np.stack([np.atleast_1d(f(weight)) for f in each])), weight)


def balanced_accuracy(target: Array, predicted: Array, weight: Weight = None) -> Any:
    """Mean recall over the classes present."""
    return mean_over_classes((target == predicted).astype(float), target, weight)


def mean_over_classes(values: Array, classes: Array, weight: Weight = None) -> Any:
    """Mean of per-image values within each class, then over classes (macro). Images with NaN do not count."""
    w, known = _rows(weight, len(values)), ~np.isnan(values)
    filled = np.where(known, values, 0)
    rows = [known & (classes == c) for c in np.unique(classes[known])]
    means = [_over(w[:, r] @ filled[r], w[:, r].sum(1)) for r in rows]
    return _as_asked(_mean_of_known(np.stack(means)) if means else np.full(len(w), np.nan), weight)


def mean(values: Array, weight: Weight = None) -> Any:
    """Mean of per-image values."""
    w = _rows(weight, len(values))
    return _as_asked(_over(w @ values, w.sum(1)), weight)


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


def expected_calibration_error(confidence: Array, correct: Array, weight: Weight = None, bins: int = 10) -> Any:
    """Mean gap between confidence and accuracy over bins of equal width, weighted by their size."""
    w, place = _rows(weight, len(confidence)), np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = sum(np.abs(w[:, place == b] @ (confidence - correct)[place == b]) for b in np.unique(place))
    return _as_asked(_over(np.asarray(gaps), w.sum(1)), weight)


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


@dataclass(frozen=True)
class Detections:
    """All detections of some images, by descending score: image of each [m], its score, whether it is true; lesions of each image [n]."""

    image: Array
    score: Array
    true: Array
    lesions: Array

    @staticmethod
    def of(per_image: Sequence[tuple[Array, Array, Array]]) -> Detections:
        """per_image: (scores, true, found) as `match` gives them."""
        image = np.repeat(np.arange(len(per_image)), [len(s) for s, _, _ in per_image])
        score = np.concatenate([np.empty(0), *(s for s, _, _ in per_image)])
        true = np.concatenate([np.empty(0), *(t for _, t, _ in per_image)]).astype(bool)
        order = np.argsort(-score, kind="stable")
        return Detections(image[order], score[order], true[order], np.array([len(f) for _, _, f in per_image], float))

    def average_precision(self, weight: Weight = None) -> Any:
        """Area under the interpolated precision–recall curve (all points); NaN without lesions."""
        hit, false, lesions, _ = self._counts(weight)
        precision = hit / np.maximum(hit + false, 1e-12)
        precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
        gained = np.diff(hit, axis=1, prepend=0)
        return _as_asked(_over((gained * precision).sum(1), lesions), weight)

    def sensitivity(self, rate: float, weight: Weight = None) -> Any:
        """Share of lesions found at the lowest threshold with at most `rate` false detections an image (FROC)."""
        hit, false, lesions, images = self._counts(weight)
        found = np.where(false <= rate * images[:, None] + 1e-9, hit, 0).max(1, initial=0)
        return _as_asked(_over(found, lesions), weight)

    def threshold(self, rate: float) -> float:
        """The score that false detections beyond `rate` an image do not exceed; 0 where there are fewer."""
        false, allowed = self.score[~self.true], int(np.floor(rate * len(self.lesions) + 1e-9))
        return float(false[allowed]) if allowed < len(false) else 0.0

    def _counts(self, weight: Weight) -> tuple[Array, Array, Array, Array]:
        """True and false detections down to each [replicates, m]; lesions and images in all [replicates]."""
        w = _rows(weight, len(self.lesions))
        each = w[:, self.image]
        return np.cumsum(each * self.true, 1), np.cumsum(each * ~self.true, 1), w @ self.lesions, w.sum(1)
