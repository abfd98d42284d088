"""Stage 1: the self-supervised teacher (DINOv2: DINO, iBOT, KoLeo, multi-crop, EMA teacher)."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Mapping
from typing import Any

import torch
from lightly.loss import KoLeoLoss
from lightly.models.utils import random_block_mask
from torch import Tensor

from versamammo import distributed, loop
from versamammo.augment import augmented, rng_for
from versamammo.checkpoint import describe, halved, pack, publish, read_file, read_manifest, unpack
from versamammo.config import Config, ModelInput, Stage1, section
from versamammo.data import PreparedDataset, Schedule, normalise
from versamammo.ema import update_ema
from versamammo.errors import TrainingError
from versamammo.losses.dino import Dino
from versamammo.losses.ibot import Ibot
from versamammo.models.encoder import Encoder, build_encoder, frozen_encoder
from versamammo.models.teacher import Teacher
from versamammo.probe import print_teacher_probe, table
from versamammo.schedules import cosine, linear, warmup_cosine
from versamammo.store import ObjectStore, open_store


def run(config: Config, run_uri: str) -> None:
    """Train the teacher, or go on at the last checkpoint; publish `stage1/manifest.json`; print the probe."""
    how = section(config, "stage1", Stage1)
    device = distributed.start(config.runtime)
    store = open_store(run_uri)
    dataset = PreparedDataset(config.data.sets, ("train",), config.input, config.data.cache)
    fingerprint = loop.fingerprint(config, "stage1", dataset)
    if store.get("stage1/manifest.json") is None:
        dataset.preload()
        trainer = TeacherTrainer(config, how, device)
        schedule = Schedule.build(dataset.cases, how.batch, config.seed, None, [0] * len(dataset))
        crops = Crops(dataset, how, config.input, config.seed)
        history = loop.train(
            "stage1", config, store, trainer, loop.StepBatches(schedule, how.accumulate, crops), fingerprint, device
        )
        if distributed.rank() == 0:
            encoder, share = interpolated(trainer.teacher.encoder, how, config, store, dataset, device)
            publish_teacher(store, encoder, share, len(history), how, fingerprint, config, dataset)
    distributed.barrier()
    if distributed.rank() == 0:
        print_teacher_probe(config, store, dataset, load_teacher(store), device)
    distributed.stop()


class Crops:
    """Makes a micro-batch: global crops [2, n, …] and local crops [l, n, …] as float32 grey."""

    def __init__(self, dataset: PreparedDataset, how: Stage1, spec: ModelInput, seed: int) -> None:
        self.dataset, self.how, self.spec, self.seed = dataset, how, spec, seed

    def __call__(self, step: int, places: list[int], indices: list[int]) -> dict[str, Tensor]:
        how = self.how
        sizes = [(how.global_size, how.global_area)] * 2 + [(how.local_size, how.local_area)] * how.local_crops
        views: list[list[Tensor]] = [[] for _ in sizes]
        for place, index in zip(places, indices, strict=True):
            grey = self.dataset.grey(index)
            for number, ((height, width), area) in enumerate(sizes):
                rng = rng_for(self.seed, 1, step, place, number)
                views[number].append(augmented(grey, rng, (height, width), how.augment, (area[0], area[1])))
        stacked = [torch.stack(view) for view in views]
        batch = {"global": torch.stack(stacked[:2])}
        return batch | ({"local": torch.stack(stacked[2:])} if how.local_crops else {})


class TeacherTrainer:
    """Student and EMA teacher of one self-supervised run."""

    def __init__(self, config: Config, how: Stage1, device: torch.device) -> None:
        self.config, self.how, self.device = config, how, device
        self.steps, self.accumulate = how.steps, how.accumulate
        distributed.seed_weights(config.seed)
        self.student = build_teacher(how, config.input.channels, how.drop_path)
        self.student.encoder.freeze(how.freeze_stages)
        self.teacher = build_teacher(how, config.input.channels, 0.0).requires_grad_(False)
        self.teacher.load_state_dict(self.student.state_dict())
        centering = "softmax" if how.published_ignored_centering else how.centering
        self.dino = Dino(how.prototypes, centering, how.student_temperature, how.sinkhorn_iterations)
        self.ibot = Ibot(how.prototypes, centering, how.student_temperature, how.sinkhorn_iterations)
        self.koleo = KoLeoLoss()
        for module in (self.student, self.teacher, self.dino, self.ibot):
            module.to(device)
        if config.runtime.channels_last:
            self.student.to(memory_format=torch.channels_last)
            self.teacher.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self._groups(), betas=(0.9, 0.999))
        self.scaler = torch.amp.GradScaler(
            device.type, enabled=device.type == "cuda" and config.runtime.precision == "fp16"
        )

    def _groups(self) -> list[dict[str, Any]]:
        student, decay = self.student, self.how.weight_decay[0]
        if not student.encoder.is_vit:
            return loop.parameter_groups([(student, 1.0)], decay)
        patch = student.encoder.net.patch_embed
        groups = loop.parameter_groups([(patch, self.how.patch_embed_factor)], decay)
        own = {id(p) for p in patch.parameters()}
        for group in loop.parameter_groups([(student, 1.0)], decay):
            group["params"] = [p for p in group["params"] if id(p) not in own]
            groups.append(group)
        return groups

    def losses(self, step: int, batch: dict[str, Tensor], share: float) -> dict[str, float]:
        how = self.how
        self.student.train()
        self.teacher.train()
        if how.freeze_batchnorm:
            loop.freeze_batchnorm(self.student)
            loop.freeze_batchnorm(self.teacher)
        temperature = linear(step, how.teacher_temperature_steps, *how.teacher_temperature)
        views, n = batch["global"].shape[:2]
        images = self._input(batch["global"].flatten(0, 1))
        parts: dict[str, Tensor] = {}
        with loop.autocast(self.config.runtime, self.device):
            if how.ibot_weight:
                mask = self._mask(len(images))
                with torch.no_grad():
                    _, target, target_patches = self.teacher.with_patches(images, mask, hide=False)
                pooled, logits, patches = self.student.with_patches(images, mask, hide=True)
                if len(patches):
                    parts["ibot"] = how.ibot_weight * self.ibot(target_patches, patches, mask, temperature)
            else:
                with torch.no_grad():
                    _, target = self.teacher(images)
                pooled, logits = self.student(images)
            every = logits.view(views, n, -1)
            if "local" in batch:
                crops = batch["local"].shape[0]
                _, local = self.student(self._input(batch["local"].flatten(0, 1)))
                every = torch.cat([every, local.view(crops, n, -1)])
        parts["dino"] = how.dino_weight * self.dino(target.view(views, n, -1), every, temperature)
        if how.koleo_weight and n > 1:
            parts["koleo"] = how.koleo_weight * sum(self.koleo(view) for view in pooled.float().view(views, n, -1))
        loss = torch.stack(list(parts.values())).sum()
        self.scaler.scale(loss * share).backward()
        return {name: float(value.detach()) * share for name, value in ({"loss": loss} | parts).items()}

    def update(self, step: int) -> dict[str, float]:
        how = self.how
        rate = warmup_cosine(step, how.steps, how.learning_rate, how.minimum_learning_rate, how.warmup_steps)
        loop.set_rates(self.optimizer, rate, cosine(step, how.steps, *how.weight_decay))
        if step < how.last_layer_frozen_steps:
            for head in (self.student.dino, self.student.ibot):
                for parameter in head.last_layer.parameters() if head is not None else ():
                    parameter.grad = None
        distributed.average_gradients([self.student])
        self.scaler.unscale_(self.optimizer)
        norm = loop.clip_gradients(self.student, how.clip, self.scaler)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        distributed.share_buffers([self.student, self.teacher])
        momentum = cosine(step, how.steps, *how.ema)
        update_ema(self.teacher, self.student, momentum)
        return {"schedule/learning_rate": rate, "schedule/momentum": momentum, "schedule/gradient_norm": norm}

    def validate(self, step: int, *, last: bool) -> dict[str, float]:
        return {}

    def state(self) -> dict[str, Any]:
        return {
            "student": self.student.state_dict(),
            "teacher": self.teacher.state_dict(),
            "dino": self.dino.state_dict(),
            "ibot": self.ibot.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        for name in ("student", "teacher", "dino", "ibot", "optimizer", "scaler"):
            getattr(self, name).load_state_dict(state[name])

    def _input(self, grey: Tensor) -> Tensor:
        layout = torch.channels_last if self.config.runtime.channels_last else torch.contiguous_format
        return normalise(grey, self.config.input).contiguous(memory_format=layout)

    def _mask(self, images: int) -> Tensor:
        height, width = self.how.global_size
        patch = self.student.encoder.patch
        low, high = self.how.mask_ratio
        size = (images, height // patch, width // patch)
        smallest = max(1, min(4, int(size[1] * size[2] * low)))  # DINOv2's 4 patches, fewer on tiny grids
        return random_block_mask(size, self.how.mask_probability, low, high, smallest, device=self.device)


def build_teacher(how: Stage1, channels: int, drop_path: float) -> Teacher:
    """Encoder and heads as configured."""
    size = (how.global_size[0], how.global_size[1])
    encoder = build_encoder(how.backbone, channels=channels, size=size, init=how.init, drop_path=drop_path)
    if how.ibot_weight and not encoder.is_vit:
        raise TrainingError("bad-config", f"stage1.ibot_weight needs a ViT: {how.backbone} has no patches to mask.")
    if how.shares != [1.0] and how.init == "random":
        raise TrainingError(
            "bad-config", "stage1.shares other than [1.0] need a start worth going back to: init: imagenet."
        )
    ibot = how.ibot_bottleneck if how.ibot_weight else None
    return Teacher(encoder, how.head_hidden, how.head_bottleneck, how.prototypes, ibot)


def interpolated(
    trained: Encoder, how: Stage1, config: Config, store: ObjectStore, dataset: PreparedDataset, device: torch.device
) -> tuple[Encoder, float]:
    """The teacher between its initial and its trained weights that has the best mean probe on validation, and its share
    of the trained ones."""
    if how.shares == [1.0]:
        return trained, 1.0
    start = build_encoder(how.backbone, channels=config.input.channels, init=how.init).to(device)
    encoders = {}
    for share in how.shares:
        encoders[f"{share:g} trained"] = mixed = copy.deepcopy(start).eval().requires_grad_(False)
        mixed.load(mix(start.state_dict(), trained.state_dict(), share))
    validation = PreparedDataset(config.data.sets, ("validation",), config.input, config.data.cache)
    rows = table(encoders, config, store, dataset, validation, device)
    means = {name: statistics.mean(row.values()) if row else 0.0 for name, row in rows.items()}
    best = max(means, key=lambda name: means[name])
    print("Mean probe on validation: " + ", ".join(f"{name} {mean:.3f}" for name, mean in means.items()))
    return encoders[best], dict(zip(encoders, how.shares, strict=True))[best]


def mix(start: Mapping[str, Tensor], end: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """(1 − share) · start + share · end; counters as at the end."""
    return {name: torch.lerp(start[name], e, share) if e.is_floating_point() else e for name, e in end.items()}


def publish_teacher(
    store: ObjectStore,
    encoder: Encoder,
    share: float,
    steps: int,
    how: Stage1,
    fingerprint: str,
    config: Config,
    dataset: PreparedDataset,
) -> None:
    """Write `stage1/teacher.pt` and, last, `stage1/manifest.json`."""
    body = pack(halved(encoder.state_dict()))
    store.put("stage1/teacher.pt", body)
    manifest = {
        "schema": "versamammo-stage/1",
        "stage": "stage1",
        "fingerprint": fingerprint,
        "seed": config.seed,
        "steps": steps,
        "trainedShare": share,
        "backbone": how.backbone,
        "size": list(how.global_size),
        "channels": config.input.channels,
        "input": config.input.manifest(),
        "data": loop.data_summary(dataset),
        "files": {"teacher.pt": describe(body)},
    }
    publish(store, "stage1/manifest.json", manifest)


def load_teacher(store: ObjectStore) -> Encoder:
    """The published teacher's encoder, in evaluation mode."""
    manifest = read_manifest(store, "stage1/manifest.json", "train the teacher with `stage1` first.")
    size = (manifest["size"][0], manifest["size"][1])
    state = unpack(read_file(store, "stage1", "teacher.pt", manifest))
    return frozen_encoder(manifest["backbone"], manifest["channels"], size, state)
