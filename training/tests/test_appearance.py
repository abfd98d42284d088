"""Appearance: grid means by hand, and distances of what does and does not lie in the training images' span."""

import numpy as np
import pytest

from versamammo.appearance import Look, appearance_of, distance, grid_means, inverted_of
from versamammo.models.encoder import MapInfo

LOOK = Look("appearance", MapInfo("map16", 4, 16), (4, 3))


def test_grid_means_take_each_cell_by_floors() -> None:
    maps = np.arange(2 * 5 * 3, dtype=np.float16).reshape(1, 2, 5, 3)
    means = grid_means(maps, (2, 2)).reshape(2, 2, 2)
    # rows 0–1 and 2–4, columns 0 and 1–2
    assert means[0] == pytest.approx(np.array([[1.5, 3.0], [9.0, 10.5]]))
    assert means[1] - means[0] == pytest.approx(np.full((2, 2), 15.0))


def test_distance_is_what_lies_beside_the_components() -> None:
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(3, 4 * 12))
    images = lambda n: (rng.normal(size=(n, 3)) @ directions).reshape(n, 4, 4, 3) + 0.01 * rng.normal(size=(n, 4, 4, 3))  # noqa: E731
    entry, description = appearance_of(LOOK, images(200), images(100))
    assert description.shape == (entry["components"] + 2, 48)
    quantiles = entry["quantiles"]
    assert len(quantiles) == 101 and quantiles == sorted(quantiles)
    assert (distance(grid_means(images(50), LOOK.grid), description) < 2 * quantiles[-1]).all()
    turned = images(50)[:, :, ::-1]
    assert (distance(grid_means(turned, LOOK.grid), description) > 10 * quantiles[-1]).all()


def test_a_channel_that_never_moved_does_not_divide_by_nothing() -> None:
    train = np.random.default_rng(2).normal(size=(30, 2, 4, 3))
    train[:, 1] = 0
    _, description = appearance_of(LOOK, train, train)
    assert np.isfinite(distance(grid_means(train, LOOK.grid), description)).all()


def test_the_line_tells_inverses_half_way_also_on_images_that_lie_elsewhere() -> None:
    rng = np.random.default_rng(4)
    # One channel says how bright, the other which way round; brightness varies far more.
    images = lambda n, bright, way: np.stack([  # noqa: E731
        rng.normal(bright, 3, (n, 4, 4)), rng.normal(way, 0.2, (n, 4, 4))], 1)  # fmt: skip
    look = Look("inverted", MapInfo("map8", 2, 8), (2, 2))
    entry, line = inverted_of(look, images(300, 0, 0.1), images(300, -1, 1.5))
    assert (entry["means"]["shape"], line.shape) == (["batch", 8], (9,))
    score = lambda maps: grid_means(maps, (2, 2)) @ line[:-1] + line[-1]  # noqa: E731
    assert np.median(score(images(300, 0, 0.1))) == pytest.approx(-1, abs=0.1)
    assert np.median(score(images(300, -1, 1.5))) == pytest.approx(1, abs=0.1)
    assert (score(images(100, 5, 0.2)) < 0).all()
    assert (score(images(100, 5, 1.4)) > 0).all()
