"""Fixtures of the training tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from versamammo import phantoms
from versamammo.config import Config, parse_config

SMOKE = Path(__file__).parents[1] / "configs" / "smoke.yaml"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tests share two cores with others."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders of the two phantom sets, 40 images each."""
    return [str(path) for path in phantoms.write(tmp_path_factory.mktemp("prepared"), images=40, seed=3)]


@pytest.fixture
def smoke(prepared: list[str]) -> Config:
    """The smoke configuration on the phantom sets."""
    document = yaml.safe_load(SMOKE.read_text())
    document["data"]["sets"] = prepared
    document["runtime"] = {"threads": 1, "tensorboard": False, "checkpoint_steps": 2}
    return parse_config(document)
