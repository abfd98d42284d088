"""Augmentation of grey mammograms: crops, and what scanners, codecs and archives do to pixels."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from versamammo.config import Augment
from versamammo.data import Grey, resize

#: Below this grey a pixel counts as background (canonical images have background 0).
BACKGROUND = 0.02


def rng_for(*key: int) -> np.random.Generator:
    """A generator that is a function of its key: seed, step, place in the batch, view."""
    return np.random.default_rng(list(key))


def augmented(
    grey: Grey, rng: np.random.Generator, size: tuple[int, int], how: Augment, area: tuple[float, float] | None = None
) -> Tensor:
    """A random view, float32 [height, width] in [0, 1], not yet normalised.

    Args:
        grey: uint16 [rows, columns].
        size: (height, width) of the view.
        area: range of the crop's share of the image, in place of `how.area`.
    """
    geometry = Geometry.draw(grey.shape, rng, how, area or (how.area[0], how.area[1]))
    return _altered(geometry.apply(grey, size), rng, size, how, max(grey.shape))


def augmented_with_mask(
    grey: Grey, mask: np.ndarray[Any, np.dtype[np.bool_]], rng: np.random.Generator, size: tuple[int, int], how: Augment
) -> tuple[Tensor, Tensor]:
    """`augmented`, and a mask [rows, columns] laid out alike: float32 [height, width] in [0, 1]."""
    geometry = Geometry.draw(grey.shape, rng, how, (how.area[0], how.area[1]))
    view = _altered(geometry.apply(grey, size), rng, size, how, max(grey.shape))
    return view, geometry.apply(mask.astype(np.uint16) * np.uint16(65535), size)


@dataclass(frozen=True)
class Geometry:
    """Which part of an image a view shows, and how it is turned."""

    top: int
    left: int
    height: int
    width: int
    flipped: bool
    degrees: float

    @staticmethod
    def draw(shape: tuple[int, ...], rng: np.random.Generator, how: Augment, area: tuple[float, float]) -> Geometry:
        rows, columns = shape
        share = rng.uniform(*area)
        aspect = math.exp(rng.uniform(math.log(how.aspect[0]), math.log(how.aspect[1])))
        height = min(rows, max(8, round(rows * math.sqrt(share * aspect))))
        width = min(columns, max(8, round(columns * math.sqrt(share / aspect))))
        top, left = int(rng.integers(0, rows - height + 1)), int(rng.integers(0, columns - width + 1))
        flipped = bool(rng.random() < how.vertical_flip_p)
        return Geometry(top, left, height, width, flipped, float(rng.uniform(-how.rotate_degrees, how.rotate_degrees)))

    def apply(self, grey: Grey, size: tuple[int, int]) -> Tensor:
        """uint16 [rows, columns] → float32 [height, width] of `size`."""
        piece = grey[self.top : self.top + self.height, self.left : self.left + self.width].astype(np.float32) / 65535
        view = resize(torch.from_numpy(piece), *size)
        if self.flipped:
            view = view.flip(0)
        return _rotate(view, math.radians(self.degrees)) if abs(self.degrees) > 1 else view


def _altered(view: Tensor, rng: np.random.Generator, size: tuple[int, int], how: Augment, long_side: int) -> Tensor:
    view = _tone(view, rng, how)
    if rng.random() < how.blur_p:
        view = _resample(view, rng, how.blur_to, long_side)
    if rng.random() < how.noise_p:
        noise = rng.standard_normal(size, dtype=np.float32)
        view = torch.where(view > BACKGROUND, view + torch.from_numpy(noise) * rng.uniform(0, how.noise), view)
    view = view.clamp(0, 1)
    if rng.random() < how.jpeg_p:
        view = _jpeg(view, int(rng.integers(how.jpeg_quality[0], how.jpeg_quality[1] + 1)))
    if rng.random() < how.background_p:
        fill = float(rng.choice([0.0, 0.0, rng.uniform(0, 0.1)]))
        view = torch.where(view < BACKGROUND, torch.tensor(fill), view)
    if rng.random() < how.solarize_p:
        view = torch.where(view >= 0.5, 1 - view, view)
    return view


def _rotate(view: Tensor, angle: float) -> Tensor:
    height, width = view.shape
    cos, sin, ratio = math.cos(angle), math.sin(angle), height / width
    matrix = torch.tensor([[[cos, -sin * ratio, 0.0], [sin / ratio, cos, 0.0]]])
    grid = F.affine_grid(matrix, [1, 1, height, width], align_corners=False)
    return F.grid_sample(view[None, None], grid, align_corners=False)[0, 0]


def _tone(view: Tensor, rng: np.random.Generator, how: Augment) -> Tensor:
    """Gamma, contrast and brightness inside the breast; background stays background."""
    inside = view > BACKGROUND
    toned = view.clamp(1e-4, 1) ** math.exp(rng.uniform(-how.gamma, how.gamma))
    if inside.any():
        mean = toned[inside].mean()
        toned = (toned - mean) * (1 + rng.uniform(-how.contrast, how.contrast)) + mean
    toned = toned + rng.uniform(-how.brightness, how.brightness)
    return torch.where(inside, toned, view)


def _resample(view: Tensor, rng: np.random.Generator, low: int, source_long_side: int) -> Tensor:
    """Down to between `low` / `source_long_side` and all of the view's pixels, and up again."""
    floor = min(1.0, low / source_long_side)
    scale = rng.uniform(floor, 1.0)
    height, width = view.shape
    small = resize(view, max(8, round(height * scale)), max(8, round(width * scale)))
    return resize(small, height, width)


def _jpeg(view: Tensor, quality: int) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray((view.numpy() * 255 + 0.5).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return torch.from_numpy(_decode(buffer))


def _decode(buffer: io.BytesIO) -> np.ndarray[Any, np.dtype[np.float32]]:
    with Image.open(buffer) as image:
        return np.asarray(image, dtype=np.float32) / 255
