"""DINO loss: cross-entropy between the teacher's and the student's prototype assignments of different views."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightly.loss import DINOLoss
from lightly.loss.msn_loss import sinkhorn
from torch import Tensor, nn


def sinkhorn_knopp(logits: Tensor, temperature: float, iterations: int = 3) -> Tensor:
    """Assignments [n, prototypes] whose rows sum to 1 and whose prototypes are used equally (SwAV, DINOv2).

    Args:
        logits: teacher logits [n, prototypes], of all global crops together.
        temperature: teacher temperature.
    """
    gather = dist.is_available() and dist.is_initialized()
    scaled = logits.float() / temperature
    highest = scaled.max()
    if gather:
        dist.all_reduce(highest, op=dist.ReduceOp.MAX)
    return sinkhorn(torch.exp(scaled - highest), iterations, gather_distributed=gather)


class Dino(nn.Module):
    """DINO (arXiv 2104.14294) centred as in DINO (`softmax`: lightly's running mean) or DINOv2 (`sinkhorn_knopp`)."""

    def __init__(self, prototypes: int, centering: str, student_temperature: float = 0.1, iterations: int = 3) -> None:
        super().__init__()
        self.student_temperature, self.iterations = student_temperature, iterations
        self.softmax = DINOLoss(prototypes, student_temp=student_temperature) if centering == "softmax" else None

    def forward(self, teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
        """Mean over all pairs of different views.

        Args:
            teacher: logits of the global views [t, n, prototypes].
            student: logits of all views, the same global ones first [s, n, prototypes].
            temperature: teacher temperature.
        """
        teacher, student = teacher.float(), student.float()
        if self.softmax is not None:
            return self.softmax(list(teacher), list(student), teacher_temp=temperature)
        views, n, prototypes = teacher.shape
        target = sinkhorn_knopp(teacher.reshape(views * n, prototypes), temperature, self.iterations)
        return cross_view_entropy(target.view(views, n, prototypes), student / self.student_temperature)


def cross_view_entropy(target: Tensor, logits: Tensor) -> Tensor:
    """−Σ target · log softmax(logits), mean over images and pairs (t, s) with t ≠ s.

    Args:
        target: probabilities [t, n, k].
        logits: [s, n, k], s ≥ t.
    """
    loss = -torch.einsum("tnk,snk->ts", target, F.log_softmax(logits, dim=-1))
    loss = loss.masked_fill(torch.eye(*loss.shape, dtype=torch.bool, device=loss.device), 0.0)
    pairs = loss.numel() - min(loss.shape)
    return loss.sum() / (pairs * target.shape[1])
