"""Parts of the evaluation on phantoms: what counts as found, what a row of facts knows, what robustness changes, lesions as queries."""

from __future__ import annotations

import numpy as np
import pytest

from versamammo import baselines, head_measures, robustness
from versamammo.config import Config
from versamammo.data import PreparedDataset
from versamammo.regions import lesion_answer, marked_regions
from versamammo.vector_measures import Encoded, Sets, lesion_retrieval, sources


@pytest.fixture
def sets(smoke: Config) -> Sets:
    return {s: PreparedDataset(smoke.data.sets, (s,), smoke.input) for s in ("train", "validation", "test")}


def test_detections_of_lesions_of_another_size_are_neither_true_nor_false() -> None:
    small, large = [0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 60.0, 60.0]
    boxes = np.array([large, small, [80.0, 80.0, 90.0, 90.0]])
    scores, truth = np.array([0.9, 0.8, 0.7]), np.array([small, large])
    kept, true, found = head_measures._judged(boxes, scores, truth, np.array([True, False]))
    assert kept.tolist() == [0.8, 0.7]
    assert true.tolist() == [True, False]
    assert found.tolist() == [0.8]
    everything = head_measures._judged(boxes, scores, truth, np.array([True, True]))
    assert everything[1].tolist() == [True, True, False]


def test_a_threshold_is_judged_on_both_sides() -> None:
    truth, p = np.eye(2)[[0, 0, 1, 1]], np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    point = {"label": "yes", "threshold": 0.6, "operatingPoint": "x"}
    found = list(head_measures._at_threshold("h", "s", ("a", "b", "c", "d"), truth, p, point, ["no", "yes"]))
    assert {m.name: m.value(None) for m in found} == {"h sensitivity at “x”": 0.5, "h specificity at “x”": 0.5}
    assert [m.patients for m in found] == [("c", "d"), ("a", "b")]


def test_facts_tell_the_source_and_see_no_pixels(sets: Sets) -> None:
    vectors = baselines.metadata(sets).vectors
    told = next(m for m in sources(sets, vectors) if m.name.startswith("source told"))
    assert told.value(None) == 1.0
    alike: dict[tuple[object, ...], np.ndarray] = {}
    for case, vector in zip(sets["test"].cases, vectors["test"], strict=True):
        facts = (case.dataset, *(case.labels.get(f) for f in ("site", "machine", "view", "age")))
        assert alike.setdefault(facts, vector) == pytest.approx(vector)


def test_lesions_find_lesions_of_their_own_answer(smoke: Config, sets: Sets) -> None:
    """Vectors that are the answers themselves: every neighbour is right."""
    regions = {s: marked_regions(data.cases, smoke, 0.25) for s, data in sets.items()}
    names = sorted({lesion_answer(sets["train"].cases[r.image], r.lesion, "pathology") or "" for r in regions["train"]})
    vectors = {
        s: np.stack([np.eye(len(names))[names.index(lesion_answer(sets[s].cases[r.image], r.lesion, "pathology") or "")] for r in of])
        for s, of in regions.items()
    }  # fmt: skip
    found = {m.name: m for m in lesion_retrieval(sets, Encoded({}, regions, vectors))}
    assert found["lesion retrieval by pathology, P@5"].value(None) == 1.0
    assert 0 < (found["lesion retrieval by pathology, P@5"].chance or 0) < 1


def test_every_change_does_what_it_says(sets: Sets) -> None:
    data = sets["test"]
    rows = list(range(len(data)))
    grey = robustness._grey(data[0], data.spec)
    breast = grey > robustness.BACKGROUND
    done = {name: change(grey, 0) for name, change in robustness.changes(data, rows).items()}
    assert done["darker window (gamma 1.4)"][breast].mean() < grey[breast].mean()
    assert done["brighter window (gamma 0.7)"][breast].mean() > grey[breast].mean()
    assert done["narrower window (contrast 1.3)"][breast].std() > grey[breast].std()
    assert done["background erased"][~breast].abs().max() == 0
    assert done["background erased"][breast].equal(grey[breast])
    assert done["background another source's"][breast].equal(grey[breast])
    blurred = done["blurred to half"]
    assert blurred.diff(dim=1).abs().mean() < grey.diff(dim=1).abs().mean()
