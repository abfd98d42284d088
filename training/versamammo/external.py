"""External: a bundle on a prepared set that nothing was trained on, beside the baselines under the same protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from sklearn.model_selection import StratifiedGroupKFold

from versamammo import baselines, bootstrap, calibration, metrics
from versamammo.config import Config
from versamammo.data import SPLITS, PreparedDataset, patient_hashes
from versamammo.errors import TrainingError
from versamammo.measures import Measure
from versamammo.projection import STRENGTHS, fit_logistic
from versamammo.served import serve
from versamammo.store import ObjectStore
from versamammo.vector_measures import SPOKEN, Sets, keys

FOLDS = 5
#: Fields of Labels with one answer an image.
FIELDS = ("pathology", "cancer", "density", "miasDensity", "birads")
#: An answer that fewer patients than this carry is left out.
FEW = 10


def report(
    config: Config, manifest: dict[str, Any], store: ObjectStore, sets: Sets, uri: str, device: torch.device
) -> tuple[str, dict[str, list[Measure]]]:
    """A Markdown table of a prepared set, all its splits together, and its rows.

    Linear probe and cosine retrieval in five folds by patient, on vectors as they are: the bundle's projection was
    fitted elsewhere, and so are the baselines'. TrainingError `saw-test-patient` for a set that was trained on.
    """
    data = PreparedDataset([uri], SPLITS, config.input, False)
    name = manifest["training"]["patientHashesFile"]
    if set((store.get(name) or b"").decode().split()) & set(patient_hashes(data.cases)):
        raise TrainingError("saw-test-patient", f"The bundle was trained on patients of {uri}: it is not external.")
    every: Sets = {"train": sets["train"], "validation": sets["validation"], "external": data}
    encoded = {
        "bundle": serve(config, manifest, store, data).vectors,
        "pixels + PCA": baselines.pixels(every).vectors["external"],
    }
    try:
        frozen = baselines.imagenet(config, manifest["encoder"]["backbone"], every, device)
        encoded["ImageNet, frozen"] = frozen.vectors["external"]
    except TrainingError as error:
        print(f"No ImageNet row: {error}")
    rows = {n: list(measures(data, vectors)) for n, vectors in encoded.items()}
    return _table(uri, rows), rows


def measures(data: PreparedDataset, vectors: np.ndarray) -> Iterator[Measure]:
    """Of every field that two answers are known of."""
    for field in FIELDS:
        known = [(i, str(c.labels[field])) for i, c in enumerate(data.cases) if c.labels.get(field) is not None]
        patients: dict[str, set[str]] = {}
        for i, answer in known:
            patients.setdefault(answer, set()).add(data.cases[i].patient)
        names = sorted(a for a, of in patients.items() if len(of) >= FEW)
        if len(names) < 2:
            continue
        chosen = [(i, names.index(a)) for i, a in known if a in names]
        rows, classes = np.array([i for i, _ in chosen]), np.array([c for _, c in chosen])
        yield from _in_folds(
            SPOKEN.get(field, field), data.sources[0], keys([data.cases[i] for i in rows]), vectors[rows], classes
        )


def folds(patients: tuple[str, ...], classes: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Fold of each image: whole patients, each fold with its share of every answer."""
    fold = np.zeros(len(classes), int)
    split = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(classes, classes, list(patients))
    for k, (_, out) in enumerate(split):
        fold[out] = k
    return fold


def _in_folds(
    name: str, source: str, patients: tuple[str, ...], vectors: np.ndarray, classes: np.ndarray
) -> Iterator[Measure]:
    count = int(classes.max()) + 1
    fold = folds(patients, classes, FOLDS)
    score = np.zeros((len(classes), count))
    found = {m: np.full(len(classes), np.nan) for m in ("P@5", "mAP@10", "nDCG@10", "chance")}
    for k in range(FOLDS):
        out, rest = np.where(fold == k)[0], np.where(fold != k)[0]
        strength = _strength(vectors[rest], classes[rest], tuple(patients[i] for i in rest))
        weight, bias, seen = fit_logistic(vectors[rest], classes[rest], strength)
        # ranks: the scores of two folds come from two probes, and are compared only by their place among their own
        score[np.ix_(out, seen)] = rankdata(calibration.softmax(vectors[out] @ weight.T + bias), axis=0) / (
            len(out) + 1
        )
        for m, values in metrics.retrieval(vectors[out], vectors[rest], classes[out], classes[rest]).items():
            found[m][out] = values
    yield Measure(f"{name} AUC, probe", source, "macro_auc", patients, np.eye(count)[classes], score, 0.5)
    chance = metrics.mean_over_classes(found["chance"], classes)
    for m in ("P@5", "mAP@10", "nDCG@10"):
        yield Measure(f"retrieval by {name}, {m}", source, "macro_mean", patients, found[m], classes, chance)


def _strength(vectors: np.ndarray, classes: np.ndarray, patients: tuple[str, ...]) -> float:
    """The strength of the best AUC on one fold of the rest."""
    held = folds(patients, classes, 4, seed=1) == 0

    def judged(strength: float) -> float:
        weight, bias, seen = fit_logistic(vectors[~held], classes[~held], strength)
        hot = (classes[held][:, None] == seen[None]).astype(float)
        return float(np.nan_to_num(metrics.macro_auc(hot, vectors[held] @ weight.T + bias)))

    return max(STRENGTHS, key=judged)


def _table(uri: str, rows: dict[str, list[Measure]]) -> str:
    lines = [
        f"## {uri}", "",
        "| figure | images | patients | " + " | ".join(rows) + " | chance | bundle − ImageNet |",
        "|---|---|---|" + "---|" * (len(rows) + 2),
    ]  # fmt: skip
    for j, m in enumerate(rows["bundle"]):
        cells = " | ".join(f"{(i := r[j].interval).value:.3f} ({i.low:.3f}–{i.high:.3f})" for r in rows.values())
        gap = "–"
        if "ImageNet, frozen" in rows:
            d = bootstrap.difference(m.value, rows["ImageNet, frozen"][j].value, m.patients)
            gap = f"{d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})"
        chance = "–" if m.chance is None else f"{m.chance:.3f}"
        lines.append(f"| {m.name} | {len(m.patients)} | {len(set(m.patients))} | {cells} | {chance} | {gap} |")
    return "\n".join([*lines, "", "For research use only. Not a medical device.", ""])


def document(rows: dict[str, list[Measure]]) -> bytes:
    """Metrics by row, as JSON."""
    return (json.dumps({n: [m.metric() for m in measures_] for n, measures_ in rows.items()}, indent=1) + "\n").encode()
