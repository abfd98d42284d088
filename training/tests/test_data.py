"""Prepared sets to tensors and targets."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from versamammo.config import ModelInput, Task
from versamammo.data import (
    PreparedDataset,
    Schedule,
    fit,
    input_box,
    normalise,
    read_cases,
    read_grey,
    task_targets,
    to_model_input,
    to_prepared,
)
from versamammo.errors import TrainingError
from versamammo.phantoms import png

STRETCH = ModelInput(
    prepared_long_side=8, height=4, width=6, fit="stretch", channels=3, mean=[0.5, 0.4, 0.3], deviation=[0.5, 0.25, 0.2]
)
PAD = ModelInput(prepared_long_side=8, height=8, width=6, fit="pad", channels=1, mean=[0.0], deviation=[1.0])


def test_prepared_step_keeps_the_aspect_never_enlarges_and_rounds_to_16_bits() -> None:
    grey = torch.rand(21, 10)
    small = to_prepared(grey, 8)
    assert small.shape == (8, 4)  # 10 · 8 / 21 = 3.8
    assert torch.equal((small * 65535).round() / 65535, small)
    expected = F.interpolate(grey[None, None], size=(8, 4), mode="bilinear", antialias=True)[0, 0]
    assert (small - expected).abs().max() <= 0.5 / 65535 + 1e-7
    assert to_prepared(grey, 21) is grey


def test_pad_puts_the_chest_wall_left_and_centres_vertically() -> None:
    # 4 × 5 into 8 × 6: scale 1.2 → 5 × 6 rows and columns, top = floor(3 / 2) = 1.
    padded = fit(torch.ones(4, 5), PAD)
    rows = padded.sum(1)
    assert padded.shape == (8, 6)
    assert rows.tolist() == [0, 6, 6, 6, 6, 6, 0, 0]
    # Tall: 8 × 2 → width 2, at the left edge.
    assert fit(torch.ones(8, 2), PAD).sum(0).tolist() == [8, 8, 0, 0, 0, 0]


def test_to_model_input_normalises_per_channel() -> None:
    grey = np.full((4, 6), 65535, dtype=np.uint16)
    tensor = to_model_input(grey, STRETCH)
    assert tensor.shape == (3, 4, 6) and tensor.dtype == torch.float32
    assert tensor[:, 0, 0].tolist() == pytest.approx([1.0, 2.4, 3.5])
    assert normalise(torch.zeros(2, 4, 6), STRETCH).shape == (2, 3, 4, 6)
    assert normalise(torch.zeros(4, 6, device="meta"), STRETCH).device.type == "meta"  # stays where the pixels are


def test_boxes_follow_the_image(prepared: list[str]) -> None:
    case = next(c for c in read_cases(prepared, ("train",)) if c.lesions)
    spec = ModelInput(prepared_long_side=96, height=48, width=64, fit="pad", channels=1, mean=[0], deviation=[1])
    # 96 × 64 into 48 × 64: halved, left edge, no padding above.
    assert input_box([10, 20, 30, 40], case, spec) == [5, 10, 15, 20]


def test_targets_know_what_is_unlabelled(prepared: list[str]) -> None:
    cases = read_cases(prepared, ("train", "validation", "test"))
    cancer = Task(field="cancer", values=[False, True], sources=["phantom-screening"])
    index, known = task_targets(cases, cancer)
    for case, target, is_known in zip(cases, index.tolist(), known.tolist(), strict=True):
        assert is_known == (case.dataset == "phantom-screening")
        assert target == ({False: 0, True: 1}[case.labels["cancer"]] if is_known else -1)
    # BI-RADS 0 and 1 must not be read as False and True, nor True as 1.
    assert not task_targets(cases, Task(field="cancer", values=[0, 1]))[1].any()
    hot, known = task_targets(cases, Task(field="massShapes", values=["round", "oval", "irregular"], multilabel=True))
    assert known.sum() == 40 and torch.equal(hot.sum(1), known.float())
    with pytest.raises(TrainingError, match="no field of Labels"):
        task_targets(cases, Task(field="colour", values=["red"]))


def test_patient_hash_is_sha256_of_dataset_and_patient(prepared: list[str]) -> None:
    import hashlib

    case = read_cases(prepared, ("train",))[0]
    assert case.patient_hash == hashlib.sha256(f"{case.dataset}/{case.patient}".encode()).hexdigest()


def copy_set(prepared: list[str], to: Path) -> list[dict[str, object]]:
    """A copy of the first set; its rows."""
    import shutil

    shutil.copytree(prepared[0], to)
    return [json.loads(line) for line in (to / "cases.jsonl").read_text().splitlines()]


def write_rows(folder: Path, rows: list[dict[str, object]]) -> None:
    (folder / "cases.jsonl").write_text("\n".join(json.dumps(row) for row in rows))


def refusal(folder: Path, split: str = "train") -> str:
    with pytest.raises(TrainingError) as caught:
        PreparedDataset([str(folder)], (split,), PAD).preload()
    return caught.value.code


def test_bad_sets_stop_with_a_sentence(prepared: list[str], tmp_path: Path) -> None:
    rows = copy_set(prepared, tmp_path / "set")
    folder = tmp_path / "set"
    assert refusal(tmp_path / "nothing") == "no-cases"
    image = folder / str(rows[0]["image"])
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    assert refusal(folder) == "bad-image"
    image.write_bytes(png(np.zeros((96, 64), np.uint8)))  # 8 bits
    assert refusal(folder) == "bad-image"
    image.write_bytes(png(np.zeros((64, 96), np.uint16)))  # another size than the row says
    assert refusal(folder) == "bad-image"
    image.unlink()
    assert refusal(folder) == "bad-image"
    write_rows(folder, [{**row, "split": "test"} for row in rows])
    assert refusal(folder) == "no-cases"
    write_rows(folder, [{**rows[0], "split": "test"}, *rows[1:]])  # its patient's second image is in train
    assert refusal(folder) == "bad-cases"
    (folder / "cases.jsonl").write_text('{"id": "x"}')
    assert refusal(folder) == "bad-cases"
    (folder / "cases.jsonl").write_text("")
    assert refusal(folder) == "no-cases"


def test_16_bit_pixels_come_back_exactly(prepared: list[str]) -> None:
    grey = read_grey(read_cases(prepared, ("train",))[0])
    assert grey.dtype == np.uint16 and grey.shape == (96, 64) and grey.max() > 255


def test_schedule_is_a_function_of_seed_and_step(prepared: list[str]) -> None:
    cases = read_cases(prepared, ("train",))
    strata = [c.labels["cancer"] for c in cases]
    one, two = (Schedule.build(cases, 6, 5, None, strata) for _ in range(2))
    assert [one.batch(s) for s in (7, 3, 0)] == [two.batch(s) for s in (7, 3, 0)]
    assert one.batch(3) != Schedule.build(cases, 6, 6, None, strata).batch(3)
    assert one.quotas == (3, 3)
    epoch = [i for step in range(8) for i in one.batch(step) if cases[i].dataset == "phantom-screening"]
    assert sorted(epoch) == [i for i, c in enumerate(cases) if c.dataset == "phantom-screening"]


def test_batches_mix_labels_within_each_source(prepared: list[str]) -> None:
    cases = read_cases(prepared, ("train",))
    strata = [c.labels["cancer"] if c.labels["cancer"] is not None else c.labels["pathology"] for c in cases]
    schedule = Schedule.build(cases, 16, 5, {"phantom-screening": 0.5, "phantom-masses": 0.5}, strata)
    for step in range(3):
        for source in ("phantom-screening", "phantom-masses"):
            assert len({strata[i] for i in schedule.batch(step) if cases[i].dataset == source}) == 2


def test_schedule_refuses_unknown_sources(prepared: list[str]) -> None:
    cases = read_cases(prepared, ("train",))
    with pytest.raises(TrainingError, match="source_share"):
        Schedule.build(cases, 8, 1, {"elsewhere": 1.0}, [0] * len(cases))
    with pytest.raises(TrainingError, match="cannot hold"):
        Schedule.build(cases, 1, 1, None, [0] * len(cases))
