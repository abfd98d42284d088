"""Relational distillation: the student arranges a batch as the teacher does (KL between rows of similarities)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from versamammo.losses.similarity import cosines, others


def relational_distillation(
    student: Tensor,
    teacher: Tensor,
    student_temperature: float,
    teacher_temperature: float,
    *,
    kl_reversed: bool = False,
) -> Tensor:
    """KL(teacher ‖ student) between row softmaxes of in-batch cosine similarities, self excluded, mean over rows.

    Features may differ in width: only similarities are compared (VersaMammo stage 2; S2-5: temperatures below 1).

    Args:
        student, teacher: features [n, ·], n ≥ 3; no gradient reaches the teacher.
        kl_reversed: the published defect S2-4, KL(student ‖ teacher).
    """
    s = F.log_softmax(others(cosines(student)) / student_temperature, dim=-1)
    t = F.log_softmax(others(cosines(teacher.detach())) / teacher_temperature, dim=-1)
    if kl_reversed:
        return F.kl_div(t, s, reduction="batchmean", log_target=True)
    return F.kl_div(s, t, reduction="batchmean", log_target=True)
