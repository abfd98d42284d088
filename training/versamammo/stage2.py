"""Stage 2: the student learns labels, the teacher's arrangement of a batch, and to see the same at low resolution."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from versamammo import distributed, loop
from versamammo.augment import augmented, augmented_with_mask, rng_for
from versamammo.checkpoint import describe, halved, pack, publish, read_file, read_manifest, unpack
from versamammo.config import Augment, Config, ModelInput, Stage2, Task, section
from versamammo.data import Case, PreparedDataset, Schedule, normalise
from versamammo.ema import update_ema
from versamammo.errors import TrainingError
from versamammo.losses.focus import focus_loss
from versamammo.losses.labels import label_loss, total_label_loss
from versamammo.losses.relational_distillation import relational_distillation
from versamammo.losses.view_consistency import view_consistency
from versamammo.models.encoder import Encoder, build_encoder, frozen_encoder
from versamammo.models.student import Student
from versamammo.probe import kept_features, macro_auc
from versamammo.schedules import warmup_cosine
from versamammo.stage1 import load_teacher
from versamammo.store import ObjectStore, open_store


def run(config: Config, run_uri: str) -> None:
    """Train the student, or go on from the last checkpoint; publish `stage2/manifest.json`."""
    how = section(config, "stage2", Stage2)
    device = distributed.start(config.runtime)
    store = open_store(run_uri)
    data = PreparedDataset(config.data.sets, ("train",), config.input, config.data.cache)
    validation = PreparedDataset(config.data.sets, ("validation",), config.input, config.data.cache)
    refuse_unlabelled(learned_tasks(config), data)
    if store.get("stage2/manifest.json") is None:
        data.preload()
        validation.preload()
        teacher_store = open_store(how.teacher_run) if how.teacher_run else store
        teacher = load_teacher(teacher_store) if how.distillation_weight or how.from_teacher else None
        fingerprint = loop.fingerprint(config, "stage2", data) + teacher_id(teacher_store, teacher) + start_id(how)
        targets = teacher_features(store, teacher, data, how, config, device) if how.distillation_weight else None
        trainer = StudentTrainer(config, how, device, validation, teacher)
        strata = outcome_strata(data.cases)
        schedule = Schedule.build(data.cases, how.batch, config.seed, how.source_share, strata)
        views = Views(data, targets, learned_tasks(config), how, config.input, config.seed)
        history = loop.train(
            "stage2", config, store, trainer, loop.StepBatches(schedule, how.accumulate, views), fingerprint, device
        )
        if distributed.rank() == 0:
            publish_student(store, teacher_store, trainer, fingerprint, config, data, history)
    distributed.barrier()
    distributed.stop()


def learned_tasks(config: Config) -> dict[str, Task]:
    """Tasks with a weight in stage 2."""
    return {name: task for name, task in config.tasks.items() if task.weight > 0}


def refuse_unlabelled(tasks: dict[str, Task], data: PreparedDataset) -> None:
    """TrainingError `missing-labels` where a task has no training image, or fewer than two of its answers."""
    if not tasks:
        raise TrainingError("missing-labels", "No task has a weight above 0: stage 2 has nothing to learn.")
    for name, task in tasks.items():
        target, known = data.targets(task)
        answers = int((target[known].sum(0) > 0).sum()) if task.multilabel else len(target[known].unique())
        if answers < (1 if task.multilabel else 2):
            raise TrainingError(
                "missing-labels",
                f"The task {name} ({task.field}) finds {answers} of its {len(task.values)} answers in the training "
                "images: give sets that carry them, or set its weight to 0.",
            )


def outcome_strata(cases: list[Case]) -> list[tuple[Any, Any]]:
    """What is spread evenly over an epoch: outcome and density."""
    return [
        (c.labels["cancer"] if c.labels["cancer"] is not None else c.labels["pathology"], c.labels["density"])
        for c in cases
    ]


def teacher_id(store: ObjectStore, teacher: Encoder | None) -> str:
    """Part of the fingerprint: which teacher."""
    if teacher is None:
        return "-no-teacher"
    manifest = read_manifest(store, "stage1/manifest.json", "train the teacher with `stage1` first.")
    return "-" + manifest["files"]["teacher.pt"]["sha256"][:16]


def start_id(how: Stage2) -> str:
    """Part of the fingerprint: which student it starts from; nothing where from none."""
    if how.start_run is None:
        return ""
    manifest = read_manifest(
        open_store(how.start_run), "stage2/manifest.json", "train that student with `stage2` first."
    )
    return "-" + manifest["files"]["student.pt"]["sha256"][:16]


def teacher_features(
    store: ObjectStore,
    teacher: Encoder | None,
    data: PreparedDataset,
    how: Stage2,
    config: Config,
    device: torch.device,
) -> Tensor:
    """The teacher's features of every training image [n, width], mean over `teacher_views` fixed views; kept."""
    assert teacher is not None
    plain = kept_features(store, teacher, data, device)
    if how.teacher_views == 1:
        return plain
    key = f"stage2/teacher-features-{hashlib.sha256(pack(plain)).hexdigest()[:16]}-{how.teacher_views}.pt"
    cached = store.get(key)
    if cached is not None:
        kept: Tensor = unpack(cached)
        return kept
    size = (config.input.height, config.input.width)
    rows: list[Tensor] = []
    with torch.inference_mode():
        for index in range(len(data)):
            rngs = (rng_for(config.seed, 3, index, view) for view in range(1, how.teacher_views))
            views = torch.stack([augmented(data.grey(index), rng, size, how.augment) for rng in rngs])
            images = normalise(views, config.input).to(device).contiguous(memory_format=torch.channels_last)
            rows.append(teacher(images).float().sum(0).cpu())
    features = (plain + torch.stack(rows)) / how.teacher_views
    if distributed.rank() == 0:
        store.put(key, pack(features))
    return features


class Views:
    """Makes a micro-batch: high- and low-resolution views, the teacher's features, targets and known masks per task."""

    def __init__(
        self,
        data: PreparedDataset,
        teacher: Tensor | None,
        tasks: dict[str, Task],
        how: Stage2,
        spec: ModelInput,
        seed: int,
    ) -> None:
        self.data, self.teacher, self.how, self.spec, self.seed = data, teacher, how, spec, seed
        self.targets = {name: data.targets(task) for name, task in tasks.items()}
        names = data.sources
        self.source = torch.tensor([names.index(case.dataset) for case in data.cases])

    def __call__(self, step: int, places: list[int], indices: list[int]) -> dict[str, Any]:
        how, spec = self.how, self.spec
        size = (how.small_size[0], how.small_size[1]) if step < how.small_steps else (spec.height, spec.width)
        batch: dict[str, Any] = {}
        if how.focus_weight:
            high, batch["marked"], batch["marks_known"] = self._marked_views(step, places, indices, size)
        else:
            high = self._views(step, places, indices, size, how.augment, 0)
        batch |= {
            "high": high,
            "source": self.source[indices],
            "targets": {name: (target[indices], known[indices]) for name, (target, known) in self.targets.items()},
        }
        if how.consistency_weight or how.defects.supervise_second_pass:
            unused = how.defects.low_view_unused
            batch["low"] = high if unused else self._views(
                step, places, indices, (how.low_size[0], how.low_size[1]), how.low_augment, 1
            )  # fmt: skip
        if self.teacher is not None:
            batch["teacher"] = self.teacher[indices]
        return batch

    def _marked_views(
        self, step: int, places: list[int], indices: list[int], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """High-resolution views [n, height, width], their lesion masks alike, and which images have all lesions marked."""
        views: list[Tensor] = []
        masks: list[Tensor] = []
        known: list[bool] = []
        for place, index in zip(places, indices, strict=True):
            mask = self.data.lesions_mask(index)
            rng = rng_for(self.seed, 2, step, place, 0)
            view, marked = augmented_with_mask(self.data.grey(index), mask, rng, size, self.how.augment)
            views.append(view)
            masks.append(marked)
            inside = self.data.cases[index].dataset in self.how.focus_sources
            known.append(inside and 0 < mask.mean() <= self.how.focus_area)
        return torch.stack(views), torch.stack(masks), torch.tensor(known)

    def _views(
        self, step: int, places: list[int], indices: list[int], size: tuple[int, int], augment: Augment, number: int
    ) -> Tensor:
        return torch.stack(
            [
                augmented(self.data.grey(index), rng_for(self.seed, 2, step, place, number), size, augment)
                for place, index in zip(places, indices, strict=True)
            ]
        )


class StudentTrainer:
    """Student and its average of one supervised run."""

    def __init__(
        self, config: Config, how: Stage2, device: torch.device, validation: PreparedDataset, teacher: Encoder | None
    ) -> None:
        self.config, self.how, self.device, self.validation = config, how, device, validation
        self.steps, self.accumulate = how.steps, how.accumulate
        self.tasks = learned_tasks(config)
        distributed.seed_weights(config.seed)
        self.student, self.average = (build_student(config, how, self.tasks) for _ in range(2))
        if how.from_teacher and teacher is not None:
            self.student.encoder.load_backbone(teacher)
        if how.start_run:
            self.student.start_from(*load_student(open_store(how.start_run))[:2])
        self.average.load_state_dict(self.student.state_dict())
        self.average.requires_grad_(False).eval()
        self.student.encoder.freeze(how.freeze_stages)
        for network in (self.student, self.average):
            network.to(device)
            if config.runtime.channels_last:
                network.to(memory_format=torch.channels_last)
        kind = torch.optim.AdamW if how.optimizer == "adamw" else torch.optim.Adam
        groups = loop.parameter_groups(self._rates(), how.weight_decay)
        self.optimizer = kind(groups, betas=(0.9, 0.999))
        self.scaler = torch.amp.GradScaler(
            device.type, enabled=device.type == "cuda" and config.runtime.precision == "fp16"
        )
        self.best: dict[str, Any] = {"score": -1.0, "step": 0, "state": None}

    def _rates(self) -> list[tuple[torch.nn.Module, float]]:
        """Modules and their learning-rate factors: heads fastest, earlier blocks slower."""
        parts = self.student.encoder.layers()
        decay = self.how.layer_decay
        rates = [(part, decay ** (len(parts) - 1 - i)) for i, part in enumerate(parts)]
        return [*rates, (self.student.heads, self.how.head_learning_rate_factor)]

    def losses(self, step: int, batch: dict[str, Any], share: float) -> dict[str, float]:
        how = self.how
        self.student.train()
        if how.freeze_batchnorm:
            loop.freeze_batchnorm(self.student)
        high, other, mix = self._mixed(batch["high"], batch["source"])
        parts: dict[str, Tensor] = {}
        with loop.autocast(self.config.runtime, self.device):
            if how.focus_weight:
                pooled, logits, focus = self.student.forward_focus(self._input(high))
            else:
                pooled, logits = self.student(self._input(high))
            low_pooled: Tensor | None = None
            if "low" in batch:
                low = batch["low"] if other is None else mix * batch["low"] + (1 - mix) * batch["low"][other]
                with loop.statistics_kept(self.student):
                    low_pooled, low_logits = self.student(self._input(low))
                if how.defects.supervise_second_pass:
                    logits = low_logits
        by_task = {
            name: self._label_loss(name, logits[name], batch["targets"][name], other, mix) for name in self.tasks
        }
        parts["labels"] = how.label_weight * total_label_loss(by_task, {n: t.weight for n, t in self.tasks.items()})
        if how.focus_weight and other is None:
            parts["focus"] = how.focus_weight * focus_loss(focus, batch["marked"], batch["marks_known"])
        if "teacher" in batch and len(pooled) > 2 and other is None:
            parts["distillation"] = how.distillation_weight * relational_distillation(
                pooled, batch["teacher"], how.student_temperature, how.teacher_temperature,
                kl_reversed=how.defects.kl_reversed,
            )  # fmt: skip
        if low_pooled is not None and how.consistency_weight and len(pooled) > 2:
            parts["consistency"] = how.consistency_weight * view_consistency(
                low_pooled, pooled, how.consistency_temperature, swapped=how.defects.contrast_swapped
            )
        loss = torch.stack(list(parts.values())).sum()
        self.scaler.scale(loss * share).backward()
        named = parts | {f"task/{name}": value for name, value in by_task.items()}
        return {name: float(value.detach()) * share for name, value in ({"loss": loss} | named).items()}

    def _mixed(self, images: Tensor, source: Tensor) -> tuple[Tensor, Tensor | None, float]:
        """Mixup on half of the steps: an image with another of its source. Images, partners, share of the first."""
        if not self.how.mixup or torch.rand(()) < 0.5:
            return images, None, 1.0
        mix = float(np.random.beta(self.how.mixup, self.how.mixup))
        other = torch.arange(len(images), device=images.device)
        for number in source.unique():
            members = (source == number).nonzero()[:, 0]
            other[members] = members[torch.randperm(len(members), device="cpu").to(images.device)]
        return mix * images + (1 - mix) * images[other], other, mix

    def _label_loss(
        self, name: str, logits: Tensor, target: tuple[Tensor, Tensor], other: Tensor | None, mix: float
    ) -> Tensor:
        answers, known = target
        multilabel, smoothing = self.tasks[name].multilabel, self.how.label_smoothing
        if other is None:
            return label_loss(logits, answers, known, multilabel=multilabel, smoothing=smoothing)
        both = known & known[other]
        return sum(
            share * label_loss(logits, of, both, multilabel=multilabel, smoothing=smoothing)
            for share, of in ((mix, answers), (1 - mix, answers[other]))
        )

    def update(self, step: int) -> dict[str, float]:
        how = self.how
        rate = warmup_cosine(step, how.steps, how.learning_rate, how.minimum_learning_rate, how.warmup_steps)
        if how.schedule == "constant":
            rate = how.learning_rate
        loop.set_rates(self.optimizer, rate, how.weight_decay)
        distributed.average_gradients([self.student])
        self.scaler.unscale_(self.optimizer)
        norm = loop.clip_gradients(self.student, how.clip, self.scaler)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        distributed.share_buffers([self.student])
        update_ema(self.average, self.student, min(how.ema, (1 + step) / (10 + step)))
        return {"schedule/learning_rate": rate, "schedule/gradient_norm": norm}

    def validate(self, step: int, *, last: bool) -> dict[str, float]:
        """Macro AUC per task and source of the averaged student on validation patients; the best mean is kept."""
        if step % self.how.validate_steps and not last:
            return {}
        metrics = validation_aucs(self.average, self.tasks, self.validation, self.config, self.device)
        score = float(np.mean(list(metrics.values()))) if metrics else 0.0
        if score > self.best["score"]:
            state = {name: value.detach().cpu().clone() for name, value in self.average.state_dict().items()}
            self.best = {"score": score, "step": step, "state": state}
        return {"validation/mean": score} | {f"validation/{name}": value for name, value in metrics.items()}

    def state(self) -> dict[str, Any]:
        return {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "best": self.best,
        }

    def load(self, state: dict[str, Any]) -> None:
        for name in ("student", "average", "optimizer", "scaler"):
            getattr(self, name).load_state_dict(state[name])
        self.best = state["best"]

    def _input(self, grey: Tensor) -> Tensor:
        layout = torch.channels_last if self.config.runtime.channels_last else torch.contiguous_format
        return normalise(grey, self.config.input).contiguous(memory_format=layout)


def build_student(config: Config, how: Stage2, tasks: dict[str, Task]) -> Student:
    """Encoder and heads as configured."""
    size = (config.input.height, config.input.width)
    encoder = build_encoder(
        how.backbone, channels=config.input.channels, size=size, init=how.init, drop_path=how.drop_path,
        focus=how.focus_weight > 0,
    )  # fmt: skip
    return Student(encoder, tasks, how.dropout)


@torch.inference_mode()
def validation_aucs(
    student: Student,
    tasks: dict[str, Task],
    data: PreparedDataset,
    config: Config,
    device: torch.device,
    batch: int = 16,
) -> dict[str, float]:
    """ "task source" → macro AUC of the student's own heads, within each source."""
    student.eval()
    outputs: dict[str, list[Tensor]] = {name: [] for name in tasks}
    for start in range(0, len(data), batch):
        images = data.tensors(range(start, min(start + batch, len(data)))).to(device)
        with loop.autocast(config.runtime, device):
            _, logits = student(images.contiguous(memory_format=torch.channels_last))
        for name in tasks:
            outputs[name].append(logits[name].float().cpu())
    result: dict[str, float] = {}
    for name, task in tasks.items():
        scores = torch.cat(outputs[name])
        scores = scores.sigmoid() if task.multilabel else scores.softmax(-1)
        target, known = data.targets(task)
        for source in data.sources:
            rows = torch.tensor([case.dataset == source for case in data.cases]) & known
            if rows.any():
                auc = macro_auc(target[rows].numpy(), scores[rows].numpy())
                if auc is not None:
                    result[f"{name} {source}"] = auc
    return result


def publish_student(
    store: ObjectStore,
    teacher_store: ObjectStore,
    trainer: StudentTrainer,
    fingerprint: str,
    config: Config,
    data: PreparedDataset,
    history: list[dict[str, float]],
) -> None:
    """Write `stage2/student.pt` (encoder and heads of the best average) and, last, `stage2/manifest.json`."""
    best = trainer.best["state"]
    encoder = {name.removeprefix("encoder."): value for name, value in best.items() if name.startswith("encoder.")}
    heads = {name.removeprefix("heads."): value for name, value in best.items() if name.startswith("heads.")}
    body = pack({"encoder": halved(encoder), "heads": heads})
    store.put("stage2/student.pt", body)
    how = trainer.how
    start = read_manifest(open_store(how.start_run), "stage2/manifest.json", "") if how.start_run else None
    summary = loop.data_summary(data)
    if start:
        summary["patientHashes"] = sorted({*summary["patientHashes"], *start["data"]["patientHashes"]})
    teacher = teacher_store.get("stage1/manifest.json") if how.distillation_weight or how.from_teacher else None
    if teacher:
        summary["patientHashes"] = sorted({*summary["patientHashes"], *json.loads(teacher)["data"]["patientHashes"]})
    manifest = {
        "schema": "versamammo-stage/1",
        "stage": "stage2",
        "fingerprint": fingerprint,
        "seed": config.seed,
        "steps": len(history),
        "bestStep": trainer.best["step"],
        "backbone": how.backbone,
        "size": [config.input.height, config.input.width],
        "channels": config.input.channels,
        "input": config.input.manifest(),
        "tasks": {name: task.values for name, task in trainer.tasks.items()},
        "data": summary,
        "startStudentSha256": start["files"]["student.pt"]["sha256"] if start else None,
        "teacherManifestSha256": hashlib.sha256(teacher).hexdigest() if teacher else None,
        "validation": {k: v for k, v in history[trainer.best["step"] - 1].items() if k.startswith("validation/")},
        "files": {"student.pt": describe(body)},
    }
    publish(store, "stage2/manifest.json", manifest)


def load_student(store: ObjectStore) -> tuple[Encoder, dict[str, Tensor], dict[str, Any]]:
    """The published encoder in evaluation mode and frozen, its linear heads' tensors, and the manifest."""
    manifest = read_manifest(store, "stage2/manifest.json", "train the student with `stage2` first.")
    state = unpack(read_file(store, "stage2", "student.pt", manifest))
    size = (manifest["size"][0], manifest["size"][1])
    encoder = frozen_encoder(manifest["backbone"], manifest["channels"], size, state["encoder"])
    return encoder, {name: tensor.float() for name, tensor in state["heads"].items()}, manifest
