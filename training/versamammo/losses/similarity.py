"""Cosine similarities within a batch: what distillation and consistency compare."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def others(matrix: Tensor) -> Tensor:
    """[n, n] → [n, n − 1]: each row without its diagonal element."""
    n = matrix.shape[0]
    keep = ~torch.eye(n, dtype=torch.bool, device=matrix.device)
    return matrix[keep].view(n, n - 1)


def cosines(features: Tensor) -> Tensor:
    """Cosine similarities [n, n] of features [n, d]."""
    unit = F.normalize(features.float(), dim=-1)
    return unit @ unit.T
