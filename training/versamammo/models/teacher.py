"""Teacher: encoder with DINO's projection heads, for stage 1."""

from __future__ import annotations

import torch
from lightly.models.modules.heads import DINOProjectionHead
from torch import Tensor, nn

from versamammo.models.encoder import Encoder


class Teacher(nn.Module):
    """An encoder, a DINO head on its pooled features, and for a ViT an iBOT head on its patches.

    Args:
        hidden, bottleneck, prototypes: of the heads; `ibot_bottleneck` None: no iBOT head.
    """

    def __init__(
        self, encoder: Encoder, hidden: int, bottleneck: int, prototypes: int, ibot_bottleneck: int | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.dino = DINOProjectionHead(encoder.width, hidden, bottleneck, prototypes)
        self.ibot: DINOProjectionHead | None = None
        self.mask_token: nn.Parameter | None = None
        if ibot_bottleneck is not None:
            self.ibot = DINOProjectionHead(encoder.width, hidden, ibot_bottleneck, prototypes)
            self.mask_token = nn.Parameter(torch.zeros(encoder.width))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images → pooled features [n, width] and prototype logits [n, prototypes]."""
        pooled = self.encoder(images)
        return pooled, self.dino(pooled)

    def with_patches(self, images: Tensor, mask: Tensor, *, hide: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Pooled features, their logits, and the logits of the patches under `mask` [m, prototypes].

        Args:
            mask: bool [n, rows, columns] of patches.
            hide: replace masked patches by the mask token first (the student); the teacher sees them.
        """
        assert self.ibot is not None and self.mask_token is not None
        pooled, patches = self.encoder.forward_patches(images, mask if hide else None, self.mask_token)
        return pooled, self.dino(pooled), self.ibot(patches[mask.flatten(1)])
