"""iBOT loss: the student assigns masked patches to prototypes as the teacher, who sees them, does."""

from __future__ import annotations

import torch.nn.functional as F
from lightly.loss import IBOTPatchLoss
from torch import Tensor, nn

from versamammo.losses.dino import sinkhorn_knopp


class Ibot(nn.Module):
    """iBOT (arXiv 2111.07832) as in DINOv2: every image's masked patches weigh 1 together, mean over images."""

    def __init__(self, prototypes: int, centering: str, student_temperature: float = 0.1, iterations: int = 3) -> None:
        super().__init__()
        self.student_temperature, self.iterations = student_temperature, iterations
        self.softmax = IBOTPatchLoss(prototypes, student_temp=student_temperature) if centering == "softmax" else None

    def forward(self, teacher: Tensor, student: Tensor, mask: Tensor, temperature: float) -> Tensor:
        """
        Args:
            teacher, student: logits of the masked patches [m, prototypes].
            mask: bool [n, rows, columns] with m patches set, in that order.
            temperature: teacher temperature.
        """
        teacher, student = teacher.float(), student.float()
        if self.softmax is not None:
            return self.softmax(teacher, student, mask, temperature)
        target = sinkhorn_knopp(teacher, temperature, self.iterations)
        entropy = -(target * F.log_softmax(student / self.student_temperature, dim=-1)).sum(-1)
        weight = (1.0 / mask.sum((1, 2), keepdim=True).clamp(min=1)).expand_as(mask)[mask]
        return (entropy * weight).sum() / mask.shape[0]
