"""Robustness: how far a bundle's vectors and predictions move when an image is blurred, windowed otherwise, or loses its background."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from versamammo import calibration
from versamammo.config import Config, ModelInput
from versamammo.data import PreparedDataset, normalise, resize
from versamammo.graphs import session
from versamammo.measures import Measure
from versamammo.served import Served, encode
from versamammo.store import ObjectStore
from versamammo.vector_measures import keys

#: Grey below which a pixel is background.
BACKGROUND = 0.02


def robustness(
    config: Config, manifest: dict[str, Any], store: ObjectStore, data: PreparedDataset, served: Served, limit: int = 60
) -> Iterator[Measure]:
    """On `limit` test images: the vector's cosine before and after, and the mean absolute change of each head of two answers."""
    rng = np.random.default_rng(config.seed)
    rows = sorted(rng.choice(len(data), min(limit, len(data)), replace=False).tolist())
    heads = [
        h for h in manifest["heads"]
        if h["kind"] == "classification" and len(h["labels"]) == 2 and h["activation"] == "softmax"
    ]  # fmt: skip
    patients, vector = keys([data.cases[i] for i in rows]), manifest["encoder"]["vector"]["name"]
    for name, change in changes(data, rows).items():
        images = (change(_grey(data[i], config.input), i) for i in rows)
        changed = (normalise(image.clamp(0, 1), config.input)[None] for image in images)
        moved = np.concatenate([out[vector] for out in encode(manifest, store, changed, len(rows), [vector])])
        cosine = (moved * served.vectors[rows]).sum(1)
        yield Measure(f"cosine after: {name}", "all", "mean", patients, cosine, None, None)
        for head in heads:
            ready = session(store.get(head["file"]) or b"")
            p = [
                calibration.softmax(ready.run(None, {head["inputs"]["vector"]: v})[0] / head["temperature"])[:, 1]
                for v in (moved, served.vectors[rows])
            ]
            inside = [k for k, i in enumerate(rows) if data.cases[i].dataset in head["domain"]["sources"]]
            if inside:
                of = head["domain"]["sources"]
                yield Measure(
                    f"{head['name']}, change of probability after: {name}", of[0] if len(of) == 1 else "all", "mean",
                    tuple(patients[k] for k in inside), np.abs(p[0] - p[1])[inside], None, None,
                )  # fmt: skip


def _grey(image: torch.Tensor, spec: ModelInput) -> torch.Tensor:
    """What `normalise` was given: [height, width] in 0 … 1."""
    return image[0] * spec.deviation[0] + spec.mean[0]


Change = Callable[[torch.Tensor, int], torch.Tensor]


def changes(data: PreparedDataset, rows: Sequence[int]) -> dict[str, Change]:
    """Name → what is done to the grey model input of image i."""

    def blurred(grey: torch.Tensor, _: int) -> torch.Tensor:
        height, width = grey.shape
        return resize(resize(grey, height // 2, width // 2), height, width)

    def erased(grey: torch.Tensor, _: int) -> torch.Tensor:
        return torch.where(grey > BACKGROUND, grey, torch.zeros_like(grey))

    def replaced(grey: torch.Tensor, i: int) -> torch.Tensor:
        others = [k for k in rows if data.cases[k].dataset != data.cases[i].dataset] or list(rows)
        other = _grey(data[others[i % len(others)]], data.spec)
        behind = torch.where(other > BACKGROUND, torch.zeros_like(other), other)
        return torch.where(grey > BACKGROUND, grey, behind)

    return {
        "blurred to half": blurred,
        "darker window (gamma 1.4)": lambda grey, _: grey.clamp(0, 1) ** 1.4,
        "brighter window (gamma 0.7)": lambda grey, _: grey.clamp(0, 1) ** 0.7,
        "narrower window (contrast 1.3)": lambda grey, _: torch.where(
            grey > BACKGROUND, (grey - 0.5) * 1.3 + 0.5, grey
        ),
        "background erased": erased,
        "background another source's": replaced,
    }
