"""Augmentation: repeatable, within [0, 1], and each part does what it says."""

import dataclasses

import numpy as np
import torch

from versamammo.augment import augmented, augmented_with_mask, rng_for
from versamammo.config import Augment
from versamammo.phantoms import breast

NOTHING = Augment(
    area=[1.0, 1.0], aspect=[1.0, 1.0], rotate_degrees=0, vertical_flip_p=0, gamma=0, contrast=0, brightness=0,
    blur_p=0, jpeg_p=0, noise_p=0, background_p=0,
)  # fmt: skip
GREY = (breast(np.random.default_rng(1), 2) * 65535).astype(np.uint16)


def view(how: Augment, seed: int = 1, size: tuple[int, int] = (96, 64)) -> torch.Tensor:
    return augmented(GREY, rng_for(seed), size, how)


def test_nothing_is_the_image() -> None:
    torch.testing.assert_close(view(NOTHING), torch.from_numpy(GREY / np.float32(65535)), atol=2e-4, rtol=0)


def test_views_are_repeatable_and_differ_by_key() -> None:
    assert torch.equal(view(Augment()), view(Augment()))
    assert not torch.equal(view(Augment()), view(Augment(), seed=2))
    for seed in range(20):
        out = view(Augment(solarize_p=0.5), seed, (40, 56))
        assert out.shape == (40, 56) and out.dtype == torch.float32 and out.min() >= 0 and out.max() <= 1


def test_tone_leaves_the_background_alone() -> None:
    toned = view(Augment(**{**vars(NOTHING), "gamma": 0.5, "contrast": 0.5, "brightness": 0.2}), seed=3)
    outside = torch.from_numpy(GREY == 0)
    assert (toned[outside] == 0).all() and not torch.equal(toned, view(NOTHING))


def test_blur_loses_detail() -> None:
    def detail(image: torch.Tensor) -> float:
        return float(image.diff(dim=0).abs().mean())

    blurred = [detail(view(Augment(**{**vars(NOTHING), "blur_p": 1.0, "blur_to": 24}), seed)) for seed in range(8)]
    assert min(blurred) < 0.8 * detail(view(NOTHING))


def test_crop_takes_the_asked_share() -> None:
    small = augmented(GREY, rng_for(1), (96, 64), NOTHING, (0.25, 0.25))
    # A quarter of the area, enlarged to the whole view: half the detail a pixel.
    assert float(small.diff(dim=0).abs().mean()) < 0.8 * float(view(NOTHING).diff(dim=0).abs().mean())


def test_mask_is_laid_out_as_the_view() -> None:
    plain = dataclasses.replace(NOTHING, area=[0.5, 1.0], aspect=[0.8, 1.25], rotate_degrees=10, vertical_flip_p=0.5)
    mask = np.zeros((120, 80), np.bool_)
    mask[30:70, 20:50] = True
    grey = mask.astype(np.uint16) * np.uint16(65535)
    for seed in range(20):
        view, marked = augmented_with_mask(grey, mask, rng_for(seed), (96, 64), plain)
        torch.testing.assert_close(view, marked)
        torch.testing.assert_close(view, augmented(grey, rng_for(seed), (96, 64), plain))
        assert marked.sum() > 0
