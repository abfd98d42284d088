"""What images look like to a feature map, and how far one lies from what training images look like: a bundle's second test of support.

The vector cannot tell: it was trained to keep what its tasks need, and an inverted or turned mammogram, noise and stripes land among the others.
A map's means over a coarse grid keep where things are. Their principal components over the training images span what mammograms look like;
the distance is what an image has beside (reconstruction error of PCA, e.g. Hotelling's Q: Jackson & Mudholkar, Technometrics 21 (1979) 341).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from versamammo.bundle import tensor
from versamammo.models.encoder import MapInfo

#: Components, and the share of validation images that lie outside.
COMPONENTS = 40
LIMIT = 0.02
#: Of the test whether grey values are inverted: how far covariances are drawn towards a sphere.
SHRINKAGE = 0.1


@dataclass(frozen=True)
class Look:
    """What support looks at: `map`'s means over `grid` cells down and across, which the encoder's graph gives as `name`."""

    name: str
    map: MapInfo
    grid: tuple[int, int]

    @property
    def features(self) -> int:
        return self.map.channels * self.grid[0] * self.grid[1]


def looks(maps: Sequence[MapInfo]) -> tuple[Look, Look]:
    """What images look like is told from the first map of at least stride 16; whether they are inverted, from a finer one."""

    def first(stride: int) -> MapInfo:
        return next((m for m in maps if m.stride >= stride), maps[-1])

    return Look("appearance", first(16), (4, 3)), Look("inverted", first(8), (2, 2))


def cell_weights(height: int, width: int, grid: tuple[int, int]) -> np.ndarray:
    """Float32 [height · width, rows · columns]: 1 where a place lies in a cell; cell i of `rows` spans floor(i · height / rows) and on."""

    def inside(size: int, cells: int) -> np.ndarray:
        starts = [i * size // cells for i in range(cells)]
        ends = [max(start + 1, (i + 1) * size // cells) for i, start in enumerate(starts)]
        return np.array([[start <= at < end for start, end in zip(starts, ends, strict=True)] for at in range(size)])

    return np.kron(inside(height, grid[0]), inside(width, grid[1])).astype(np.float32)


def grid_means(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """[n, channels, height, width] → float32 [n, channels · rows · columns]."""
    weights = cell_weights(*maps.shape[2:], grid)
    weights /= weights.sum(0)
    return np.stack([(one.reshape(len(one), -1).astype(np.float32) @ weights).ravel() for one in maps])


def distance(means: np.ndarray, description: np.ndarray) -> np.ndarray:
    """Root mean square of what is left beside the components, [n]. `description`: mean, deviation, components, [2 + components, features]."""
    standard = (means - description[0]) / description[1]
    components = description[2:]
    left = standard - (standard @ components.T) @ components
    return np.sqrt((left * left).mean(1))


def appearance_of(look: Look, train: np.ndarray, held: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Manifest entry and description, from the look's map of training and of validation images [n, channels, height, width]."""
    means = grid_means(train, look.grid)
    mean, deviation = means.mean(0), means.std(0)
    deviation = np.maximum(deviation, 0.01 * deviation.mean())
    _, _, components = np.linalg.svd((means - mean) / deviation, full_matrices=False)
    kept = components[: min(COMPONENTS, len(train) - 1)]
    largest = np.take_along_axis(kept, np.abs(kept).argmax(1)[:, None], 1)
    description = np.stack([mean, deviation, *(kept * np.sign(largest))]).astype(np.float32)
    distances = distance(grid_means(held, look.grid), description)
    entry = {
        "file": "appearance.f32",
        "means": tensor(look.name, "float32", "batch", look.features),
        "components": len(description) - 2,
        "quantiles": [float(q) for q in np.quantile(distances, np.linspace(0, 1, 101))],
        "limit": LIMIT,
    }
    return entry, description


def inverted_of(look: Look, right: np.ndarray, inverted: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Manifest entry and line [features + 1], weights then offset: −1 for the median of images, +1 for that of their inverses.

    An inverted breast whose background was made black again keeps its outline, so `appearance_of` misses a third. But its
    fat is bright and its fibres are dark: along Fisher's discriminant the two kinds lie far apart, also on sources that
    the line was not fitted on, because 0 is half-way between them and no quantile of either.

    Args:
        right, inverted: the look's map of the same training images, [n, channels, height, width].
    """
    a, b = grid_means(right, look.grid), grid_means(inverted, look.grid)
    mean, deviation = a.mean(0), a.std(0)
    deviation = np.maximum(deviation, 0.01 * deviation.mean())
    a, b = (a - mean) / deviation, (b - mean) / deviation
    spread = (np.cov(a.T) + np.cov(b.T)) / 2
    spread += SHRINKAGE * np.trace(spread) / len(spread) * np.eye(len(spread))
    line = np.linalg.solve(spread, b.mean(0) - a.mean(0))
    low, high = np.median(a @ line), np.median(b @ line)
    weights = line / deviation * 2 / (high - low)
    offset = -(low + high) / (high - low) - weights @ mean
    entry = {"file": "inverted.f32", "means": tensor(look.name, "float32", "batch", look.features)}
    return entry, np.append(weights, offset).astype(np.float32)
