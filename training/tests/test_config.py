"""Configs: unknown keys, wrong types and missing keys are refused with their path."""

from pathlib import Path

import pytest

from versamammo.config import load_config
from versamammo.errors import TrainingError

CONFIGS = Path(__file__).parents[1] / "configs"
MINIMAL = "name: x\ndata: {sets: [a]}\ntasks: {density: {field: density, values: [A, B, C, D]}}\n"


def load(tmp_path: Path, text: str, *overrides: str) -> object:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return load_config(file, overrides)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_configs_are_whole(file: Path) -> None:
    config = load_config(file)
    assert config.stage1 is not None and config.stage2 is not None


def test_paper_is_the_published_system() -> None:
    config = load_config(CONFIGS / "paper.yaml")
    one, two = config.stage1, config.stage2
    assert one is not None and two is not None
    assert (one.prototypes, one.steps, one.batch, one.learning_rate) == (131072, 1_250_000, 16, 1.25e-5)
    assert one.centering == "sinkhorn_knopp" and not one.published_ignored_centering
    assert (two.batch, two.label_weight, two.learning_rate, two.schedule) == (28, 10.0, 1e-4, "constant")
    assert not any(vars(two.defects).values())


def test_published_compat_has_every_defect() -> None:
    config = load_config(CONFIGS / "published-compat.yaml")
    assert config.stage1 is not None and config.stage1.published_ignored_centering
    assert config.stage2 is not None and all(vars(config.stage2.defects).values()) and config.stage2.batch == 28


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("centering: sinkhorn_knopp\n", "Unknown key centering"),  # where the published file had it
        ("stage1: {steps: 5, batch: 4, centring: softmax}\n", "Unknown key stage1.centring"),
        ("stage1: {steps: 5}\n", "stage1.batch is missing"),
        ("stage1: {steps: five, batch: 4}\n", "stage1.steps takes a whole number"),
        ("stage1: {steps: 5, batch: true}\n", "stage1.batch takes a whole number"),
        ("stage1: {steps: 5, batch: 4, centering: mean}\n", "stage1.centering takes one of"),
        ("input: {channels: 1}\n", "need 1 numbers"),
        ("stage2: {steps: 1, batch: 1, defects: {kl: true}}\n", "Unknown key stage2.defects.kl"),
        ("name: twice\n", "stands twice"),
        ("seed: [1\n", "is not YAML"),
    ],
)
def test_wrong_configs_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        load(tmp_path, MINIMAL + text)
    assert caught.value.code == "bad-config"


def test_numbers_and_overrides(tmp_path: Path) -> None:
    text = MINIMAL + "stage1: {steps: 5, batch: 4, learning_rate: 1e-4, clip: 3}\n"
    config = load(tmp_path, text, "stage1.steps=9", "data.sets=[b, c]")
    assert config.stage1.learning_rate == 1e-4 and config.stage1.clip == 3.0  # type: ignore[attr-defined]
    assert config.stage1.steps == 9 and config.data.sets == ["b", "c"]  # type: ignore[attr-defined]
    with pytest.raises(TrainingError, match=r"Unknown key stage1\.stepps"):
        load(tmp_path, text, "stage1.stepps=9")


def test_missing_file() -> None:
    with pytest.raises(TrainingError, match="cannot be read"):
        load_config("/nowhere.yaml")


def test_a_config_may_extend_another(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(MINIMAL + "seed: 4\nstage1: {steps: 5, batch: 4}\n")
    config = load(tmp_path, "extends: base.yaml\nname: y\nstage1: {batch: 8}\n")
    assert (config.name, config.seed, config.stage1.steps, config.stage1.batch) == ("y", 4, 5, 8)  # type: ignore[attr-defined]
    with pytest.raises(TrainingError, match="cannot be read"):
        load(tmp_path, "extends: nowhere.yaml\n")
