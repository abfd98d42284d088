"""Label loss: cross-entropy of one task over the images that carry its label."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def label_loss(
    logits: Tensor, target: Tensor, known: Tensor, *, multilabel: bool = False, smoothing: float = 0.0
) -> Tensor:
    """Mean over the known images; 0, still differentiable, where none is known.

    Args:
        logits: [n, answers].
        target: class index [n] (anything where unknown), or multi-hot [n, answers].
        known: bool [n].
        smoothing: share of the target spread evenly over all answers (single-label tasks).
    """
    logits = logits.float()
    if not bool(known.any()):
        return logits.sum() * 0.0
    if multilabel:
        return F.binary_cross_entropy_with_logits(logits[known], target[known])
    return F.cross_entropy(logits[known], target[known], label_smoothing=smoothing)


def total_label_loss(losses: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """Σ weight · loss over the tasks."""
    return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
