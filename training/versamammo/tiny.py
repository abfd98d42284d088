"""models/tiny: a valid bundle of a few tens of kB with every kind of head, made without PyTorch and fitted on phantoms. For tests."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from versamammo import bundle
from versamammo.appearance import Look, appearance_of
from versamammo.models.encoder import MapInfo

HEIGHT, WIDTH, DIMENSION, TOKEN_DIMENSION, REGION_DIMENSION = 64, 48, 16, 24, 8
MEAN, DEVIATION = 0.25, 0.25
DENSITIES = ["A", "B", "C", "D"]
FINDINGS = ["mass", "calcification"]
CITATION = "Synthetic phantoms of VersaMammo's training/versamammo/tiny.py; no patient."

QUESTIONS = {
    "laterality": [
        "which breast is this",
        "is this the left or the right breast",
        "what side was imaged",
        "laterality",
    ],
    "view": [
        "which view is this",
        "is this a cc or mlo view",
        "what projection was used",
        "what view does the image show",
    ],
    "density": [
        "what is the breast density",
        "how dense is the breast",
        "which density category is this",
        "is the tissue fatty or dense",
        "what is the acr density",
    ],
    "findings": [
        "what findings are present",
        "which abnormality does the image show",
        "is there a mass or calcification",
        "what abnormalities can be seen",
    ],
    "cancer": [
        "is there cancer",
        "is there cancer in this breast",
        "does the image show a malignancy",
        "is it malignant",
    ],
    "masking_potential": ["what is the masking potential", "how much could tissue mask a tumour", "masking level"],
    None: [
        "what is the weather today",
        "how old is the patient",
        "which treatment should she receive",
        "will she survive",
        "what is the bone density",
        "write a poem",
        "what is the capital of france",
    ],
}


def phantom(rng: np.random.Generator, density: int, mass: bool, specks: bool) -> np.ndarray:
    """[64, 48] in [0, 1]: a half ellipse at the left edge, smooth tissue that grows with `density` (0–3), a disc, or specks."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    inside = ((x / rng.uniform(30, 44)) ** 2 + ((y - HEIGHT / 2) / rng.uniform(24, 30)) ** 2) < 1
    noise = rng.standard_normal((HEIGHT, WIDTH))
    for _ in range(3):
        noise = sum(np.roll(noise, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) / 9
    tissue = 0.2 + 0.12 * density + 0.5 * (0.4 + 0.3 * density) * noise
    if mass:
        cy, cx, r = rng.uniform(22, 42), rng.uniform(8, 22), rng.uniform(3, 5)
        tissue = tissue + 0.35 * (((y - cy) ** 2 + (x - cx) ** 2) < r * r)
    if specks:
        for cy, cx in rng.integers((20, 6), (44, 24), (8, 2)):
            tissue[cy, cx] += 0.5
    return np.clip(np.where(inside, tissue, 0), 0, 1).astype(np.float32)


def _graph(name: str, inputs: list, outputs: list, nodes: list, weights: dict[str, np.ndarray]) -> bytes:
    graph = helper.make_graph(
        nodes, name, inputs, outputs, [numpy_helper.from_array(np.ascontiguousarray(w), k) for k, w in weights.items()]
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="versamammo"
    )
    return bundle.onnx_bytes(model)


def _value(name: str, *shape: int | str, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, list(shape))


def _unit(source: str, target: str) -> list[onnx.NodeProto]:
    """target = source / max(‖source‖, 1e-6) along the last axis."""
    return [
        helper.make_node("ReduceL2", [source], [f"{target}_norm"], axes=[-1], keepdims=1),
        helper.make_node("Clip", [f"{target}_norm", "tiny"], [f"{target}_safe"]),
        helper.make_node("Div", [source, f"{target}_safe"], [target]),
    ]


#: A cell of the grid is a cell of the map.
LOOK = Look("appearance", MapInfo("map16", 16, 16), (HEIGHT // 16, WIDTH // 16))
TINY = {"tiny": np.float32(1e-6)}


def _encoder(rng: np.random.Generator, images: np.ndarray) -> tuple[bytes, dict[str, np.ndarray]]:
    """Two strided convolutions; means of both maps, standardised over `images`, rotated to 16 numbers of unit length."""
    w1 = rng.standard_normal((8, 1, 5, 5)).astype(np.float32)
    w1[1:] -= w1[1:].mean((2, 3), keepdims=True) * 0.8
    weights = {
        "w1": np.round(w1 / 5, 4),
        "b1": np.full(8, 0.1, np.float32),
        "w2": np.round(rng.standard_normal((16, 8, 5, 5)) / 10, 4).astype(np.float32),
        "b2": np.full(16, 0.1, np.float32),
        **TINY,
    }
    body = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], strides=[4, 4], pads=[1, 1, 1, 1], kernel_shape=[5, 5]),
        helper.make_node("Relu", ["c1"], ["map4"]),
        helper.make_node("Conv", ["map4", "w2", "b2"], ["c2"], strides=[4, 4], pads=[1, 1, 1, 1], kernel_shape=[5, 5]),
        helper.make_node("Relu", ["c2"], ["map16"]),
        helper.make_node("ReduceMean", ["map4"], ["p4"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["map16"], ["p16"], axes=[2, 3], keepdims=0),
        helper.make_node("Concat", ["p4", "p16"], ["pooled"], axis=1),
        helper.make_node("Flatten", ["map16"], ["appearance"]),
    ]
    image = _value("image", "batch", 1, HEIGHT, WIDTH)
    probe = _graph(
        "pooled", [image], [_value("pooled", "batch", 24)], body, {k: v for k, v in weights.items() if k not in TINY}
    )
    pooled = run(probe, {"image": images})["pooled"]
    deviation = np.maximum(pooled.std(0), 1e-3)
    q, _ = np.linalg.qr(rng.standard_normal((24, 24)))
    weights["w3"] = np.round(q[:, :DIMENSION] / deviation[:, None], 3).astype(np.float32)
    weights["b3"] = np.round(-(pooled.mean(0) @ weights["w3"]), 3).astype(np.float32)
    nodes = [*body, helper.make_node("Gemm", ["pooled", "w3", "b3"], ["projected"]), *_unit("projected", "vector")]
    outputs = [
        _value("vector", "batch", DIMENSION),
        _value("appearance", "batch", LOOK.features),
        _value("map4", "batch", 8, HEIGHT // 4, WIDTH // 4),
        _value("map16", "batch", 16, HEIGHT // 16, WIDTH // 16),
    ]
    model = _graph("encoder", [image], outputs, nodes, weights)
    return model, run(model, {"image": images})


def run(model: bytes, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All outputs of an ONNX graph, by name, on the CPU with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=False))


def _ridge(x: np.ndarray, y: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares scores of one-hot `y`, spread by `scale`, as weight [in, out] and bias."""
    centre, target = x.mean(0), y.mean(0)
    w = np.linalg.solve((x - centre).T @ (x - centre) + np.eye(x.shape[1]), (x - centre).T @ (y - target)) * scale
    return np.round(w, 3).astype(np.float32), np.round(-(centre @ w), 3).astype(np.float32)


def _linear(name: str, source: str, size: int, w: np.ndarray, b: np.ndarray) -> bytes:
    nodes = [helper.make_node("Gemm", [source, "w", "b"], ["logits"])]
    return _graph(
        name, [_value(source, "batch", size)], [_value("logits", "batch", w.shape[1])], nodes, {"w": w, "b": b}
    )


def _point_heads(rng: np.random.Generator, features: dict[str, np.ndarray]) -> tuple[bytes, bytes]:
    """Detection on both maps and segmentation on the fine one: 1×1 convolutions whose biases let about 4 % of the cells through."""
    nodes, outputs, weights = [], [], {"one": np.float32(1)}
    for level, channels in (("map4", 8), ("map16", 16)):
        w = np.round(rng.standard_normal((1, channels, 1, 1)), 3).astype(np.float32)
        response = np.einsum("nchw,c->nhw", features[level], w[0, :, 0, 0])
        weights |= {
            f"{level}_s": w,
            f"{level}_sb": np.round(-np.quantile(response, [0.96]), 3).astype(np.float32),
            f"{level}_d": np.round(rng.standard_normal((4, channels, 1, 1)), 3).astype(np.float32),
            f"{level}_db": np.array([0.2, 0.3, 0.2, 0.3], np.float32),
        }
        nodes += [
            helper.make_node("Conv", [level, f"{level}_s", f"{level}_sb"], [f"{level}_scores"]),
            helper.make_node("Conv", [level, f"{level}_d", f"{level}_db"], [f"{level}_raw"]),
            helper.make_node("Relu", [f"{level}_raw"], [f"{level}_positive"]),
            helper.make_node("Add", [f"{level}_positive", "one"], [f"{level}_distances"]),
        ]
        h, k = features[level].shape[2:]
        outputs += [_value(f"{level}_scores", "batch", 1, h, k), _value(f"{level}_distances", "batch", 4, h, k)]
    inputs = [_value("map4", "batch", 8, 16, 12), _value("map16", "batch", 16, 4, 3)]
    detection = _graph("mass_detection", inputs, outputs, nodes, weights)
    segmentation = _graph(
        "mass_segmentation",
        inputs[:1],
        [_value("logits", "batch", 1, 16, 12)],
        [helper.make_node("Conv", ["map4", "w", "b"], ["logits"])],
        {"w": weights["map4_s"], "b": weights["map4_sb"]},
    )
    return detection, segmentation


def _region(rng: np.random.Generator) -> bytes:
    """RoiAlign on both maps, mean, rotation, unit length."""
    nodes = [
        helper.make_node("Shape", ["boxes"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["count"]),
        helper.make_node(
            "ConstantOfShape", ["count"], ["batch_index"], value=helper.make_tensor("v", TensorProto.INT64, [1], [0])
        ),
    ]
    for level, stride in (("map4", 4), ("map16", 16)):
        nodes += [
            helper.make_node(
                "RoiAlign",
                [level, "boxes", "batch_index"],
                [f"{level}_crop"],
                output_height=2,
                output_width=2,
                sampling_ratio=2,
                spatial_scale=1 / stride,
                coordinate_transformation_mode="half_pixel",
            ),
            helper.make_node("ReduceMean", [f"{level}_crop"], [f"{level}_mean"], axes=[2, 3], keepdims=0),
        ]
    nodes += [
        helper.make_node("Concat", ["map4_mean", "map16_mean"], ["pooled"], axis=1),
        helper.make_node("Gemm", ["pooled", "w", "b"], ["projected"]),
        *_unit("projected", "region_vector"),
    ]
    weights = {
        "zero": np.array([0], np.int64),
        "w": np.round(rng.standard_normal((24, REGION_DIMENSION)), 3).astype(np.float32),
        "b": np.round(rng.standard_normal(REGION_DIMENSION) * 0.1, 3).astype(np.float32),
        **TINY,
    }
    inputs = [_value("map4", "batch", 8, 16, 12), _value("map16", "batch", 16, 4, 3), _value("boxes", "regions", 4)]
    return _graph("region", inputs, [_value("region_vector", "regions", REGION_DIMENSION)], nodes, weights)


def _tokenizer() -> tuple[bytes, dict[str, int]]:
    """WordPiece tokenizer of the questions' whole words, in the format of huggingface/tokenizers."""
    words = sorted(
        {word for texts in QUESTIONS.values() for text in texts for word in re.findall(r"\w+|[^\w\s]", text)}
    )
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "?", ".", ",", *words])}
    special = [
        {
            "id": i,
            "content": t,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for i, t in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    ]
    cls, sep = ({"SpecialToken": {"id": t, "type_id": 0}} for t in ("[CLS]", "[SEP]"))
    description = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [cls, {"Sequence": {"id": "A", "type_id": 0}}, sep],
            "pair": [cls, {"Sequence": {"id": "A", "type_id": 0}}, sep, {"Sequence": {"id": "B", "type_id": 1}}, sep],
            "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for i, t in ((2, "[CLS]"), (3, "[SEP]"))},
        },
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "vocab": vocabulary,
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        },
    }
    return json.dumps(description, indent=1).encode() + b"\n", vocabulary


def _text(rng: np.random.Generator, words: int) -> bytes:
    """Token embeddings; the sentence is their mean over the mask, unit length. [PAD], [UNK], [CLS], [SEP] and "?" weigh little."""
    table = rng.standard_normal((words, TOKEN_DIMENSION))
    table[:7] *= 0.1
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask_f"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask_f", "last"], ["mask3"]),
        helper.make_node("Mul", ["embedded", "mask3"], ["tokens"]),
        helper.make_node("ReduceSum", ["tokens", "first"], ["summed"], keepdims=0),
        *_unit("summed", "sentence"),
    ]
    weights = {
        "table": np.round(table, 3).astype(np.float32),
        "last": np.array([2], np.int64),
        "first": np.array([1], np.int64),
        **TINY,
    }
    inputs = [_value(n, 1, "tokens", dtype=TensorProto.INT64) for n in ("input_ids", "attention_mask")]
    outputs = [_value("tokens", 1, "tokens", TOKEN_DIMENSION), _value("sentence", 1, TOKEN_DIMENSION)]
    return _graph("text", inputs, outputs, nodes, weights)


def _answer_head(rng: np.random.Generator, features: dict[str, np.ndarray], targets: np.ndarray) -> bytes:
    """Question tokens attend to the cells of map16; what they gather, averaged, gives the logits of all topics' answers."""
    cells = features["map16"].reshape(len(targets), 16, -1).mean(2)
    value, bias = _ridge(cells, targets, 6)
    nodes = [
        helper.make_node("Reshape", ["map16", "flat"], ["flat_cells"]),
        helper.make_node("MatMul", ["tokens", "wq"], ["query"]),
        helper.make_node("MatMul", ["query", "flat_cells"], ["similarity"]),
        helper.make_node("Softmax", ["similarity"], ["attention"], axis=-1),
        helper.make_node("Transpose", ["flat_cells"], ["cells"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["attention", "cells"], ["gathered"]),
        helper.make_node("Cast", ["attention_mask"], ["mask_f"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask_f", "last"], ["mask3"]),
        helper.make_node("Mul", ["gathered", "mask3"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "first"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["mask_f", "first"], ["length"], keepdims=1),
        helper.make_node("Div", ["total", "length"], ["mean"]),
        helper.make_node("Gemm", ["mean", "w", "b"], ["logits"]),
    ]
    weights = {
        "flat": np.array([0, 16, -1], np.int64),
        "wq": np.round(rng.standard_normal((TOKEN_DIMENSION, 16)) * 0.1, 3).astype(np.float32),
        "last": np.array([2], np.int64),
        "first": np.array([1], np.int64),
        "w": value,
        "b": bias,
    }
    inputs = [
        _value("tokens", 1, "tokens", TOKEN_DIMENSION),
        _value("attention_mask", 1, "tokens", dtype=TensorProto.INT64),
        _value("map16", 1, 16, 4, 3),
    ]
    return _graph("answers", inputs, [_value("logits", 1, targets.shape[1])], nodes, weights)


def build(folder: Path | str, seed: int = 0) -> dict[str, Any]:
    """Writes the bundle to `folder`; the same seed gives the same files."""
    rng = np.random.default_rng(seed)
    facts = [(i % 4, i % 3 == 0, i % 5 == 0, i // 4 % 2) for i in range(96)]
    grey = np.stack([phantom(rng, d, m, s) for d, m, s, _ in facts])
    images = ((grey - MEAN) / DEVIATION)[:, None].astype(np.float32)
    encoder, features = _encoder(rng, images)
    vectors = features["vector"]

    density = np.eye(4)[[f[0] for f in facts]]
    view = np.eye(2)[[f[3] for f in facts]]
    findings = np.array([[f[1], f[2]] for f in facts], float)
    cancer = np.eye(2)[[int(f[1] and f[0] > 1) for f in facts]]
    answers = {"view": view, "density": density, "findings": findings, "cancer": cancer}

    tokenizer, vocabulary = _tokenizer()
    text = _text(rng, len(vocabulary))
    topics = [t for t in QUESTIONS if t is not None]
    pairs = [(q, topics.index(t) if t is not None else len(topics)) for t, qs in QUESTIONS.items() for q in qs]
    sentences = np.concatenate([_sentence(text, vocabulary, q) for q, _ in pairs])
    router = _ridge(sentences, np.eye(len(topics) + 1)[[t for _, t in pairs]], 14)
    detection, segmentation = _point_heads(rng, features)
    region = _region(rng)

    files = {
        "encoder.onnx": encoder,
        "heads/density.onnx": _linear("density", "vector", DIMENSION, *_ridge(vectors, density, 8)),
        "heads/findings.onnx": _linear("findings", "vector", DIMENSION, *_ridge(vectors, findings, 8)),
        "heads/mass_detection.onnx": detection,
        "heads/mass_segmentation.onnx": segmentation,
        "region.onnx": region,
        "answers/tokenizer.json": tokenizer,
        "answers/text.onnx": text,
        "answers/router.onnx": _router(*router),
        "answers/head.onnx": _answer_head(rng, features, np.concatenate(list(answers.values()), 1)),
    }
    domain = {
        "sources": ["phantom"],
        "question": "",
        "views": None,
        "modalities": None,
        "condition": None,
        "exploratory": True,
    }
    shares = {
        "density": dict(zip(DENSITIES, density.mean(0).tolist(), strict=False)),
        "findings": dict(zip(FINDINGS, findings.mean(0).tolist(), strict=False)),
    }

    reference, held = list(range(12)), list(range(12, 48))
    rows, region_rows, region_vectors = [], [], []
    for i in reference:
        d, mass, specks, v = facts[i]
        lesion = {
            "box": [6, 22, 22, 38],
            "mask": None,
            "finding": "mass",
            "pathology": None,
            "birads": None,
            "subtlety": 3,
        }
        record = _record(i, d, mass, specks, v)
        rows.append({**record, "citation": CITATION, "image": record["id"]})
        if not mass:
            continue
        lesion |= {"massShapes": ["round"], "massMargins": ["circumscribed"]}
        feeds = {
            "map4": features["map4"][i : i + 1],
            "map16": features["map16"][i : i + 1],
            "boxes": np.array([[6, 22, 22, 38]], np.float32),
        }
        region_vectors.append(run(region, feeds)["region_vector"][0])
        region_id = str(uuid.uuid5(uuid.UUID(record["id"]), "region/0"))
        region_rows.append(
            {**record, "id": region_id, "lesions": [lesion], "citation": CITATION, "image": record["id"]}
        )
    others = [i for i in range(len(vectors)) if i not in held]
    appearance, description = appearance_of(LOOK, features["map16"][others], features["map16"][held])
    files |= {
        "appearance.f32": bundle.float32(description),
        "support.f32": bundle.float32(vectors[reference]),
        "reference.f32": bundle.float32(vectors[reference]),
        "reference.jsonl": bundle.json_lines(rows),
        "reference-regions.f32": bundle.float32(np.stack(region_vectors)),
        "reference-regions.jsonl": bundle.json_lines(region_rows),
        "patients.txt": "".join(
            f"{h}\n" for h in sorted(bundle.patient_hash("phantom", f"p{i:03}") for i in range(96))
        ).encode(),
    }
    nearest = np.sort(vectors[held] @ vectors[reference].T, 1)[:, -3:].mean(1)

    def classification(
        name: str, labels: list[str], activation: str, truth: np.ndarray, question: str
    ) -> dict[str, Any]:
        logits = run(files[f"heads/{name}.onnx"], {"vector": vectors[held]})["logits"]
        e = np.exp(logits - logits.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True) if activation == "softmax" else 1 / (1 + np.exp(-logits))
        points = []
        for j, label in enumerate(labels):
            positive, called = truth[held, j] > 0.5, p[:, j] >= 0.5
            points.append(
                {
                    "label": label,
                    "threshold": 0.5,
                    "operatingPoint": "probability one half, on phantoms",
                    "sensitivity": float(called[positive].mean()) if positive.any() else 0.0,
                    "specificity": float((~called[~positive]).mean()),
                }
            )
        return {
            "kind": "classification",
            "name": name,
            "file": f"heads/{name}.onnx",
            "inputs": {"vector": "vector"},
            "domain": {**domain, "question": question},
            "metrics": [],
            "logits": bundle.tensor("logits", "float32", "batch", len(labels)),
            "activation": activation,
            "labels": labels,
            "temperature": 1.0,
            "prior": shares[name],
            "thresholds": points,
        }

    def topic(name: str, title: str, labels: dict[str, list[str]], sentence: str, **other: Any) -> dict[str, Any]:
        trained = name in answers
        offset = sum(a.shape[1] for a in list(answers.values())[: list(answers).index(name)]) if trained else None
        return {
            "name": name,
            "title": title,
            "from": "image",
            "trained": trained,
            "labels": list(labels),
            "phrases": labels,
            "multilabel": False,
            "vote": None,
            "offset": offset,
            "temperature": 1.0,
            "prior": dict(zip(labels, answers[name].mean(0).tolist(), strict=False)) if trained else {},
            "domain": {**domain, "question": QUESTIONS[name][0]} if trained else None,
            "abstainBelow": 0.3 if trained else 0.0,
            "coverage": 1.0 if trained else None,
            "accuracyAnswered": 0.5 if trained else None,
            "gateBias": -1.0,
            "similarityFloor": 0.2,
            "sentence": sentence,
            **other,
        }

    manifest = {
        "name": "tiny",
        "version": "1.0.0",
        "created": "2026-01-01T00:00:00Z",
        "description": "A bundle of a few tens of kB with every kind of head, fitted on phantoms. For tests; it knows nothing of mammograms.",
        "intendedUse": "Tests of software. Never for images of patients.",
        "licence": {"id": "Apache-2.0", "statement": "Made from synthetic phantoms.", "commercialUse": True},
        "input": {
            "preparedLongSide": 128,
            "height": HEIGHT,
            "width": WIDTH,
            "fit": "pad",
            "channels": 1,
            "mean": [MEAN],
            "deviation": [DEVIATION],
        },
        "encoder": {
            "file": "encoder.onnx",
            "backbone": "two convolutions",
            "input": bundle.tensor("image", "float32", "batch", 1, HEIGHT, WIDTH),
            "vector": bundle.tensor("vector", "float32", "batch", DIMENSION),
            "dimension": DIMENSION,
            "maps": [
                {"tensor": bundle.tensor("map4", "float32", "batch", 8, 16, 12), "stride": 4},
                {"tensor": bundle.tensor("map16", "float32", "batch", 16, 4, 3), "stride": 16},
            ],
        },
        "heads": [
            classification("density", DENSITIES, "softmax", density, "What is the breast density?"),
            classification("findings", FINDINGS, "sigmoid", findings, "Which findings are present?"),
            {
                "kind": "detection",
                "name": "mass_detection",
                "file": "heads/mass_detection.onnx",
                "inputs": {"map4": "map4", "map16": "map16"},
                "domain": {**domain, "question": "Where are masses?"},
                "metrics": [],
                "labels": ["mass"],
                "levels": [
                    {
                        "stride": stride,
                        "scores": bundle.tensor(
                            f"map{stride}_scores", "float32", "batch", 1, HEIGHT // stride, WIDTH // stride
                        ),
                        "distances": bundle.tensor(
                            f"map{stride}_distances", "float32", "batch", 4, HEIGHT // stride, WIDTH // stride
                        ),
                    }
                    for stride in (4, 16)
                ],
                "boxCoding": "ltrb",
                "temperature": 1.0,
                "scoreThreshold": 0.5,
                "overlapLimit": 0.5,
                "maximum": 20,
                "operatingPoint": "about 4 % of the cells, on phantoms",
            },
            {
                "kind": "segmentation",
                "name": "mass_segmentation",
                "file": "heads/mass_segmentation.onnx",
                "inputs": {"map4": "map4"},
                "domain": {**domain, "question": "Which pixels belong to a mass?"},
                "metrics": [],
                "labels": ["mass"],
                "logits": bundle.tensor("logits", "float32", "batch", 1, 16, 12),
                "temperature": 1.0,
                "threshold": 0.5,
            },
        ],
        "region": {
            "file": "region.onnx",
            "inputs": {"map4": "map4", "map16": "map16"},
            "boxes": bundle.tensor("boxes", "float32", "regions", 4),
            "vector": bundle.tensor("region_vector", "float32", "regions", REGION_DIMENSION),
            "dimension": REGION_DIMENSION,
            "context": 0.25,
            "metrics": [],
        },
        "answers": {
            "tokenizer": "answers/tokenizer.json",
            "text": {
                "file": "answers/text.onnx",
                "inputIds": bundle.tensor("input_ids", "int64", 1, "tokens"),
                "attentionMask": bundle.tensor("attention_mask", "int64", 1, "tokens"),
                "tokens": bundle.tensor("tokens", "float32", 1, "tokens", TOKEN_DIMENSION),
                "sentence": bundle.tensor("sentence", "float32", 1, TOKEN_DIMENSION),
                "maxTokens": 32,
            },
            "router": {
                "file": "answers/router.onnx",
                "sentence": bundle.tensor("sentence", "float32", 1, TOKEN_DIMENSION),
                "logits": bundle.tensor("logits", "float32", 1, len(topics) + 1),
                "temperature": 1.0,
                "threshold": 0.4,
            },
            "head": {
                "file": "answers/head.onnx",
                "tokens": bundle.tensor("tokens", "float32", 1, "tokens", TOKEN_DIMENSION),
                "attentionMask": bundle.tensor("attention_mask", "int64", 1, "tokens"),
                "inputs": {"map16": "map16"},
                "logits": bundle.tensor("logits", "float32", 1, sum(a.shape[1] for a in answers.values())),
            },
            "topics": [
                topic(
                    "laterality",
                    "laterality",
                    {"L": ["left", "left breast"], "R": ["right", "right breast"]},
                    "This is the {label} breast.",
                    **{"from": "header", "trained": False, "prior": {}},
                ),
                topic(
                    "view",
                    "view",
                    {"CC": ["craniocaudal"], "MLO": ["mediolateral oblique"]},
                    "This is a {label} view.",
                    vote={"field": "view", "values": {"CC": "CC", "MLO": "MLO"}},
                ),
                topic(
                    "density",
                    "breast density",
                    {
                        "A": ["almost entirely fatty", "fatty"],
                        "B": ["scattered fibroglandular densities", "scattered"],
                        "C": ["heterogeneously dense"],
                        "D": ["extremely dense"],
                    },
                    "The breast density is {label}.",
                    vote={"field": "density", "values": {d: d for d in DENSITIES}},
                ),
                topic(
                    "findings",
                    "findings",
                    {"mass": ["mass"], "calcification": ["calcification", "calcifications"]},
                    "Findings: {label}.",
                    multilabel=True,
                    vote={"field": "findings", "values": {f: f for f in FINDINGS}},
                ),
                topic(
                    "cancer",
                    "cancer in the breast",
                    {"no": ["no cancer"], "yes": ["cancer", "malignant"]},
                    "Cancer in this breast: {label}.",
                    vote={"field": "cancer", "values": {"true": "yes", "false": "no"}},
                ),
                topic(
                    "masking_potential",
                    "masking potential",
                    {str(level): [f"masking level {level}"] for level in range(1, 9)},
                    "The masking potential is {label}.",
                ),
            ],
            "gate": {"weights": [1.0, 0.5, 1.0, -1.0], "neighbours": 5, "voteTemperature": 0.2, "smoothing": 0.5},
            "metrics": [],
        },
        "support": {
            "file": "support.f32",
            "count": len(reference),
            "k": 3,
            "quantiles": [float(q) for q in np.quantile(nearest, np.linspace(0, 1, 101))],
            "limit": 0.01,
            "appearance": appearance,
        },
        "reference": {
            "vectors": "reference.f32",
            "cases": "reference.jsonl",
            "count": len(rows),
            "citations": [{"dataset": "phantom", "citation": CITATION, "licence": "Apache-2.0"}],
            "regions": {
                "vectors": "reference-regions.f32",
                "cases": "reference-regions.jsonl",
                "count": len(region_rows),
            },
        },
        "training": {
            "datasets": [
                {"name": "phantom", "licence": "Apache-2.0", "images": 96, "patients": 96, "contentSha256": None}
            ],
            "patientHashesFile": "patients.txt",
            "commit": None,
            "seed": seed,
        },
        "metrics": [],
    }
    return bundle.write(folder, files, manifest, replace=True)


def _record(i: int, density: int, mass: bool, specks: bool, view: int) -> dict[str, Any]:
    """CaseRecord of a phantom."""
    labels = {
        name: None
        for name in (
            "timePoint",
            "birads",
            "miasDensity",
            "pathology",
            "subtlety",
            "masking",
            "subtype",
            "age",
            "vendor",
            "site",
            "machine",
        )
    }
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"phantom/tiny-{i:03}")),
        "dataset": "phantom",
        "sourceImageId": f"tiny-{i:03}",
        "patient": f"p{i:03}",
        "exam": f"p{i:03}-1",
        "labels": {
            **labels,
            "laterality": "LR"[i // 2 % 2],
            "view": ["CC", "MLO"][view],
            "modality": "phantom",
            "density": DENSITIES[density],
            "cancer": bool(mass and density > 1),
            "outcomeBasis": "none",
            "findings": [f for f, present in zip(FINDINGS, (mass, specks), strict=False) if present],
            "findingsComplete": True,
            "massShapes": ["round"] if mass else [],
            "massMargins": [],
        },
        "lesions": [],
        "split": "train",
        "licence": "Apache-2.0",
        "releasable": True,
    }


def _router(w: np.ndarray, b: np.ndarray) -> bytes:
    nodes = [helper.make_node("Gemm", ["sentence", "w", "b"], ["logits"])]
    outputs = [_value("logits", 1, w.shape[1])]
    return _graph("router", [_value("sentence", 1, TOKEN_DIMENSION)], outputs, nodes, {"w": w, "b": b})


def _sentence(text: bytes, vocabulary: dict[str, int], question: str) -> np.ndarray:
    ids = [2, *(vocabulary.get(word, 1) for word in re.findall(r"\w+|[^\w\s]", question)), 3]
    feeds = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64)}
    return run(text, feeds)["sentence"]
