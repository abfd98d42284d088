"""Baselines: what is said of every image by other means than the bundle, under the same protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.decomposition import PCA

from versamammo import regions
from versamammo.config import Config, Heads, section
from versamammo.data import Case, resize
from versamammo.features import extract, subset
from versamammo.graphs import BYTE, round_weights
from versamammo.heads import decoder_maps, exclusive_weights, own_heads, projection_targets
from versamammo.models.encoder import BESIDE, Encoder, build_encoder
from versamammo.projection import choose, unit
from versamammo.stage2 import load_student
from versamammo.store import open_store
from versamammo.vector_measures import Encoded, Sets


def metadata(sets: Sets) -> Encoded:
    """Source, site, machine, view and age, no pixels: what a figure owes to them."""
    train = sets["train"].cases
    known = {f: sorted({_fact(c, f) for c in train}) for f in ("dataset", "site", "machine", "view")}
    ages = [c.labels["age"] for c in train if c.labels.get("age") is not None]
    mean, deviation = (float(np.mean(ages)), float(np.std(ages)) + 1e-6) if ages else (0.0, 1.0)

    def vector(case: Case) -> list[float]:
        age = case.labels.get("age")
        hot = [float(_fact(case, f) == value) for f, values in known.items() for value in values]
        return [*hot, float(age is None), 0.0 if age is None else (age - mean) / deviation]

    return Encoded({s: unit(np.array([vector(c) for c in data.cases])) for s, data in sets.items()}, {}, {})


def _fact(case: Case, field: str) -> str:
    return case.dataset if field == "dataset" else str(case.labels.get(field))


def pixels(sets: Sets, dimension: int = 64) -> Encoded:
    """Images at 32 × 24, principal components of the training images."""
    small = {
        split: np.stack([
            resize(torch.from_numpy(data.grey(i).astype(np.float32) / 65535), 32, 24).numpy().ravel() for i in range(len(data))
        ])
        for split, data in sets.items()
    }  # fmt: skip
    pca = PCA(min(dimension, len(small["train"]) - 1), random_state=0).fit(small["train"])
    return Encoded({split: unit(pca.transform(x)) for split, x in small.items()}, {}, {})


def imagenet(config: Config, backbone: str, sets: Sets, device: torch.device) -> Encoded:
    """The frozen ImageNet encoder (of several side by side: of the first) with the same input and the same choice of
    projection, for images and for lesions."""
    size, first = (config.input.height, config.input.width), backbone.split(BESIDE)[0]
    return _encoded(
        build_encoder(first, channels=config.input.channels, size=size, init="imagenet"), config, sets, device
    )


def student(config: Config, run: str, sets: Sets, device: torch.device) -> Encoded:
    """Another run's stage-2 encoder."""
    encoder, heads, _ = load_student(open_store(run))
    return _encoded(encoder, config, sets, device, exclusive_weights(own_heads(config, [heads])))


def _encoded(
    encoder: Encoder, config: Config, sets: Sets, device: torch.device, learnt: Sequence[np.ndarray] = ()
) -> Encoded:
    round_weights(encoder.eval().requires_grad_(False), BYTE)
    how, maps = section(config, "heads", Heads), decoder_maps(encoder)
    found = {split: extract(encoder, data, config, device) for split, data in sets.items()}
    targets = projection_targets(found["train"], found["validation"], config, how)
    sources = [c.dataset for c in found["train"].cases]
    projection = choose(found["train"].pooled, found["validation"].pooled, targets, how.dimension, sources, learnt)
    vectors = {split: projection(f.pooled) for split, f in found.items()}
    # maps of images with marked lesions alone: they are large
    with_lesions = {s: [i for i, c in enumerate(data.cases) if c.lesions] for s, data in sets.items()}
    if not all(with_lesions.values()):
        return Encoded(vectors, {}, {})
    marked = {
        s: extract(encoder, subset(sets[s], rows), config, device, [m.name for m in maps])
        for s, rows in with_lesions.items()
    }
    fitted = regions.fit(marked["train"], marked["validation"], maps, config, how.region_context, how.region_dimension)
    if fitted is None:
        return Encoded(vectors, {}, {})
    places, of = {}, {}
    for s, features in marked.items():
        here = regions.marked_regions(features.cases, config, how.region_context)
        of[s] = fitted(regions.region_features(features, here, maps))
        places[s] = [regions.Region(with_lesions[s][r.image], r.lesion, r.box) for r in here]
    return Encoded(vectors, places, of)
