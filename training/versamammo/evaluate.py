"""Evaluate: a bundle on test patients, beside baselines under the same protocol; metrics into its manifest, and its card."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from versamammo import baselines, bundle, calibration, card, distributed, metrics
from versamammo.answers import Phrases, neighbours
from versamammo.baselines import Sets, Vectors
from versamammo.config import Config, Export, Heads, ModelInput, Task, head_tasks, section
from versamammo.data import Case, PreparedDataset, normalise, patient_hashes, resize, task_targets
from versamammo.decoder import decode, lesion_targets
from versamammo.errors import TrainingError
from versamammo.features import cache_folder
from versamammo.gate import Gate, Vote, combine, vote
from versamammo.graphs import session
from versamammo.heads import hot
from versamammo.measures import Measure, measure_of
from versamammo.progress import Progress
from versamammo.projection import STRENGTHS, fit_logistic
from versamammo.questions import NOT_ANSWERABLE, Question, questions
from versamammo.store import ObjectStore
from versamammo.text import TextEncoder

BUNDLE, IMAGENET, PIXELS = "bundle", "ImageNet, frozen", "pixels + PCA"


def run(config: Config, run_uri: str, *, check: bool = False) -> None:
    """Measure the bundle and the baselines; write its metrics, scores and card. `check`: compare the card instead, raise where it differs."""
    how = section(config, "export", Export)
    device = distributed.start(config.runtime)
    manifest, store = bundle.read(how.bundle or f"{run_uri.rstrip('/')}/bundle")
    sets: Sets = {
        s: PreparedDataset(config.data.sets, (s,), config.input, False) for s in ("train", "validation", "test")
    }
    refuse_seen(manifest, store, sets["test"].cases)
    served = {split: serve(manifest, store, data, maps=split == "test") for split, data in sets.items()}
    vectors = {split: s.vectors for split, s in served.items()}
    rows: dict[str, list[Measure]] = {
        BUNDLE: [*probes(config, sets, vectors), *retrieval(config, sets, vectors)],
        PIXELS: row(config, sets, baselines.pixels(sets)),
    }
    backbone = manifest["encoder"]["backbone"]
    try:
        rows[IMAGENET] = row(config, sets, baselines.imagenet(config, backbone, sets, device))
    except TrainingError as error:
        print(f"No ImageNet row: {error}")
    kept = _kept_rows(store) if check else {}
    for name, uri in ({} if check else how.compare).items():
        rows[name] = row(config, sets, baselines.student(config, uri, sets, device))
    rows |= {name: measures for name, measures in kept.items() if name not in rows}
    own = [
        *head_measures(config, manifest, store, sets, served),
        *answer_measures(config, manifest, store, sets, served),
    ]
    own += [*sources(sets, vectors), *lesion_measures(config, manifest, store, served["test"], sets["test"])]
    own += list(robustness(config, manifest, store, sets["test"], served["test"]))
    text = card.render(manifest, rows, own)
    if check:
        card.compare(store, text)
        return
    complete = with_metrics(manifest, own, rows[BUNDLE])
    bundle.validate("manifest", complete)
    scores = {name: [m.document() for m in measures] for name, measures in rows.items()}
    store.put("card/scores.json.gz", gzip.compress(json.dumps(scores, separators=(",", ":")).encode(), mtime=0))
    for name, picture in card.plots(config, manifest, rows, own, sets, vectors, run_uri).items():
        store.put(f"card/{name}.png", picture)
    store.put("README.md", text.encode())
    store.put("manifest.json", (json.dumps(complete, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    print(text)
    distributed.stop()


def refuse_seen(manifest: dict[str, Any], store: ObjectStore, test: Sequence[Case]) -> None:
    """TrainingError `saw-test-patient` where a gradient saw a patient whom the bundle would be judged on."""
    name = manifest["training"]["patientHashesFile"]
    if name is None:
        raise TrainingError("no-patients", "The bundle does not list its training patients: it cannot be judged.")
    seen = set((store.get(name) or b"").decode().split())
    both = seen & set(patient_hashes(test))
    if both:
        raise TrainingError(
            "saw-test-patient",
            f"The bundle was trained on {len(both)} of the test patients: its figures would be worthless.",
        )


@dataclass(frozen=True)
class Served:
    """What the bundle's own graphs say of each image: vectors, and every map."""

    vectors: np.ndarray
    maps: dict[str, np.ndarray]


def serve(manifest: dict[str, Any], store: ObjectStore, data: PreparedDataset, *, maps: bool = False) -> Served:
    """Run encoder.onnx over a set, or read what an earlier run kept."""
    encoder = manifest["encoder"]
    names = [encoder["vector"]["name"], *(m["tensor"]["name"] for m in encoder["maps"] if maps)]
    images = [case.row["sha256"] for case in data.cases]
    key = json.dumps([manifest["files"][encoder["file"]]["sha256"], manifest["input"], names, images], sort_keys=True)
    file = cache_folder() / f"served-{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
    if file.exists():
        with np.load(file) as kept:
            return Served(kept[names[0]], {name: kept[name] for name in names[1:]})
    found = encode(manifest, store, (data.tensors([i]) for i in range(len(data))), len(data), names)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".part").open("wb") as part:
        np.savez(part, **found)
    os.replace(file.with_suffix(".part"), file)
    return Served(found[names[0]], {name: found[name] for name in names[1:]})


def encode(
    manifest: dict[str, Any], store: ObjectStore, images: Iterable[torch.Tensor], count: int, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Outputs of encoder.onnx for images [1, channels, h, w]; maps in half precision."""
    ready = session(store.get(manifest["encoder"]["file"]) or b"")
    out: dict[str, np.ndarray] = {}
    with Progress("encoder", count, 0) as progress:
        for i, image in enumerate(images):
            outputs = ready.run(list(names), {manifest["encoder"]["input"]["name"]: image.numpy()})
            for name, found in zip(names, outputs, strict=True):
                if name not in out:
                    out[name] = np.empty((count, *found.shape[1:]), np.float32 if name == names[0] else np.float16)
                out[name][i] = found[0]
            progress.step(i + 1, {})
    return out


def row(config: Config, sets: Sets, vectors: Vectors) -> list[Measure]:
    """Every figure that vectors alone give."""
    return [*probes(config, sets, vectors), *retrieval(config, sets, vectors)]


def _keys(cases: Sequence[Case]) -> tuple[str, ...]:
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
            yield Measure(f"{name} AUC, probe", source, "macro_auc", _keys(cases), best[2], best[1], 0.5)
            if task.field == "cancer":
                yield by_breast(f"{name} AUC by breast, probe", source, cases, best[2], best[1])


def _labelled(cases: Sequence[Case], task: Task, source: str) -> tuple[np.ndarray, np.ndarray]:
    y, known = (t.numpy() for t in task_targets(cases, task))
    rows = np.array([i for i, c in enumerate(cases) if known[i] and c.dataset == source], int)
    return rows, y[rows]


def by_breast(name: str, source: str, cases: Sequence[Case], truth: np.ndarray, score: np.ndarray) -> Measure:
    """The mean score over a breast's images; its truth is theirs."""
    keys = [(c.patient, c.labels.get("laterality")) for c in cases]
    breasts = list(dict.fromkeys(keys))
    rows = [[i for i, k in enumerate(keys) if k == b] for b in breasts]
    patients = tuple(f"{source}/{p}" for p, _ in breasts)
    return Measure(name, source, "macro_auc", patients, np.stack([truth[r].max(0) if truth.shape[1] < 2 else truth[r[0]] for r in rows]),
                   np.stack([score[r].mean(0) for r in rows]), 0.5)  # fmt: skip


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
            keys = _keys([sets["test"].cases[i] for i in queries])
            chance = metrics.mean_over_classes(found["chance"], query_class)
            for metric in ("P@5", "mAP@10", "nDCG@10"):
                yield Measure(
                    f"retrieval by {field}, {metric}", source, "macro_mean", keys, found[metric], query_class, chance
                )


def head_measures(
    config: Config, manifest: dict[str, Any], store: ObjectStore, sets: Sets, served: dict[str, Served]
) -> Iterator[Measure]:
    """The bundle's classification heads as they ship, per source; calibration error of the exclusive ones."""
    for head in (h for h in manifest["heads"] if h["kind"] == "classification"):
        task = head_tasks(config).get(head["name"])
        if task is None:
            continue
        logits = session(store.get(head["file"]) or b"").run(None, {head["inputs"]["vector"]: served["test"].vectors})[
            0
        ]
        p = calibration.probabilities(logits, head["activation"], head["temperature"])
        y, known = (t.numpy() for t in task_targets(sets["test"].cases, task))
        for source in sets["test"].sources:
            rows = np.array([i for i, c in enumerate(sets["test"].cases) if known[i] and c.dataset == source], int)
            if len(rows) < 2:
                continue
            truth, cases = hot(y[rows], task), [sets["test"].cases[i] for i in rows]
            yield Measure(f"{head['name']} AUC", source, "macro_auc", _keys(cases), truth, p[rows], 0.5)
            if not task.multilabel:
                right = (p[rows].argmax(1) == truth.argmax(1)).astype(float)
                gap = np.full(len(rows), metrics.expected_calibration_error(p[rows].max(1), right))
                yield Measure(f"{head['name']} calibration error", source, "mean", _keys(cases), gap, None, None)


def answer_measures(
    config: Config, manifest: dict[str, Any], store: ObjectStore, sets: Sets, served: dict[str, Served]
) -> Iterator[Measure]:
    """Per topic: balanced accuracy of the question alone, the head, the neighbours, both; then the routing of unseen phrasings."""
    entry = manifest["answers"]
    if entry is None:
        return
    phrases = Phrases(TextEncoder(store.get(entry["text"]["file"]), store.get(entry["tokenizer"])))
    yield from router_measures(entry, store, phrases)
    head = session(store.get(entry["head"]["file"]) or b"")
    cases, train = sets["test"].cases, sets["train"].cases
    place, similarity = neighbours(
        served["test"].vectors, _keys(cases), served["train"].vectors, _keys(train), entry["gate"]["neighbours"]
    )
    gate = Gate(
        tuple(entry["gate"]["weights"]),
        {},
        entry["gate"]["neighbours"],
        entry["gate"]["voteTemperature"],
        entry["gate"]["smoothing"],
    )  # type: ignore[arg-type]
    tasks = config.answers.topics if config.answers else {}
    unseen = list(questions("test"))
    for topic in (t for t in entry["topics"] if t["trained"]):
        task = head_tasks(config)[tasks[topic["name"]]]
        y, known = (t.numpy() for t in task_targets(cases, task))
        rows = np.where(known)[0]
        if len(rows) == 0:
            continue
        truth = hot(y[rows], task)
        seen_y, seen = (t.numpy() for t in task_targets(train, task))
        says = {int(i): h for i, h in zip(np.where(seen)[0], hot(seen_y[seen], task), strict=True)}
        prior = np.array(list(topic["prior"].values()))
        plain = [q for q in unseen if q.topic == topic["name"] and q.led_to is None]
        leading = [q for q in unseen if q.topic == topic["name"] and q.led_to is not None]
        span = slice(topic["offset"], topic["offset"] + len(topic["labels"]))
        activation = "sigmoid" if topic["multilabel"] else "softmax"

        def ask(i: int, question: Question) -> np.ndarray:
            tokens, _ = phrases[question.text]
            feeds = {"tokens": tokens[None].astype(np.float32), "attention_mask": np.ones((1, len(tokens)), np.int64)}
            for source, name in entry["head"]["inputs"].items():
                feeds[name] = (served["test"].vectors if source == "vector" else served["test"].maps[source])[
                    i : i + 1
                ].astype(np.float32)
            logits = head.run(None, feeds)[0][:, span]  # noqa: B023
            return calibration.probabilities(logits, activation, topic["temperature"])[0]  # noqa: B023

        alone = np.stack([ask(i, plain[k % len(plain)]) for k, i in enumerate(rows)])
        led = np.stack([ask(i, leading[k % len(leading)]) for k, i in enumerate(rows)]) if leading else alone
        votes: list[Vote] = []
        for i in rows:
            kept = [
                (s, says[p])
                for p, s in zip(place[i], similarity[i], strict=True)
                if p in says and s >= topic["similarityFloor"]
            ]
            s, x = (
                (np.array([a for a, _ in kept]), np.stack([b for _, b in kept]))
                if kept
                else (np.empty(0), np.empty((0, len(prior))))
            )
            votes.append(vote(s, x, prior, gate.vote_temperature, gate.smoothing, topic["multilabel"]))
        shares = np.stack([v.shares for v in votes])
        own = Gate(
            gate.weights, {topic["name"]: topic["gateBias"]}, gate.neighbours, gate.vote_temperature, gate.smoothing
        )
        w = np.array([own.weight(topic["name"], a, v, topic["multilabel"]) for a, v in zip(alone, votes, strict=True)])
        both = combine(alone, shares, w, topic["multilabel"])
        keys = _keys([cases[i] for i in rows])
        ways = {
            "question only": np.tile(prior, (len(rows), 1)),
            "head alone": alone,
            "neighbours alone": shares,
            "combined": both,
        }
        sources = topic["domain"]["sources"]
        where = sources[0] if len(sources) == 1 else "all"
        for way, p in ways.items():
            if topic["multilabel"]:
                right = ((p >= 0.5) == (truth > 0.5)).mean(1)
                yield Measure(
                    f"answer {topic['name']}, accuracy by label, {way}", where, "mean", keys, right, None, None
                )
            else:
                yield Measure(
                    f"answer {topic['name']}, balanced accuracy, {way}", where, "balanced_accuracy", keys,
                    truth.argmax(1).astype(float), p.argmax(1).astype(float), 1 / len(prior),
                )  # fmt: skip
        if not topic["multilabel"]:
            moved = (led.argmax(1) != alone.argmax(1)).astype(float)
            yield Measure(f"answer {topic['name']}, moved by a leading question", where, "mean", keys, moved, None, 0.0)
            confident = both.max(1) >= topic["abstainBelow"]
            right = (both.argmax(1) == truth.argmax(1)).astype(float)
            yield Measure(f"answer {topic['name']}, coverage", where, "mean", keys, confident.astype(float), None, None)
            if confident.any():
                chosen = tuple(k for k, c in zip(keys, confident, strict=True) if c)
                yield Measure(
                    f"answer {topic['name']}, accuracy of the answered",
                    where,
                    "mean",
                    chosen,
                    right[confident],
                    None,
                    None,
                )


def router_measures(entry: dict[str, Any], store: ObjectStore, phrases: Phrases) -> Iterator[Measure]:
    """On phrasings of unseen families: the right topic, false refusals, false answers. Resampled by family."""
    names = [t["name"] for t in entry["topics"]] + [NOT_ANSWERABLE]
    asked = list(questions("test"))
    x = phrases.sentences([q.text for q in asked])
    ready = session(store.get(entry["router"]["file"]) or b"")
    logits = np.concatenate(
        [ready.run(None, {entry["router"]["sentence"]["name"]: sentence[None]})[0] for sentence in x]
    )
    p = calibration.softmax(logits / entry["router"]["temperature"])
    chosen = [
        names[k] if v >= entry["router"]["threshold"] else NOT_ANSWERABLE
        for k, v in zip(p.argmax(1), p.max(1), strict=True)
    ]
    for label, rows in (
        ("plain questions", [i for i, q in enumerate(asked) if q.topic != NOT_ANSWERABLE and q.led_to is None]),
        ("leading questions", [i for i, q in enumerate(asked) if q.led_to is not None]),
        ("near misses", [i for i, q in enumerate(asked) if q.topic == NOT_ANSWERABLE]),
    ):
        right = np.array([float(chosen[i] == asked[i].topic) for i in rows])
        families = tuple(f"{asked[i].topic}/{asked[i].family}" for i in rows)
        yield Measure(f"routing, {label}: right topic or refusal", "questions", "mean", families, right, None, None)
        if label != "near misses":
            refused = np.array([float(chosen[i] == NOT_ANSWERABLE) for i in rows])
            yield Measure(f"routing, {label}: false refusals", "questions", "mean", families, refused, None, None)


def sources(sets: Sets, vectors: Vectors) -> Iterator[Measure]:
    """How much the vector tells of the source: balanced accuracy of a linear probe, and the share of the top 10 from the query's own source."""
    names = sets["train"].sources
    if len(names) < 2:
        return
    place = {n: i for i, n in enumerate(names)}
    y = {s: np.array([place[c.dataset] for c in sets[s].cases]) for s in ("train", "test")}
    weight, bias, classes = fit_logistic(vectors["train"], y["train"], STRENGTHS[1])
    predicted = classes[(vectors["test"] @ weight.T + bias).argmax(1)]
    keys = _keys(sets["test"].cases)
    yield Measure(
        "source told from the vector, balanced accuracy",
        "all",
        "balanced_accuracy",
        keys,
        y["test"].astype(float),
        predicted.astype(float),
        1 / len(names),
    )
    top = np.argsort(-(vectors["test"] @ vectors["train"].T), axis=1)[:, :10]
    own = (y["train"][top] == y["test"][:, None]).mean(1)
    chance = float(np.mean([(y["train"] == c).mean() for c in y["test"]]))
    yield Measure("share of the top 10 from the own source", "all", "mean", keys, own, None, chance)


def lesion_measures(
    config: Config, manifest: dict[str, Any], store: ObjectStore, served: Served, data: PreparedDataset
) -> Iterator[Measure]:
    """Dice and sensitivity of marked lesions, false positives an image; images of other sources only for false positives."""
    how = section(config, "heads", Heads)
    if not how.lesions:
        return
    entries = {h["name"]: h for h in manifest["heads"] if h["kind"] != "classification"}
    ready = session(store.get("heads/lesions.onnx") or b"")
    targets = lesion_targets(data.cases, config, how)
    names = [o.name for o in ready.get_outputs()]
    for j, label in enumerate(how.lesions):
        detector, segmenter = entries[f"{label}_detection"], entries[f"{label}_segmentation"]
        dices, sizes, found_rows, keys, false_keys, false_counts = [], [], [], [], [], []
        for i, case in enumerate(data.cases):
            quiet = case.labels.get("cancer") is False and targets.label[i] < 0
            if targets.label[i] != j and not quiet:
                continue
            feeds = {
                inner: served.maps[outer][i : i + 1].astype(np.float32) for outer, inner in detector["inputs"].items()
            }
            out = dict(zip(names, ready.run(None, feeds), strict=True))
            t = detector["temperature"]
            boxes, scores = decode(
                out[f"{label}_scores"][0, 0],
                out[f"{label}_distances"][0],
                0.005,
                t,
                detector["overlapLimit"],
                detector["maximum"],
            )
            if quiet:
                false_keys.append(f"{case.dataset}/{case.patient}")
                false_counts.append(float((scores >= detector["scoreThreshold"]).sum()))
                continue
            mask = 1 / (1 + np.exp(-out[f"{label}_mask"][0, 0])) >= segmenter["threshold"]
            dices.append(metrics.dice(mask, targets.masks[i] >= 0.5))
            sizes.append(float((targets.masks[i] >= 0.5).mean()))
            found_rows.append((scores, *metrics.match(boxes, scores, targets.boxes[i], 0.5)))
            keys.append(f"{case.dataset}/{case.patient}")
        if not keys:
            continue
        source = how.lesions[label].sources[0]
        patients = tuple(keys)
        yield Measure(f"{label} Dice", source, "mean", patients, np.array(dices), None, None)
        cut = float(np.median(sizes))
        for name, chosen in (("smaller half", [s <= cut for s in sizes]), ("larger half", [s > cut for s in sizes])):
            if any(chosen):
                yield Measure(
                    f"{label} Dice, {name}",
                    source,
                    "mean",
                    tuple(k for k, c in zip(keys, chosen, strict=True) if c),
                    np.array(dices)[chosen],
                    None,
                    None,
                )
        scores = np.concatenate([s for s, _, _ in found_rows])
        true = np.concatenate([t for _, t, _ in found_rows])
        total = sum(len(f) for _, _, f in found_rows)
        ap = metrics.average_precision(scores, true, total)
        yield Measure(f"{label} mAP@0.5", source, "mean", patients, np.full(len(keys), ap), None, None)
        for rate in (0.25, 0.5, 1.0, 2.0):
            false = np.sort(scores[~true])[::-1]
            allowed = int(rate * len(keys))
            threshold = false[allowed] if allowed < len(false) else 0.0
            hits = np.array([float((f > threshold).mean()) if len(f) else np.nan for _, _, f in found_rows])
            kept = ~np.isnan(hits)
            yield Measure(
                f"{label} sensitivity at {rate:g} false positives an image",
                source,
                "mean",
                tuple(k for k, c in zip(keys, kept, strict=True) if c),
                hits[kept],
                None,
                None,
            )
        if false_counts:
            yield Measure(
                f"{label} false positives on images without cancer, of other sources",
                "other sources",
                "mean",
                tuple(false_keys),
                np.array(false_counts),
                None,
                None,
            )


def robustness(
    config: Config, manifest: dict[str, Any], store: ObjectStore, data: PreparedDataset, served: Served, limit: int = 60
) -> Iterator[Measure]:
    """How far predictions move: mean absolute change of the first binary head of each source, and the vector's cosine."""
    rng = np.random.default_rng(config.seed)
    rows = sorted(rng.choice(len(data), min(limit, len(data)), replace=False).tolist())
    heads = [
        h
        for h in manifest["heads"]
        if h["kind"] == "classification" and len(h["labels"]) == 2 and h["activation"] == "softmax"
    ]
    changes = {
        "blurred to half": _blur,
        "darker window (gamma 1.4)": _gamma,
        "background another's": _background(data, rows),
    }
    keys = _keys([data.cases[i] for i in rows])
    for name, change in changes.items():
        images = [change(data[i], config.input, i) for i in rows]
        name_of = manifest["encoder"]["vector"]["name"]
        moved = encode(manifest, store, (image[None] for image in images), len(images), [name_of])[name_of]
        cosine = (moved * served.vectors[rows]).sum(1)
        yield Measure(f"cosine after: {name}", "all", "mean", keys, cosine, None, None)
        for head in heads:
            ready = session(store.get(head["file"]) or b"")
            p = [
                calibration.softmax(ready.run(None, {head["inputs"]["vector"]: v})[0] / head["temperature"])[:, 1]
                for v in (moved, served.vectors[rows])
            ]
            inside = [k for k, i in enumerate(rows) if data.cases[i].dataset in head["domain"]["sources"]]
            if inside:
                gap = np.abs(p[0] - p[1])[inside]
                yield Measure(
                    f"{head['name']}, change of probability after: {name}",
                    head["domain"]["sources"][0],
                    "mean",
                    tuple(keys[k] for k in inside),
                    gap,
                    None,
                    None,
                )


def _grey(image: torch.Tensor, spec: ModelInput) -> torch.Tensor:
    return image[0] * spec.deviation[0] + spec.mean[0]


def _again(grey: torch.Tensor, spec: ModelInput) -> torch.Tensor:
    return normalise(grey.clamp(0, 1), spec)


def _blur(image: torch.Tensor, spec: ModelInput, _: int) -> torch.Tensor:
    grey = _grey(image, spec)
    return _again(resize(resize(grey, spec.height // 2, spec.width // 2), spec.height, spec.width), spec)


def _gamma(image: torch.Tensor, spec: ModelInput, _: int) -> torch.Tensor:
    return _again(_grey(image, spec).clamp(0, 1) ** 1.4, spec)


def _background(data: PreparedDataset, rows: Sequence[int]) -> Any:
    """Background replaced by that of an image of another source."""

    def change(image: torch.Tensor, spec: ModelInput, i: int) -> torch.Tensor:
        others = [k for k in rows if data.cases[k].dataset != data.cases[i].dataset] or list(rows)
        other, grey = _grey(data[others[i % len(others)]], spec), _grey(image, spec)
        return _again(torch.where(grey > 0.02, grey, torch.where(other > 0.02, torch.zeros_like(other), other)), spec)

    return change


def with_metrics(manifest: dict[str, Any], own: list[Measure], vectors: list[Measure]) -> dict[str, Any]:
    """The manifest with test figures where they belong: at heads, answers, and the bundle."""
    known = {m.name + "|" + m.source: found for m in own if (found := m.metric()) is not None}
    general = [found for m in vectors if (found := m.metric()) is not None]

    def chosen(prefix: str) -> list[dict[str, Any]]:
        return [v for k, v in known.items() if k.startswith(prefix)]

    heads = []
    for head in manifest["heads"]:
        label = head["labels"][0]
        if head["kind"] == "classification":
            found = chosen(head["name"])
        elif head["kind"] == "segmentation":
            found = chosen(f"{label} Dice")
        else:
            found = [v for v in chosen(f"{label} ") if "Dice" not in v["name"]]
        heads.append({**head, "metrics": found})
    answers = manifest["answers"]
    if answers is not None:
        answers = {**answers, "metrics": [*chosen("answer "), *chosen("routing")]}
    rest = [*chosen("source "), *chosen("share "), *chosen("cosine ")]
    return {**manifest, "heads": heads, "answers": answers, "metrics": [*general, *rest]}


def _kept_rows(store: ObjectStore) -> dict[str, list[Measure]]:
    """Rows of the committed scores."""
    body = store.get("card/scores.json.gz")
    if body is None:
        raise TrainingError("no-scores", "The bundle has no card/scores.json.gz: run `evaluate` first.")
    return {name: [measure_of(d) for d in rows] for name, rows in json.loads(gzip.decompress(body)).items()}
