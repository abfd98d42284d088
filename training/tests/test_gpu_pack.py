"""Prepared sets packed for a machine without network come back as prepared sets, without test images."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from versamammo.data import read_cases, read_grey

PACK = Path(__file__).parents[1] / "gpu" / "pack.py"


def test_pack_and_unpack(prepared: list[str], tmp_path: Path) -> None:
    def call(what: str, out: str, *paths: str) -> None:
        subprocess.run([sys.executable, str(PACK), what, "--out", str(tmp_path / out), *paths], check=True)

    call("pack", "parts", *prepared)
    call("unpack", "sets", *[str(path) for path in sorted((tmp_path / "parts").glob("*.tar"))])
    splits = ("train", "validation", "test")
    back = read_cases([str(tmp_path / "sets" / Path(folder).name) for folder in prepared], splits)
    before = read_cases(prepared, ("train", "validation"))
    assert [case.id for case in back] == [case.id for case in before]
    for one, two in zip(back[:5], before[:5], strict=True):
        assert np.abs(read_grey(one).astype(int) - read_grey(two).astype(int)).mean() < 65535 * 0.02
