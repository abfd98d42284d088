"""Phantoms: small synthetic prepared sets with every label, to try the whole training on without real images.

`python -m versamammo.phantoms --out FOLDER [--images 96] [--seed 1]` writes two sets: `phantom-screening` (cancer,
BI-RADS 0–2, density) and `phantom-masses` (benign or malignant masses with shape, margins, subtlety, boxes, masks).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from versamammo.store import FolderStore

ROWS, COLUMNS = 96, 64
SETS = ("phantom-screening", "phantom-masses")


def breast(rng: np.random.Generator, density: int, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """Half an ellipse at the chest wall (left), brighter and more textured when denser (0–3). float [rows, columns]."""
    y, x = np.mgrid[0:rows, 0:columns]
    shape = ((y - rows / 2) / (rows * rng.uniform(0.42, 0.49))) ** 2 + (x / (columns * rng.uniform(0.75, 0.95))) ** 2
    texture = sum(
        np.sin(x / rng.uniform(2, 9) + rng.uniform(0, 6)) * np.sin(y / rng.uniform(2, 9) + rng.uniform(0, 6))
        for _ in range(4)
    )
    tissue = 0.25 + 0.11 * density + (0.015 + 0.02 * density) * texture + 0.01 * rng.standard_normal((rows, columns))
    return np.where(shape < 1, np.clip(tissue, 0.05, 1), 0.0)


def mass(rng: np.random.Generator, malignant: bool, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """A bright lesion, round and smooth or spiculated; its mask, bool [rows, columns]."""
    y, x = np.mgrid[0:rows, 0:columns]
    cy, cx, radius = rng.uniform(0.3, 0.7) * rows, rng.uniform(0.15, 0.5) * columns, rng.uniform(0.05, 0.1) * rows
    angle = np.arctan2(y - cy, x - cx)
    edge = radius * (1 + (0.45 * np.cos(angle * rng.integers(6, 10)) if malignant else 0))
    return np.hypot(y - cy, x - cx) < edge


def write(out: Path, images: int = 96, seed: int = 1) -> list[Path]:
    """Write both sets under `out`; 2 images a patient, patients split 60/20/20. Returns the sets' folders."""
    return [_write_set(out / name, name, images, [seed, number]) for number, name in enumerate(SETS)]


def _write_set(folder: Path, name: str, images: int, seed: list[int]) -> Path:
    rng = np.random.default_rng(seed)
    store = FolderStore(folder)
    lines = []
    for number in range(images):
        patient = number // 2
        split = ("train", "train", "train", "validation", "test")[patient % 5]
        row, grey, mask = _image(rng, name, number, patient)
        lines.append(json.dumps(row | {"split": split}))
        store.put(row["image"], png((grey * 65535 + 0.5).astype(np.uint16)))
        if row["mask"]:
            store.put(row["mask"], png(mask.astype(np.uint8) * 255))
    body = ("\n".join(lines) + "\n").encode()
    store.put("cases.jsonl", body)
    store.put("dataset.json", (json.dumps(_dataset_record(name, lines, body), indent=2) + "\n").encode())
    return folder


def _dataset_record(name: str, lines: list[str], body: bytes) -> dict[str, Any]:
    """DatasetRecord of packages/schema."""
    rows = [json.loads(line) for line in lines]

    def count(chosen: list[dict[str, Any]]) -> dict[str, int]:
        return {"images": len(chosen), "patients": len({row["patient"] for row in chosen})}

    return {
        "schema": "versamammo-dataset/1",
        "name": name,
        "title": "Synthetic phantoms",
        "verified": "real",
        "licence": {"id": "Apache-2.0", "url": None, "releasable": True, "commercialUse": True},
        "citation": "Synthetic phantoms of VersaMammo's training/versamammo/phantoms.py; no patient.",
        "preparedLongSide": max(ROWS, COLUMNS),
        "counts": {
            **count(rows),
            "refused": 0,
            "splits": {s: count([r for r in rows if r["split"] == s]) for s in ("train", "validation", "test")},
        },
        "contentSha256": hashlib.sha256(body).hexdigest(),
        "refused": [],
    }


def _image(
    rng: np.random.Generator, name: str, number: int, patient: int
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    density, positive = int(rng.integers(0, 4)), bool(rng.integers(0, 2))
    screening = name == SETS[0]
    grey = breast(rng, density)
    mask = np.zeros_like(grey, dtype=bool)
    if positive or not screening:
        mask = mass(rng, positive)
        grey = np.clip(grey + mask * rng.uniform(0.25, 0.4), 0, 1)
    source = f"{name}-{number:04d}"
    labels: dict[str, Any] = {
        "laterality": "L" if number % 2 else "R", "view": "CC" if number % 2 else "MLO", "modality": "phantom",
        "timePoint": None, "birads": None, "density": "ABCD"[density], "miasDensity": None, "pathology": None,
        "cancer": None, "outcomeBasis": None, "findings": [], "findingsComplete": False, "massShapes": [],
        "massMargins": [], "subtlety": None, "masking": None, "subtype": None, "age": int(rng.integers(40, 80)),
        "vendor": None, "site": None, "machine": None,
    }  # fmt: skip
    lesions: list[dict[str, Any]] = []
    if screening:
        labels |= {"cancer": positive, "birads": 0 if positive else int(rng.integers(1, 3)), "outcomeBasis": "biopsy"}
    else:
        facts = {
            "pathology": "malignant" if positive else "benign",
            "birads": int(rng.integers(4, 6) if positive else rng.integers(2, 4)),
            "subtlety": int(rng.integers(1, 6)),
            "massShapes": ["irregular" if positive else str(rng.choice(["round", "oval"]))],
            "massMargins": ["spiculated" if positive else "circumscribed"],
        }
        labels |= facts | {"outcomeBasis": "biopsy", "findings": ["mass"]}
        ys, xs = np.nonzero(mask)
        box = [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]
        lesions = [{"box": box, "mask": f"masks/{source}.png", "finding": "mass", **facts}]
    row = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, source)), "dataset": name, "sourceImageId": source,
        "patient": f"p{patient:04d}", "exam": None, "labels": labels, "lesions": lesions, "licence": "Apache-2.0",
        "releasable": True, "image": f"images/{source}.png", "rows": ROWS, "columns": COLUMNS, "spacing": None,
        "mirrored": False, "mask": None if screening else f"masks/{source}.png",
        "sha256": hashlib.sha256(grey.tobytes()).hexdigest(), "duplicateOf": None, "raw": {},
    }  # fmt: skip
    return row, grey, mask


def png(pixels: np.ndarray) -> bytes:
    """uint8 or uint16 [rows, columns] as a grey PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--seed", type=int, default=1)
    values = parser.parse_args()
    for path in write(values.out, values.images, values.seed):
        print(path)
