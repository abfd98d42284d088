"""Features: what a frozen encoder says of every image of some splits, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from versamammo.config import Config
from versamammo.data import Case, PreparedDataset
from versamammo.models.encoder import Encoder
from versamammo.progress import Progress


@dataclass(frozen=True)
class Features:
    """`pooled` float32 [n, width]; `maps` name → float16 [n, channels, height, width]; both in the order of `cases`."""

    cases: list[Case]
    pooled: np.ndarray
    maps: dict[str, np.ndarray]

    def of(self, indices: Sequence[int] | np.ndarray) -> Features:
        """The same of some images."""
        chosen = np.asarray(indices)
        return Features(
            [self.cases[i] for i in chosen], self.pooled[chosen], {name: m[chosen] for name, m in self.maps.items()}
        )


def state_hash(module: nn.Module) -> str:
    """SHA-256 of every parameter and buffer, running statistics included: what frozen means."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def extract(
    encoder: Encoder, dataset: PreparedDataset, config: Config, device: torch.device, maps: Sequence[str] = (),
    *, turned: bool = False,
) -> Features:
    """Features of every image of `dataset` (`turned`: upside down), from the cache where they are. The encoder is put into evaluation mode."""
    encoder = encoder.eval()
    sources = [f"{case.id} {case.row['sha256']}" for case in dataset.cases]
    key = json.dumps([state_hash(encoder), config.input.manifest(), turned, sources], sort_keys=True)
    folder = cache_folder() / hashlib.sha256(key.encode()).hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True)
    if not all((folder / f"{name}.npy").exists() for name in ("pooled", *maps)):
        _compute(encoder, dataset, config, device, maps, folder, turned)
    loaded = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in maps}
    return Features(dataset.cases, np.load(folder / "pooled.npy"), loaded)


def cache_folder() -> Path:
    """`VERSAMAMMO_CACHE`, or a folder beside other temporary files."""
    return Path(os.environ.get("VERSAMAMMO_CACHE", Path(tempfile.gettempdir()) / "versamammo-features"))


@torch.inference_mode()
def _compute(
    encoder: Encoder, dataset: PreparedDataset, config: Config, device: torch.device, maps: Sequence[str], folder: Path,
    turned: bool,
) -> None:
    encoder = encoder.to(device)
    size, batch = len(dataset), 8
    infos = {info.name: info for info in encoder.maps}
    pooled = np.empty((size, encoder.width), np.float32)
    spec = config.input
    shapes = {
        n: (size, infos[n].channels, -(-spec.height // infos[n].stride), -(-spec.width // infos[n].stride)) for n in maps
    }
    out = {
        name: np.lib.format.open_memmap(folder / f"{name}.part.npy", mode="w+", dtype=np.float16, shape=shape)
        for name, shape in shapes.items()
    }
    with Progress("features", size, 0) as progress:
        for start in range(0, size, batch):
            stop = min(start + batch, size)
            images = dataset.tensors(range(start, stop)).to(device, memory_format=torch.channels_last)
            if turned:
                images = images.flip(2)
            vectors, found = encoder.forward_maps(images)
            pooled[start:stop] = vectors.float().cpu().numpy()
            for name, array in out.items():
                array[start:stop] = found[name].float().cpu().numpy()
            progress.step(stop, {})
    for name, array in out.items():
        array.flush()
        os.replace(folder / f"{name}.part.npy", folder / f"{name}.npy")
    with (folder / "pooled.part.npy").open("wb") as file:
        np.save(file, pooled)
    os.replace(folder / "pooled.part.npy", folder / "pooled.npy")
    encoder.to("cpu")
