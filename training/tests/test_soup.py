"""Soup: means of runs' students, and what may not be averaged."""

import dataclasses
from pathlib import Path

import pytest
import torch

from versamammo import soup, stage2
from versamammo.config import Config, Soup
from versamammo.errors import TrainingError
from versamammo.stage2 import load_student
from versamammo.store import open_store


def trained(smoke: Config, folder: Path, **changes: object) -> Config:
    assert smoke.stage2 is not None
    how = dataclasses.replace(smoke.stage2, steps=2, distillation_weight=0.0)
    config = dataclasses.replace(smoke, stage2=how, **changes)  # type: ignore[arg-type]
    stage2.run(config, str(folder))
    return config


def test_a_soup_is_the_mean_and_lists_every_patient(smoke: Config, tmp_path: Path) -> None:
    for seed in (1, 2):
        config = trained(smoke, tmp_path / str(seed), seed=seed)
    runs = [str(tmp_path / "1"), str(tmp_path / "2")]
    soup.run(dataclasses.replace(config, soup=Soup(runs)), str(tmp_path / "soup"))
    (one, heads, first), (two, _, _) = (load_student(open_store(uri)) for uri in runs)
    both, both_heads, manifest = load_student(open_store(str(tmp_path / "soup")))
    for name, value in both.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (one.state_dict()[name] + two.state_dict()[name]) / 2)
    assert set(both_heads) == set(heads)
    assert len(manifest["soup"]) == 2
    assert manifest["data"]["patientHashes"] == first["data"]["patientHashes"]
    assert manifest["validation"].keys() == {k for k in first["validation"] if k != "validation/mean"}


def test_unlike_students_have_no_mean(smoke: Config, tmp_path: Path) -> None:
    trained(smoke, tmp_path / "a")
    fewer = {name: task for name, task in smoke.tasks.items() if name == "density"}
    config = trained(smoke, tmp_path / "b", tasks=fewer)
    runs = [str(tmp_path / "a"), str(tmp_path / "b")]
    with pytest.raises(TrainingError, match=r"differs from .* in tasks"):
        soup.run(dataclasses.replace(config, soup=Soup(runs)), str(tmp_path / "soup"))
    with pytest.raises(TrainingError, match="two runs or more"):
        soup.run(dataclasses.replace(config, soup=Soup(runs[:1])), str(tmp_path / "soup"))
    assert not (tmp_path / "soup" / "stage2").exists()
