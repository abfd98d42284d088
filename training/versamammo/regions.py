"""Regions: the embedding of a lesion's box, in a space of its own, pooled from the frozen encoder's maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torchvision.ops import roi_align

from versamammo.config import Config
from versamammo.data import Case, input_box
from versamammo.features import Features
from versamammo.graphs import from_nodes, unit_nodes, value
from versamammo.models.encoder import MapInfo
from versamammo.projection import Projection, Target, choose

#: Cells of the crop's grid, and samples a cell, on each map.
GRID, SAMPLES = 3, 2
#: What is asked of a lesion: field of `Lesion`, and whether it holds a list.
QUESTIONS = ("pathology", "massShapes", "massMargins")


@dataclass(frozen=True)
class Region:
    """A marked lesion: its image's place among the cases, its place among the image's lesions, its box in model-input pixels."""

    image: int
    lesion: int
    box: tuple[float, float, float, float]


def marked_regions(cases: Sequence[Case], config: Config, context: float) -> list[Region]:
    """Every marked lesion of at least 4 model-input pixels on a side, widened by `context` on each side."""
    found = []
    for i, case in enumerate(cases):
        for j, lesion in enumerate(case.lesions):
            box = input_box(lesion["box"], case, config.input)
            if min(box[2] - box[0], box[3] - box[1]) >= 4:
                found.append(Region(i, j, widen(box, context, config.input.height, config.input.width)))
    return found


def widen(box: Sequence[float], context: float, height: int, width: int) -> tuple[float, float, float, float]:
    """The box grown by `context` of its size on each side, within the model input."""
    dx, dy = (box[2] - box[0]) * context, (box[3] - box[1]) * context
    return (
        max(0.0, box[0] - dx),
        max(0.0, box[1] - dy),
        min(float(width), box[2] + dx),
        min(float(height), box[3] + dy),
    )


def pooled(maps: Mapping[str, torch.Tensor], infos: Sequence[MapInfo], boxes: torch.Tensor) -> torch.Tensor:
    """Mean and maximum of each map over each box's grid, [n, 2 · channels]. maps: of one image, [1, c, h, w]; boxes [n, 4]."""
    parts = []
    rois = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], 1)
    for info in infos:
        crop = roi_align(maps[info.name], rois, (GRID, GRID), 1 / info.stride, SAMPLES, aligned=True).flatten(2)
        parts += [crop.mean(2), crop.amax(2)]
    return torch.cat(parts, 1)


@torch.inference_mode()
def region_features(features: Features, regions: Sequence[Region], infos: Sequence[MapInfo]) -> np.ndarray:
    """[regions, 2 · channels] float32."""
    rows: list[np.ndarray] = []
    for region in regions:
        maps = {m.name: torch.from_numpy(features.maps[m.name][region.image][None].astype(np.float32)) for m in infos}
        rows.append(pooled(maps, infos, torch.tensor([region.box]))[0].numpy())
    return np.stack(rows) if rows else np.empty((0, 2 * sum(m.channels for m in infos)), np.float32)


def lesion_answer(case: Case, lesion: int, field: str) -> str | None:
    """The lesion's single answer to a question; null where unknown or several."""
    found = case.lesions[lesion].get(field)
    if isinstance(found, list):
        return str(found[0]) if len(found) == 1 else None
    return None if found is None else str(found)


def lesion_targets(
    train: Features, train_regions: Sequence[Region], held: Features, held_regions: Sequence[Region]
) -> list[Target]:
    """Questions within each source, of answers that both sides hold."""
    targets = []
    for source in dict.fromkeys(case.dataset for case in train.cases):
        for field in QUESTIONS:
            sides = []
            for features, regions in ((train, train_regions), (held, held_regions)):
                rows = [i for i, r in enumerate(regions) if features.cases[r.image].dataset == source]
                answers = [lesion_answer(features.cases[regions[i].image], regions[i].lesion, field) for i in rows]
                known = [(i, a) for i, a in zip(rows, answers, strict=True) if a is not None]
                sides.append(known)
            names = sorted({a for _, a in sides[0]})
            known = [
                (np.array([i for i, _ in s]), np.array([names.index(a) for _, a in s if a in names]))
                for s in (sides[0], [(i, a) for i, a in sides[1] if a in names])
            ]
            target = Target(f"{field} {source}", known[0][0], known[0][1], known[1][0], known[1][1])
            if target.usable:
                targets.append(target)
    return targets


def fit(
    train: Features, held: Features, infos: Sequence[MapInfo], config: Config, context: float, dimension: int
) -> Projection | None:
    """The region projection, chosen on validation lesions; None where there are too few lesions."""
    regions, held_regions = marked_regions(train.cases, config, context), marked_regions(held.cases, config, context)
    if len(regions) < 16 or len(held_regions) < 4:
        return None
    targets = lesion_targets(train, regions, held, held_regions)
    x, xv = region_features(train, regions, infos), region_features(held, held_regions, infos)
    size = min(dimension, len(regions) // 2, x.shape[1])
    return choose(x, xv, targets, size, [train.cases[r.image].dataset for r in regions])


def graph(projection: Projection, infos: Sequence[MapInfo], height: int, width: int) -> onnx.ModelProto:
    """Maps and boxes [regions, 4] → region_vector [regions, dimension]."""
    nodes = [
        helper.make_node("Shape", ["boxes"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["count"]),
        helper.make_node(
            "ConstantOfShape", ["count"], ["image"], value=helper.make_tensor("value", TensorProto.INT64, [1], [0])
        ),
    ]
    parts = []
    for info in infos:
        nodes += [
            helper.make_node(
                "RoiAlign",
                [info.name, "boxes", "image"],
                [f"{info.name}_crop"],
                output_height=GRID,
                output_width=GRID,
                sampling_ratio=SAMPLES,
                spatial_scale=1 / info.stride,
                coordinate_transformation_mode="half_pixel",
            ),
            helper.make_node("ReduceMean", [f"{info.name}_crop"], [f"{info.name}_mean"], axes=[2, 3], keepdims=0),
            helper.make_node("ReduceMax", [f"{info.name}_crop"], [f"{info.name}_max"], axes=[2, 3], keepdims=0),
        ]
        parts += [f"{info.name}_mean", f"{info.name}_max"]
    nodes += [
        helper.make_node("Concat", parts, ["pooled"], axis=1),
        helper.make_node("Sub", ["pooled", "mean"], ["centred"]),
        helper.make_node("MatMul", ["centred", "weight"], ["projected"]),
        *unit_nodes("projected", "region_vector"),
    ]
    inputs = [value(m.name, 1, m.channels, -(-height // m.stride), -(-width // m.stride)) for m in infos]
    return from_nodes(
        "region",
        [*inputs, value("boxes", "regions", 4)],
        [value("region_vector", "regions", projection.weight.shape[0])],
        nodes,
        {
            "zero": np.array([0], np.int64),
            "mean": projection.mean.astype(np.float32),
            "weight": projection.weight.T.astype(np.float32),
            "tiny": np.float32(1e-12),
        },
    )
