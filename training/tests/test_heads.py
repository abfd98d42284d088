"""Heads: projection, frozen encoder, lesion targets and coding, gate, against hand-computed values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from versamammo import gate, graphs, questions, regions
from versamammo.decoder import LesionDecoder, cell_targets, decode, giou
from versamammo.features import state_hash
from versamammo.models.encoder import MapInfo, build_encoder
from versamammo.projection import Projection, Target, choose, fit_logistic, whitening


def test_whitening_makes_variances_equal_and_total_one() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 6)) * np.array([5, 3, 2, 1, 1, 0.5]) + 7
    mean, axes = whitening(x, 6, 1.0)
    z = (x - mean) @ axes.T
    assert np.cov(z.T) == pytest.approx(np.eye(6) / 6, abs=1e-6)


def test_the_projection_is_chosen_on_validation() -> None:
    """The answer lies in a weak direction: only whitening, or supervision, makes it count for retrieval."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = rng.standard_normal((400, 8)) * np.array([20, 20, 20, 20, 1, 1, 1, 0.3])
    x[:, 7] += y
    target = Target("q", np.arange(300), y[:300], np.arange(100), y[300:])
    found = choose(x[:300], x[300:], [target], {"q"}, 8)
    assert (
        found.candidates[found.chosen]["retrieval"] > found.candidates["whitening 0, supervised 0"]["retrieval"] + 0.2
    )
    assert np.linalg.norm(found(x), axis=1) == pytest.approx(np.ones(400), abs=1e-5)


def test_logistic_weights_fold_the_standardisation_back() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3)) * [1, 10, 100] + [5, 0, -50]
    y = (x[:, 1] > 0).astype(int)
    weight, bias, classes = fit_logistic(x, y, 1.0)
    assert (classes[(x @ weight.T + bias).argmax(1)] == y).mean() > 0.97


def test_frozen_means_frozen_running_statistics_included() -> None:
    encoder = build_encoder("efficientnet_lite0", channels=1).eval()
    before = state_hash(encoder)
    with torch.inference_mode():
        encoder.forward_maps(torch.randn(2, 1, 64, 64))
    assert state_hash(encoder) == before
    encoder.train()
    encoder(torch.randn(2, 1, 64, 64))
    assert state_hash(encoder) != before, "the hash sees BatchNorm's statistics"


def test_cells_and_distances_give_the_box_back() -> None:
    box = np.array([[20.0, 12.0, 44.0, 40.0]])
    positive, distances = cell_targets(box, 16, 16)
    assert positive.any()
    score = np.where(positive, 5.0, -9.0)
    boxes, scores = decode(score, distances, 0.5)
    assert len(boxes) == 1
    assert boxes[0] == pytest.approx(box[0], abs=1e-4)
    assert scores[0] == pytest.approx(1 / (1 + np.exp(-5)))


def test_a_small_box_inside_a_large_one_keeps_its_cells() -> None:
    boxes = np.array([[0.0, 0.0, 64.0, 64.0], [28.0, 28.0, 36.0, 36.0]])
    _, distances = cell_targets(boxes, 16, 16)
    assert distances[:, 7, 7] == pytest.approx([0.5, 0.5, 1.5, 1.5])


def test_giou_by_hand() -> None:
    same = torch.tensor([[1.0, 1.0, 1.0, 1.0]])
    assert giou(same, same).item() == pytest.approx(1)
    # 2×2 inside 4×4, one corner region: IoU 4/16, hull 16
    assert giou(same, torch.tensor([[2.0, 2.0, 2.0, 2.0]])).item() == pytest.approx(0.25)
    # 2×2 boxes that share the point: a to the left-top, b to the right-bottom (distances 0 on the other sides)
    a, b = torch.tensor([[2.0, 2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    assert giou(a, b).item() == pytest.approx(0 - (16 - 8) / 16)


def test_the_decoder_shares_one_grid_with_the_finest_map() -> None:
    maps = [MapInfo("map4", 8, 4), MapInfo("map8", 12, 8), MapInfo("map32", 16, 32)]
    decoder = LesionDecoder(maps, 16, 2).eval()
    mask, score, distance = decoder([torch.randn(1, 8, 24, 13), torch.randn(1, 12, 12, 7), torch.randn(1, 16, 3, 2)])
    assert (mask.shape, score.shape, distance.shape) == ((1, 2, 24, 13), (1, 2, 24, 13), (1, 8, 24, 13))
    assert (distance >= 0).all()


def test_region_graph_equals_pytorch() -> None:
    rng = np.random.default_rng(0)
    infos = [MapInfo("map4", 3, 4), MapInfo("map8", 5, 8)]
    maps = {
        "map4": rng.standard_normal((1, 3, 16, 12)).astype(np.float32),
        "map8": rng.standard_normal((1, 5, 8, 6)).astype(np.float32),
    }
    projection = Projection(np.zeros(16, np.float32), rng.standard_normal((4, 16)).astype(np.float32), "", {})
    boxes = np.array([[3.0, 5.0, 30.0, 41.0], [0.0, 0.0, 48.0, 64.0]], np.float32)
    pooled = regions.pooled({k: torch.from_numpy(v) for k, v in maps.items()}, infos, torch.from_numpy(boxes)).numpy()
    graph = regions.graph(projection, infos, 64, 48).SerializeToString()
    assert graphs.run(graph, {**maps, "boxes": boxes})["region_vector"] == pytest.approx(projection(pooled), abs=1e-5)


def test_halving_is_lossless_for_rounded_weights() -> None:
    layer = graphs.round_weights(torch.nn.Linear(64, 32))
    x = torch.randn(3, 64)
    graph = graphs.from_torch(layer, (x,), ["x"], ["y"], None, optimise=False)
    small = graphs.halve(graph)
    full, half = (graphs.run(g.SerializeToString(), {"x": x.numpy()})["y"] for g in (graph, small))
    assert np.array_equal(full, half)
    assert small.ByteSize() < 0.7 * graph.ByteSize()


def test_vote_and_gate_by_hand() -> None:
    prior = np.array([0.5, 0.5])
    says = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = gate.vote(np.array([1.0, 0.9]), says, prior, temperature=0.1, smoothing=1.0, multilabel=False)
    near, far = 1.0, np.exp(-1)
    assert found.shares == pytest.approx([(near + 0.5) / (near + far + 1), (far + 0.5) / (near + far + 1)])
    g = gate.Gate((1.0, 0.0, 0.0, 0.0), {"t": -1.0}, 2, 0.1, 1.0)
    head = np.array([0.8, 0.2])
    assert g.weight("t", head, found, False) == pytest.approx(0.5)
    both = gate.combine(head, found.shares, 0.5, False)
    raw = np.sqrt(head * found.shares)
    assert both == pytest.approx(raw / raw.sum())


def test_without_a_voter_the_head_stands_alone() -> None:
    nobody = gate.vote(np.empty(0), np.empty((0, 2)), np.array([0.3, 0.7]), 0.1, 1.0, False)
    g = gate.Gate((9.0, 9.0, 9.0, 9.0), {"t": 9.0}, 2, 0.1, 1.0)
    assert g.weight("t", np.array([0.5, 0.5]), nobody, False) == 0


def test_the_gate_learns_whom_to_trust() -> None:
    rng = np.random.default_rng(0)
    samples = []
    for i in range(120):
        truth = np.eye(2)[i % 2]
        helpful = np.stack([truth] * 3)
        noise = rng.dirichlet([1, 1])
        samples.append(gate.Sample("votes", False, noise, np.full(3, 0.95), helpful, np.array([0.5, 0.5]), truth))
        wrong = np.stack([np.eye(2)[rng.integers(0, 2)] for _ in range(3)])
        samples.append(
            gate.Sample("head", False, 0.9 * truth + 0.05, np.full(3, 0.95), wrong, np.array([0.5, 0.5]), truth)
        )
    found = gate.fit(samples, ["votes", "head"], 20)
    assert found.bias["votes"] > found.bias["head"] + 0.5


@pytest.mark.parametrize("held", ["validation", "test"])
def test_phrasings_are_held_out_by_family(held: questions.Split) -> None:
    train = list(questions.questions("train"))
    unseen = list(questions.questions(held))
    assert not {q.text for q in train} & {q.text for q in unseen}
    frames = {q.family for q in train if q.family != "own"}
    assert not frames & {q.family for q in unseen if q.family != "own"}
    topics = {t.name for t in questions.TOPICS}
    assert topics | {questions.NOT_ANSWERABLE} == {q.topic for q in unseen}


def test_leading_questions_name_every_answer_alike() -> None:
    leading = [q for q in questions.questions("train") if q.led_to and q.topic == "density"]
    counts = {
        label: sum(q.led_to == label and "leading" in q.family and "{noun}" in q.family for q in leading)
        for label in "ABCD"
    }
    assert len(set(counts.values())) == 1
