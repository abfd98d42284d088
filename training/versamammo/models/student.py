"""Student: encoder with one linear head per task, for stage 2."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from versamammo.config import Task
from versamammo.errors import TrainingError
from versamammo.models.encoder import Encoder


class Student(nn.Module):
    """Args:
    tasks: those to learn; each gets a linear head on the pooled features.
    dropout: before the heads.
    """

    def __init__(self, encoder: Encoder, tasks: dict[str, Task], dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({name: nn.Linear(encoder.width, len(task.values)) for name, task in tasks.items()})
        for head in self.heads.values():
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Images → pooled features [n, width] and logits per task [n, answers]."""
        pooled = self.encoder(images)
        return pooled, self.logits(pooled)

    def forward_focus(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """As `forward`, and the encoder's focus logits [n, h, w]."""
        pooled, focus = self.encoder.forward_focus(images)
        return pooled, self.logits(pooled), focus

    def logits(self, pooled: Tensor) -> dict[str, Tensor]:
        dropped = self.dropout(pooled)
        return {name: head(dropped) for name, head in self.heads.items()}

    def start_from(self, encoder: Encoder, heads: Mapping[str, Tensor]) -> None:
        """Another student's weights. Where it had no focus, the focus stays new and the heads leave it out at first: the
        logits are the other's."""
        if (encoder.focus is None) == (self.encoder.focus is None):
            self.encoder.load(encoder.state_dict())
        else:
            self.encoder.load_backbone(encoder)
        own = self.heads.state_dict()
        if own.keys() != heads.keys():
            raise TrainingError("weights-mismatch", "The student to start from has heads for other tasks.")
        for name, tensor in own.items():
            tensor.zero_()[tuple(slice(n) for n in heads[name].shape)] = heads[name]
