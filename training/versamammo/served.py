"""Served: what a bundle's own graphs say of the images of a set, kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from versamammo.config import Config
from versamammo.data import PreparedDataset
from versamammo.features import cache_folder
from versamammo.graphs import session
from versamammo.progress import Progress
from versamammo.regions import Region, marked_regions
from versamammo.store import ObjectStore


@dataclass(frozen=True)
class Served:
    """Vectors [n, dimension]; maps of every image, where asked for; marked lesions and their vectors."""

    vectors: np.ndarray
    maps: dict[str, np.ndarray]
    regions: list[Region]
    region_vectors: np.ndarray


def serve(
    config: Config, manifest: dict[str, Any], store: ObjectStore, data: PreparedDataset, *, maps: bool = False
) -> Served:
    """Run encoder.onnx, and region.onnx on marked lesions, over a set; or read what an earlier run kept."""
    encoder, region = manifest["encoder"], manifest["region"]
    vector, names = encoder["vector"]["name"], [m["tensor"]["name"] for m in encoder["maps"]]
    marked = marked_regions(data.cases, config, region["context"]) if region else []
    files = [manifest["files"][f["file"]]["sha256"] for f in (encoder, region) if f]
    images = [case.row["sha256"] for case in data.cases]
    key = json.dumps([files, manifest["input"], names if maps else [], images, [r.box for r in marked]], sort_keys=True)
    file = cache_folder() / f"served-{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
    if not file.exists():
        _compute(manifest, store, data, marked, names if maps else [], file)
    with np.load(file) as kept:
        return Served(kept[vector], {name: kept[name] for name in names if maps}, marked, kept["regions"])


def _compute(
    manifest: dict[str, Any], store: ObjectStore, data: PreparedDataset, marked: Sequence[Region], kept: Sequence[str],
    file: Any,
) -> None:  # fmt: skip
    region, vector = manifest["region"], manifest["encoder"]["vector"]["name"]
    ready = session(store.get(region["file"]) or b"") if region and marked else None
    of: dict[int, list[int]] = {}
    for number, r in enumerate(marked):
        of.setdefault(r.image, []).append(number)
    dimension = region["dimension"] if region else 0
    found: dict[str, np.ndarray] = {"regions": np.empty((len(marked), dimension), np.float32)}
    count, images = len(data), (data.tensors([i]) for i in range(len(data)))
    wanted = [vector, *(m["tensor"]["name"] for m in manifest["encoder"]["maps"] if kept or ready)]
    for i, outputs in enumerate(encode(manifest, store, images, count, wanted)):
        for name in (vector, *kept):
            if name not in found:
                kind = np.float32 if name == vector else np.float16
                found[name] = np.empty((count, *outputs[name].shape[1:]), kind)
            found[name][i] = outputs[name][0]
        if ready is not None and i in of:
            feeds = {inner: outputs[outer] for outer, inner in region["inputs"].items()}
            boxes = np.array([marked[k].box for k in of[i]], np.float32)
            found["regions"][of[i]] = ready.run(None, {**feeds, region["boxes"]["name"]: boxes})[0]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".part").open("wb") as part:
        np.savez(part, **found)  # type: ignore[arg-type]
    os.replace(file.with_suffix(".part"), file)


def encode(
    manifest: dict[str, Any], store: ObjectStore, images: Iterable[torch.Tensor], count: int, names: Sequence[str]
) -> Iterator[dict[str, np.ndarray]]:
    """Outputs of encoder.onnx for each image [1, channels, h, w]."""
    ready = session(store.get(manifest["encoder"]["file"]) or b"")
    with Progress("encoder", count, 0) as progress:
        for i, image in enumerate(images):
            yield dict(
                zip(names, ready.run(list(names), {manifest["encoder"]["input"]["name"]: image.numpy()}), strict=True)
            )
            progress.step(i + 1, {})
