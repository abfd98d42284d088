"""Bootstrap: intervals by resampling patients, seeded; differences are paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from versamammo.metrics import Metric

REPLICATES = 2000


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float


def clusters(patients: Sequence[str]) -> np.ndarray:
    """Number of each image's patient, by first appearance: the same however patients are called. int [images]."""
    number = {name: i for i, name in enumerate(dict.fromkeys(patients))}
    return np.array([number[p] for p in patients], int)


def weights(patients: Sequence[str], replicates: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """How often each image counts in each replicate, int16 [replicates, images]: whole patients are drawn with replacement."""
    of = clusters(patients)
    count = int(of.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(count, np.full(count, 1 / max(1, count)), size=replicates)
    return counts[:, of].astype(np.int16)


def interval(metric: Metric, patients: Sequence[str], replicates: int = REPLICATES, seed: int = 0) -> Interval:
    """`metric(None)`, and its 95 % percentile interval over patients from `metric(weights)`, one value for each replicate.

    Replicates without a value (one class only) are left out.
    """
    values = metric(weights(patients, replicates, seed))
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    return Interval(metric(None), float(low), float(high))


def difference(a: Metric, b: Metric, patients: Sequence[str], replicates: int = REPLICATES, seed: int = 0) -> Interval:
    """a − b on the same replicates."""
    return interval(lambda w: a(w) - b(w), patients, replicates, seed)
