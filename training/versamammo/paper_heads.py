"""Lesion heads as published: a UNet and a Faster R-CNN with a feature pyramid, each on the frozen encoder's maps.

They read images, not kept features, and need a GPU for real data. The UNet could be served (its logits are a segmentation
head's); boxes of a two-stage detector are not a manifest's, so both are reported on validation patients, not bundled.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from versamammo import metrics
from versamammo.config import Config, Heads
from versamammo.data import PreparedDataset
from versamammo.decoder import STRIDE, LesionTargets, lesion_targets
from versamammo.errors import TrainingError
from versamammo.models.encoder import Encoder
from versamammo.progress import Progress

PYRAMID = 256


class UNet(nn.Module):
    """Image [n, channels, h, w] → mask logits [n, labels, h, w]: UNet's decoder (segmentation-models-pytorch) on the encoder's maps."""

    def __init__(self, encoder: Encoder, labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        widths = [256, 128, 64, 32, 16][-len(encoder.maps) :]
        channels = [0, *(m.channels for m in encoder.maps)]
        self.decoder = UnetDecoder(channels, widths, len(widths))
        self.out = nn.Conv2d(widths[-1], labels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            _, maps = self.encoder.forward_maps(images)
        return self.out(self.decoder([images, *(maps[m.name] for m in self.encoder.maps)]))


class Pyramid(nn.Module):
    """The encoder's maps of stride 4 and coarser as a feature pyramid of `PYRAMID` channels, as FasterRCNN wants its backbone."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.out_channels = encoder, PYRAMID
        self.names = [m.name for m in encoder.maps if m.stride >= STRIDE]
        channels = [m.channels for m in encoder.maps if m.stride >= STRIDE]
        self.fpn = FeaturePyramidNetwork(channels, PYRAMID, LastLevelMaxPool())

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        with torch.no_grad():
            _, maps = self.encoder.forward_maps(images)
        return self.fpn(OrderedDict((name, maps[name]) for name in self.names))


class AsItIs(GeneralizedRCNNTransform):
    """FasterRCNN's input transform without any: images are model inputs already."""

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target

    def normalize(self, image: Tensor) -> Tensor:
        return image


def faster_rcnn(encoder: Encoder, labels: int) -> FasterRCNN:
    """torchvision's Faster R-CNN with FPN on the frozen encoder; class 0 is background. Anchors from 4 strides up."""
    pyramid = Pyramid(encoder)
    strides = [m.stride for m in encoder.maps if m.stride >= STRIDE]
    sizes = tuple((4 * s,) for s in [*strides, 2 * strides[-1]])
    model = FasterRCNN(
        pyramid,
        labels + 1,
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)),
        box_roi_pool=MultiScaleRoIAlign(pyramid.names, 7, 2),
        box_score_thresh=0.01,
        box_detections_per_img=20,
    )
    model.transform = AsItIs(1, 1, [0.0], [1.0], size_divisible=1)
    return model


def train_and_report(
    encoder: Encoder, train: PreparedDataset, held: PreparedDataset, config: Config, how: Heads, device: torch.device
) -> tuple[dict[str, dict[str, Any]], dict[str, Tensor]]:
    """Both heads on images of the sources that mark lesions. Per label the validation figures; the weights without the encoder's.

    A label is learnt and judged on its own sources: where another label is marked nobody has said whether it is there too.
    """
    encoder = encoder.to(device).eval().requires_grad_(False)
    targets = {"train": lesion_targets(train.cases, config, how), "held": lesion_targets(held.cases, config, how)}
    rows = np.where(targets["train"].label >= 0)[0]
    if len(rows) == 0:
        raise TrainingError("no-labels", "No training image marks a lesion: the published heads have nothing to learn.")
    labels = len(how.lesions)
    torch.manual_seed(config.seed)
    unet, detector = UNet(encoder, labels).to(device), faster_rcnn(encoder, labels).to(device)

    def mask_loss(chosen: np.ndarray) -> Tensor:
        logits = unet(train.tensors(chosen).to(device))
        return _mask_loss(logits, *_masks(targets["train"], chosen, logits.shape[2:], device))

    def box_loss(chosen: np.ndarray) -> Tensor:
        images = list(train.tensors(chosen).to(device))
        return torch.stack(list(detector(images, _boxes(targets["train"], chosen, device)).values())).sum()

    _learn("unet", unet, mask_loss, rows, config, how)
    _learn("faster_rcnn", detector, box_loss, rows, config, how)
    unet.eval()
    detector.eval()
    report = {name: _judge(j, unet, detector, held, targets["held"], device) for j, name in enumerate(how.lesions)}
    weights = {
        f"{name}.{k}": v.cpu()
        for name, module in (("unet", unet), ("faster_rcnn", detector))
        for k, v in module.state_dict().items()
        if "encoder." not in k
    }
    return report, weights


def _learn(
    name: str, module: nn.Module, loss_of: Callable[[np.ndarray], Tensor], rows: np.ndarray, config: Config, how: Heads
) -> None:
    module.train()
    module.apply(lambda m: m.eval() if isinstance(m, Encoder) else None)  # frozen: running statistics too
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=how.published_learning_rate, weight_decay=0.0)
    rng = np.random.default_rng([config.seed, 55])
    with Progress(name, how.decoder_steps, 0) as progress:
        for step in range(how.decoder_steps):
            loss = loss_of(rng.choice(rows, min(how.decoder_batch, len(rows)), replace=False))
            if not torch.isfinite(loss):
                raise TrainingError(
                    "not-finite", f"The loss of {name} is {loss.item()} at step {step}: lower the rate."
                )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
            progress.step(step + 1, {"loss": float(loss.detach())})


def _masks(
    targets: LesionTargets, chosen: Sequence[int] | np.ndarray, size: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Soft masks [n, h, w] at the size of the logits, and the label of each image."""
    soft = torch.from_numpy(targets.masks[chosen])[:, None]
    return F.interpolate(soft, size=tuple(size), mode="bilinear")[:, 0].to(device), torch.from_numpy(
        targets.label[chosen]
    ).to(device)


def _mask_loss(logits: Tensor, soft: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy and soft Dice of each image's own label. logits [n, labels, h, w]."""
    own = logits[torch.arange(len(logits), device=logits.device), label]
    p = torch.sigmoid(own)
    dice = 1 - (2 * (p * soft).sum((1, 2)) + 1) / (p.sum((1, 2)) + soft.sum((1, 2)) + 1)
    return F.binary_cross_entropy_with_logits(own, soft) + dice.mean()


def _boxes(targets: LesionTargets, chosen: Sequence[int] | np.ndarray, device: torch.device) -> list[dict[str, Tensor]]:
    """Targets of torchvision's detectors."""
    found = []
    for i in chosen:
        boxes = torch.from_numpy(targets.boxes[i])
        boxes = boxes[((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1)]
        labels = torch.full((len(boxes),), int(targets.label[i]) + 1, dtype=torch.int64)
        found.append({"boxes": boxes.to(device), "labels": labels.to(device)})
    return found


@torch.inference_mode()
def _judge(
    label: int, unet: UNet, detector: FasterRCNN, held: PreparedDataset, targets: LesionTargets, device: torch.device
) -> dict[str, Any]:
    """Dice at one half; average precision and sensitivity at overlap one half."""
    dices, found = [], []
    for i in np.where(targets.label == label)[0]:
        image = held.tensors([int(i)]).to(device)
        logits = unet(image)
        soft, _ = _masks(targets, [int(i)], logits.shape[2:], device)
        dices.append(metrics.dice((logits[0, label] > 0).cpu().numpy(), (soft[0] >= 0.5).cpu().numpy()))
        out = detector(list(image))[0]
        mine = out["labels"] == label + 1
        boxes, scores = out["boxes"][mine].cpu().numpy(), out["scores"][mine].cpu().numpy()
        found.append((scores, *metrics.match(boxes, scores, targets.boxes[i], 0.5)))
    if not found:
        return {"images": 0}
    every = metrics.Detections.of(found)
    return {
        "images": len(found),
        "dice": float(np.mean(dices)),
        "AP50": every.average_precision(),
        "sensitivity": {str(rate): every.sensitivity(rate) for rate in (0.25, 0.5, 1, 2)},
    }
