"""The committed model card must say what the weights say."""

from __future__ import annotations

from pathlib import Path

import pytest

from versamammo.card import compare
from versamammo.errors import TrainingError
from versamammo.store import open_store


@pytest.mark.parametrize(
    ("fresh", "accepted"),
    [
        ("| AUC | 0.716 (0.603–0.811) |", True),
        ("| AUC | 0.718 (0.601–0.811) |", True),
        ("| AUC | 0.736 (0.603–0.811) |", False),
        ("| accuracy | 0.716 (0.603–0.811) |", False),
        ("| AUC | 0.716 (0.603–0.811) |\nmore", False),
    ],
)
def test_a_card_that_differs_is_refused(tmp_path: Path, fresh: str, accepted: bool) -> None:
    store = open_store(str(tmp_path))
    store.put("README.md", "| AUC | 0.716 (0.603–0.811) |".encode())
    if accepted:
        compare(store, fresh)
        return
    with pytest.raises(TrainingError) as caught:
        compare(store, fresh)
    assert caught.value.code == "card-differs"
