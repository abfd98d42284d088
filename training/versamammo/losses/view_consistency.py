"""View consistency: the low-resolution view arranges a batch as the high-resolution view does."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from versamammo.losses.similarity import cosines, others


def view_consistency(low: Tensor, high: Tensor, temperature: float = 0.07, *, swapped: bool = False) -> Tensor:
    """Cross-entropy of the low view's similarity rows against the high view's, which are a target without gradient.

    Args:
        low, high: features [n, d] of two views of the same images.
        swapped: the published defect S2-3: the low view is the target, keeps its gradient, features are not
            normalised, and the diagonal takes part.
    """
    if swapped:
        target = F.softmax(low.float() @ low.float().T / temperature, dim=-1)
        logits = high.float() @ high.float().T / temperature
    else:
        target = F.softmax(others(cosines(high.detach())) / temperature, dim=-1)
        logits = others(cosines(low)) / temperature
    return -(target * F.log_softmax(logits, dim=-1)).sum(-1).mean()
