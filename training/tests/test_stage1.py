"""Stage 1: views, teacher, checkpoints, NaN, two processes."""

import dataclasses
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from versamammo import loop, stage1
from versamammo.checkpoint import halved
from versamammo.config import Config, Stage1
from versamammo.data import PreparedDataset, Schedule, patient_hashes, read_cases
from versamammo.errors import TrainingError
from versamammo.models.encoder import build_encoder
from versamammo.stage1 import Crops, TeacherTrainer, load_teacher
from versamammo.store import open_store

CPU = torch.device("cpu")
CNN = "efficientnet_lite0"


def trainer_and_batch(config: Config, **changes: Any) -> tuple[TeacherTrainer, dict[str, torch.Tensor]]:
    assert config.stage1 is not None
    how: Stage1 = dataclasses.replace(config.stage1, **changes)
    config = dataclasses.replace(config, stage1=how)
    data = PreparedDataset(config.data.sets, ("train",), config.input)
    return TeacherTrainer(config, how, CPU), Crops(data, how, config.input, config.seed)(
        0, list(range(6)), list(range(6))
    )


def test_crops_are_global_and_local_and_repeatable(smoke: Config) -> None:
    _, batch = trainer_and_batch(smoke)
    _, again = trainer_and_batch(smoke)
    assert batch["global"].shape == (2, 6, 64, 48) and batch["local"].shape == (2, 6, 32, 32)
    assert torch.equal(batch["global"], again["global"]) and not torch.equal(batch["global"][0], batch["global"][1])


def test_student_learns_and_the_teacher_follows_by_ema(smoke: Config) -> None:
    trainer, batch = trainer_and_batch(smoke, ema=[0.75, 0.75], drop_path=0.0)
    before = trainer.teacher.encoder.net.blocks[0].mlp.fc1.weight.clone()
    assert torch.equal(before, trainer.student.encoder.net.blocks[0].mlp.fc1.weight)
    torch.manual_seed(1)
    losses = trainer.losses(5, batch, 1.0)
    assert set(losses) == {"loss", "dino", "ibot", "koleo"}
    assert losses["loss"] == pytest.approx(losses["dino"] + losses["ibot"] + losses["koleo"])
    assert all(p.grad is None for p in trainer.teacher.parameters())
    trainer.update(5)
    student = trainer.student.encoder.net.blocks[0].mlp.fc1.weight
    assert not torch.equal(student, before)
    torch.testing.assert_close(trainer.teacher.encoder.net.blocks[0].mlp.fc1.weight, 0.75 * before + 0.25 * student)


def test_the_published_teacher_lies_between_start_and_end_where_its_probe_is_best(
    smoke: Config, tmp_path: Path
) -> None:
    assert smoke.stage1 is not None
    how = dataclasses.replace(smoke.stage1, backbone="tf_efficientnet_lite0", init="imagenet", shares=[0.25, 1.0])
    config = dataclasses.replace(smoke, stage1=how)
    start = build_encoder("tf_efficientnet_lite0", channels=1, init="imagenet").eval()
    ruined = build_encoder("tf_efficientnet_lite0", channels=1).eval()  # a run that forgot everything
    data = PreparedDataset(config.data.sets, ("train",), config.input)
    encoder, share = stage1.interpolated(ruined, how, config, open_store(str(tmp_path)), data, CPU)
    assert share in how.shares
    for name, value in encoder.state_dict().items():
        if value.is_floating_point():
            expected = (1 - share) * start.state_dict()[name] + share * ruined.state_dict()[name]
            torch.testing.assert_close(value, expected)
    unchanged = dataclasses.replace(how, shares=[1.0])
    assert stage1.interpolated(ruined, unchanged, config, open_store(str(tmp_path)), data, CPU) == (ruined, 1.0)
    with pytest.raises(TrainingError, match="init: imagenet"):
        trainer_and_batch(smoke, init="random", shares=[0.5])


def test_last_layer_waits(smoke: Config) -> None:
    trainer, batch = trainer_and_batch(smoke, last_layer_frozen_steps=2)
    start = trainer.student.dino.last_layer.weight_v.clone()
    for step in (1, 2):
        trainer.losses(step, batch, 1.0)
        trainer.update(step)
        assert torch.equal(trainer.student.dino.last_layer.weight_v, start) == (step < 2)


def test_published_run_ignored_its_centering_key(smoke: Config) -> None:
    right, batch = trainer_and_batch(smoke)
    published, _ = trainer_and_batch(smoke, published_ignored_centering=True)
    assert right.dino.softmax is None and published.dino.softmax is not None
    values = []
    for trainer in (right, published):
        torch.manual_seed(3)
        values.append(trainer.losses(4, batch, 1.0)["dino"])
    assert values[0] != pytest.approx(values[1])


def test_masked_patches_are_hidden_from_the_student_only(smoke: Config) -> None:
    trainer, batch = trainer_and_batch(smoke)
    images = trainer._input(batch["global"][0])
    mask = torch.zeros(6, 4, 3, dtype=torch.bool)
    mask[:, 1, 1] = True
    network = trainer.student.eval()
    changed = images.clone()
    changed[:, :, 16:32, 16:32] += 1.0  # the masked patch
    with torch.no_grad():
        hidden = [network.with_patches(x, mask, hide=True)[2] for x in (images, changed)]
        seen = [network.with_patches(x, mask, hide=False)[2] for x in (images, changed)]
        plain = network.encoder(images)
        assert torch.equal(network.encoder.forward_patches(images, None, network.mask_token)[0], plain)
    assert torch.equal(*hidden) and not torch.equal(*seen)


def test_convolutional_teacher_has_no_ibot(smoke: Config) -> None:
    with pytest.raises(TrainingError, match="needs a ViT"):
        trainer_and_batch(smoke, backbone=CNN)
    trainer, batch = trainer_and_batch(smoke, backbone=CNN, ibot_weight=0.0)
    assert set(trainer.losses(0, batch, 1.0)) == {"loss", "dino", "koleo"}


def test_a_run_writes_its_manifest_last_with_patients_and_log(smoke: Config, tmp_path: Path) -> None:
    assert smoke.stage1 is not None
    config = dataclasses.replace(smoke, stage1=dataclasses.replace(smoke.stage1, steps=3, batch=4))
    stage1.run(config, str(tmp_path))
    store = open_store(str(tmp_path))
    manifest = json.loads(store.get("stage1/manifest.json") or b"")
    train = read_cases(config.data.sets, ("train",))
    others = {case.patient_hash for case in read_cases(config.data.sets, ("validation", "test"))}
    assert manifest["data"]["patientHashes"] == patient_hashes(train) and not others & set(patient_hashes(train))
    log = [json.loads(line) for line in (store.get("stage1/log.jsonl") or b"").splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3]
    assert not load_teacher(store).training
    probe = json.loads(store.get("stage1/probe.json") or b"")
    assert "density phantom-screening" in probe["teacher"]
    stage1.run(config, str(tmp_path))  # a finished stage is left as it is
    changed = dataclasses.replace(config, seed=8)
    store.delete("stage1/manifest.json")
    with pytest.raises(TrainingError, match="another configuration"):
        stage1.run(changed, str(tmp_path))


def test_nan_loss_stops_and_leaves_the_last_good_checkpoint(
    smoke: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert smoke.stage1 is not None
    config = dataclasses.replace(smoke, stage1=dataclasses.replace(smoke.stage1, steps=6, batch=4))
    whole = TeacherTrainer.losses

    def poisoned(trainer: TeacherTrainer, step: int, batch: dict[str, torch.Tensor], share: float) -> dict[str, float]:
        return whole(trainer, step, batch, share) | ({"koleo": float("nan")} if step == 4 else {})

    monkeypatch.setattr(TeacherTrainer, "losses", poisoned)
    with pytest.raises(TrainingError, match="koleo is not a number at step 5") as caught:
        stage1.run(config, str(tmp_path))
    assert caught.value.code == "nan-loss"
    names = sorted(key for key in open_store(str(tmp_path)).list("stage1/") if key.endswith("manifest.json"))
    assert names == ["stage1/checkpoints/000000002/manifest.json", "stage1/checkpoints/000000004/manifest.json"]


def test_nan_gradient_stops_before_any_weight_changes(smoke: Config) -> None:
    trainer, batch = trainer_and_batch(smoke)
    trainer.losses(0, batch, 1.0)
    before = trainer.student.encoder.net.norm.weight.clone()
    trainer.student.encoder.net.norm.weight.grad[0] = float("nan")
    with pytest.raises(TrainingError, match="gradient is not a number"):
        trainer.update(5)
    assert torch.equal(trainer.student.encoder.net.norm.weight, before)


def test_two_processes_share_a_run(smoke: Config, tmp_path: Path) -> None:
    """Two gloo processes with torchrun's environment (torchrun: `npm run train:smoke`): equal weights at the end."""
    assert smoke.stage1 is not None
    config = dataclasses.replace(
        smoke, stage1=dataclasses.replace(smoke.stage1, steps=3, batch=8, backbone=CNN, ibot_weight=0.0)
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    children = [fork_rank(rank, config, tmp_path, port) for rank in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    one, two = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    published = load_teacher(open_store(str(tmp_path / "run"))).state_dict()
    encoder = {name.removeprefix("encoder."): value for name, value in one.items() if name.startswith("encoder.")}
    assert all(torch.equal(value.float(), published[name].float()) for name, value in halved(encoder).items())


def fork_rank(rank: int, config: Config, folder: Path, port: str) -> int:
    """A child that trains as `rank` of two and leaves its teacher's weights; its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
        os.environ["MASTER_PORT"] = port
        trainers: list[TeacherTrainer] = []
        begin = TeacherTrainer.__init__

        def remember(trainer: TeacherTrainer, *arguments: Any) -> None:
            begin(trainer, *arguments)
            trainers.append(trainer)

        TeacherTrainer.__init__ = remember  # type: ignore[method-assign]
        stage1.run(config, str(folder / "run"))
        torch.save(trainers[0].teacher.state_dict(), folder / f"rank{rank}.pt")
        status = 0
    finally:
        os._exit(status)


def test_gradients_are_averaged_over_micro_batches_like_a_whole_batch(smoke: Config) -> None:
    data = PreparedDataset(smoke.data.sets, ("train",), smoke.input)
    schedule = Schedule.build(data.cases, 8, 1, None, [0] * len(data))
    whole = loop.StepBatches(schedule, 1, lambda step, places, indices: indices)[3]
    parts = loop.StepBatches(schedule, 2, lambda step, places, indices: indices)[3]
    assert sorted(parts[0] + parts[1]) == sorted(whole[0]) and len(parts[0]) == len(parts[1]) == 4
    for part in parts:  # every micro-batch mixes the sources
        assert {data.cases[i].dataset for i in part} == {"phantom-screening", "phantom-masses"}
