"""Progress: a bar with time left on a terminal, a line every so often elsewhere, and TensorBoard."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Shows steps of a stage on stderr.

    Args:
        name: of the stage.
        steps: in all.
        done: steps before this start (a resumed run).
        quiet: show nothing (processes other than the first).
        every: seconds between lines where stderr is no terminal.
    """

    def __init__(self, name: str, steps: int, done: int, *, quiet: bool = False, every: float = 30.0) -> None:
        self.name, self.steps, self.first, self.quiet, self.every = name, steps, done, quiet, every
        self.begun = self.spoken = time.monotonic()
        self.bar = (
            tqdm(total=steps, initial=done, desc=name, dynamic_ncols=True)
            if not quiet and sys.stderr.isatty()
            else None
        )

    def step(self, done: int, losses: dict[str, float]) -> None:
        """Step number `done` is finished."""
        if self.bar is not None:
            self.bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()}, refresh=False)
            self.bar.update(done - self.bar.n)
        elif not self.quiet and (time.monotonic() - self.spoken > self.every or done in (self.first + 1, self.steps)):
            self.spoken = time.monotonic()
            rate = (self.spoken - self.begun) / max(1, done - self.first)
            shown = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
            left = clock(rate * (self.steps - done))
            print(
                f"{self.name} {done}/{self.steps} {rate:.2f} s/step, {left} left: {shown}", file=sys.stderr, flush=True
            )

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.bar is not None:
            self.bar.write(text, file=sys.stderr)
        elif not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.close()


def clock(seconds: float) -> str:
    """h:mm:ss."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"


class Curves:
    """TensorBoard event files in a local folder; nothing where `folder` is None."""

    def __init__(self, folder: Path | None, first_step: int) -> None:
        if folder is None:
            self.writer = None
            return
        from torch.utils.tensorboard import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self.writer = SummaryWriter(str(folder), purge_step=first_step)

    def add(self, step: int, values: dict[str, float]) -> None:
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
