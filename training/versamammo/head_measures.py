"""Measures of a bundle's own heads on test patients: classification with calibration, lesions with false positives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from versamammo import calibration, metrics
from versamammo.config import Config, Heads, head_tasks, section
from versamammo.data import PreparedDataset, task_targets
from versamammo.decoder import decode, lesion_targets
from versamammo.graphs import session
from versamammo.heads import hot
from versamammo.measures import Measure, of_detections
from versamammo.metrics import Detections
from versamammo.served import Served
from versamammo.store import ObjectStore
from versamammo.vector_measures import keys

#: False positives an image at which sensitivity is reported.
RATES = (0.25, 0.5, 1.0, 2.0)


def head_measures(
    config: Config, manifest: dict[str, Any], store: ObjectStore, data: PreparedDataset, served: Served
) -> Iterator[Measure]:
    """The classification heads as they ship, per source: AUC, and of exclusive answers calibration error and thresholds."""
    for head in (h for h in manifest["heads"] if h["kind"] == "classification"):
        task = head_tasks(config).get(head["name"])
        if task is None:
            continue
        ready = session(store.get(head["file"]) or b"")
        logits = ready.run(None, {head["inputs"]["vector"]: served.vectors})[0]
        p = calibration.probabilities(logits, head["activation"], head["temperature"])
        y, known = (t.numpy() for t in task_targets(data.cases, task))
        for source in data.sources:
            rows = np.array([i for i, c in enumerate(data.cases) if known[i] and c.dataset == source], int)
            if len(rows) < 2:
                continue
            name, truth, patients = head["name"], hot(y[rows], task), keys([data.cases[i] for i in rows])
            yield Measure(f"{name} AUC", source, "macro_auc", patients, truth, p[rows], 0.5)
            if task.multilabel:
                continue
            right = (p[rows].argmax(1) == truth.argmax(1)).astype(float)
            yield Measure(f"{name} calibration error", source, "calibration", patients, p[rows].max(1), right, None)
            if len(head["labels"]) == 2:
                for point in head["thresholds"]:
                    yield from _at_threshold(name, source, patients, truth, p[rows], point, head["labels"])


def _at_threshold(
    name: str, source: str, patients: tuple[str, ...], truth: np.ndarray, p: np.ndarray, point: dict[str, Any],
    labels: list[str],
) -> Iterator[Measure]:  # fmt: skip
    """Sensitivity and specificity at one of the head's thresholds, chosen on validation."""
    j = labels.index(point["label"])
    above, positive = (p[:, j] >= point["threshold"]).astype(float), truth[:, j] > 0.5
    for what, rows, value in (("sensitivity", positive, above), ("specificity", ~positive, 1 - above)):
        if rows.any():
            chosen = tuple(k for k, r in zip(patients, rows, strict=True) if r)
            yield Measure(
                f"{name} {what} at “{point['operatingPoint']}”", source, "mean", chosen, value[rows], None, None
            )


def lesion_measures(
    config: Config, manifest: dict[str, Any], store: ObjectStore, data: PreparedDataset, served: Served
) -> Iterator[Measure]:
    """Dice, mAP@0.5 and sensitivity of marked lesions, all and by size.

    Apart: false positives on images without cancer, and detections on sources whose lesions are marked as something else.
    """
    how = section(config, "heads", Heads)
    if not how.lesions:
        return
    entries = {h["name"]: h for h in manifest["heads"] if h["kind"] != "classification"}
    ready = session(store.get("heads/lesions.onnx") or b"")
    names = [o.name for o in ready.get_outputs()]
    targets = lesion_targets(data.cases, config, how)
    for j, (label, lesions) in enumerate(how.lesions.items()):
        detector, segmenter = entries[f"{label}_detection"], entries[f"{label}_segmentation"]
        own: list[int] = []
        dices, found, sizes = [], [], []
        elsewhere: dict[tuple[str, str], tuple[list[str], list[float]]] = {}
        for i, case in enumerate(data.cases):
            without = case.labels.get("cancer") is False and targets.label[i] < 0
            foreign = targets.label[i] >= 0 and targets.label[i] != j
            if targets.label[i] < 0 and not without:
                continue  # lesions of this image are not marked
            maps = {
                inner: served.maps[outer][i : i + 1].astype(np.float32) for outer, inner in detector["inputs"].items()
            }
            out = dict(zip(names, ready.run(None, maps), strict=True))
            boxes, scores = decode(
                out[f"{label}_scores"][0, 0], out[f"{label}_distances"][0], 0.005, detector["temperature"],
                detector["overlapLimit"], detector["maximum"],
            )  # fmt: skip
            if without or foreign:
                what = (
                    ("false positives an image", f"{case.dataset}, no cancer")
                    if without
                    else ("detections an image", case.dataset)
                )
                patients, counts = elsewhere.setdefault(what, ([], []))
                patients.append(f"{case.dataset}/{case.patient}")
                counts.append(float((scores >= detector["scoreThreshold"]).sum()))
                continue
            mask = 1 / (1 + np.exp(-out[f"{label}_mask"][0, 0])) >= segmenter["threshold"]
            own.append(i)
            dices.append(metrics.dice(mask, targets.masks[i] >= 0.5))
            found.append((boxes, scores))
            sizes.append((targets.boxes[i][:, 2:] - targets.boxes[i][:, :2]).prod(1))
        if not own:
            continue
        source, patients_ = lesions.sources[0], keys([data.cases[i] for i in own])
        cut = float(np.median(np.concatenate(sizes)))
        for part, low, high in (("", -1.0, np.inf), (", smaller half", -1.0, cut), (", larger half", cut, np.inf)):
            asked = [(s > low) & (s <= high) for s in sizes]
            rows = [k for k, a in enumerate(asked) if a.any()]
            yield Measure(
                f"{label} Dice{part}",
                source,
                "mean",
                tuple(patients_[k] for k in rows),
                np.array(dices)[rows],
                None,
                None,
            )
            all_ = Detections.of([_judged(*found[k], targets.boxes[own[k]], asked[k]) for k in range(len(own))])
            yield of_detections(f"{label} mAP@0.5{part}", source, patients_, all_)
            for rate in RATES:
                yield of_detections(
                    f"{label} sensitivity at {rate:g} false positives an image{part}", source, patients_, all_, rate
                )
        for (what, of), (of_patients, counts) in elsewhere.items():
            yield Measure(f"{label} {what}", of, "mean", tuple(of_patients), np.array(counts), None, None)


def _judged(
    boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`match` for some of an image's lesions: detections of the others are neither true nor false."""
    _, others = metrics.match(boxes, scores, truth[~asked], 0.5)
    true, found = metrics.match(boxes, scores, truth[asked], 0.5)
    elsewhere = np.isin(scores, others[~np.isinf(others)]) & ~true
    return scores[~elsewhere], true[~elsewhere], found
