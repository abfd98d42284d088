"""Published lesion heads: shapes, what is frozen, and that they learn, on tiny inputs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from versamammo import paper_heads
from versamammo.config import Config, load_config
from versamammo.data import PreparedDataset
from versamammo.features import state_hash, subset
from versamammo.models.encoder import build_encoder


@pytest.fixture(scope="module")
def encoder() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_encoder("efficientnet_lite0", channels=1).eval().requires_grad_(False)


def test_unet_speaks_in_the_image_s_own_pixels(encoder: torch.nn.Module) -> None:
    unet = paper_heads.UNet(encoder, 2).eval()
    assert unet(torch.randn(2, 1, 96, 64)).shape == (2, 2, 96, 64)


def test_masks_of_other_labels_do_not_move_the_loss() -> None:
    logits, soft = torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4)
    before = paper_heads._mask_loss(logits, soft, torch.tensor([0]))
    logits[0, 1] = 5.0
    assert paper_heads._mask_loss(logits, soft, torch.tensor([0])) == before
    logits[0, 0] = 5.0
    assert paper_heads._mask_loss(logits, soft, torch.tensor([0])) > before


def test_faster_rcnn_takes_model_inputs_as_they_are(encoder: torch.nn.Module) -> None:
    detector = paper_heads.faster_rcnn(encoder, 1).eval()
    image = torch.randn(1, 96, 64)
    batch, _ = detector.transform([image])
    assert torch.equal(batch.tensors[0], image)
    assert detector.backbone(image[None]).keys() == {"map4", "map8", "map16", "map32", "pool"}
    boxes = torch.tensor([[8.0, 8.0, 30.0, 40.0]])
    detector.train()
    losses = detector([image], [{"boxes": boxes, "labels": torch.tensor([1])}])
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is None for p in encoder.parameters())
    assert detector.backbone.fpn.inner_blocks[0][0].weight.grad.abs().sum() > 0


def test_they_are_trained_and_judged_and_the_encoder_stays_frozen(smoke: Config, encoder: torch.nn.Module) -> None:
    assert smoke.heads is not None
    how = dataclasses.replace(smoke.heads, decoder_steps=1, decoder_batch=1)
    train, held = (PreparedDataset(smoke.data.sets, (s,), smoke.input) for s in ("train", "validation"))
    held = subset(held, [i for i, case in enumerate(held.cases) if case.lesions][:2])
    before = state_hash(encoder)
    report, weights = paper_heads.train_and_report(encoder, train, held, smoke, how, torch.device("cpu"))
    assert state_hash(encoder) == before
    assert set(report) == {"mass"}
    assert report["mass"]["images"] > 0 and 0 <= report["mass"]["dice"] <= 1
    json.dumps(report, allow_nan=False)
    assert not any("encoder" in name for name in weights)
    assert all(np.isfinite(w.numpy()).all() for w in weights.values())


def test_the_paper_config_asks_for_them() -> None:
    config = load_config(Path(__file__).parents[1] / "configs" / "paper.yaml")
    assert config.heads is not None and config.heads.published
