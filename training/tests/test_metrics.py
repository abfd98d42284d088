"""Metrics and bootstrap against hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from versamammo import bootstrap, calibration, metrics
from versamammo.measures import Measure, measure_of, of_detections


def test_auc_counts_ties_half_and_agrees_with_scikit_learn() -> None:
    assert metrics.auc(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.4, 0.9])) == pytest.approx(0.875)
    rng = np.random.default_rng(0)
    y, s = rng.random(200) < 0.3, np.round(rng.random(200), 1)
    assert metrics.auc(y, s) == pytest.approx(roc_auc_score(y, s), abs=1e-12)


def test_weights_count_an_image_as_often_as_it_is_drawn() -> None:
    y, s, w = np.array([0, 1, 1, 0]), np.array([0.2, 0.7, 0.1, 0.5]), np.array([2, 1, 0, 3])
    repeated = np.repeat(np.arange(4), w)
    assert metrics.auc(y, s, w) == pytest.approx(metrics.auc(y[repeated], s[repeated]))


def test_retrieval_by_hand() -> None:
    archive = np.eye(4)
    queries = np.array([[0.9, 0.4, 0.1, 0.0]])
    found = metrics.retrieval(queries, archive, np.array([1]), np.array([0, 1, 0, 1]), depth=4)
    # ranking: 0 (miss), 1 (hit), 2 (miss), 3 (hit)
    assert found["P@5"][0] == pytest.approx(0.5)
    assert found["mAP@4"][0] == pytest.approx((1 / 2 + 2 / 4) / 2)
    ideal = 1 + 1 / np.log2(3)
    assert found["nDCG@4"][0] == pytest.approx((1 / np.log2(3) + 1 / np.log2(5)) / ideal)
    assert found["chance"][0] == pytest.approx(0.5)


def test_matching_takes_each_lesion_once() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 10, 10], [50, 50, 60, 60]], float)
    true, found = metrics.match(boxes, np.array([0.9, 0.8, 0.7]), np.array([[0, 0, 10, 10]], float))
    assert true.tolist() == [True, False, False]
    assert found.tolist() == [0.9]


def test_average_precision_and_sensitivity_by_hand() -> None:
    scores, true = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    found = metrics.Detections.of([(scores, true, np.array([0.9, 0.7]))])
    # recall 1/2 at precision 1, recall 1 at precision 2/3
    assert found.average_precision() == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert [found.sensitivity(rate) for rate in (0.0, 1.0)] == [0.5, 1.0]
    assert [found.threshold(rate) for rate in (0.0, 1.0)] == [0.8, 0.0]


def test_detections_count_as_often_as_their_image_is_drawn() -> None:
    a = (np.array([0.9, 0.4]), np.array([False, True]), np.array([0.4, -np.inf]))
    b = (np.array([0.8]), np.array([True]), np.array([0.8]))
    c = (np.empty(0), np.empty(0, bool), np.array([-np.inf]))
    found, drawn = metrics.Detections.of([a, b, c]), metrics.Detections.of([a, b, b, c])
    w = np.array([1, 2, 1])
    assert found.average_precision(w) == pytest.approx(drawn.average_precision())
    assert found.sensitivity(0.2, w) == pytest.approx(drawn.sensitivity(0.2))
    assert found.sensitivity(0.3, w) == pytest.approx(3 / 5)


def test_calibration_error_by_hand_and_resampled() -> None:
    confidence, right = np.array([0.95, 0.91, 0.55, 0.51]), np.array([1.0, 0.0, 1.0, 1.0])
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx((0.86 + 0.94) / 4)
    m = Measure("c", "s", "calibration", ("a", "b", "c", "d"), confidence, right, None)
    assert m.value(np.array([0, 2, 1, 1])) == pytest.approx((1.82 + 0.94) / 4)
    assert m.interval.high > m.interval.low


def test_dice() -> None:
    a, b = np.array([[1, 1], [0, 0]], bool), np.array([[1, 0], [1, 0]], bool)
    assert metrics.dice(a, b) == 0.5
    assert metrics.dice(a & ~a, b & ~b) == 1.0


def test_bootstrap_draws_whole_patients() -> None:
    patients = ["a", "a", "b", "c", "c", "c"]
    for w in bootstrap.weights(patients, 50, seed=3):
        assert w[0] == w[1]
        assert w[3] == w[4] == w[5]
        assert w[0] + w[2] + w[3] == 3


def test_a_kept_measure_has_the_interval_of_the_measured_one() -> None:
    """Patients are kept by number: their names must not decide which are drawn."""
    rng = np.random.default_rng(2)
    patients = tuple(f"p{i // 2 * 7 % 31}" for i in range(60))
    m = Measure("m", "s", "mean", patients, np.round(rng.random(60), 3), None, None)
    assert measure_of(m.document()).interval == m.interval


def test_interval_of_clustered_images_is_wider_than_of_independent_ones() -> None:
    values = np.repeat(np.random.default_rng(1).random(20), 10)
    clustered = [f"p{i // 10}" for i in range(200)]
    apart = [f"p{i}" for i in range(200)]
    width = [
        (i := Measure("m", "s", "mean", tuple(p), values, None, None).interval).high - i.low for p in (clustered, apart)
    ]
    assert width[0] > 2 * width[1]


def test_paired_difference_of_equal_scores_is_zero() -> None:
    rng = np.random.default_rng(0)
    hot = np.eye(2)[rng.integers(0, 2, 40)]
    m = Measure("auc", "s", "macro_auc", tuple(f"p{i // 2}" for i in range(40)), hot, rng.random((40, 2)), 0.5)
    found = bootstrap.difference(m.value, m.value, m.patients, 100)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_measure_survives_its_document() -> None:
    hot = np.eye(3)[[0, 1, 2, 1]]
    score = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]])
    m = Measure("auc", "s", "macro_auc", ("a", "a", "b", "c"), hot, score, 0.5)
    again = measure_of(m.document())
    assert again.value(None) == pytest.approx(m.value(None))
    assert [again.patients.count(p) for p in dict.fromkeys(again.patients)] == [2, 1, 1]


@pytest.mark.parametrize("rate", [None, 0.5])
def test_detections_survive_their_document(rate: float | None) -> None:
    per_image = [
        (np.array([0.9, 0.4]), np.array([False, True]), np.array([0.4])),
        (np.empty(0), np.empty(0, bool), np.array([-np.inf])),
    ]
    m = of_detections("map", "s", ("a", "b"), metrics.Detections.of(per_image), rate)
    again = measure_of(m.document())
    assert again.value(None) == pytest.approx(m.value(None))
    assert again.interval == m.interval


def test_temperature_mends_overconfidence() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(4000) < 0.7
    logits = np.stack([np.zeros(4000), np.full(4000, 4 * np.log(0.7 / 0.3))], 1)
    hot = np.stack([~truth, truth], 1).astype(float)
    assert calibration.temperature(logits, hot, "softmax") == pytest.approx(4, rel=0.15)


def test_operating_points_stand_for_what_they_say() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(500) < 0.4
    p = np.clip(rng.normal(np.where(y, 0.6, 0.4), 0.15), 0, 1)
    points = calibration.operating_points(
        np.stack([1 - p, p], 1), np.stack([~y, y], 1).astype(float), ["no", "yes"], "softmax"
    )
    sensitive, specific = points
    assert (p[y] >= sensitive["threshold"]).mean() == sensitive["sensitivity"] >= 0.9
    assert (p[~y] < specific["threshold"]).mean() == specific["specificity"] >= 0.9


def test_abstention_removes_the_unsure() -> None:
    confidence = np.concatenate([np.full(80, 0.9), np.full(20, 0.4)])
    right = np.concatenate([np.ones(80), np.zeros(20)])
    below, coverage, accuracy = calibration.abstention(confidence, right)
    assert 0.4 < below <= 0.9
    assert (coverage, accuracy) == (0.8, 1.0)
