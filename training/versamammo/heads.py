"""Heads on the frozen encoder: the vector's projection, classification, lesion decoder, regions; calibrated on validation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from versamammo import calibration, distributed, metrics, paper_heads, regions
from versamammo.checkpoint import describe, pack, publish, read_file, read_manifest, unpack
from versamammo.config import Config, Heads, Task, head_tasks, section
from versamammo.data import PreparedDataset, patient_hashes, task_targets, typed
from versamammo.decoder import LesionDecoder, decode, lesion_targets, predict, train_decoder
from versamammo.errors import TrainingError
from versamammo.features import Features, extract, state_hash, subset
from versamammo.graphs import BYTE, round_weights
from versamammo.models.encoder import Encoder, Ensemble, MapInfo, build_encoder, frozen_members, side_by_side
from versamammo.projection import STRENGTHS, Projection, Target, choose, fit_logistic
from versamammo.stage1 import load_teacher
from versamammo.stage2 import load_student
from versamammo.store import ObjectStore, open_store

#: Tasks with fewer validation images are exploratory.
FEW = 60


@dataclass(frozen=True)
class Classifier:
    """A linear head on the vector: logits = weight · vector + bias."""

    name: str
    task: Task
    labels: list[str]
    sources: list[str]
    weight: np.ndarray
    bias: np.ndarray
    temperature: float
    prior: dict[str, float]
    thresholds: list[dict[str, Any]]
    strength: float
    validation_auc: float
    images: int

    @property
    def activation(self) -> str:
        return "sigmoid" if self.task.multilabel else "softmax"

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        return vectors @ self.weight.T + self.bias

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        return calibration.probabilities(self.logits(vectors), self.activation, self.temperature)


@dataclass(frozen=True)
class OwnHead:
    """A linear head that the encoder was trained with: logits [n, answers] of pooled features [n, width]; of several students
    side by side, the mean of theirs.

    It was fitted through dropout and augmentation, a head fitted afterwards on features that the encoder has learnt by
    heart: on new patients it knows more.
    """

    task: Task
    weight: np.ndarray
    bias: np.ndarray

    @staticmethod
    def of(task: Task, name: str, students: Sequence[dict[str, torch.Tensor]]) -> OwnHead:
        weight = np.concatenate([s[f"{name}.weight"].numpy() for s in students], axis=1) / len(students)
        return OwnHead(task, weight, np.mean([s[f"{name}.bias"].numpy() for s in students], axis=0))

    def logits(self, pooled: np.ndarray, task: Task) -> np.ndarray | None:
        """Of another task's answers; None where this head was not asked for all of them."""
        known, asked = ([typed(value) for value in t.values] for t in (self.task, task))
        if task.field != self.task.field or not set(asked) <= set(known):
            return None
        places = [known.index(value) for value in asked]
        return pooled @ self.weight[places].T + self.bias[places]


@dataclass(frozen=True)
class TrainedHeads:
    """Everything that `heads` publishes."""

    encoder: Encoder | Ensemble
    projection: Projection
    classifiers: list[Classifier]
    decoder: LesionDecoder | None
    #: Label → detection {scoreThreshold, temperature, operatingPoint} and segmentation {threshold}.
    operating: dict[str, dict[str, Any]]
    region: Projection | None
    manifest: dict[str, Any]


def run(config: Config, run_uri: str) -> None:
    """Fit every head on training patients, choose and calibrate on validation patients; publish `heads/manifest.json`."""
    how = section(config, "heads", Heads)
    device = distributed.start(config.runtime)
    store = open_store(run_uri)
    encoder, own, origin = load_encoder(config, store)
    frozen = state_hash(encoder)
    maps = decoder_maps(encoder)
    names = [m.name for m in maps]
    train_set, held_set = (
        PreparedDataset(config.data.sets, (s,), config.input, False) for s in ("train", "validation")
    )
    train = extract(encoder, train_set, config, device, names)
    held = extract(encoder, held_set, config, device, names)

    targets = projection_targets(train, held, config, how)
    sources = [c.dataset for c in train.cases]
    projection = choose(train.pooled, held.pooled, targets, how.dimension, sources, exclusive_weights(own))
    print(f"projection: {projection.chosen} of {len(projection.candidates)}")
    for name, figures in projection.candidates.items():
        print(f"  {name}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()))
    vectors, held_vectors = projection(train.pooled), projection(held.pooled)
    classifiers = [
        found
        for name, task in head_tasks(config).items()
        if (found := fit_classifier(name, task, train, held, vectors, held_vectors, own.get(name))) is not None
    ]
    for c in classifiers:
        print(
            f"  {c.name}: validation macro AUC {c.validation_auc:.3f} (strength {c.strength:g}, temperature {c.temperature:.2f})"
        )

    decoder, operating = None, {}
    if how.lesions:
        marking = {source for lesions in how.lesions.values() for source in lesions.sources}
        marked = [i for i, case in enumerate(train_set.cases) if case.dataset in marking]
        turned = extract(encoder, subset(train_set, marked), config, device, names, turned=True)
        decoder = train_decoder([train.of(marked), turned], maps, config, how, device)
        round_weights(decoder)
        operating = calibrate_decoder(decoder, held, maps, config, how)
    if how.published:
        report, weights = paper_heads.train_and_report(encoder, train_set, held_set, config, how, device)
        store.put("heads/published.pt", pack(weights))
        store.put("heads/published.json", (json.dumps(report, indent=1) + "\n").encode())
        print(f"UNet and Faster R-CNN on validation: {report}")
        encoder.to("cpu")
    region = regions.fit(train, held, maps, config, how.region_context, how.region_dimension)
    if region is not None:
        print(f"region projection: {region.chosen}: {region.candidates[region.chosen]}")
    if state_hash(encoder) != frozen:
        raise TrainingError(
            "not-frozen", "The encoder changed while heads were fitted: this is a defect; nothing was published."
        )

    state = {
        "encoder": encoder.state_dict(),
        "projection": _projection_state(projection),
        "classifiers": [_classifier_state(c) for c in classifiers],
        "decoder": decoder.state_dict() if decoder else None,
        "region": _projection_state(region) if region else None,
    }
    body = pack(state)
    store.put("heads/heads.pt", body)
    manifest = {
        "schema": "versamammo-stage/1",
        "stage": "heads",
        "backbone": encoder.backbone,
        "channels": config.input.channels,
        "size": [config.input.height, config.input.width],
        "origin": origin,
        "operating": operating,
        "data": {
            "patientHashes": sorted({*patient_hashes(train_set.cases), *origin["patientHashes"]}),
            "images": {s: len(train_set.of_source(s)) for s in train_set.sources},
        },
        "files": {"heads.pt": describe(body)},
    }
    store.delete("heads/manifest.json")
    publish(store, "heads/manifest.json", manifest)
    distributed.stop()


def load_encoder(config: Config, store: ObjectStore) -> tuple[Encoder | Ensemble, dict[str, OwnHead], dict[str, Any]]:
    """The encoder that heads are built on, frozen, its weights rounded as a bundle stores them; the heads that it was trained
    with, by task; and where it comes from."""
    how = section(config, "heads", Heads)
    stores = [store, *(open_store(run) for run in how.members)]
    hashes: set[str] = set()
    origin: dict[str, Any] = {"encoder": how.encoder}
    own: dict[str, OwnHead] = {}
    for one, stage in product(stores, ("stage1", "stage2")):
        found = one.get(f"{stage}/manifest.json")
        if found is not None and how.encoder != "imagenet":
            hashes |= set(json.loads(found)["data"]["patientHashes"])
    if how.encoder == "stage2":
        students = [load_student(one) for one in stores]
        members = [encoder for encoder, _, _ in students]
        own = own_heads(config, [heads for _, heads, _ in students])
        origin["students"] = [
            {"sha256": manifest["files"]["student.pt"]["sha256"], "bestStep": manifest["bestStep"]}
            for _, _, manifest in students
        ]
    elif how.encoder == "stage1":
        members = [load_teacher(store)]
    else:
        backbone = config.stage2.backbone if config.stage2 else "tf_efficientnet_lite0"
        size = (config.input.height, config.input.width)
        members = [build_encoder(backbone, channels=config.input.channels, size=size, init="imagenet")]
    encoder = side_by_side(members)
    round_weights(encoder, BYTE)
    return encoder, own, {**origin, "patientHashes": sorted(hashes)}


def own_heads(config: Config, students: Sequence[dict[str, torch.Tensor]]) -> dict[str, OwnHead]:
    """Heads that all of these students were trained with, by task."""
    return {
        name: OwnHead.of(task, name, students)
        for name, task in config.tasks.items()
        if all(f"{name}.weight" in heads for heads in students)
    }


def exclusive_weights(own: dict[str, OwnHead]) -> list[np.ndarray]:
    """Weights [answers, width] of the heads whose answers exclude each other: directions of the vector."""
    return [head.weight for head in own.values() if not head.task.multilabel]


def decoder_maps(encoder: Encoder | Ensemble) -> list[MapInfo]:
    """Maps that heads read: stride 4 and coarser (a ViT's only one)."""
    return [m for m in encoder.maps if m.stride >= 4]


def label_names(task: Task) -> list[str]:
    """Answers as the manifest spells them: false and true are no and yes."""
    return [{False: "no", True: "yes"}[v] if isinstance(v, bool) else str(v) for v in task.values]


def projection_targets(train: Features, held: Features, config: Config, how: Heads) -> list[Target]:
    """Fields that retrieval is judged on, within each source."""
    targets = []
    for source in dict.fromkeys(case.dataset for case in train.cases):
        for field in how.retrieval_fields:
            sides = []
            for features in (train, held):
                rows = [
                    i for i, c in enumerate(features.cases) if c.dataset == source and c.labels.get(field) is not None
                ]
                sides.append((rows, [str(features.cases[i].labels[field]) for i in rows]))
            names = sorted(set(sides[0][1]) & set(sides[1][1]))
            pairs = [
                (
                    np.array([i for i, a in zip(*s, strict=True) if a in names], int),
                    np.array([names.index(a) for a in s[1] if a in names], int),
                )
                for s in sides
            ]
            target = Target(f"{field} {source}", pairs[0][0], pairs[0][1], pairs[1][0], pairs[1][1])
            if target.usable:
                targets.append(target)
    return targets


def hot(target: np.ndarray, task: Task) -> np.ndarray:
    """Targets as [n, answers] of 0 and 1."""
    return target.astype(float) if task.multilabel else np.eye(len(task.values))[target]


def fit_classifier(
    name: str,
    task: Task,
    train: Features,
    held: Features,
    vectors: np.ndarray,
    held_vectors: np.ndarray,
    own: OwnHead | None = None,
) -> Classifier | None:
    """Logistic regression on the vector, half and half with the head that the encoder was trained with, where there is one;
    strength by validation AUC, then temperature, prior, thresholds. None where labels are too few."""
    y, known = (t.numpy() for t in task_targets(train.cases, task))
    yv, known_v = (t.numpy() for t in task_targets(held.cases, task))
    if known.sum() < 8 or known_v.sum() < 4 or (not task.multilabel and len(set(y[known])) < 2):
        print(f"  {name}: no head, labels are too few")
        return None
    if not task.multilabel and not set(range(len(task.values))) <= set(y[known]):
        missing = [task.values[i] for i in range(len(task.values)) if i not in set(y[known])]
        print(f"  {name}: no head, no training image of {missing}")
        return None
    target, target_v = hot(y[known], task), hot(yv[known_v], task)
    own_logits = own.logits(train.pooled[known], task) if own else None
    carried = [on_vectors(vectors[known], own_logits)] if own_logits is not None else []
    best: tuple[float, float, np.ndarray, np.ndarray] | None = None
    for strength in STRENGTHS:
        fits = [_fit(vectors[known], y[known], task, strength), *carried]
        weight, bias = agreed(vectors[known], fits, task)
        auc = metrics.macro_auc(target_v, held_vectors[known_v] @ weight.T + bias)
        if best is None or np.nan_to_num(auc) > np.nan_to_num(best[0]):
            best = (auc, strength, weight, bias)
    if best is None:
        raise AssertionError("there is always a strength")
    auc, strength, weight, bias = best
    weight, bias = weight.astype(np.float32), bias.astype(np.float32)
    activation, labels = ("sigmoid" if task.multilabel else "softmax"), label_names(task)
    logits = held_vectors[known_v] @ weight.T + bias
    temperature = calibration.temperature(logits, target_v, activation)
    p = calibration.probabilities(logits, activation, temperature)
    sources = list(dict.fromkeys(case.dataset for case, k in zip(train.cases, known, strict=True) if k))
    return Classifier(
        name, task, labels, sources, weight, bias, temperature,
        {label: float(share) for label, share in zip(labels, target.mean(0), strict=True)},
        calibration.operating_points(p, target_v, labels, activation),
        strength, float(auc), int(known.sum()),
    )  # fmt: skip


def on_vectors(vectors: np.ndarray, logits: np.ndarray, ridge: float = 1e-3) -> tuple[np.ndarray, np.ndarray]:
    """Weight [answers, dimension] and bias of the linear map from vectors to these logits (least squares with L2)."""
    x = np.concatenate([vectors, np.ones((len(vectors), 1))], 1).astype(np.float64)
    solved = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ logits)
    return solved[:-1].T, solved[-1]


def agreed(x: np.ndarray, fits: Sequence[tuple[np.ndarray, np.ndarray]], task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Linear heads as one: the mean of their logits, each at unit deviation over the rows of `x`. One alone stays as it is."""
    if len(fits) == 1:
        return fits[0]
    weights, biases = [], []
    for weight, bias in fits:
        if not task.multilabel:  # what adds alike to all answers says nothing
            weight, bias = weight - weight.mean(0), bias - bias.mean()
        deviation = max(float((x @ weight.T + bias).std()), 1e-12)
        weights.append(weight / deviation)
        biases.append(bias / deviation)
    return np.mean(weights, axis=0), np.mean(biases, axis=0)


def _fit(x: np.ndarray, y: np.ndarray, task: Task, strength: float) -> tuple[np.ndarray, np.ndarray]:
    if not task.multilabel:
        weight, bias, _ = fit_logistic(x, y, strength)
        return weight, bias
    rows = []
    for j in range(len(task.values)):
        column = y[:, j].astype(int)
        if len(set(column)) < 2:  # never, or always, seen: its share says it all
            share = np.clip(column.mean(), 0.5 / len(column), 1 - 0.5 / len(column))
            rows.append((np.zeros(x.shape[1]), float(np.log(share / (1 - share)))))
            continue
        weight, bias, _ = fit_logistic(x, column, strength)
        rows.append((weight[1] - weight[0], float(bias[1] - bias[0])))
    return np.stack([w for w, _ in rows]), np.array([b for _, b in rows])


def calibrate_decoder(
    decoder: LesionDecoder, held: Features, maps: Sequence[MapInfo], config: Config, how: Heads
) -> dict[str, dict[str, Any]]:
    """Per label: score threshold at one half false positive an image, score temperature, and the mask threshold of the best mean Dice."""
    targets = lesion_targets(held.cases, config, how)
    result: dict[str, dict[str, Any]] = {}
    for j, name in enumerate(how.lesions):
        rows = np.where(targets.label == j)[0]
        if len(rows) == 0:
            raise TrainingError("no-labels", f"No validation image marks {name}: add one, or leave the label out.")
        outputs = predict(decoder, held.of(rows), maps)
        found = []
        for i, (_, score, distance) in zip(rows, outputs, strict=True):
            boxes, s = decode(score[j], distance[4 * j : 4 * j + 4], 0.01)
            found.append((s, *metrics.match(boxes, s, targets.boxes[i], 0.5)))
        all_ = metrics.Detections.of(found)
        scores, true = all_.score, all_.true
        threshold = min(max(all_.threshold(0.5), 0.01), 0.99)
        logit = np.log(scores / (1 - scores))
        pair = np.stack([1 - true, true], 1).astype(float)
        t = (
            calibration.temperature(np.stack([np.zeros_like(logit), logit], 1), pair, "softmax")
            if true.any() and not true.all()
            else 1.0
        )
        t = min(max(t, 0.25), 4.0)
        masks = [1 / (1 + np.exp(-o[0][j])) for o in outputs]
        cuts = np.linspace(0.1, 0.9, 17)
        means = [
            np.mean([metrics.dice(m >= c, targets.masks[i] >= 0.5) for i, m in zip(rows, masks, strict=True)])
            for c in cuts
        ]
        # the threshold is on the calibrated score
        calibrated = float(1 / (1 + np.exp(-np.log(threshold / (1 - threshold)) / t)))
        result[name] = {
            "scoreThreshold": calibrated,
            "temperature": float(t),
            "operatingPoint": f"0.5 false positives an image, sensitivity {all_.sensitivity(0.5):.2f} (overlap 0.5) on validation",
            "maskThreshold": float(cuts[int(np.argmax(means))]),
            "validation": {
                "dice": float(max(means)),
                "sensitivity": {str(rate): all_.sensitivity(rate) for rate in (0.25, 0.5, 1, 2)},
                "AP50": all_.average_precision(),
            },
        }  # fmt: skip
        print(f"  {name}: {result[name]}")
    return result


def _projection_state(p: Projection) -> dict[str, Any]:
    return {
        "mean": torch.from_numpy(p.mean), "weight": torch.from_numpy(p.weight), "chosen": p.chosen, "candidates": p.candidates
    }  # fmt: skip


def _classifier_state(c: Classifier) -> dict[str, Any]:
    return {
        "name": c.name, "labels": c.labels, "sources": c.sources, "weight": torch.from_numpy(c.weight),
        "bias": torch.from_numpy(c.bias), "temperature": c.temperature, "prior": c.prior, "thresholds": c.thresholds,
        "strength": c.strength, "validation_auc": c.validation_auc, "images": c.images,
    }  # fmt: skip


def load_heads(config: Config, store: ObjectStore) -> TrainedHeads:
    """What `heads` published, checked. TrainingError `not-ready` before that."""
    how = section(config, "heads", Heads)
    manifest = read_manifest(store, "heads/manifest.json", "fit the heads with `heads` first.")
    state = unpack(read_file(store, "heads", "heads.pt", manifest))
    size = (manifest["size"][0], manifest["size"][1])
    encoder = frozen_members(manifest["backbone"], manifest["channels"], size, state["encoder"])
    decoder = None
    if state["decoder"] is not None:
        decoder = LesionDecoder(decoder_maps(encoder), how.decoder_channels, len(how.lesions))
        decoder.load_state_dict(state["decoder"])
        decoder.eval().requires_grad_(False)
    classifiers = [
        Classifier(
            c["name"], head_tasks(config)[c["name"]], c["labels"], c["sources"], c["weight"].numpy(), c["bias"].numpy(),
            c["temperature"], c["prior"], c["thresholds"], c["strength"], c["validation_auc"], c["images"],
        )
        for c in state["classifiers"]
    ]  # fmt: skip
    return TrainedHeads(
        encoder,
        _load_projection(state["projection"]),
        classifiers,
        decoder,
        manifest["operating"],
        _load_projection(state["region"]) if state["region"] else None,
        manifest,
    )


def _load_projection(state: dict[str, Any]) -> Projection:
    return Projection(state["mean"].numpy(), state["weight"].numpy(), state["chosen"], state["candidates"])
