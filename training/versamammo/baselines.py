"""Baselines: vectors of every image by other means than the bundle, under the same protocol."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.decomposition import PCA

from versamammo.config import Config, Heads, section
from versamammo.data import PreparedDataset, resize
from versamammo.features import Features, extract
from versamammo.graphs import round_weights
from versamammo.heads import projection_targets
from versamammo.models.encoder import Encoder, build_encoder
from versamammo.projection import choose, unit
from versamammo.stage2 import load_student
from versamammo.store import open_store

Sets = dict[str, PreparedDataset]
Vectors = dict[str, np.ndarray]


def pixels(sets: Sets, dimension: int = 64) -> Vectors:
    """Images at 32 × 24, principal components of the training images."""
    small = {
        split: np.stack([
            resize(torch.from_numpy(data.grey(i).astype(np.float32) / 65535), 32, 24).numpy().ravel() for i in range(len(data))
        ])
        for split, data in sets.items()
    }  # fmt: skip
    pca = PCA(min(dimension, len(small["train"]) - 1), random_state=0).fit(small["train"])
    return {split: unit(pca.transform(x)) for split, x in small.items()}


def imagenet(config: Config, backbone: str, sets: Sets, device: torch.device) -> Vectors:
    """The frozen ImageNet encoder with the same input and the same choice of projection."""
    size = (config.input.height, config.input.width)
    return _encoded(
        build_encoder(backbone, channels=config.input.channels, size=size, init="imagenet"), config, sets, device
    )


def student(config: Config, run: str, sets: Sets, device: torch.device) -> Vectors:
    """Another run's stage-2 encoder."""
    encoder, _, _ = load_student(open_store(run))
    return _encoded(encoder, config, sets, device)


def _encoded(encoder: Encoder, config: Config, sets: Sets, device: torch.device) -> Vectors:
    round_weights(encoder.eval().requires_grad_(False))
    found: dict[str, Features] = {split: extract(encoder, data, config, device) for split, data in sets.items()}
    how = section(config, "heads", Heads)
    targets = projection_targets(found["train"], found["validation"], config, how)
    projection = choose(
        found["train"].pooled, found["validation"].pooled, targets, {t.name for t in targets}, how.dimension
    )
    return {split: projection(f.pooled) for split, f in found.items()}
