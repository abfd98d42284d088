"""Measure: a metric as the contributions of single images, so that it can be resampled by patient, kept and recomputed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from versamammo import bootstrap, metrics

Kind = Literal["macro_auc", "macro_mean", "mean", "balanced_accuracy"]


@dataclass(frozen=True)
class Measure:
    """`macro_auc`: target [n, answers] of 0 and 1, score likewise. `macro_mean`: value and class of each image. `mean`: value [n].
    `balanced_accuracy`: class and predicted class."""

    name: str
    source: str
    kind: Kind
    patients: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray | None
    chance: float | None

    @cached_property
    def value(self) -> Callable[[np.ndarray | None], float]:
        """The metric as a function of how often each image counts (None: once)."""
        first, second = self.first, self.second
        if self.kind == "mean":
            return lambda w: float(np.average(first, weights=w)) if w is None or w.sum() else float("nan")
        if second is None:
            raise ValueError(f"{self.name}: a {self.kind} needs two arrays")
        if self.kind == "macro_auc":
            return metrics.ranked_macro_auc(first, second)
        if self.kind == "macro_mean":
            return lambda w: metrics.mean_over_classes(first, second, w)
        return lambda w: metrics.balanced_accuracy(first, second, w)

    @cached_property
    def interval(self) -> bootstrap.Interval:
        """The value and its 95 % interval of 2,000 replicates over patients."""
        return bootstrap.interval(self.value, self.patients)

    def metric(self) -> dict[str, Any] | None:
        """The manifest's Metric; None where the value is undefined."""
        found = self.interval
        if np.isnan(found.value) or np.isnan(found.low):
            return None
        return {
            "name": self.name,
            "source": self.source,
            "split": "test",
            "value": round(found.value, 4),
            "interval": [round(found.low, 4), round(found.high, 4)],
            "replicates": bootstrap.REPLICATES,
            "chance": None if self.chance is None else round(self.chance, 4),
            "images": len(self.patients),
            "patients": len(set(self.patients)),
        }

    def document(self) -> dict[str, Any]:
        """As JSON: numbers rounded to five digits, patients by number."""
        places = {p: i for i, p in enumerate(dict.fromkeys(self.patients))}
        return {
            "name": self.name, "source": self.source, "kind": self.kind, "chance": self.chance,
            "patients": [places[p] for p in self.patients],
            "first": np.round(np.nan_to_num(self.first.astype(float), nan=-1), 5).tolist(),
            "second": None if self.second is None else np.round(self.second.astype(float), 5).tolist(),
        }  # fmt: skip


def measure_of(document: dict[str, Any]) -> Measure:
    """What `document` wrote."""
    first = np.array(document["first"], float)
    if document["kind"] == "macro_mean":
        first[first < 0] = np.nan
    second = None if document["second"] is None else np.array(document["second"], float)
    patients = tuple(str(p) for p in document["patients"])
    return Measure(document["name"], document["source"], document["kind"], patients, first, second, document["chance"])
