"""Schedules: numbers that depend on the step alone, so that a resumed run continues them exactly."""

from __future__ import annotations

import math


def cosine(step: int, steps: int, start: float, end: float) -> float:
    """Half a cosine from `start` at step 0 to `end` at step `steps`, `end` after it."""
    if step >= steps:
        return end
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * step / steps))


def linear(step: int, steps: int, start: float, end: float) -> float:
    """A line from `start` at step 0 to `end` at step `steps`, `end` after it."""
    return end if step >= steps else start + (end - start) * step / steps


def warmup_cosine(step: int, steps: int, peak: float, end: float, warmup: int) -> float:
    """Learning rate of DINOv2: a line from 0 to `peak` over `warmup` steps, then half a cosine down to `end`."""
    if step < warmup:
        return peak * step / warmup
    return cosine(step - warmup, steps - warmup, peak, end)


def scaled_learning_rate(base: float, batch: int) -> float:
    """DINOv2's square-root rule: base · sqrt(batch / 1024). The published run: 1e-4 at batch 16 → 1.25e-5."""
    return base * math.sqrt(batch / 1024)
