"""Bootstrap: intervals by resampling patients, seeded; differences are paired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

REPLICATES = 2000


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float


def weights(patients: Sequence[str], replicates: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """How often each image counts in each replicate, int16 [replicates, images]: whole patients are drawn with replacement."""
    names, of = np.unique(np.asarray(patients), return_inverse=True)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=replicates)
    return counts[:, of].astype(np.int16)


def interval(
    metric: Callable[[np.ndarray | None], float], patients: Sequence[str], replicates: int = REPLICATES, seed: int = 0
) -> Interval:
    """`metric(weight)` on all images, and its 95 % percentile interval over patients.

    Replicates without a value (one class only) are left out.
    """
    values = np.array([metric(w) for w in weights(patients, replicates, seed)])
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    return Interval(metric(None), float(low), float(high))


def difference(
    a: Callable[[np.ndarray | None], float],
    b: Callable[[np.ndarray | None], float],
    patients: Sequence[str],
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """a − b on the same replicates."""
    return interval(lambda w: a(w) - b(w), patients, replicates, seed)
