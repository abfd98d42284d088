"""Measure: a metric as the contributions of single images, so that it can be resampled by patient, kept and recomputed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from versamammo import bootstrap, metrics

Kind = Literal[
    "macro_auc", "macro_mean", "mean", "balanced_accuracy", "calibration", "average_precision", "sensitivity"
]


@dataclass(frozen=True)
class Measure:
    """A figure of n images, by kind what `first` and `second` hold:

    macro_auc: target [n, answers] of 0 and 1; score likewise. macro_mean: value; class. mean: value; nothing.
    balanced_accuracy: class; predicted class. calibration: confidence; whether right.
    average_precision, sensitivity (at `rate` false detections an image): lesions of each image; detections [m, 3] as image, score, true.
    """

    name: str
    source: str
    kind: Kind
    patients: tuple[str, ...]
    first: np.ndarray
    second: np.ndarray | None
    chance: float | None
    rate: float | None = None

    @cached_property
    def value(self) -> metrics.Metric:
        """The metric as a function of how often each image counts."""
        first, second = self.first, self.second
        if self.kind == "mean":
            return lambda w: metrics.mean(first, w)
        if second is None:
            raise ValueError(f"{self.name}: a {self.kind} needs two arrays")
        if self.kind == "macro_auc":
            return metrics.ranked_macro_auc(first, second)
        if self.kind == "macro_mean":
            return lambda w: metrics.mean_over_classes(first, second, w)
        if self.kind == "calibration":
            return lambda w: metrics.expected_calibration_error(first, second, w)
        if self.kind == "balanced_accuracy":
            return lambda w: metrics.balanced_accuracy(first, second, w)
        found, rate = metrics.Detections(second[:, 0].astype(int), second[:, 1], second[:, 2] > 0, first), self.rate
        return found.average_precision if rate is None else lambda w: found.sensitivity(rate, w)

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
            "name": self.name, "source": self.source, "kind": self.kind, "chance": self.chance, "rate": self.rate,
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
    if document["kind"] in ("average_precision", "sensitivity"):
        second = np.empty((0, 3)) if second is None else second.reshape(-1, 3)
    patients = tuple(str(p) for p in document["patients"])
    return Measure(
        document["name"], document["source"], document["kind"], patients, first, second, document["chance"], document["rate"]
    )  # fmt: skip


def of_detections(
    name: str, source: str, patients: tuple[str, ...], found: metrics.Detections, rate: float | None = None
) -> Measure:
    """Average precision; with `rate` the sensitivity there."""
    kind: Kind = "average_precision" if rate is None else "sensitivity"
    second = np.stack([found.image, found.score, found.true], 1).astype(float)
    return Measure(name, source, kind, patients, found.lesions, second, None, rate)
