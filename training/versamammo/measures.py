"""Measure: a metric as the contributions of single images, so that it can be resampled by patient, kept and recomputed."""

from __future__ import annotations

from dataclasses import dataclass
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

    def value(self, weight: np.ndarray | None = None) -> float:
        if self.kind == "macro_auc":
            return metrics.macro_auc(self.first, _given(self.second), weight)
        if self.kind == "macro_mean":
            return metrics.mean_over_classes(self.first, _given(self.second), weight)
        if self.kind == "balanced_accuracy":
            return metrics.balanced_accuracy(self.first, _given(self.second), weight)
        w = np.ones(len(self.first)) if weight is None else weight
        return float((w * self.first).sum() / w.sum()) if w.sum() else float("nan")

    def interval(self, replicates: int = bootstrap.REPLICATES) -> bootstrap.Interval:
        return bootstrap.interval(self.value, self.patients, replicates)

    def metric(self, replicates: int = bootstrap.REPLICATES) -> dict[str, Any] | None:
        """The manifest's Metric; None where the value is undefined."""
        found = self.interval(replicates)
        if np.isnan(found.value) or np.isnan(found.low):
            return None
        return {
            "name": self.name,
            "source": self.source,
            "split": "test",
            "value": round(found.value, 4),
            "interval": [round(found.low, 4), round(found.high, 4)],
            "replicates": replicates,
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


def _given(value: np.ndarray | None) -> np.ndarray:
    if value is None:
        raise ValueError("this measure needs two arrays")
    return value
