"""Export: a run's encoder, heads and answers as the bundle that TypeScript serves, checked against PyTorch before it is written."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from versamammo import bundle, distributed, regions
from versamammo.answers import ROUTER_ARRAYS, Side, TrainedAnswers, load_answers
from versamammo.appearance import cell_weights, looks
from versamammo.config import Answers, Config, Export, Heads, ModelInput, section
from versamammo.data import Case, PreparedDataset, published
from versamammo.decoder import LesionDecoder
from versamammo.errors import TrainingError
from versamammo.features import Features, extract
from versamammo.graphs import BYTE, compact, from_nodes, from_torch, session, value
from versamammo.graphs import run as run_graph
from versamammo.heads import FEW, TrainedHeads, decoder_maps, load_heads
from versamammo.models.encoder import Encoder, Ensemble, MapInfo
from versamammo.projection import Projection
from versamammo.questions import TOPICS, questions
from versamammo.store import ObjectStore, open_store
from versamammo.support import support_files
from versamammo.text import MAX_TOKENS, WIDTH, MiniLM, TextEncoder

#: How far onnxruntime may lie from PyTorch.
TOLERANCE = 1e-4


class ExportedEncoder(nn.Module):
    """Image [n, channels, height, width] → unit vector [n, dimension], what support looks at, and the maps that heads read."""

    def __init__(self, encoder: Encoder | Ensemble, projection: Projection, spec: ModelInput) -> None:
        super().__init__()
        self.encoder = encoder
        maps = decoder_maps(encoder)
        self.names = [m.name for m in maps]
        self.looks = looks(maps)
        self.outputs = ["vector", *(look.name for look in self.looks), *self.names]
        for look in self.looks:
            height, width = map_size(look.map, spec)
            self.register_buffer(f"{look.name}_cells", torch.from_numpy(cell_weights(height, width, look.grid)))
        self.register_buffer("feature_centre", torch.from_numpy(projection.mean))
        self.register_buffer("projection_weight", torch.from_numpy(projection.weight))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        pooled, maps = self.encoder.forward_maps(image)
        projected = (pooled - self.feature_centre) @ self.projection_weight.t()
        seen = (self._means(maps[look.map.name], self.get_buffer(f"{look.name}_cells")) for look in self.looks)
        return nn.functional.normalize(projected, dim=1), *seen, *(maps[name] for name in self.names)

    @staticmethod
    def _means(map: Tensor, cells: Tensor) -> Tensor:
        """[n, channels · cells]. Sums, then the division: 0 and 1 are what half precision holds of the cells."""
        return (map.flatten(2) @ cells / cells.sum(0)).flatten(1)


class ExportedDecoder(nn.Module):
    """Maps → per label: mask logits, score logits, distances."""

    def __init__(self, decoder: LesionDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, *maps: Tensor) -> tuple[Tensor, ...]:
        mask, score, distance = self.decoder(list(maps))
        parts: list[Tensor] = []
        for j in range(self.decoder.labels):
            parts += [mask[:, j : j + 1], score[:, j : j + 1], distance[:, 4 * j : 4 * j + 4]]
        return tuple(parts)


def run(config: Config, run_uri: str) -> None:
    """Write the bundle, replacing the one that is there; refuse where onnxruntime and PyTorch disagree."""
    how = section(config, "export", Export)
    device = distributed.start(config.runtime)
    store = open_store(run_uri)
    heads = load_heads(config, store)
    answers = load_answers(config, heads, run_uri) if config.answers is not None else None
    maps = decoder_maps(heads.encoder)
    names = [m.name for m in maps]
    train_set, held_set = (
        PreparedDataset(config.data.sets, (s,), config.input, False) for s in ("train", "validation")
    )
    train = extract(heads.encoder, train_set, config, device, names)
    held = extract(heads.encoder, held_set, config, device, names)
    vectors, held_vectors = heads.projection(train.pooled), heads.projection(held.pooled)

    files = encoder_files(heads, config, held_set)
    files |= head_files(heads, config, held)
    if answers is not None:
        files |= answer_files(answers, config, heads, held, held_vectors)
    support, more = support_files(
        heads.encoder, train_set, Side(train, vectors), Side(held, held_vectors), config, device
    )
    files |= more
    reference = reference_files(how, config, heads, train, vectors, files)
    hashes = heads.manifest["data"]["patientHashes"]
    files["patients.txt"] = "".join(f"{h}\n" for h in hashes).encode()
    manifest = {
        "name": how.name,
        "version": how.version,
        "created": bundle.now(),
        "description": how.description,
        "intendedUse": how.intended_use,
        "licence": {"id": how.licence, "statement": how.licence_statement, "commercialUse": how.commercial_use},
        "input": config.input.manifest(),
        "encoder": encoder_entry(heads, config),
        "heads": [*classification_entries(heads, held), *lesion_entries(heads, config, held.cases)],
        "region": region_entry(heads, config, maps),
        "answers": answers_entry(answers, config, heads, held) if answers is not None else None,
        "support": support,
        "reference": reference,
        "training": {
            "datasets": [_dataset_entry(open_store(uri), train) for uri in config.data.sets],
            "patientHashesFile": "patients.txt",
            "commit": _commit(),
            "seed": config.seed,
        },
        "metrics": [],
    }
    target = how.bundle or f"{run_uri.rstrip('/')}/bundle"
    complete = bundle.write(target, files, manifest, replace=True)
    size = sum(entry["bytes"] for entry in complete["files"].values())
    print(f"{target}: {len(complete['files'])} files, {size / 1e6:.1f} MB")
    distributed.stop()


def agree(what: str, expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> None:
    """TrainingError `parity` where a number differs by more than TOLERANCE, or of a tensor beyond 1 by that share of its largest."""
    for e, f in zip(expected, found, strict=True):
        worst = float(np.abs(e - f).max() / max(1.0, float(np.abs(e).max()))) if e.size else 0.0
        if not worst <= TOLERANCE:
            raise TrainingError(
                "parity", f"{what}: onnxruntime differs from PyTorch by {worst:.2g}; nothing was written."
            )


def encoder_files(heads: TrainedHeads, config: Config, held: PreparedDataset) -> dict[str, bytes]:
    """encoder.onnx, checked on validation images."""
    module = ExportedEncoder(heads.encoder, heads.projection, config.input).eval()
    images = held.tensors(range(min(4, len(held))))
    batch = torch.export.Dim("batch", min=1, max=256)
    graph = from_torch(module, (images[:2].clone(),), ["image"], module.outputs, ({0: batch},), optimise=False)
    data = bundle.onnx_bytes(compact(name_batch(graph), BYTE))
    with torch.inference_mode():
        expected = [t.numpy() for t in module(images)]
    ready = session(data)
    agree("encoder", expected, ready.run(None, {"image": images.numpy()}))
    agree("encoder, one image", [e[:1] for e in expected], ready.run(None, {"image": images[:1].numpy()}))
    return {"encoder.onnx": data}


def name_batch(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Calls every dynamic first axis of inputs and outputs "batch"."""
    for entry in [*graph.graph.input, *graph.graph.output]:
        first = entry.type.tensor_type.shape.dim[0]
        if not first.HasField("dim_value"):
            first.dim_param = "batch"
    return graph


def head_files(heads: TrainedHeads, config: Config, held: Features) -> dict[str, bytes]:
    """Classifiers, the lesion decoder (one file for its heads), the region head."""
    files: dict[str, bytes] = {}
    dimension = heads.projection.weight.shape[0]
    for c in heads.classifiers:
        graph = from_nodes(
            c.name,
            [value("vector", "batch", dimension)],
            [value("logits", "batch", len(c.labels))],
            [helper.make_node("Gemm", ["vector", "weight", "bias"], ["logits"], transB=1)],
            {"weight": c.weight, "bias": c.bias},
        )
        files[f"heads/{c.name}.onnx"] = bundle.onnx_bytes(graph)
        sample = heads.projection(held.pooled[:8])
        agree(c.name, [c.logits(sample)], [run_graph(files[f"heads/{c.name}.onnx"], {"vector": sample})["logits"]])
    maps = decoder_maps(heads.encoder)
    if heads.decoder is not None:
        module = ExportedDecoder(heads.decoder).eval()
        inputs = tuple(torch.from_numpy(np.asarray(held.maps[m.name][:2], np.float32)) for m in maps)
        batch = torch.export.Dim("batch", min=1, max=256)
        labels = list(section(config, "heads", Heads).lesions)
        outputs = [f"{label}_{part}" for label in labels for part in ("mask", "scores", "distances")]
        graph = from_torch(
            module, inputs, [m.name for m in maps], outputs, (tuple({0: batch} for _ in maps),), optimise=False
        )
        data = bundle.onnx_bytes(compact(name_batch(graph)))
        with torch.inference_mode():
            expected = [t.numpy() for t in module(*inputs)]
        agree(
            "lesion decoder",
            expected,
            session(data).run(None, {m.name: x.numpy() for m, x in zip(maps, inputs, strict=True)}),
        )
        files["heads/lesions.onnx"] = data
    if heads.region is not None:
        data = bundle.onnx_bytes(regions.graph(heads.region, maps, config.input.height, config.input.width))
        box = (4.0, 8.0, config.input.width * 0.4, config.input.height * 0.3)
        feeds = {m.name: np.asarray(held.maps[m.name][:1], np.float32) for m in maps}
        pooled = regions.region_features(held, [regions.Region(0, 0, box)], maps)
        found = run_graph(data, {**feeds, "boxes": np.array([box], np.float32)})["region_vector"]
        agree("region", [heads.region(pooled)], [found])
        files["region.onnx"] = data
    return files


def answer_files(
    answers: TrainedAnswers, config: Config, heads: TrainedHeads, held: Features, held_vectors: np.ndarray
) -> dict[str, bytes]:
    """Tokenizer, question encoder (checked against full precision), router, head."""
    encoder = TextEncoder()
    check_text(encoder, answers)
    router = from_nodes(
        "router",
        [value("sentence", 1, WIDTH)],
        [value("logits", 1, len(answers.router.names))],
        [
            helper.make_node("Gemm", ["sentence", "inner", "inner_bias"], ["hidden"], transB=1),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "outer", "outer_bias"], ["logits"], transB=1),
        ],
        {name: getattr(answers.router, name) for name in ROUTER_ARRAYS},
    )
    how = section(config, "answers", Answers)
    tokens, _ = encoder("What is the breast density?")
    example = (
        torch.from_numpy(tokens[None]),
        torch.ones(1, len(tokens), dtype=torch.int64),
        torch.from_numpy(np.asarray(held.maps[how.map][:1], np.float32)),
        torch.from_numpy(held_vectors[:1]),
    )
    axis = torch.export.Dim("tokens", min=2, max=512)
    names = ["tokens", "attention_mask", how.map, "vector"]
    graph = from_torch(answers.head, example, names, ["logits"], ({1: axis}, {1: axis}, None, None), optimise=False)
    data = bundle.onnx_bytes(compact(graph))
    with torch.inference_mode():
        expected = answers.head(*example).numpy()
    feeds = {name: x.numpy() for name, x in zip(names, example, strict=True)}
    agree("answer head", [expected], [run_graph(data, feeds)["logits"]])
    return {
        "answers/tokenizer.json": encoder.tokenizer,
        "answers/text.onnx": encoder.graph,
        "answers/router.onnx": bundle.onnx_bytes(router),
        "answers/head.onnx": data,
    }


@torch.inference_mode()
def check_text(encoder: TextEncoder, answers: TrainedAnswers, every: int = 23) -> None:
    """int8 against full precision on questions of every split: the same topic and cosine ≥ 0.99, or `parity`."""
    full = MiniLM()
    texts = [q.text for split in ("train", "validation", "test") for q in questions(split)][::every]  # type: ignore[arg-type]
    for text in texts:
        ids = torch.tensor([encoder.ids(text)])
        _, exact = full(ids, torch.ones_like(ids))
        small = encoder(text)[1]
        topics = [answers.router.probabilities(s[None])[0].argmax() for s in (exact[0].numpy(), small)]
        if float(exact[0].numpy() @ small) < 0.99 or topics[0] != topics[1]:
            raise TrainingError("parity", f"The int8 question encoder reads {text!r} differently; nothing was written.")


def reference_files(
    how: Export, config: Config, heads: TrainedHeads, train: Features, vectors: np.ndarray, files: dict[str, bytes]
) -> dict[str, Any] | None:
    """Adds vectors and cases of the publishable training images, and of their lesions, to `files`; the manifest entry."""
    citations = {}
    for uri in config.data.sets:
        record = _dataset_record(open_store(uri))
        if record["name"] in how.reference:
            if not record["licence"]["releasable"]:
                raise TrainingError(
                    "not-releasable", f"{record['name']} may not be published: take it out of export.reference."
                )
            citations[record["name"]] = record
    rows = published(train.cases, list(citations))
    if not rows:
        return None
    lines = [_reference_record(train.cases[i], citations) for i in rows]
    files["reference/images.f32"] = bundle.float32(vectors[rows])
    files["reference/images.jsonl"] = bundle.json_lines(lines)
    region_entry = None
    if heads.region is not None:
        maps, kept = decoder_maps(heads.encoder), set(rows)
        context = section(config, "heads", Heads).region_context
        marked = [r for r in regions.marked_regions(train.cases, config, context) if r.image in kept]
        if marked:
            found = heads.region(regions.region_features(train, marked, maps))
            files["reference/regions.f32"] = bundle.float32(found)
            files["reference/regions.jsonl"] = bundle.json_lines(
                [_region_record(train.cases[r.image], r.lesion, citations) for r in marked]
            )
            region_entry = {
                "vectors": "reference/regions.f32",
                "cases": "reference/regions.jsonl",
                "count": len(marked),
            }
    return {
        "vectors": "reference/images.f32",
        "cases": "reference/images.jsonl",
        "count": len(rows),
        "citations": [
            {"dataset": name, "citation": record["citation"], "licence": record["licence"]["id"]}
            for name, record in citations.items()
        ],
        "regions": region_entry,
    }


#: Fields of a CaseRecord; a prepared row has more.
CASE_FIELDS = (
    "id",
    "dataset",
    "sourceImageId",
    "patient",
    "exam",
    "labels",
    "lesions",
    "split",
    "licence",
    "releasable",
    "sha256",
)


def _reference_record(case: Case, citations: Mapping[str, Any]) -> dict[str, Any]:
    record = {field: case.row[field] for field in CASE_FIELDS}
    record["lesions"] = [{**lesion, "mask": None} for lesion in case.lesions]
    complete = {**record, "citation": citations[case.dataset]["citation"], "image": case.id}
    bundle.validate("reference-record", complete)
    return complete


def _region_record(case: Case, lesion: int, citations: Mapping[str, Any]) -> dict[str, Any]:
    """The case of one lesion: its own answers in place of the image's."""
    record, marked = _reference_record(case, citations), case.lesions[lesion]
    own = {k: marked[k] for k in ("pathology", "birads", "subtlety") if marked.get(k) is not None}
    own |= {k: marked[k] for k in ("massShapes", "massMargins") if marked.get(k)}
    return {
        **record,
        "id": str(uuid.uuid5(uuid.UUID(case.id), f"region/{lesion}")),
        "labels": {**record["labels"], **own},
        "lesions": [record["lesions"][lesion]],
    }


def encoder_entry(heads: TrainedHeads, config: Config) -> dict[str, Any]:
    spec, dimension = config.input, heads.projection.weight.shape[0]
    return {
        "file": "encoder.onnx",
        "backbone": heads.encoder.backbone,
        "input": bundle.tensor("image", "float32", "batch", spec.channels, spec.height, spec.width),
        "vector": bundle.tensor("vector", "float32", "batch", dimension),
        "dimension": dimension,
        "maps": [{"tensor": _map(m, config), "stride": m.stride} for m in decoder_maps(heads.encoder)],
    }


def map_size(info: MapInfo, spec: ModelInput) -> tuple[int, int]:
    """Height and width of a map in cells."""
    return -(-spec.height // info.stride), -(-spec.width // info.stride)


def _map(info: MapInfo, config: Config) -> dict[str, Any]:
    return bundle.tensor(info.name, "float32", "batch", info.channels, *map_size(info, config.input))


def _domain(
    sources: list[str], question: str, cases: Sequence[Case], condition: str | None, exploratory: bool
) -> dict[str, Any]:
    own = [c for c in cases if c.dataset in sources]
    views = sorted({c.labels["view"] for c in own if c.labels.get("view")})
    modalities = sorted({c.labels["modality"] for c in own if c.labels.get("modality")})
    return {
        "sources": sources,
        "question": question,
        "views": views or None,
        "modalities": modalities or None,
        "condition": condition,
        "exploratory": exploratory,
    }


def classification_entries(heads: TrainedHeads, held: Features) -> list[dict[str, Any]]:
    """Question and condition of a head are those of the topic that asks for the same field and answers."""
    entries = []
    for c in heads.classifiers:
        topic = next(
            (t for t in TOPICS if t.field == c.task.field and set(c.task.values) & set(t.values) == set(c.task.values)),
            None,
        )
        few = sum(x.dataset in c.sources for x in held.cases) < FEW
        entries.append({
            "kind": "classification",
            "name": c.name,
            "file": f"heads/{c.name}.onnx",
            "inputs": {"vector": "vector"},
            "domain": _domain(c.sources, topic.question if topic else c.name, held.cases, topic.condition if topic else None, few),
            "metrics": [],
            "logits": bundle.tensor("logits", "float32", "batch", len(c.labels)),
            "activation": c.activation,
            "labels": c.labels,
            "temperature": c.temperature,
            "prior": c.prior,
            "thresholds": c.thresholds,
        })  # fmt: skip
    return entries


def lesion_entries(heads: TrainedHeads, config: Config, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """A detector and a segmenter per label, all reading one file."""
    how, spec = section(config, "heads", Heads), config.input
    if heads.decoder is None:
        return []
    maps = decoder_maps(heads.encoder)
    height, width = map_size(maps[0], spec)
    entries: list[dict[str, Any]] = []
    for label, lesions in how.lesions.items():
        at = heads.operating[label]
        base = {
            "file": "heads/lesions.onnx",
            "inputs": {m.name: m.name for m in maps},
            "domain": _domain(lesions.sources, lesions.question, cases, lesions.condition, lesions.exploratory),
            "metrics": [],
            "labels": [label],
        }  # fmt: skip
        entries.append({
            "kind": "detection", "name": f"{label}_detection", **base,
            "levels": [{
                "stride": maps[0].stride,
                "scores": bundle.tensor(f"{label}_scores", "float32", "batch", 1, height, width),
                "distances": bundle.tensor(f"{label}_distances", "float32", "batch", 4, height, width),
            }],
            "boxCoding": "ltrb",
            "temperature": at["temperature"],
            "scoreThreshold": at["scoreThreshold"],
            "overlapLimit": 0.3,
            "maximum": 20,
            "operatingPoint": at["operatingPoint"],
        })  # fmt: skip
        entries.append({
            "kind": "segmentation", "name": f"{label}_segmentation", **base,
            "logits": bundle.tensor(f"{label}_mask", "float32", "batch", 1, height, width),
            "temperature": 1.0,
            "threshold": at["maskThreshold"],
        })  # fmt: skip
    return entries


def region_entry(heads: TrainedHeads, config: Config, maps: Sequence[MapInfo]) -> dict[str, Any] | None:
    if heads.region is None:
        return None
    dimension = heads.region.weight.shape[0]
    return {
        "file": "region.onnx",
        "inputs": {m.name: m.name for m in maps},
        "boxes": bundle.tensor("boxes", "float32", "regions", 4),
        "vector": bundle.tensor("region_vector", "float32", "regions", dimension),
        "dimension": dimension,
        "context": section(config, "heads", Heads).region_context,
        "metrics": [],
    }


def answers_entry(answers: TrainedAnswers, config: Config, heads: TrainedHeads, held: Features) -> dict[str, Any]:
    how = section(config, "answers", Answers)
    trained = {t.topic.name: t for t in answers.topics}
    topics = []
    for topic in TOPICS:
        t = trained.get(topic.name)
        known = answers.calibrated.get(topic.name, {})
        labels = t.labels if t else topic.labels
        sources = (
            ([s for s in dict.fromkeys(c.dataset for c in held.cases) if s in (t.task.sources or [s])]) if t else []
        )
        topics.append({
            "name": topic.name,
            "title": topic.title,
            "from": topic.origin,
            "trained": t is not None,
            "labels": labels,
            "phrases": {label: list(topic.phrases.get(label, (label.replace("_", " "),))) for label in labels},
            "multilabel": topic.multilabel or bool(t and t.task.multilabel),
            "vote": {"field": t.task.field, "values": {_text(v): label for v, label in zip(t.task.values, labels, strict=True)}} if t else None,
            "offset": t.offset if t else None,
            "temperature": known.get("temperature", 1.0),
            "prior": known.get("prior", {}),
            "domain": _domain(sources, topic.question, held.cases, topic.condition, topic.exploratory) if t else None,
            "abstainBelow": known.get("abstainBelow", 0.0),
            "coverage": known.get("coverage"),
            "accuracyAnswered": known.get("accuracyAnswered"),
            "gateBias": answers.gate.bias.get(topic.name, 0.0),
            "similarityFloor": answers.floor,
            "sentence": topic.sentence,
        })  # fmt: skip
    map = next(m for m in decoder_maps(heads.encoder) if m.name == how.map)
    return {
        "tokenizer": "answers/tokenizer.json",
        "text": {
            "file": "answers/text.onnx",
            "inputIds": bundle.tensor("input_ids", "int64", 1, "tokens"),
            "attentionMask": bundle.tensor("attention_mask", "int64", 1, "tokens"),
            "tokens": bundle.tensor("tokens", "float32", 1, "tokens", WIDTH),
            "sentence": bundle.tensor("sentence", "float32", 1, WIDTH),
            "maxTokens": MAX_TOKENS,
        },
        "router": {
            "file": "answers/router.onnx",
            "sentence": bundle.tensor("sentence", "float32", 1, WIDTH),
            "logits": bundle.tensor("logits", "float32", 1, len(answers.router.names)),
            "temperature": answers.router.temperature,
            "threshold": answers.router.threshold,
        },
        "head": {
            "file": "answers/head.onnx",
            "tokens": bundle.tensor("tokens", "float32", 1, "tokens", WIDTH),
            "attentionMask": bundle.tensor("attention_mask", "int64", 1, "tokens"),
            "inputs": {map.name: map.name, "vector": "vector"},
            "logits": bundle.tensor("logits", "float32", 1, sum(len(t.labels) for t in answers.topics)),
        },
        "topics": topics,
        "gate": {
            "weights": list(answers.gate.weights),
            "neighbours": answers.gate.neighbours,
            "voteTemperature": answers.gate.vote_temperature,
            "smoothing": answers.gate.smoothing,
        },
        "metrics": [],
    }


def _text(v: Any) -> str:
    """A value of Labels as JavaScript's String() spells it."""
    return str(v).lower() if isinstance(v, bool) else str(v)


def _dataset_record(store: ObjectStore) -> dict[str, Any]:
    body = store.get("dataset.json")
    if body is None:
        raise TrainingError("no-dataset", f"{store.uri} holds no dataset.json: prepare it with `versamammo prepare`.")
    record: dict[str, Any] = json.loads(body)
    return record


def _dataset_entry(store: ObjectStore, train: Features) -> dict[str, Any]:
    record = _dataset_record(store)
    own = [c for c in train.cases if c.dataset == record["name"]]
    return {
        "name": record["name"],
        "licence": record["licence"]["id"],
        "images": len(own),
        "patients": len({c.patient for c in own}),
        "contentSha256": record["contentSha256"],
    }


def _commit() -> str | None:
    """The commit that the code stands at; null outside a checkout."""
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None
