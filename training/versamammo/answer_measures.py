"""Measures of a bundle's answers on test patients: each way to answer, leading questions, abstention; and the routing of unseen phrasings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from versamammo import calibration
from versamammo.answers import Phrases, neighbours
from versamammo.config import Config, Task, head_tasks
from versamammo.data import task_targets
from versamammo.gate import Gate, Sample
from versamammo.gate import answer as combined
from versamammo.graphs import session
from versamammo.heads import hot
from versamammo.measures import Measure
from versamammo.questions import NOT_ANSWERABLE, Question, questions
from versamammo.served import Served
from versamammo.store import ObjectStore
from versamammo.text import TextEncoder
from versamammo.vector_measures import Sets, keys


def answer_measures(
    config: Config, manifest: dict[str, Any], store: ObjectStore, sets: Sets, served: dict[str, Served]
) -> Iterator[Measure]:
    """Test patients as questions' images, training patients as the archive that votes."""
    entry = manifest["answers"]
    if entry is None:
        return
    phrases = Phrases(TextEncoder(store.get(entry["text"]["file"]), store.get(entry["tokenizer"])))
    asked = list(questions("test"))
    routed = route(entry, store, phrases, asked)
    phrases.keep()
    yield from router_measures(asked, routed)
    patients, archive = keys(sets["test"].cases), keys(sets["train"].cases)
    public = {c["dataset"] for c in (manifest["reference"] or {"citations": []})["citations"]}
    bundled = np.array([c.dataset in public and c.row["releasable"] for c in sets["train"].cases])
    near = {
        name: neighbours(
            served["test"].vectors, patients, served["train"].vectors[rows], [archive[i] for i in rows],
            entry["gate"]["neighbours"],
        )
        for name, rows in (("all", np.arange(len(archive))), ("bundled", np.where(bundled)[0])) if len(rows)
    }  # fmt: skip
    if "bundled" in near:
        near["bundled"] = np.where(bundled)[0][near["bundled"][0]], near["bundled"][1]
    tasks = config.answers.topics if config.answers else {}
    said: dict[str, list[Sample]] = {}
    for topic in (t for t in entry["topics"] if t["trained"]):
        task = head_tasks(config)[tasks[topic["name"]]]
        samples = _samples(topic, entry, store, phrases, task, sets, served["test"], near)
        if samples["all"]:
            said[topic["name"]] = samples["all"]
            yield from topic_measures(topic, entry, samples)
    yield from led_astray(asked, routed, said)


def gate_of(entry: dict[str, Any]) -> Gate:
    g = entry["gate"]
    bias = {t["name"]: t["gateBias"] for t in entry["topics"]}
    return Gate(tuple(g["weights"]), bias, g["neighbours"], g["voteTemperature"], g["smoothing"])


def _samples(
    topic: dict[str, Any], entry: dict[str, Any], store: ObjectStore, phrases: Phrases, task: Task, sets: Sets,
    served: Served, near: dict[str, tuple[np.ndarray, np.ndarray]],
) -> dict[str, list[Sample]]:  # fmt: skip
    """What head and neighbours say of each test image that carries the topic's label, as the bundle serves it; for each archive."""
    cases = sets["test"].cases
    y, known = (t.numpy() for t in task_targets(cases, task))
    seen_y, seen = (t.numpy() for t in task_targets(sets["train"].cases, task))
    says = {int(i): h for i, h in zip(np.where(seen)[0], hot(seen_y[seen], task), strict=True)}
    prior, rows = np.array(list(topic["prior"].values())), np.where(known)[0]
    tokens, _ = phrases[topic["domain"]["question"]]
    question = {"tokens": tokens[None].astype(np.float32), "attention_mask": np.ones((1, len(tokens)), np.int64)}
    head = session(store.get(entry["head"]["file"]) or b"")
    span = slice(topic["offset"], topic["offset"] + len(topic["labels"]))
    truth, patients = hot(y[rows], task), keys(cases)
    samples: dict[str, list[Sample]] = {archive: [] for archive in near}
    for k, i in enumerate(rows):
        feeds = {
            name: (served.vectors if source == "vector" else served.maps[source])[i : i + 1].astype(np.float32)
            for source, name in entry["head"]["inputs"].items()
        }
        logits = head.run(None, {**question, **feeds})[0][:, span]
        p = calibration.probabilities(logits, "sigmoid" if topic["multilabel"] else "softmax", topic["temperature"])[0]
        for archive, (place, similarity) in near.items():
            kept = [
                (s, says[n])
                for n, s in zip(place[i], similarity[i], strict=True)
                if n in says and s >= topic["similarityFloor"]
            ]
            voices = np.stack([v for _, v in kept]) if kept else np.empty((0, len(prior)))
            found = np.array([s for s, _ in kept])
            samples[archive].append(
                Sample(topic["name"], patients[i], topic["multilabel"], p, found, voices, prior, truth[k])
            )
    return samples


def topic_measures(
    topic: dict[str, Any], entry: dict[str, Any], archives: dict[str, list[Sample]]
) -> Iterator[Measure]:
    """The question alone, the head, the neighbours, both, and both with the bundled reference as the only archive; what abstention leaves."""
    gate, name, sources, samples = gate_of(entry), topic["name"], topic["domain"]["sources"], archives["all"]
    where, patients = (sources[0] if len(sources) == 1 else "all"), tuple(s.patient for s in samples)
    answers = [combined(gate, s) for s in samples]
    truth, both = np.stack([s.truth for s in samples]), np.stack([p for p, _ in answers])
    ways = {
        "question only": np.stack([s.prior for s in samples]),
        "head alone": np.stack([s.head for s in samples]),
        "neighbours alone": np.stack([v.shares for _, v in answers]),
        "combined": both,
    }
    if "bundled" in archives:
        ways["combined, bundled reference alone"] = np.stack([combined(gate, s)[0] for s in archives["bundled"]])
    if topic["multilabel"]:
        for way, p in ways.items():
            right = ((p >= 0.5) == (truth > 0.5)).mean(1)
            yield Measure(f"answer {name}, accuracy by label, {way}", where, "mean", patients, right, None, None)
        return
    true, chance = truth.argmax(1).astype(float), 1 / truth.shape[1]
    for way, p in ways.items():
        chosen = p.argmax(1).astype(float)
        yield Measure(
            f"answer {name}, balanced accuracy, {way}", where, "balanced_accuracy", patients, true, chosen, chance
        )
    confident, right = both.max(1) >= topic["abstainBelow"], (both.argmax(1) == truth.argmax(1)).astype(float)
    yield Measure(f"answer {name}, calibration error", where, "calibration", patients, both.max(1), right, None)
    yield Measure(f"answer {name}, coverage", where, "mean", patients, confident.astype(float), None, None)
    if confident.any():
        chosen_ = tuple(p for p, c in zip(patients, confident, strict=True) if c)
        yield Measure(f"answer {name}, accuracy of the answered", where, "mean", chosen_, right[confident], None, None)


def route(entry: dict[str, Any], store: ObjectStore, phrases: Phrases, asked: Sequence[Question]) -> list[str]:
    """Where the bundle's router puts each question: a topic, or NOT_ANSWERABLE (not understood included)."""
    names = [*(t["name"] for t in entry["topics"]), NOT_ANSWERABLE]
    ready = session(store.get(entry["router"]["file"]) or b"")
    x, name = phrases.sentences([q.text for q in asked]), entry["router"]["sentence"]["name"]
    logits = np.concatenate([ready.run(None, {name: sentence[None]})[0] for sentence in x])
    p = calibration.softmax(logits / entry["router"]["temperature"])
    sure = p.max(1) >= entry["router"]["threshold"]
    return [names[k] if s else NOT_ANSWERABLE for k, s in zip(p.argmax(1), sure, strict=True)]


def router_measures(asked: Sequence[Question], routed: Sequence[str]) -> Iterator[Measure]:
    """On phrasings of unseen families: the right topic, false refusals, false answers. Resampled by family."""
    for label, rows in (
        ("plain questions", [i for i, q in enumerate(asked) if q.topic != NOT_ANSWERABLE and q.led_to is None]),
        ("leading questions", [i for i, q in enumerate(asked) if q.led_to is not None]),
        ("near misses", [i for i, q in enumerate(asked) if q.topic == NOT_ANSWERABLE]),
    ):
        right = np.array([float(routed[i] == asked[i].topic) for i in rows])
        families = tuple(f"{asked[i].topic}/{asked[i].family}" for i in rows)
        yield Measure(f"routing, {label}: right topic or refusal", "questions", "mean", families, right, None, None)
        if label != "near misses":
            refused = np.array([float(routed[i] == NOT_ANSWERABLE) for i in rows])
            yield Measure(f"routing, {label}: false refusals", "questions", "mean", families, refused, None, None)


def led_astray(asked: Sequence[Question], routed: Sequence[str], said: dict[str, list[Sample]]) -> Iterator[Measure]:
    """Leading questions put to test images in turn: how many get another answer than the plain question does.

    The head is asked the topic's own question whatever the words were, so an answer moves only where another topic is
    reached. A refusal is no answer.
    """
    for name, samples in said.items():
        leading = [k for k, q in enumerate(asked) if q.topic == name and q.led_to is not None]
        if not leading or samples[0].multilabel:
            continue
        moved = [float(routed[leading[k % len(leading)]] not in (name, NOT_ANSWERABLE)) for k in range(len(samples))]
        patients = tuple(s.patient for s in samples)
        yield Measure(
            f"answer {name}, moved by a leading question", "all", "mean", patients, np.array(moved), None, 0.0
        )
