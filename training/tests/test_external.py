"""Sets from elsewhere: folds by patient, and a probe that is at chance where there is nothing to know."""

from __future__ import annotations

import numpy as np
import pytest

from versamammo import external


def _patients(images: int) -> tuple[str, ...]:
    return tuple(f"p{i // 2}" for i in range(images))


def test_folds_hold_whole_patients_and_every_answer() -> None:
    classes = np.repeat([0, 1, 2], 40)
    fold = external.folds(_patients(120), classes, 5)
    assert all(fold[i] == fold[i + 1] for i in range(0, 120, 2))
    assert all(set(classes[fold == k]) == {0, 1, 2} for k in range(5))


@pytest.mark.parametrize(("signal", "low", "high"), [(0.0, 0.38, 0.62), (2.0, 0.9, 1.0)])
def test_the_probe_finds_what_there_is(signal: float, low: float, high: float) -> None:
    rng = np.random.default_rng(1)
    classes = np.repeat(rng.permutation(np.repeat([0, 1, 2], 30)), 2)
    vectors = rng.standard_normal((180, 40)).astype(np.float32)
    vectors[np.arange(180), classes] += signal
    found = {m.name: m for m in external._in_folds("answer", "set", _patients(180), vectors, classes)}
    assert low <= found["answer AUC, probe"].value(None) <= high
    assert found["retrieval by answer, P@5"].chance == pytest.approx(1 / 3, abs=0.02)
