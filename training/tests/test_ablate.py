"""Ablations: folds by patient, variants scored on patients that they have not seen, nothing done twice."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from versamammo import ablate
from versamammo.config import Ablate, Config, overridden
from versamammo.data import DECODED, read_cases
from versamammo.errors import TrainingError
from versamammo.store import open_store


@pytest.fixture
def config(smoke: Config) -> Config:
    assert smoke.stage2 is not None
    how = dataclasses.replace(smoke.stage2, steps=2, distillation_weight=0.0)
    variants = {"plain": ["stage2.consistency_weight=0"], "fast one": ["stage2.learning_rate=0.01"]}
    return dataclasses.replace(smoke, stage2=how, ablate=Ablate(variants, folds=2, jobs=2))


def test_every_patient_is_held_out_once_and_test_patients_never(config: Config, tmp_path: Path) -> None:
    folder = config.data.sets[0]
    written = ablate.write_folds(folder, tmp_path, 3)
    patients = {case.patient for case in read_cases([folder], ("train", "validation"))}
    held = [{case.patient for case in read_cases([fold], ("validation",))} for fold in written]
    assert set.union(*held) == patients and sum(map(len, held)) == len(patients)
    for fold, out in zip(written, held, strict=True):
        assert {case.patient for case in read_cases([fold], ("train",))} == patients - out
        assert '"test"' not in Path(fold, "cases.jsonl").read_text()


def test_variants_are_compared_and_not_trained_twice(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ablate.run(config, str(tmp_path))
    DECODED.clear()
    out = capsys.readouterr().out
    assert out.count("exit 0") == 4 and "2 folds" in out
    assert config.ablate is not None
    place = ablate.place_of(overridden(config, config.ablate.variants["fast one"]), 1, 2)
    found = ablate.unpacked(open_store(str(tmp_path)).get(ablate.scores_key(place)) or b"")
    manifest = json.loads((tmp_path / "runs" / place / "stage2" / "manifest.json").read_text())
    assert any(name.startswith("probe ") for name in found) and any(name.startswith("head ") for name in found)
    for measure in found.values():
        assert 0 <= measure.metric()(None) <= 1 and len(measure.patients) == len(measure.target)
    held = {case.patient_hash for case in read_cases(ablate_folds(tmp_path, config), ("validation",))}
    assert not held & set(manifest["data"]["patientHashes"])
    ablate.run(config, str(tmp_path))
    DECODED.clear()
    assert "exit" not in capsys.readouterr().out
    assert ablate.place_of(overridden(config, ["stage2.steps=3"]), 1, 2) != place


def ablate_folds(root: Path, config: Config) -> list[str]:
    return [str(root / "folds" / "1-of-2" / Path(folder).name) for folder in config.data.sets]


def test_a_wrong_variant_stops_before_anything_is_trained(config: Config, tmp_path: Path) -> None:
    wrong = dataclasses.replace(config, ablate=Ablate({"plain": [], "typo": ["stage2.step=3"]}, folds=2))
    with pytest.raises(TrainingError, match=r"Unknown key stage2\.step"):
        ablate.run(wrong, str(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_probe_is_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)).astype(np.float32), rng.integers(0, 3, 60)
    x[:, 0] += y
    ours = ablate.probe(torch.from_numpy(x), torch.from_numpy(y), 3)
    theirs = LogisticRegression(C=ablate.STRENGTH, max_iter=500, tol=1e-8).fit(x, y)
    assert np.abs(ablate.probabilities(ours(torch.from_numpy(x))) - theirs.predict_proba(x)).max() < 1e-3
