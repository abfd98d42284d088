"""Stage 2: views, supervision, gradients, and the four published defects as flags."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from versamammo.config import Config, PublishedDefects, Stage2
from versamammo.data import PreparedDataset, Schedule
from versamammo.errors import TrainingError
from versamammo.loop import StepBatches
from versamammo.models.encoder import build_encoder
from versamammo.stage2 import (
    StudentTrainer,
    Views,
    learned_tasks,
    load_student,
    outcome_strata,
    refuse_unlabelled,
    run,
)
from versamammo.store import open_store

CPU = torch.device("cpu")


def setup(config: Config, **changes: Any) -> tuple[StudentTrainer, dict[str, Any], Config]:
    """A trainer and the first step's batch, with changes to the stage-2 section."""
    assert config.stage2 is not None
    how: Stage2 = dataclasses.replace(config.stage2, dropout=0.0, drop_path=0.0, **changes)
    config = dataclasses.replace(config, stage2=how)
    data = PreparedDataset(config.data.sets, ("train",), config.input)
    validation = PreparedDataset(config.data.sets, ("validation",), config.input)
    teacher = torch.randn(len(data), 10, generator=torch.Generator().manual_seed(1))
    trainer = StudentTrainer(config, how, CPU, validation, None)
    views = Views(data, teacher, learned_tasks(config), how, config.input, config.seed)
    schedule = Schedule.build(data.cases, how.batch, config.seed, None, outcome_strata(data.cases))
    return trainer, StepBatches(schedule, 1, views)[0][0], config


def gradients(trainer: StudentTrainer) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in trainer.student.parameters() if p.grad is not None])


def test_low_view_is_really_low(smoke: Config) -> None:
    """S2-1: the published data set returned the high-resolution tensor under the low view's name."""
    _, batch, _ = setup(smoke)
    assert batch["high"].shape == (12, 96, 64) and batch["low"].shape == (12, 48, 32)
    _, defect, _ = setup(smoke, defects=PublishedDefects(low_view_unused=True))
    assert defect["low"] is defect["high"]


def test_low_view_changes_the_loss(smoke: Config) -> None:
    """Fails if the low-resolution view were made and then not used."""
    trainer, batch, _ = setup(smoke)
    before = trainer.losses(0, batch, 1.0)
    trainer.optimizer.zero_grad()
    after = trainer.losses(0, batch | {"low": batch["low"].flip(0)}, 1.0)
    assert after["consistency"] != before["consistency"]
    assert after["labels"] == pytest.approx(before["labels"]) and after["distillation"] == pytest.approx(
        before["distillation"]
    )


def test_batchnorm_statistics_are_of_the_high_view(smoke: Config) -> None:
    """Low views normalise by their own batch; the running statistics, which are used later, must not see them."""
    means = []
    for weight in (0.0, 1.0):
        trainer, batch, _ = setup(smoke, backbone="efficientnet_lite0", consistency_weight=weight)
        trainer.losses(0, batch, 1.0)
        means.append(trainer.student.encoder.net.bn1.running_mean.clone())
        assert trainer.student.encoder.net.bn1.momentum == 0.1
    assert means[0].abs().sum() > 0
    assert torch.equal(means[0], means[1])


def test_supervision_is_on_the_high_view(smoke: Config) -> None:
    """S2-2: the published code overwrote the first pass's logits by the second's."""
    trainer, batch, _ = setup(smoke, consistency_weight=0.0, distillation_weight=0.0)
    assert "low" not in batch
    defect, both, _ = setup(smoke, distillation_weight=0.0, defects=PublishedDefects(supervise_second_pass=True))
    right = trainer.losses(0, batch, 1.0)["labels"]
    of_low = defect.losses(0, both, 1.0)["labels"]
    assert of_low != pytest.approx(right, rel=1e-6)
    defect.optimizer.zero_grad()
    changed = defect.losses(0, both | {"high": torch.rand_like(both["high"])}, 1.0)["labels"]
    assert changed == pytest.approx(of_low)  # the high view does not reach the published labels' loss


def test_first_steps_are_small_and_masks_follow_the_view(smoke: Config) -> None:
    changes = {"focus_weight": 1.0, "focus_sources": ["phantom-masses"], "small_size": [64, 32], "small_steps": 1}
    trainer, batch, config = setup(smoke, **changes)
    assert batch["high"].shape == batch["marked"].shape == (12, 64, 32)
    how = config.stage2
    assert how is not None
    data = PreparedDataset(config.data.sets, ("train",), config.input)
    views = Views(data, None, {}, how, config.input, config.seed)
    marked = [i for i, case in enumerate(data.cases) if case.mask is not None]
    later = views(1, list(range(len(marked))), marked)
    assert later["high"].shape[1:] == (config.input.height, config.input.width)
    inside = [data.cases[i].dataset == "phantom-masses" for i in marked]
    expected = [i and 0 < data.lesions_mask(m).mean() <= how.focus_area for i, m in zip(inside, marked, strict=True)]
    assert later["marks_known"].tolist() == expected and any(expected)
    first = trainer.losses(0, batch, 1.0)
    trainer.optimizer.zero_grad()
    assert trainer.losses(0, batch | {"marked": 1 - batch["marked"]}, 1.0)["focus"] != first["focus"]


@pytest.mark.parametrize("defect", [f.name for f in dataclasses.fields(PublishedDefects)])
def test_defects_are_off_and_each_changes_the_gradient(smoke: Config, defect: str) -> None:
    assert smoke.stage2 is not None and getattr(smoke.stage2.defects, defect) is False
    trainer, batch, _ = setup(smoke)
    trainer.losses(0, batch, 1.0)
    wrong, its_batch, _ = setup(smoke, defects=PublishedDefects(**{defect: True}))
    wrong.losses(0, its_batch, 1.0)
    difference = (gradients(trainer) - gradients(wrong)).norm() / gradients(trainer).norm()
    assert difference > 1e-4


def test_a_task_without_labels_in_the_batch_has_no_gradient(smoke: Config) -> None:
    trainer, batch, _ = setup(smoke)
    target, known = batch["targets"]["mass_malignancy"]
    batch["targets"]["mass_malignancy"] = (target, torch.zeros_like(known))
    losses = trainer.losses(0, batch, 1.0)
    assert losses["task/mass_malignancy"] == 0
    assert trainer.student.heads["mass_malignancy"].weight.grad.abs().sum() == 0
    assert trainer.student.heads["density"].weight.grad.abs().sum() > 0


def test_accumulated_halves_weigh_as_much_as_the_whole(smoke: Config) -> None:
    trainer, batch, _ = setup(smoke)
    once = trainer.losses(0, batch, 1.0)
    whole = gradients(trainer)
    trainer.optimizer.zero_grad()
    twice = [trainer.losses(0, batch, 0.5) for _ in range(2)]
    assert sum(part["loss"] for part in twice) == pytest.approx(once["loss"], rel=1e-5)
    torch.testing.assert_close(gradients(trainer), whole, rtol=1e-3, atol=1e-5)


def test_mixup_stays_within_a_source(smoke: Config) -> None:
    trainer, batch, _ = setup(smoke, mixup=0.4)
    seen = False
    for seed in range(8):
        torch.manual_seed(seed)
        _, other, mix = trainer._mixed(batch["high"], batch["source"])
        if other is not None:
            seen = True
            assert torch.equal(batch["source"][other], batch["source"]) and 0 <= mix <= 1
    assert seen


def test_missing_labels_stop_before_training(smoke: Config) -> None:
    data = PreparedDataset(smoke.data.sets, ("train",), smoke.input)
    for case in data.cases:
        case.labels["density"] = None
    with pytest.raises(TrainingError, match="density") as caught:
        refuse_unlabelled(learned_tasks(smoke), data)
    assert caught.value.code == "missing-labels"


def test_student_starts_from_the_teacher(smoke: Config) -> None:
    assert smoke.stage2 is not None
    how = dataclasses.replace(smoke.stage2, from_teacher=True)
    validation = PreparedDataset(smoke.data.sets, ("validation",), smoke.input)
    torch.manual_seed(5)
    teacher = build_encoder(how.backbone, channels=1)
    trainer = StudentTrainer(smoke, how, CPU, validation, teacher)
    for name, value in teacher.state_dict().items():
        assert torch.equal(trainer.student.encoder.state_dict()[name], value)
        assert torch.equal(trainer.average.encoder.state_dict()[name], value)


def test_frozen_stages_are_frozen_statistics_included(smoke: Config) -> None:
    trainer, batch, _ = setup(smoke, freeze_stages=2)
    before = {k: v.clone() for k, v in trainer.student.encoder.state_dict().items()}
    trainer.losses(0, batch, 1.0)
    trainer.update(5)
    after = trainer.student.encoder.state_dict()
    fixed = ("net.conv_stem.", "net.bn1.", "net.blocks.0.")
    for name, value in before.items():
        if name.startswith(fixed):
            assert torch.equal(after[name], value), name
    assert not torch.equal(after["net.blocks.1.0.conv_pw.weight"], before["net.blocks.1.0.conv_pw.weight"])
    assert not torch.equal(after["net.blocks.1.0.bn1.running_mean"], before["net.blocks.1.0.bn1.running_mean"])


def test_a_student_goes_on_from_another(smoke: Config, tmp_path: Path) -> None:
    """With a focus that the other lacks, its first logits are the other's; its manifest names it and its patients."""
    assert smoke.stage2 is not None
    plain = dataclasses.replace(smoke.stage2, steps=2, distillation_weight=0.0, focus_weight=0.0)
    run(dataclasses.replace(smoke, stage2=plain), str(tmp_path / "plain"))
    encoder, heads, before = load_student(open_store(str(tmp_path / "plain")))
    how = dataclasses.replace(plain, focus_weight=1.0, start_run=str(tmp_path / "plain"))
    config = dataclasses.replace(smoke, stage2=how)
    data = PreparedDataset(config.data.sets, ("validation",), config.input)
    student = StudentTrainer(config, how, CPU, data, None).student.eval()
    images = data.tensors(range(4))
    with torch.inference_mode():
        logits = student(images)[1]
        for name, value in logits.items():
            torch.testing.assert_close(
                value, encoder(images) @ heads[f"{name}.weight"].float().T + heads[f"{name}.bias"]
            )
    run(config, str(tmp_path / "next"))
    after = load_student(open_store(str(tmp_path / "next")))[2]
    assert after["startStudentSha256"] == before["files"]["student.pt"]["sha256"]
    fewer = dataclasses.replace(config, tasks={"density": config.tasks["density"]})
    with pytest.raises(TrainingError, match="heads for other tasks"):
        StudentTrainer(fewer, how, CPU, data, None)


def test_published_weights_are_of_half_precision(smoke: Config, tmp_path: Path) -> None:
    assert smoke.stage2 is not None
    run(
        dataclasses.replace(smoke, stage2=dataclasses.replace(smoke.stage2, steps=2, distillation_weight=0.0)),
        str(tmp_path),
    )
    encoder, _, _ = load_student(open_store(str(tmp_path)))
    for name, value in encoder.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64)
        if value.is_floating_point() and value.ndim > 1:
            assert torch.equal(value, value.half().float()), name


def test_a_stage_that_has_no_time_left_publishes_what_it_has(smoke: Config, tmp_path: Path) -> None:
    assert smoke.stage2 is not None
    how = dataclasses.replace(smoke.stage2, steps=500, validate_steps=400, distillation_weight=0.0)
    runtime = dataclasses.replace(smoke.runtime, stop_after_seconds=0.01)
    run(dataclasses.replace(smoke, stage2=how, runtime=runtime), str(tmp_path))
    manifest = load_student(open_store(str(tmp_path)))[2]
    assert manifest["steps"] == manifest["bestStep"] == 1 and "validation/mean" in manifest["validation"]
