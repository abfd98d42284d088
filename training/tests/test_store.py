"""Object store and checkpoints: atomic, conditional, nothing half-written taken up."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from versamammo.checkpoint import Checkpoints, publish
from versamammo.errors import TrainingError
from versamammo.store import AlreadyExists, FolderStore, open_store


def test_put_get_list_delete(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put("a/b.txt", b"1")
    store.put("a/b.txt", b"2")
    store.put("c", b"3")
    assert store.get("a/b.txt") == b"2" and store.get("a/x") is None and store.get("c/d") is None
    assert list(store.list()) == ["a/b.txt", "c"] and list(store.list("a/")) == ["a/b.txt"]
    store.delete("a/b.txt")
    store.delete("a/b.txt")
    assert list(store.list()) == ["c"] and not (tmp_path / "a").exists()


def test_put_absent_writes_once(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put_absent("m.json", b"first")
    with pytest.raises(AlreadyExists):
        store.put_absent("m.json", b"second")
    assert store.get("m.json") == b"first" and not list((tmp_path / FolderStore.TEMPORARY).iterdir())


@pytest.mark.parametrize("key", ["", "/a", "a//b", "a/../b", "a\n", "ä", "x" * 901])
def test_bad_keys_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(TrainingError, match="is not a key"):
        open_store(str(tmp_path)).put(key, b"")


def test_full_disk_is_said_and_leaves_the_old_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(str(tmp_path))
    store.put("a", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingError, match="no space left") as caught:
        store.put("a", b"new")
    assert caught.value.code == "disk-full" and store.get("a") == b"old"
    assert list(store.list()) == ["a"]


def test_unreachable_s3_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(TrainingError, match="cannot be reached") as caught:
        open_store("s3://bucket/run").get("a")
    assert caught.value.code == "store-unreachable"


def make(tmp_path: Path, fingerprint: str = "f") -> Checkpoints:
    return Checkpoints(open_store(str(tmp_path)), "stage1", fingerprint, keep=2)


def test_latest_is_the_newest_whole_one(tmp_path: Path) -> None:
    checkpoints = make(tmp_path)
    assert checkpoints.latest() is None
    for step in (1, 2, 3):
        checkpoints.save(step, {"w": torch.full((2,), float(step))})
    folder = tmp_path / "stage1/checkpoints"
    assert sorted(p.name for p in folder.iterdir()) == ["000000002", "000000003"]
    # A state without a manifest is half-written; a damaged one is passed over.
    checkpoints.store.put("stage1/checkpoints/000000004/state.pt", b"half")
    (folder / "000000003/state.pt").write_bytes(b"damaged")
    found = checkpoints.latest()
    assert found is not None and found.step == 2 and found.state["w"].tolist() == [2.0, 2.0]
    checkpoints.save(3, {"w": torch.zeros(1)})  # the damaged step can be written again
    again = checkpoints.latest()
    assert again is not None and again.step == 3


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "f").save(1, {"w": torch.zeros(1)})
    with pytest.raises(TrainingError, match="another configuration") as caught:
        make(tmp_path, "g").latest()
    assert caught.value.code == "config-changed"


def test_state_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    import hashlib
    import pickle

    body = pickle.dumps(os.system)
    store = open_store(str(tmp_path))
    store.put("stage1/checkpoints/000000001/state.pt", body)
    digest = hashlib.sha256(body).hexdigest()
    manifest = {"fingerprint": "f", "step": 1, "files": {"state.pt": {"sha256": digest}}}
    store.put("stage1/checkpoints/000000001/manifest.json", json.dumps(manifest).encode())
    with pytest.raises(Exception, match=r"[Ww]eights"):
        make(tmp_path).latest()


def test_publish_is_idempotent_and_never_overwrites(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    publish(store, "m.json", {"a": 1})
    publish(store, "m.json", {"a": 1})
    with pytest.raises(TrainingError, match="choose another --run"):
        publish(store, "m.json", {"a": 2})
