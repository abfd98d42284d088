"""What images look like to a feature map, and how far one lies from what training images look like: a bundle's second test of support.

The vector cannot tell: it was trained to keep what its tasks need, and an inverted or turned mammogram, noise and stripes land among the others.
A map's means over a coarse grid keep where things are. Their principal components over the training images span what mammograms look like;
the distance is what an image has beside (reconstruction error of PCA, e.g. Hotelling's Q: Jackson & Mudholkar, Technometrics 21 (1979) 341).
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Cells down and across, components, and the share of validation images that lie outside.
GRID = (4, 3)
COMPONENTS = 40
LIMIT = 0.02
#: Of the test whether grey values are inverted: cells, and how far covariances are drawn towards a sphere.
INVERTED_GRID = (2, 2)
SHRINKAGE = 0.1


def grid_means(maps: np.ndarray, grid: tuple[int, int] = GRID) -> np.ndarray:
    """[n, channels, height, width] → float32 [n, channels · rows · columns]; cell i of `rows` spans floor(i · height / rows) and on."""
    rows, columns = grid
    height, width = maps.shape[2:]
    cells = []
    for i in range(rows):
        top, bottom = i * height // rows, max(i * height // rows + 1, (i + 1) * height // rows)
        for j in range(columns):
            left, right = j * width // columns, max(j * width // columns + 1, (j + 1) * width // columns)
            cells.append(maps[:, :, top:bottom, left:right].mean((2, 3), dtype=np.float32))
    return np.stack(cells, 2).reshape(len(maps), -1)


def distance(means: np.ndarray, description: np.ndarray) -> np.ndarray:
    """Root mean square of what is left beside the components, [n]. `description`: mean, deviation, components, [2 + components, features]."""
    standard = (means - description[0]) / description[1]
    components = description[2:]
    left = standard - (standard @ components.T) @ components
    return np.sqrt((left * left).mean(1))


def appearance_of(name: str, train: np.ndarray, held: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Manifest entry and description, from the map `name` of training and of validation images [n, channels, height, width]."""
    means = grid_means(train)
    mean, deviation = means.mean(0), means.std(0)
    deviation = np.maximum(deviation, 0.01 * deviation.mean())
    _, _, components = np.linalg.svd((means - mean) / deviation, full_matrices=False)
    kept = components[: min(COMPONENTS, len(train) - 1)]
    largest = np.take_along_axis(kept, np.abs(kept).argmax(1)[:, None], 1)
    description = np.stack([mean, deviation, *(kept * np.sign(largest))]).astype(np.float32)
    entry = {
        "file": "appearance.f32",
        "map": name,
        "grid": list(GRID),
        "components": len(description) - 2,
        "quantiles": [float(q) for q in np.quantile(distance(grid_means(held), description), np.linspace(0, 1, 101))],
        "limit": LIMIT,
    }
    return entry, description


def inverted_of(name: str, right: np.ndarray, inverted: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Manifest entry and line [features + 1], weights then offset: −1 for the median of images, +1 for that of their inverses.

    An inverted breast whose background was made black again keeps its outline, so `appearance_of` misses a third. But its
    fat is bright and its fibres are dark: along Fisher's discriminant the two kinds lie far apart, also on sources that
    the line was not fitted on, because 0 is half-way between them and no quantile of either.

    Args:
        right, inverted: map `name` of the same training images, [n, channels, height, width].
    """
    a, b = grid_means(right, INVERTED_GRID), grid_means(inverted, INVERTED_GRID)
    mean, deviation = a.mean(0), a.std(0)
    deviation = np.maximum(deviation, 0.01 * deviation.mean())
    a, b = (a - mean) / deviation, (b - mean) / deviation
    spread = (np.cov(a.T) + np.cov(b.T)) / 2
    spread += SHRINKAGE * np.trace(spread) / len(spread) * np.eye(len(spread))
    line = np.linalg.solve(spread, b.mean(0) - a.mean(0))
    low, high = np.median(a @ line), np.median(b @ line)
    weights = line / deviation * 2 / (high - low)
    offset = -(low + high) / (high - low) - weights @ mean
    entry = {"file": "inverted.f32", "map": name, "grid": list(INVERTED_GRID)}
    return entry, np.append(weights, offset).astype(np.float32)
