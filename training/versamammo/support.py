"""Support: what a bundle takes an image to be like the images that it knows by; and fitted anew for a bundle that is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans

from versamammo import bundle, calibration, distributed
from versamammo.answers import Side
from versamammo.appearance import appearance_of, inverted_of, looks
from versamammo.config import Config, Export, section
from versamammo.data import Inverted, PreparedDataset
from versamammo.errors import TrainingError
from versamammo.features import extract, subset
from versamammo.graphs import run as run_graph
from versamammo.heads import decoder_maps, load_heads
from versamammo.models.encoder import Encoder, Ensemble
from versamammo.projection import unit
from versamammo.store import open_store

#: Centres of training vectors that support is measured to, and how many of the nearest count.
CENTRES, NEAREST = 256, 3
SUPPORT_LIMIT = 0.01
#: Every so manieth training image is also looked at inverted.
EVERY = 3
#: Least cosine of the bundle's vectors with the run's.
SAME = 0.9999


def run(config: Config, run_uri: str) -> None:
    """Fit the support of the bundle of this run anew and write it back; every other file stays as it is.

    Raises:
        TrainingError: `missing`, `hash` (no whole bundle), `not-this-run` (the bundle's encoder is not the run's).
    """
    how = section(config, "export", Export)
    device = distributed.start(config.runtime)
    heads = load_heads(config, open_store(run_uri))
    maps = decoder_maps(heads.encoder)
    target = how.bundle or f"{run_uri.rstrip('/')}/bundle"
    manifest, store = bundle.read(target)
    files = {name: store.get(name) or b"" for name in manifest["files"]}
    sets = [PreparedDataset(config.data.sets, (split,), config.input, False) for split in ("train", "validation")]
    sides = []
    for images in sets:
        features = extract(heads.encoder, images, config, device, [m.name for m in maps])
        sides.append(Side(features, heads.projection(features.pooled)))
    train, held = sides
    entry = manifest["encoder"]
    feed = {entry["input"]["name"]: sets[1].tensors([0]).numpy()}
    served = run_graph(files[entry["file"]], feed)[entry["vector"]["name"]][0]
    if served.shape != held.vectors[0].shape or float(served @ held.vectors[0]) < SAME:
        raise TrainingError("not-this-run", f"The encoder of {target} is not that of {run_uri}: nothing was written.")
    support, more = support_files(heads.encoder, sets[0], train, held, config, device)
    before = bundle.referenced_files(manifest["support"])
    kept = {name: body for name, body in files.items() if name not in before}
    bundle.write(target, kept | more, {**manifest, "support": support}, replace=True)
    print(f"{target}: {', '.join(sorted(more))}")
    distributed.stop()


def support_files(
    encoder: Encoder | Ensemble, images: PreparedDataset, train: Side, held: Side, config: Config, device: torch.device
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest's `support` and its files: near which vectors, how `images` (of `train`) look to a map, and inverted."""
    support, centres = support_of(train, held, config.seed)
    coarse, fine = looks(decoder_maps(encoder))
    seen = (side.features.maps[coarse.map.name] for side in (train, held))
    appearance, description = appearance_of(coarse, *seen)
    some, name = range(0, len(images), EVERY), fine.map.name
    turned = extract(encoder, Inverted(subset(images, some)), config, device, [name])
    inverted, line = inverted_of(fine, train.features.of(some).maps[name], turned.maps[name])
    files = {
        support["file"]: bundle.float32(centres),
        appearance["file"]: bundle.float32(description),
        inverted["file"]: bundle.float32(line),
    }
    return {**support, "appearance": appearance, "inverted": inverted}, files


def support_of(train: Side, held: Side, seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """Manifest entry and centres of training vectors (k-means within each source, so that no single image is given away)."""
    centres = []
    cases = train.features.cases
    for source in dict.fromkeys(c.dataset for c in cases):
        rows = np.array([c.dataset == source for c in cases])
        count = max(2, min(round(CENTRES * rows.mean()), rows.sum() // 5))
        found = KMeans(count, n_init=1, random_state=seed, max_iter=30).fit(train.vectors[rows])
        centres.append(unit(found.cluster_centers_))
    reference = np.concatenate(centres)
    similarity = calibration.nearest_similarity(held.vectors, reference, NEAREST)
    entry = {
        "file": "support.f32",
        "count": len(reference),
        "k": NEAREST,
        "quantiles": [float(q) for q in np.quantile(similarity, np.linspace(0, 1, 101))],
        "limit": SUPPORT_LIMIT,
    }
    return entry, reference
