"""Heads: projection, frozen encoder, lesion targets and coding, gate, against hand-computed values."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from scipy.optimize import check_grad

from versamammo import gate, graphs, heads, questions, regions, stage2
from versamammo.config import Config, Task
from versamammo.data import Case
from versamammo.decoder import LesionDecoder, LesionTargets, cell_targets, decode, giou, label_targets, losses
from versamammo.features import Features, state_hash
from versamammo.models.encoder import MapInfo, build_encoder
from versamammo.projection import (
    Projection,
    Target,
    balanced,
    choose,
    fit_logistic,
    judge,
    principal,
    source_directions,
    unit,
    whitening,
)
from versamammo.store import open_store


def test_whitening_makes_variances_equal_and_total_one() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 6)) * np.array([5, 3, 2, 1, 1, 0.5]) + 7
    z = (x - x.mean(0)) @ whitening(*principal(x), 6, 1.0).T
    assert np.cov(z.T) == pytest.approx(np.eye(6) / 6, abs=1e-6)


def test_the_projection_is_chosen_on_validation() -> None:
    """The answer lies in a weak direction: only whitening, or supervision, makes it count for retrieval."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = rng.standard_normal((400, 8)) * np.array([20, 20, 20, 20, 1, 1, 1, 0.3])
    x[:, 7] += y
    target = Target("q", np.arange(300), y[:300], np.arange(100), y[300:])
    found = choose(x[:300], x[300:], [target], 8, ["one source"] * 300)
    plain = judge(unit(x[:300]), unit(x[300:]), [target])
    assert found.candidates[found.chosen]["retrieval"] > plain["retrieval"] + 0.2
    assert found.candidates[found.chosen] == max(found.candidates.values(), key=lambda f: sum(f.values()))
    assert np.linalg.norm(found(x), axis=1) == pytest.approx(np.ones(400), abs=1e-5)


def test_the_heads_that_the_encoder_was_trained_with_count_where_they_know_more() -> None:
    """Sixteen training images do not tell the answer's direction among forty; the encoder's own head does."""
    rng = np.random.default_rng(0)
    y = np.arange(216) % 2
    x = rng.standard_normal((216, 40))
    x[:, 0] += 1.5 * y
    own = np.zeros((2, 40))
    own[1, 0] = 1
    target = Target("q", np.arange(16), y[:16], np.arange(200), y[16:])
    found = choose(x[:16], x[16:], [target], 8, ["one source"] * 16, [own])
    without = choose(x[:16], x[16:], [target], 8, ["one source"] * 16)
    assert found.candidates[found.chosen]["probe"] > without.candidates[without.chosen]["probe"] + 0.1


def test_every_head_has_the_same_share_of_the_directions() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 6)) * [1, 2, 3, 4, 5, 6]
    rows = balanced(x, [rng.standard_normal((2, 6)), 9 * rng.standard_normal((4, 6)), np.ones((3, 6))])
    assert rows.shape == (5, 6), "two classes are one direction, and what adds to all classes alike is none"
    variance = (x @ rows.T).var(0)
    assert variance[0] == pytest.approx(0.5)
    assert variance[1:].sum() == pytest.approx(0.5)


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
    small = graphs.compact(graph)
    full, half = (graphs.run(g.SerializeToString(), {"x": x.numpy()})["y"] for g in (graph, small))
    assert np.array_equal(full, half)
    assert small.ByteSize() < 0.7 * graph.ByteSize()


def test_bytes_are_lossless_for_weights_rounded_to_them() -> None:
    torch.manual_seed(1)
    layer = torch.nn.Conv2d(3, 40, 10)
    with torch.no_grad():
        layer.weight[7] = 0  # a channel without weights
    before = layer.weight.clone()
    graphs.round_weights(layer, graphs.BYTE)
    assert 0 < (layer.weight - before).abs().max() <= before.abs().amax((1, 2, 3)).max() / 254 * 1.001
    x = torch.randn(2, 3, 10, 10)
    graph = graphs.from_torch(layer, (x,), ["x"], ["y"], None, optimise=False)
    small = graphs.compact(graph, graphs.BYTE)
    full, stored = (graphs.run(g.SerializeToString(), {"x": x.numpy()})["y"] for g in (graph, small))
    assert stored == pytest.approx(full, abs=1e-5)
    assert small.ByteSize() < 0.35 * graph.ByteSize()


def test_the_runtime_folds_normalisation_and_activation_into_convolutions(tmp_path: Path) -> None:
    encoder = build_encoder("efficientnet_lite0")
    batch = torch.export.Dim("batch", min=1, max=8)
    graph = graphs.from_torch(
        encoder, (torch.rand(2, 3, 64, 64),), ["image"], ["pooled"], ({0: batch},), optimise=False
    )
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    stored = graphs.compact(graph, graphs.BYTE).SerializeToString()
    onnxruntime.InferenceSession(stored, options, providers=["CPUExecutionProvider"])
    left = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert "Conv" in left and not left & {"BatchNormalization", "Clip", "Cast", "Expand"}


def test_a_student_beside_another_brings_its_features_heads_and_patients(smoke: Config, tmp_path: Path) -> None:
    assert smoke.stage2 is not None and smoke.heads is not None
    how = dataclasses.replace(smoke.stage2, steps=2, distillation_weight=0.0)
    runs = [str(tmp_path / name) for name in ("one", "other")]
    for seed, run in enumerate(runs):
        stage2.run(dataclasses.replace(smoke, stage2=how, seed=seed), run)
    other = open_store(runs[1])
    manifest = json.loads(other.get("stage2/manifest.json") or b"")
    manifest["data"]["patientHashes"].append("f" * 64)
    other.put("stage2/manifest.json", json.dumps(manifest).encode())
    config = dataclasses.replace(smoke, heads=dataclasses.replace(smoke.heads, members=runs[1:]))
    alone, own, _ = heads.load_encoder(smoke, open_store(runs[0]))
    both, learnt, origin = heads.load_encoder(config, open_store(runs[0]))
    images = torch.rand(1, 1, 96, 64)
    with torch.no_grad():
        pooled = both(images)
        assert torch.equal(pooled[:, : alone.width], alone(images))
        assert not torch.equal(pooled[:, alone.width :], alone(images))
    assert both.width == 2 * alone.width and list(learnt) == list(own)
    for name, head in learnt.items():
        each = [stage2.load_student(open_store(run))[1] for run in runs]
        said = [x @ h[f"{name}.weight"].T + h[f"{name}.bias"] for x, h in zip(pooled.chunk(2, 1), each, strict=True)]
        assert head.logits(pooled.numpy(), head.task) == pytest.approx(torch.stack(said).mean(0).numpy(), abs=1e-4)
    assert "f" * 64 in origin["patientHashes"] and len(origin["students"]) == 2


def test_a_head_answers_for_the_tasks_whose_answers_it_knows() -> None:
    task = Task("massShapes", ["round", "oval", "irregular"], multilabel=True)
    head = heads.OwnHead(task, np.array([[1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0]))
    fewer = dataclasses.replace(task, values=["irregular", "round"], multilabel=False)
    assert head.logits(np.array([[2.0]]), fewer) == pytest.approx(np.array([[8.0, 2.0]]))
    assert head.logits(np.zeros((1, 1)), dataclasses.replace(task, values=["round", "lobulated"])) is None
    assert head.logits(np.zeros((1, 1)), dataclasses.replace(task, field="massMargins")) is None
    assert heads.OwnHead(Task("x", [0, 1]), np.eye(2), np.zeros(2)).logits(np.eye(2), Task("x", [False, True])) is None


def test_logits_carried_onto_vectors_and_the_mean_of_two_heads() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 5))
    weight, bias = rng.standard_normal((3, 5)), rng.standard_normal(3)
    carried = heads.on_vectors(x, x @ weight.T + bias)
    assert carried[0] == pytest.approx(weight, abs=1e-3) and carried[1] == pytest.approx(bias, abs=1e-3)
    task = Task("x", [0, 1, 2])
    loud = (100 * weight + 7, 100 * bias - 3)  # the same answers, said louder, and something added alike to all of them
    both, offset = heads.agreed(x, [(weight, bias), loud], task)
    same = x @ both.T + offset
    centred = x @ (weight - weight.mean(0)).T + bias - bias.mean()
    assert same == pytest.approx(centred / centred.std(), abs=1e-6)
    assert heads.agreed(x, [loud], task) is loud


def test_a_classifier_listens_to_the_head_that_the_encoder_was_trained_with() -> None:
    """Twelve training images do not tell the answer's direction among thirty; the encoder's own head does."""
    rng = np.random.default_rng(0)
    y = np.arange(212) % 2
    x = rng.standard_normal((212, 30)).astype(np.float32)
    x[:, 0] += 1.5 * y
    cases = [
        Case(str(i), "a", "", str(i), "train", "", 1, 1, {"x": int(y[i])}, [], None, None, {}, None) for i in range(212)
    ]  # type: ignore[arg-type]
    train, held = Features(cases[:12], x[:12], {}), Features(cases[12:], x[12:], {})
    task = Task("x", [0, 1])
    own = heads.OwnHead(task, np.eye(2, 30)[::-1] * [[0], [1]], np.zeros(2))
    fitted, listening = (heads.fit_classifier("x", task, train, held, x[:12], x[12:], o) for o in (None, own))
    assert fitted is not None and listening is not None
    assert listening.validation_auc > fitted.validation_auc + 0.03


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


def _samples(topic: str, head: float, votes_right: float, count: int = 240) -> list[gate.Sample]:
    """Two answers; the head gives the truth `head`, three neighbours tell it with this probability each."""
    rng = np.random.default_rng(len(topic))
    found = []
    for i in range(count):
        truth = np.eye(2)[i % 2]
        says = np.stack([truth if rng.random() < votes_right else 1 - truth for _ in range(3)])
        own = head * truth + (1 - head) * (1 - truth)
        found.append(gate.Sample(topic, f"p{i // 2}", False, own, np.full(3, 0.95), says, np.array([0.5, 0.5]), truth))
    return found


def test_the_gate_learns_whom_to_trust_and_shuts_where_neighbours_do_harm() -> None:
    samples = [*_samples("votes", 0.5, 0.95), *_samples("head", 0.95, 0.5)]
    found, gains = gate.fit(samples, ["votes", "head"], 20)
    assert gains["votes"].nats > 2 * gains["votes"].error
    assert gains["head"].harmful and not gains["votes"].harmful
    assert found.bias["head"] == gate.SHUT
    both, _ = gate.answer(found, samples[-1])
    assert both == pytest.approx(samples[-1].head, abs=1e-6), "the head stands alone"
    assert found.bias["votes"] > gate.SHUT / 2


def test_the_gate_s_gradient_is_that_of_its_loss() -> None:
    many = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    several = [
        gate.Sample("b", f"p{i}", True, np.array([0.2, 0.5, 0.9]), np.array([0.8, 0.9, 0.7]), np.roll(many, i, 1), np.full(3, 0.3), many[i % 3])
        for i in range(9)
    ]  # fmt: skip
    parts = [gate._stack(_samples("a", 0.6, 0.7, 20), 0.1, 1.0), gate._stack(several, 0.1, 1.0)]
    theta = np.array([0.3, -0.2, 0.5, 0.1, -0.4, 0.6])
    assert check_grad(lambda t: gate._mean_loss(t, parts)[0], lambda t: gate._mean_loss(t, parts)[1], theta) < 1e-6


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


def test_a_label_learns_silence_on_another_source_but_not_where_something_is_marked() -> None:
    masks = np.zeros((2, 8, 8), np.float32)
    masks[:, 2:4, 2:4] = 1
    boxes = [np.array([[8.0, 8.0, 16.0, 16.0]])] * 2
    found = label_targets(LesionTargets(np.array([0, 1]), masks, boxes), [0, 1], 0)
    assert found.positive[0].any() and not found.positive[1].any()
    assert found.soft[0].sum() == 4 and found.soft[1].sum() == 0
    assert found.counts[0].all()
    assert not found.counts[1, 2:4, 2:4].any() and found.counts[1, 6:, 6:].all()


def test_cells_that_do_not_count_do_not_move_the_loss() -> None:
    masks = np.zeros((2, 8, 8), np.float32)
    masks[:, 2:4, 2:4] = 1
    targets = LesionTargets(np.array([0, 1]), masks, [np.array([[8.0, 8.0, 16.0, 16.0]])] * 2)
    wanted = label_targets(targets, [0, 1], 0)
    mask, score, distance = torch.zeros(2, 8, 8), torch.full((2, 8, 8), -2.0), torch.ones(2, 4, 8, 8)
    before = losses(mask, score, distance, wanted)
    mask[1, 3, 3] = score[1, 3, 3] = 9.0
    after = losses(mask, score, distance, wanted)
    assert all(after[k].item() == pytest.approx(before[k].item(), abs=1e-6) for k in before)
    mask[1, 7, 7] = score[1, 7, 7] = 9.0
    louder = losses(mask, score, distance, wanted)
    assert louder["mask"] > after["mask"] and louder["score"] > after["score"]
    turned = label_targets(targets, [0], 0, turned=True)
    assert turned.soft[0].flip(0).equal(wanted.soft[0])


def test_what_tells_sources_apart_is_left_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 6))
    sources = ["a"] * 150 + ["b"] * 150
    x[150:] += np.array([3.0, 0, 0, 0, 0, 1.0])
    (found,) = source_directions(x, sources)
    means = x[150:].mean(0) - x[:150].mean(0)
    assert abs(found @ means) == pytest.approx(np.linalg.norm(means))
    assert len(source_directions(x, ["a"] * 300)) == 0
