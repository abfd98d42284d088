"""Focus loss: the map by which the encoder weighs places of an image learns where lesions are marked."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

#: Share of a cell that a lesion must cover to make it positive; of a lesion that covers no cell so far, the best one is.
COVERED = 0.25


def focus_cells(marked: Tensor, height: int, width: int) -> Tensor:
    """Lesion masks [n, rows, columns] in [0, 1] → which cells of a grid hold them, float [n, height, width] of 0 and 1."""
    share = F.adaptive_avg_pool2d(marked.unsqueeze(1), (height, width))[:, 0]
    best = share.amax((1, 2), keepdim=True)
    return ((share >= best.clamp(max=COVERED)) & (share > 0)).float()


def focus_loss(logits: Tensor, marked: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy and soft Dice (V-Net, arXiv 1606.04797) over the images whose lesions are marked; 0 where none is.

    Args:
        logits: [n, h, w].
        marked: lesion masks in [0, 1] on any finer grid [n, rows, columns].
        known: bool [n].
    """
    logits = logits.float()
    if not bool(known.any()):
        return logits.sum() * 0.0
    logits = logits[known]
    cells = focus_cells(marked[known], logits.shape[1], logits.shape[2])
    p = logits.sigmoid()
    dice = 1 - (2 * (p * cells).sum((1, 2)) + 1) / (p.sum((1, 2)) + cells.sum((1, 2)) + 1)
    return F.binary_cross_entropy_with_logits(logits, cells) + dice.mean()
