"""LesionDecoder: one stride-4 decoder on the frozen encoder's maps, shared by the segmenter and the one-stage detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import nms

from versamammo.config import Config, Heads
from versamammo.data import Case, half_up, input_box, read_mask
from versamammo.features import Features
from versamammo.models.encoder import MapInfo
from versamammo.progress import Progress

STRIDE = 4


class LesionDecoder(nn.Module):
    """Maps of the encoder, fine to coarse → per label: mask logits, box scores, box distances, all at the finest map's stride.

    Coarse maps are lifted to `channels`, enlarged, added and mixed (as a feature pyramid); distances are those of FCOS
    (Tian et al., 2019): left, top, right, bottom from the cell's centre, in strides.
    """

    def __init__(self, maps: Sequence[MapInfo], channels: int, labels: int) -> None:
        super().__init__()
        self.labels = labels
        self.lift = nn.ModuleList([nn.Conv2d(m.channels, channels, 1) for m in maps])
        self.mix = nn.ModuleList([_separable(channels) for _ in maps])
        self.refine = nn.Sequential(_separable(channels), _separable(channels))
        self.out = nn.Conv2d(channels, labels * 6, 1)
        with torch.no_grad():
            self.out.bias.zero_()
            self.out.bias[: 2 * labels] = -4.0  # lesions are rare
            self.out.bias[2 * labels :] = 1.0

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """[n, labels, h, w] mask logits, [n, labels, h, w] score logits, [n, 4 · labels, h, w] distances ≥ 0."""
        top = self.mix[-1](self.lift[-1](maps[-1]))
        for map, lift, mix in reversed(list(zip(maps, self.lift, self.mix, strict=True))[:-1]):
            top = mix(lift(map) + F.interpolate(top, size=map.shape[2:], mode="nearest"))
        out = self.out(self.refine(top))
        return out[:, : self.labels], out[:, self.labels : 2 * self.labels], F.softplus(out[:, 2 * self.labels :]) * 2


def _separable(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 5, padding=2, groups=channels),
        nn.Conv2d(channels, channels, 1),
        nn.GroupNorm(8 if channels % 8 == 0 else 1, channels),
        nn.ReLU(),
    )


@dataclass(frozen=True)
class LesionTargets:
    """Per image: label index of its source, soft mask [h, w] at the decoder's grid, boxes [m, 4] in model-input pixels."""

    label: np.ndarray
    masks: np.ndarray
    boxes: list[np.ndarray]


def lesion_targets(cases: Sequence[Case], config: Config, heads: Heads) -> LesionTargets:
    """Targets of images whose sources mark lesions; label −1 elsewhere."""
    spec, names = config.input, list(heads.lesions)
    height, width = -(-spec.height // STRIDE), -(-spec.width // STRIDE)
    label = np.full(len(cases), -1)
    masks = np.zeros((len(cases), height, width), np.float32)
    boxes: list[np.ndarray] = []
    for i, case in enumerate(cases):
        label[i] = next((j for j, n in enumerate(names) if case.dataset in heads.lesions[n].sources), -1)
        marked = case.lesions if label[i] >= 0 else []
        boxes.append(np.array([input_box(lesion["box"], case, spec) for lesion in marked], np.float32).reshape(-1, 4))
        if label[i] >= 0 and case.mask is not None:
            masks[i] = input_mask(case, config, height, width)
    return LesionTargets(label, masks, boxes)


def input_mask(case: Case, config: Config, height: int, width: int) -> np.ndarray:
    """The union mask of a case, laid out as the model input is, resampled to [height, width], soft in [0, 1]."""
    if case.mask is None:
        return np.zeros((height, width), np.float32)
    spec = config.input
    mask = torch.from_numpy(read_mask(case, case.mask).astype(np.float32))[None, None]
    if spec.fit == "pad":
        scale = min(spec.height / case.rows, spec.width / case.columns)
        rows, columns = min(spec.height, half_up(case.rows * scale)), min(spec.width, half_up(case.columns * scale))
        top = (spec.height - rows) // 2
        small = F.interpolate(mask, size=(rows, columns), mode="bilinear", antialias=True)
        mask = F.pad(small, (0, spec.width - columns, top, spec.height - rows - top))
    return F.interpolate(mask, size=(height, width), mode="bilinear", antialias=True)[0, 0].numpy()


def cell_targets(boxes: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Positive cells, bool [h, w], and their distances [4, h, w] in strides: cells within the central half of a box, the smallest box first."""
    y, x = (np.mgrid[0:height, 0:width] + 0.5) * STRIDE
    positive, distances = np.zeros((height, width), bool), np.zeros((4, height, width), np.float32)
    order = np.argsort(-(boxes[:, 2:] - boxes[:, :2]).prod(1)) if len(boxes) else []
    for x0, y0, x1, y1 in boxes[order]:
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        rx, ry = max((x1 - x0) / 4, STRIDE / 2), max((y1 - y0) / 4, STRIDE / 2)
        inside = (np.abs(x - cx) <= rx) & (np.abs(y - cy) <= ry)
        positive |= inside
        sides = np.stack([x - x0, y - y0, x1 - x, y1 - y]) / STRIDE
        distances[:, inside] = np.maximum(sides[:, inside], 0.1)
    return positive, distances


@dataclass(frozen=True)
class CellTargets:
    """What one label's maps should say: soft mask, positive cells and which cells count at all [n, h, w], box sides [n, 4, h, w]."""

    soft: Tensor
    positive: Tensor
    counts: Tensor
    sides: Tensor


def label_targets(
    targets: LesionTargets, images: Sequence[int] | np.ndarray, label: int, turned: bool = False
) -> CellTargets:
    """Targets of one label for images of every source that marks lesions.

    Where another label is marked nobody has said whether this one is there too: those cells do not count. The rest of
    such an image holds nothing of it, so that the label stays silent outside its own source.
    """
    height, width = targets.masks.shape[1:]
    soft, positive, counts, sides = [], [], [], []
    for i in images:
        boxes = _turned(targets.boxes[i], turned, height)
        marked = targets.masks[i][::-1].copy() if turned else targets.masks[i]
        if targets.label[i] == label:
            cells, distances = cell_targets(boxes, height, width)
            soft.append(marked)
            counts.append(np.ones((height, width), bool))
        else:
            cells, distances = np.zeros((height, width), bool), np.zeros((4, height, width), np.float32)
            soft.append(np.zeros((height, width), np.float32))
            counts.append(~(inside_any(boxes, height, width) | (marked > 0)))
        positive.append(cells)
        sides.append(distances)
    return CellTargets(*(torch.from_numpy(np.stack(part)) for part in (soft, positive, counts, sides)))


def inside_any(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cells whose centre lies in a box or within one cell of it, bool [height, width]."""
    y, x = (np.mgrid[0:height, 0:width] + 0.5) * STRIDE
    found = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in boxes:
        found |= (x >= x0 - STRIDE) & (x <= x1 + STRIDE) & (y >= y0 - STRIDE) & (y <= y1 + STRIDE)
    return found


def losses(mask: Tensor, score: Tensor, distance: Tensor, target: CellTargets) -> dict[str, Tensor]:
    """Of one label, over the cells that count. mask, score: [n, h, w]; distance: [n, 4, h, w].

    Mask: cross-entropy + soft Dice. Scores: focal loss (Lin et al., 2017; α 0.75 as positives are few, γ 2), by number of
    positives. Boxes: 1 − generalised IoU (Rezatofighi et al., 2019) at positive cells.
    """
    counts, share = target.counts.float(), target.counts.float().mean().clamp(min=1e-6)
    p = torch.sigmoid(mask) * counts
    overlap = 2 * (p * target.soft).sum((1, 2)) + 1
    dice = 1 - overlap / (p.sum((1, 2)) + target.soft.sum((1, 2)) + 1)
    cross = F.binary_cross_entropy_with_logits(mask, target.soft, counts, pos_weight=mask.new_tensor(3.0)) / share
    positive = target.positive.float()
    plain = F.binary_cross_entropy_with_logits(score, positive, counts, reduction="none")
    q = torch.sigmoid(score)
    right = q * positive + (1 - q) * (1 - positive)
    alpha = 0.75 * positive + 0.25 * (1 - positive)
    focal = (alpha * (1 - right) ** 2 * plain).sum() / positive.sum().clamp(min=1)
    box = score.sum() * 0
    if target.positive.any():
        at = target.positive
        box = (1 - giou(distance.permute(0, 2, 3, 1)[at], target.sides.permute(0, 2, 3, 1)[at])).mean()
    return {"mask": cross + dice.mean(), "score": focal, "box": box}


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU of boxes that share a point, given as distances left, top, right, bottom from it. [n, 4] → [n]."""
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    inter = (low[:, 0] + low[:, 2]) * (low[:, 1] + low[:, 3])
    hull = (high[:, 0] + high[:, 2]) * (high[:, 1] + high[:, 3])
    area = (a[:, 0] + a[:, 2]) * (a[:, 1] + a[:, 3]) + (b[:, 0] + b[:, 2]) * (b[:, 1] + b[:, 3])
    union = (area - inter).clamp(min=1e-6)
    return inter / union - (hull - union) / hull.clamp(min=1e-6)


def train_decoder(
    views: Sequence[Features], maps: Sequence[MapInfo], config: Config, heads: Heads, device: torch.device
) -> LesionDecoder:
    """Train on cached maps. `views`: the same cases' features, the second those of images turned upside down."""
    targets = lesion_targets(views[0].cases, config, heads)
    rows = np.where(targets.label >= 0)[0]
    torch.manual_seed(config.seed)
    decoder = LesionDecoder(maps, heads.decoder_channels, len(heads.lesions)).to(device).train()
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=heads.decoder_learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, heads.decoder_learning_rate, total_steps=heads.decoder_steps, pct_start=0.15
    )
    rng = np.random.default_rng([config.seed, 77])
    # every label gets its share of a batch by the square root of its images, so that a small source is not lost
    counts = np.array([(targets.label == j).sum() for j in range(len(heads.lesions))])
    chance = np.sqrt(counts[targets.label[rows]]) / counts[targets.label[rows]]
    with Progress("decoder", heads.decoder_steps, 0) as progress:
        for step in range(heads.decoder_steps):
            chosen = rng.choice(rows, heads.decoder_batch, p=chance / chance.sum())
            view = int(rng.integers(len(views)))
            inputs = [
                torch.from_numpy(np.stack([views[view].maps[m.name][i] for i in chosen]).astype(np.float32)).to(device)
                for m in maps
            ]
            if rng.random() < 0.5:  # a little noise in place of augmented pixels
                inputs = [x + 0.1 * x.std() * torch.randn_like(x) for x in inputs]
            mask, score, distance = decoder(inputs)
            total: dict[str, Tensor] = {}
            for j in range(len(heads.lesions)):
                wanted = label_targets(targets, chosen, j, view > 0)
                wanted = CellTargets(
                    *(t.to(device) for t in (wanted.soft, wanted.positive, wanted.counts, wanted.sides))
                )
                part = losses(mask[:, j], score[:, j], distance[:, 4 * j : 4 * j + 4], wanted)
                for name, value in part.items():
                    total[name] = total.get(name, torch.zeros((), device=device)) + value / len(heads.lesions)
            loss = torch.stack(list(total.values())).sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(decoder.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            progress.step(step + 1, {name: float(value.detach()) for name, value in total.items()})
    return decoder.eval().cpu()


def _turned(boxes: np.ndarray, turned: bool, height: int) -> np.ndarray:
    """Boxes of the image as it is, or turned upside down."""
    if not turned:
        return boxes
    full = height * STRIDE
    return np.stack([boxes[:, 0], full - boxes[:, 3], boxes[:, 2], full - boxes[:, 1]], 1)


def decode(
    score: np.ndarray,
    distance: np.ndarray,
    threshold: float,
    temperature: float = 1.0,
    overlap: float = 0.3,
    maximum: int = 20,
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [n, 4] in model-input pixels and scores [n] of one image and label, after non-maximum suppression.

    score: logits [h, w]; distance: [4, h, w].
    """
    probability = 1 / (1 + np.exp(-score / temperature))
    y, x = np.where(probability >= threshold)
    s = probability[y, x]
    d = distance[:, y, x] * STRIDE
    cx, cy = (x + 0.5) * STRIDE, (y + 0.5) * STRIDE
    boxes = np.stack([cx - d[0], cy - d[1], cx + d[2], cy + d[3]], 1).astype(np.float32)
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(s.astype(np.float32)), overlap).numpy()[:maximum]
    return boxes[kept], s[kept]


@torch.inference_mode()
def predict(
    decoder: LesionDecoder, features: Features, maps: Sequence[MapInfo], batch: int = 16
) -> list[tuple[np.ndarray, ...]]:
    """Per image: mask logits [labels, h, w], score logits [labels, h, w], distances [4 · labels, h, w]."""
    result: list[tuple[np.ndarray, ...]] = []
    for start in range(0, len(features.cases), batch):
        inputs = [torch.from_numpy(np.asarray(features.maps[m.name][start : start + batch], np.float32)) for m in maps]
        outputs = [o.numpy() for o in decoder(inputs)]
        result += [tuple(o[i] for o in outputs) for i in range(len(outputs[0]))]
    return result
