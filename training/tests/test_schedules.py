"""Schedules and the average of weights, by hand."""

import math

import pytest
import torch
from torch import nn

from versamammo.ema import update_ema
from versamammo.schedules import cosine, linear, scaled_learning_rate, warmup_cosine


def test_cosine() -> None:
    assert cosine(0, 8, 0.994, 1.0) == pytest.approx(0.994)
    assert cosine(4, 8, 0.994, 1.0) == pytest.approx(0.997)  # half way: the mean
    assert cosine(2, 8, 0.04, 0.2) == pytest.approx(0.2 - 0.16 * 0.5 * (1 + math.sqrt(0.5)))  # cos 45°
    assert cosine(8, 8, 0.994, 1.0) == cosine(99, 8, 0.994, 1.0) == 1.0


def test_linear() -> None:
    """Teacher temperature: 0.04 → 0.07 over the first steps, then constant."""
    assert [linear(s, 3, 0.04, 0.07) for s in (0, 1, 2, 3, 50)] == pytest.approx([0.04, 0.05, 0.06, 0.07, 0.07])


def test_warmup_cosine() -> None:
    rates = [warmup_cosine(s, 14, 1.0, 0.0, 4) for s in (0, 1, 4, 9, 14)]
    assert rates == pytest.approx([0.0, 0.25, 1.0, 0.5, 0.0])


def test_published_learning_rate() -> None:
    assert scaled_learning_rate(1e-4, 16) == pytest.approx(1.25e-5)


def test_update_ema_averages_weights_and_statistics_and_copies_counters() -> None:
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    nn.init.constant_(average.weight, 2.0)
    nn.init.constant_(network.weight, 4.0)
    network.running_mean.fill_(10.0)
    network.num_batches_tracked.fill_(7)
    update_ema(average, network, 0.75)
    assert average.weight.item() == pytest.approx(2.5) and average.running_mean.item() == pytest.approx(2.5)
    assert average.num_batches_tracked.item() == 7
    assert torch.equal(network.weight, torch.tensor([4.0]))
