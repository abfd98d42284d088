"""The training loop of both stages: batches by step, checkpoints, the loss log, NaN, progress."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from versamammo import distributed
from versamammo.checkpoint import Checkpoints
from versamammo.config import Config, Runtime
from versamammo.data import PreparedDataset, Schedule, patient_hashes
from versamammo.errors import TrainingError
from versamammo.progress import Curves, Progress
from versamammo.store import FolderStore, ObjectStore


class Trainer(Protocol):
    """What a stage is to the loop."""

    steps: int
    accumulate: int

    def losses(self, step: int, batch: Any, share: float) -> dict[str, float]:
        """Forward and backward of one micro-batch, gradients added, losses times `share`; `loss` is their sum."""

    def update(self, step: int) -> dict[str, float]:
        """Optimiser step, schedules, averages; returns figures worth logging, e.g. the gradient norm."""

    def state(self) -> dict[str, Any]:
        """Everything that later steps depend on."""

    def load(self, state: dict[str, Any]) -> None: ...

    def validate(self, step: int, *, last: bool) -> dict[str, float]:
        """After step `step`: metrics on validation patients; empty where none are due. They are due after the last one."""


class StepBatches(torch.utils.data.Dataset[list[Any]]):
    """Item `step`: the step's micro-batches of this process, made by `make(step, places, indices)`."""

    def __init__(self, schedule: Schedule, accumulate: int, make: Callable[[int, list[int], list[int]], Any]) -> None:
        self.schedule, self.accumulate, self.make = schedule, accumulate, make
        self.rank, self.world = distributed.rank(), distributed.world_size()

    def __getitem__(self, step: int) -> list[Any]:
        indices = self.schedule.batch(step)
        parts = self.accumulate * self.world
        micro: list[Any] = []
        for part in range(self.accumulate):
            places = list(range(part * self.world + self.rank, len(indices), parts))
            micro.append(self.make(step, places, [indices[place] for place in places]))
        return micro


def batches(dataset: StepBatches, first: int, last: int, workers: int, device: torch.device) -> Iterator[list[Any]]:
    """The batches of steps first … last − 1, in order, loaded by `workers` processes."""
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        pin_memory=device.type == "cuda",
        multiprocessing_context="fork" if workers else None,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_one_thread if workers else None,
    )
    yield from loader


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def train(
    name: str,
    config: Config,
    store: ObjectStore,
    trainer: Trainer,
    dataset: StepBatches,
    fingerprint: str,
    device: torch.device,
) -> list[dict[str, float]]:
    """Run a stage from its last checkpoint, or from the start, to its end. Returns the loss log, one entry a step.

    Raises:
        TrainingError: `nan-loss`; the last checkpoint is from before it.
    """
    runtime = config.runtime
    checkpoints = Checkpoints(store, name, fingerprint)
    history: list[dict[str, float]] = []
    first = 0
    found = checkpoints.latest()
    if found is not None:
        trainer.load(found.state["trainer"])
        history, first = found.state["history"], found.step
    main = distributed.rank() == 0
    folder = curves_folder(store, name) if runtime.tensorboard and main else None
    curves = Curves(folder, first)

    def checkpoint(step: int) -> None:
        if main:
            checkpoints.save(step, {"trainer": trainer.state(), "history": history})
            lines = "".join(json.dumps(entry) + "\n" for entry in history)
            store.put(f"{name}/log.jsonl", lines.encode())
            upload_curves(store, name, folder)

    begun = saved = time.monotonic()
    with Progress(name, trainer.steps, first, quiet=not main) as progress:
        if found is not None:
            progress.say(f"{name}: resumed at step {first} of {trainer.steps}")
        for step, micro in enumerate(batches(dataset, first, trainer.steps, config.data.workers, device), first):
            distributed.seed_step(config.seed, step)
            sums: dict[str, float] = {}
            for batch in micro:
                for key, value in trainer.losses(step, to_device(batch, device), 1 / len(micro)).items():
                    sums[key] = sums.get(key, 0.0) + value
            sums = distributed.mean_over_processes(sums)
            refuse_nan(name, step, sums)
            figures = {**sums, **trainer.update(step)}
            time_up = bool(runtime.stop_after_seconds) and elapsed(begun) > runtime.stop_after_seconds
            metrics = trainer.validate(step + 1, last=time_up or step + 1 == trainer.steps)
            history.append({"step": step + 1, **figures, **metrics})
            curves.add(step + 1, {**figures, **metrics})
            progress.step(step + 1, {key: value for key, value in figures.items() if "/" not in key})
            if metrics:
                shown = ", ".join(f"{key} {value:.3f}" for key, value in metrics.items())
                progress.say(f"{name} {step + 1}: {shown}")
            due = runtime.checkpoint_steps and (step + 1) % runtime.checkpoint_steps == 0
            if due or time.monotonic() - saved > runtime.checkpoint_seconds or step + 1 == trainer.steps:
                checkpoint(step + 1)
                saved = time.monotonic()
            if time_up:
                progress.say(f"{name}: time is up at step {step + 1} of {trainer.steps}; what there is gets published")
                checkpoint(step + 1)
                break
    curves.close()
    if main:
        upload_curves(store, name, folder)
    distributed.barrier()
    return history


def elapsed(begun: float) -> float:
    """Seconds since, the same in every process."""
    return distributed.mean_over_processes({"seconds": time.monotonic() - begun})["seconds"]


def refuse_nan(stage: str, step: int, losses: dict[str, float]) -> None:
    """TrainingError `nan-loss` where a loss is no number."""
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        raise TrainingError(
            "nan-loss",
            f"{stage}: {', '.join(bad)} is not a number at step {step + 1}; the last checkpoint is from before it. "
            "Lower the learning rate, or use precision bf16 or fp32, in a new run.",
        )


def to_device(value: Any, device: torch.device) -> Any:
    """Tensors in lists, tuples and dicts moved to the device."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_device(item, device) for item in value]
    return value


def autocast(runtime: Runtime, device: torch.device) -> torch.autocast:
    """Mixed precision on a GPU, fp32 on the CPU."""
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[runtime.precision]
    return torch.autocast(device.type, dtype=kind, enabled=device.type == "cuda" and runtime.precision != "fp32")


def clip_gradients(network: nn.Module, limit: float, scaler: torch.amp.GradScaler) -> float:
    """Clip the gradient's norm; returns the norm before.

    Raises:
        TrainingError: `nan-loss` where it is no number, before any weight changes. With fp16 the scaler skips the step.
    """
    norm = float(nn.utils.clip_grad_norm_([p for p in network.parameters() if p.requires_grad], limit))
    if not math.isfinite(norm) and not scaler.is_enabled():
        raise TrainingError(
            "nan-loss",
            "The gradient is not a number; the last checkpoint is from before it. "
            "Lower the learning rate in a new run.",
        )
    return norm


def parameter_groups(modules: Sequence[tuple[nn.Module, float]], weight_decay: float) -> list[dict[str, Any]]:
    """Optimiser groups of (module, learning-rate factor): matrices decay, vectors (biases, norms) do not."""
    groups: list[dict[str, Any]] = []
    for module, factor in modules:
        named = [p for p in module.parameters() if p.requires_grad]
        for chosen, decay in (([p for p in named if p.ndim > 1], True), ([p for p in named if p.ndim <= 1], False)):
            if chosen:
                groups.append(
                    {
                        "params": chosen,
                        "lr": 0.0,
                        "factor": factor,
                        "decays": decay,
                        "weight_decay": weight_decay if decay else 0.0,
                    }
                )
    return groups


def set_rates(optimizer: torch.optim.Optimizer, learning_rate: float, weight_decay: float) -> None:
    """Learning rate times each group's factor; weight decay where the group decays."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["factor"]
        group["weight_decay"] = weight_decay if group["decays"] else 0.0


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """BatchNorm normalises by its batch as ever, but its running statistics stay those of views of the size of use."""
    layers = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum


def freeze_batchnorm(network: nn.Module) -> None:
    """BatchNorm by fixed statistics; call after every `.train()`."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def fingerprint(config: Config, stage: str, dataset: PreparedDataset) -> str:
    """SHA-256 of what a stage's result depends on: its configuration, seed, input, tasks, and the images' hashes."""
    document = {
        "stage": stage,
        "config": dataclasses.asdict(getattr(config, stage)),
        "tasks": {name: dataclasses.asdict(task) for name, task in config.tasks.items()},
        "seed": config.seed,
        "input": config.input.manifest(),
        "precision": config.runtime.precision,
        "world": distributed.world_size(),
        "images": sorted(f"{case.dataset}/{case.source_image_id}/{case.row.get('sha256')}" for case in dataset.cases),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def data_summary(dataset: PreparedDataset) -> dict[str, Any]:
    """What a stage's manifest says of the images that its gradients saw."""
    return {
        "patientHashes": patient_hashes(dataset.cases),
        "images": {source: len(dataset.of_source(source)) for source in dataset.sources},
    }


def curves_folder(store: ObjectStore, stage: str) -> Path:
    """Where TensorBoard writes: in the run's folder, or in a temporary one that is uploaded at checkpoints."""
    if isinstance(store, FolderStore):
        return store.root / stage / "tensorboard"
    digest = hashlib.sha256(store.uri.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"versamammo-{digest}" / stage / "tensorboard"


def upload_curves(store: ObjectStore, stage: str, folder: Path | None) -> None:
    """Copy event files to an S3 run."""
    if folder is None or isinstance(store, FolderStore):
        return
    for file in sorted(folder.glob("events.*")):
        store.put(f"{stage}/tensorboard/{file.name}", file.read_bytes())
