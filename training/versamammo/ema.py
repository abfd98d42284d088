"""Exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, momentum: float) -> None:
    """average ← momentum · average + (1 − momentum) · network, buffers included; counters copied."""
    source = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(source[name].to(value.dtype), 1 - momentum)
        else:
            value.copy_(source[name])
