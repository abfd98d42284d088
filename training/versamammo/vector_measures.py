"""Measures of vectors alone: linear probes, retrieval of images and of lesions, what the vector tells of the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from versamammo import calibration, metrics
from versamammo.config import Config, Heads, Task, head_tasks, section
from versamammo.data import Case, PreparedDataset, task_targets
from versamammo.measures import Measure
from versamammo.projection import STRENGTHS, fit_logistic
from versamammo.regions import QUESTIONS, Region, lesion_answer

Sets = dict[str, PreparedDataset]
Vectors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Encoded:
    """What one encoder says, by split: vectors of images; vectors of marked lesions, where it has any."""

    vectors: Vectors
    regions: dict[str, list[Region]]
    region_vectors: Vectors


def row(config: Config, sets: Sets, encoded: Encoded) -> list[Measure]:
    """Every figure that vectors alone give."""
    vectors = encoded.vectors
    return [
        *probes(config, sets, vectors), *retrieval(config, sets, vectors), *lesion_retrieval(sets, encoded),
        *sources(sets, vectors),
    ]  # fmt: skip


def keys(cases: Sequence[Case]) -> tuple[str, ...]:
    """Patients, by data set."""
    return tuple(f"{c.dataset}/{c.patient}" for c in cases)


def probes(config: Config, sets: Sets, vectors: Vectors) -> Iterator[Measure]:
    """Linear probe per task and source: fitted on training patients, strength chosen on validation, judged on test."""
    for name, task in head_tasks(config).items():
        if task.multilabel:
            continue
        for source in sets["train"].sources:
            part = {s: _labelled(data.cases, task, source) for s, data in sets.items()}
            classes = set(part["train"][1])
            if (
                len(classes) < 2
                or len(set(part["test"][1])) < 2
                or not set(part["test"][1]) | set(part["validation"][1]) <= classes
            ):
                continue
            best: tuple[float, np.ndarray, np.ndarray] | None = None
            for strength in STRENGTHS:
                weight, bias, found = fit_logistic(vectors["train"][part["train"][0]], part["train"][1], strength)
                held = part["validation"]
                truth = (held[1][:, None] == found[None]).astype(float)
                auc = np.nan_to_num(metrics.macro_auc(truth, vectors["validation"][held[0]] @ weight.T + bias))
                if best is None or auc > best[0]:
                    score = calibration.softmax(vectors["test"][part["test"][0]] @ weight.T + bias)
                    best = (float(auc), score, (part["test"][1][:, None] == found[None]).astype(float))
            if best is None:
                continue
            cases = [sets["test"].cases[i] for i in part["test"][0]]
            yield Measure(f"{name} AUC, probe", source, "macro_auc", keys(cases), best[2], best[1], 0.5)
            if task.field == "cancer":
                yield by_breast(f"{name} AUC by breast, probe", source, cases, best[2], best[1])


def _labelled(cases: Sequence[Case], task: Task, source: str) -> tuple[np.ndarray, np.ndarray]:
    y, known = (t.numpy() for t in task_targets(cases, task))
    rows = np.array([i for i, c in enumerate(cases) if known[i] and c.dataset == source], int)
    return rows, y[rows]


def by_breast(name: str, source: str, cases: Sequence[Case], truth: np.ndarray, score: np.ndarray) -> Measure:
    """The mean score over a breast's images; its truth is theirs."""
    of = [(c.patient, c.labels.get("laterality")) for c in cases]
    breasts = list(dict.fromkeys(of))
    rows = [[i for i, k in enumerate(of) if k == b] for b in breasts]
    patients = tuple(f"{source}/{p}" for p, _ in breasts)
    return Measure(name, source, "macro_auc", patients, np.stack([truth[r].max(0) if truth.shape[1] < 2 else truth[r[0]] for r in rows]),
                   np.stack([score[r].mean(0) for r in rows]), 0.5)  # fmt: skip


#: Fields as figures name them: the outcome is benign or malignant within CBIS-DDSM, cancer or none within RSNA.
SPOKEN = {"cancer": "outcome", "massShapes": "shape", "massMargins": "margins"}


def retrieval(config: Config, sets: Sets, vectors: Vectors) -> Iterator[Measure]:
    """Test patients as queries, training patients as archive, within each source and over all; density and outcome apart."""
    how = section(config, "heads", Heads)
    for field in how.retrieval_fields:
        for source in [*sets["train"].sources, "all"]:
            parts = {}
            for split in ("train", "test"):
                cases = sets[split].cases
                rows = [
                    i for i, c in enumerate(cases) if (source in (c.dataset, "all")) and c.labels.get(field) is not None
                ]
                parts[split] = (np.array(rows, int), [str(cases[i].labels[field]) for i in rows])
            names = sorted(set(parts["train"][1]))
            if len(set(parts["test"][1])) < 2 or len(names) < 2:
                continue
            archive_class = np.array([names.index(a) for a in parts["train"][1]])
            known = np.array([a in names for a in parts["test"][1]])
            queries = parts["test"][0][known]
            query_class = np.array([names.index(a) for a in parts["test"][1] if a in names])
            found = metrics.retrieval(
                vectors["test"][queries], vectors["train"][parts["train"][0]], query_class, archive_class
            )
            patients = keys([sets["test"].cases[i] for i in queries])
            chance = metrics.mean_over_classes(found["chance"], query_class)
            for metric in ("P@5", "mAP@10", "nDCG@10"):
                yield Measure(
                    f"retrieval by {SPOKEN.get(field, field)}, {metric}",
                    source,
                    "macro_mean",
                    patients,
                    found[metric],
                    query_class,
                    chance,
                )


def lesion_retrieval(sets: Sets, encoded: Encoded) -> Iterator[Measure]:
    """Lesions of test patients as queries, of training patients as archive, within each source."""
    for source in sets["train"].sources:
        for field in QUESTIONS:
            parts = {}
            for split in ("train", "test"):
                cases, marked = sets[split].cases, encoded.regions.get(split, [])
                said = [
                    (i, lesion_answer(cases[r.image], r.lesion, field))
                    for i, r in enumerate(marked)
                    if cases[r.image].dataset == source
                ]
                parts[split] = [(i, a) for i, a in said if a is not None]
            names = sorted({a for _, a in parts["train"]})
            asked = [(i, a) for i, a in parts["test"] if a in names]
            if len({a for _, a in asked}) < 2:
                continue
            query_class = np.array([names.index(a) for _, a in asked])
            archive_class = np.array([names.index(a) for _, a in parts["train"]])
            queries = encoded.region_vectors["test"][[i for i, _ in asked]]
            archive = encoded.region_vectors["train"][[i for i, _ in parts["train"]]]
            found = metrics.retrieval(queries, archive, query_class, archive_class)
            patients = keys([sets["test"].cases[encoded.regions["test"][i].image] for i, _ in asked])
            chance = metrics.mean_over_classes(found["chance"], query_class)
            for metric in ("P@5", "mAP@10", "nDCG@10"):
                yield Measure(
                    f"lesion retrieval by {SPOKEN.get(field, field)}, {metric}",
                    source,
                    "macro_mean",
                    patients,
                    found[metric],
                    query_class,
                    chance,
                )


def sources(sets: Sets, vectors: Vectors) -> Iterator[Measure]:
    """How much the vector tells of the source: balanced accuracy of a linear probe, and the share of the top 10 from the query's own source."""
    names = sets["train"].sources
    if len(names) < 2:
        return
    place = {n: i for i, n in enumerate(names)}
    y = {s: np.array([place[c.dataset] for c in sets[s].cases]) for s in ("train", "test")}
    weight, bias, classes = fit_logistic(vectors["train"], y["train"], STRENGTHS[1])
    predicted = classes[(vectors["test"] @ weight.T + bias).argmax(1)]
    patients = keys(sets["test"].cases)
    yield Measure(
        "source told from the vector, balanced accuracy",
        "all",
        "balanced_accuracy",
        patients,
        y["test"].astype(float),
        predicted.astype(float),
        1 / len(names),
    )
    top = np.argsort(-(vectors["test"] @ vectors["train"].T), axis=1)[:, :10]
    own = (y["train"][top] == y["test"][:, None]).mean(1)
    chance = float(np.mean([(y["train"] == c).mean() for c in y["test"]]))
    yield Measure("share of the top 10 from the own source", "all", "mean", patients, own, None, chance)
