"""Features: what a frozen encoder says of every image of some splits, computed once and kept on disk."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from versamammo.config import Config
from versamammo.data import Case, PreparedDataset
from versamammo.graphs import from_torch, session
from versamammo.models.encoder import Encoder, Ensemble
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
    encoder: Encoder | Ensemble,
    dataset: PreparedDataset,
    config: Config,
    device: torch.device,
    maps: Sequence[str] = (),
    *,
    turned: bool = False,
) -> Features:
    """Features of every image of `dataset` (`turned`: upside down), from the cache where they are. The encoder is put into evaluation mode."""
    encoder = encoder.eval()
    sources = [f"{case.id} {case.row['sha256']}" for case in dataset.cases] + [dataset.variant] * bool(dataset.variant)
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


def subset(dataset: PreparedDataset, indices: Sequence[int]) -> PreparedDataset:
    """The same set with some of its images."""
    part = copy.copy(dataset)
    part.cases = [dataset.cases[i] for i in indices]
    return part


class MapsAndPooled(nn.Module):
    """Image → pooled features and the named maps."""

    def __init__(self, encoder: Encoder | Ensemble, names: Sequence[str]) -> None:
        super().__init__()
        self.encoder, self.names = encoder, list(names)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        pooled, maps = self.encoder.forward_maps(image)
        return pooled, *(maps[name] for name in self.names)


def runner(
    encoder: Encoder | Ensemble, names: Sequence[str], example: Tensor, device: torch.device
) -> Callable[[Tensor], list[np.ndarray]]:
    """One image [1, channels, h, w] → pooled and maps. On a CPU onnxruntime does it, several times faster than PyTorch."""
    module = MapsAndPooled(encoder, names).eval()
    if device.type == "cpu":
        graph = from_torch(module, (example,), ["image"], ["pooled", *names], None)
        ready = session(graph.SerializeToString())
        return lambda image: ready.run(None, {"image": image.numpy()})
    module = module.to(device)

    @torch.inference_mode()
    def on_device(image: Tensor) -> list[np.ndarray]:
        return [t.float().cpu().numpy() for t in module(image.to(device))]

    return on_device


def _compute(
    encoder: Encoder | Ensemble, dataset: PreparedDataset, config: Config, device: torch.device, maps: Sequence[str], folder: Path,
    turned: bool,
) -> None:  # fmt: skip
    size, out = len(dataset), {}
    compute = runner(encoder, maps, dataset.tensors([0]), device)
    with Progress("features", size, 0) as progress:
        for i in range(size):
            image = dataset.tensors([i])
            found = compute((image.flip(2) if turned else image).contiguous())
            for name, array in zip(("pooled", *maps), found, strict=True):
                if name not in out:
                    kind = np.float32 if name == "pooled" else np.float16
                    shape = (size, *array.shape[1:])
                    out[name] = np.lib.format.open_memmap(folder / f"{name}.part.npy", "w+", kind, shape)
                out[name][i] = array[0]
            progress.step(i + 1, {})
    for name, array in out.items():
        array.flush()
        os.replace(folder / f"{name}.part.npy", folder / f"{name}.npy")
    encoder.to("cpu")
