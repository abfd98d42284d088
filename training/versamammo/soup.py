"""Soup: the mean of several runs' students, weight by weight (Wortsman et al. 2022, Model soups), published as a stage 2."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from versamammo import distributed
from versamammo.checkpoint import describe, halved, pack, publish, read_manifest
from versamammo.config import Config, Soup, Stage2, section
from versamammo.data import PreparedDataset
from versamammo.errors import TrainingError
from versamammo.models.encoder import Encoder
from versamammo.stage2 import build_student, learned_tasks, load_student, validation_aucs
from versamammo.store import ObjectStore, open_store

#: What the students of a soup must have in common.
COMMON = ("backbone", "size", "channels", "input", "tasks")


def run(config: Config, run_uri: str) -> None:
    """Average the students of `soup.runs`; publish `stage2/manifest.json` of this run, with their validation figures."""
    runs = section(config, "soup", Soup).runs
    device = distributed.start(config.runtime)
    store = open_store(run_uri)
    stores = [open_store(uri) for uri in runs]
    parts = [load_student(each) for each in stores]
    manifests = [manifest for _, _, manifest in parts]
    refuse_unlike(runs, manifests)

    tasks = learned_tasks(config)
    student = build_student(config, section(config, "stage2", Stage2), tasks)
    student.encoder.load(mean([encoder.state_dict() for encoder, _, _ in parts]))
    student.heads.load_state_dict(mean([heads for _, heads, _ in parts]))
    train = PreparedDataset(config.data.sets, ("train",), config.input, config.data.cache)
    refresh_statistics(student.encoder.to(device), train, config.seed)
    validation = PreparedDataset(config.data.sets, ("validation",), config.input, config.data.cache)
    figures = validation_aucs(student.to(device), tasks, validation, config, device)
    for name, value in figures.items():
        beside = ", ".join(f"{m['validation'].get(f'validation/{name}', float('nan')):.3f}" for m in manifests)
        print(f"  {name:42s} {value:.3f}  (each: {beside})")

    body = pack({"encoder": halved(student.encoder.state_dict()), "heads": student.heads.cpu().state_dict()})
    store.put("stage2/student.pt", body)
    for log in ("stage1/log.jsonl", "stage2/log.jsonl"):  # the card shows how the first of them learnt
        found = stores[0].get(log)
        if found is not None:
            store.put(log, found)
    hashes = {h for each, m in zip(stores, manifests, strict=True) for h in [*m["data"]["patientHashes"], *_seen(each)]}
    publish(
        store,
        "stage2/manifest.json",
        {
            **{key: manifests[0][key] for key in ("schema", "stage", *COMMON)},
            "seed": config.seed,
            "steps": sum(m["steps"] for m in manifests),
            "bestStep": sum(m["bestStep"] for m in manifests),
            "soup": [hashlib.sha256(json.dumps(m, sort_keys=True).encode()).hexdigest() for m in manifests],
            "data": {"patientHashes": sorted(hashes), "images": manifests[0]["data"]["images"]},
            "teacherManifestSha256": manifests[0]["teacherManifestSha256"],
            "validation": {f"validation/{name}": value for name, value in figures.items()},
            "files": {"student.pt": describe(body)},
        },
    )
    distributed.stop()


@torch.inference_mode()
def refresh_statistics(encoder: Encoder, data: PreparedDataset, seed: int, images: int = 1024, batch: int = 32) -> None:
    """BatchNorm's running statistics, of at most `images` training images as they are: the mean network's are not the mean
    of its parts' (Izmailov et al. 2018, Averaging weights leads to wider optima)."""
    layers = [m for m in encoder.eval().modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over batches
        layer.train()
    device = next(encoder.parameters()).device
    order = np.random.default_rng([seed, 0xB4]).permutation(len(data))[:images]
    for start in range(0, max(1, len(order) - batch + 1), batch):  # whole batches only
        encoder(data.tensors(order[start : start + batch]).to(device).contiguous(memory_format=torch.channels_last))
    for layer, momentum in zip(layers, before, strict=True):
        layer.momentum = momentum
    encoder.eval()


def refuse_unlike(runs: Sequence[str], manifests: Sequence[dict[str, Any]]) -> None:
    """TrainingError `weights-mismatch` where the students cannot be averaged."""
    if len(runs) < 2:
        raise TrainingError("bad-config", "soup.runs needs two runs or more.")
    for uri, manifest in zip(runs, manifests, strict=True):
        unlike = [key for key in COMMON if manifest[key] != manifests[0][key]]
        if unlike:
            raise TrainingError(
                "weights-mismatch", f"{uri} differs from {runs[0]} in {', '.join(unlike)}: their students have no mean."
            )


def mean(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of each floating-point tensor; counters are the first's."""
    return {
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }


def _seen(store: ObjectStore) -> list[str]:
    """Patients of the run's stage 1; none where it had none."""
    if store.get("stage1/manifest.json") is None:
        return []
    hashes: list[str] = read_manifest(store, "stage1/manifest.json", "")["data"]["patientHashes"]
    return hashes
