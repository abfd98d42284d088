"""Answers and export: the answer head, neighbours, topics, the int8 graph, and what export refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from versamammo import graphs
from versamammo.answer_measures import led_astray
from versamammo.answers import AnswerHead, neighbours, topic_tasks
from versamammo.config import parse_config
from versamammo.errors import TrainingError
from versamammo.export import agree
from versamammo.gate import Sample
from versamammo.questions import NOT_ANSWERABLE, Question, held_out


def head() -> AnswerHead:
    torch.manual_seed(0)
    module = AnswerHead(text=12, channels=6, height=3, width=2, vector=8, inner=16, heads=4, answers=5).eval()
    nn.init.normal_(module.out.weight)
    return module


def test_padding_does_not_change_an_answer() -> None:
    tokens, map, vector = torch.randn(1, 4, 12), torch.randn(1, 6, 3, 2), torch.randn(1, 8)
    padded = torch.cat([tokens, torch.randn(1, 3, 12)], 1)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0, 0]])
    short = head()(tokens, torch.ones(1, 4, dtype=torch.int64), map, vector)
    assert torch.allclose(short, head()(padded, mask, map, vector), atol=1e-5)


def test_the_question_attends_to_the_map() -> None:
    module = head()
    tokens, map, vector = torch.randn(1, 4, 12), torch.randn(1, 6, 3, 2, requires_grad=True), torch.randn(1, 8)
    module(tokens, torch.ones(1, 4, dtype=torch.int64), map, vector).sum().backward()
    assert map.grad is not None
    assert (map.grad.abs().sum((0, 1)) > 0).all(), "every cell counts"


def test_the_answer_head_exports_with_any_number_of_tokens() -> None:
    module = head()
    example = (torch.randn(1, 4, 12), torch.ones(1, 4, dtype=torch.int64), torch.randn(1, 6, 3, 2), torch.randn(1, 8))
    axis = torch.export.Dim("tokens", min=2, max=64)
    names = ["tokens", "attention_mask", "map", "vector"]
    graph = graphs.from_torch(module, example, names, ["logits"], ({1: axis}, {1: axis}, None, None), optimise=False)
    longer = (torch.randn(1, 9, 12), torch.ones(1, 9, dtype=torch.int64), *example[2:])
    found = graphs.run(graph.SerializeToString(), {n: x.numpy() for n, x in zip(names, longer, strict=True)})
    with torch.inference_mode():
        agree("answer head", [module(*longer).numpy()], [found["logits"]])


def test_export_refuses_what_differs() -> None:
    agree("same", [np.array([1.0])], [np.array([1.00009])])
    for wrong in (np.array([1.0002]), np.array([np.nan])):
        with pytest.raises(TrainingError) as caught:
            agree("other", [np.array([1.0])], [wrong])
        assert caught.value.code == "parity"


def test_neighbours_never_come_from_the_own_patient() -> None:
    archive = np.eye(3)
    place, similarity = neighbours(np.array([[1.0, 0.1, 0.0]]), ["set/a"], archive, ["set/a", "set/b", "other/a"], 2)
    assert place.tolist() == [[1, 2]]
    assert similarity[0] == pytest.approx([0.1, 0.0])


def test_neighbours_come_from_the_part_of_the_archive_that_is_asked_for() -> None:
    archive = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    place, similarity = neighbours(np.array([[1.0, 0.0]]), ["set/q"], archive, ["set/a", "set/b", "set/c"], 20, [2, 1])
    assert place.tolist() == [[1, 2]]
    assert similarity[0] == pytest.approx([0.8, 0.0])


def test_int8_keeps_direction_in_a_quarter_of_the_size() -> None:
    class Text(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.dense = nn.Embedding(2000, 64), nn.Linear(64, 1600, bias=False)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.dense(self.table(ids))

    torch.manual_seed(0)
    ids = torch.tensor([[1, 5, 1999, 7]])
    full = graphs.from_torch(Text(), (ids,), ["ids"], ["out"], None)
    small = graphs.quantise(full)
    a, b = (graphs.run(g.SerializeToString(), {"ids": ids.numpy()})["out"].ravel() for g in (full, small))
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.9995
    assert small.ByteSize() < 0.3 * full.ByteSize()


BASE = {
    "name": "t",
    "data": {"sets": ["x"]},
    "tasks": {
        "density": {"field": "density", "values": ["A", "B"]},
        "view": {"field": "view", "values": ["CC", "MLO"]},
    },
}


def test_logits_of_topics_lie_side_by_side() -> None:
    found = topic_tasks(parse_config({**BASE, "answers": {"topics": {"density": "density", "view": "view"}}}))
    assert [(t.topic.name, t.span) for t in found] == [("view", slice(0, 2)), ("density", slice(2, 4))]


@pytest.mark.parametrize("topics", [{"laterality": "view"}, {"weather": "view"}, {"view": "nothing"}])
def test_what_cannot_be_learned_is_refused(topics: dict[str, str]) -> None:
    with pytest.raises(TrainingError) as caught:
        topic_tasks(parse_config({**BASE, "answers": {"topics": topics}}))
    assert caught.value.code == "bad-config"


def test_an_untrained_head_says_what_the_linear_heads_say() -> None:
    module = AnswerHead(text=12, channels=6, height=3, width=2, vector=8, inner=16, heads=4, answers=5).eval()
    tokens, map, vector = torch.randn(2, 4, 12), torch.randn(2, 6, 3, 2), torch.randn(2, 8)
    said = module(tokens, torch.ones(2, 4, dtype=torch.int64), map, vector)
    assert torch.allclose(said, vector @ module.image.weight.T + module.image.bias, atol=1e-6)
    assert not module.image.weight.requires_grad


def test_leading_questions_count_as_moved_where_they_reach_another_topic() -> None:
    asked = [Question("a", "view", "f", "CC"), Question("b", "view", "g", "MLO"), Question("c", "view", "h", "CC")]
    samples = [
        Sample("view", f"p{i}", False, np.array([0.9, 0.1]), np.empty(0), np.empty((0, 2)), np.array([0.5, 0.5]), np.eye(2)[0])
        for i in range(3)
    ]  # fmt: skip
    (found,) = led_astray(asked, ["view", NOT_ANSWERABLE, "density"], {"view": samples})
    assert found.first.tolist() == [0, 0, 1]


def test_the_questions_that_serving_is_tried_with_are_the_test_split() -> None:
    path = Path(__file__).resolve().parents[2] / "tests" / "property" / "questions.json"
    assert json.loads(path.read_text()) == held_out()  # python -m versamammo.questions makes it
