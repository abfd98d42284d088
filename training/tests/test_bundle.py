"""Bundles: the tiny one is what its program makes; a half-written, changed or invalid one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from versamammo import bundle, export, tiny
from versamammo.errors import TrainingError
from versamammo.evaluate import refuse_seen
from versamammo.store import open_store

COMMITTED = Path(__file__).resolve().parents[2] / "models" / "tiny"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    tiny.build(folder)
    return folder


def test_the_committed_tiny_bundle_is_what_the_program_makes(made: Path) -> None:
    ours, theirs = (json.loads((f / "manifest.json").read_text()) for f in (made, COMMITTED))
    assert set(ours["files"]) == set(theirs["files"])
    for name in ours["files"]:
        a, b = (made / name).read_bytes(), (COMMITTED / name).read_bytes()
        if name.endswith(".onnx"):
            for x, y in zip(
                onnx.load_from_string(a).graph.initializer, onnx.load_from_string(b).graph.initializer, strict=True
            ):
                assert onnx.numpy_helper.to_array(x) == pytest.approx(onnx.numpy_helper.to_array(y), abs=2e-3)
        elif name.endswith(".f32"):
            assert np.frombuffer(a, "<f4") == pytest.approx(np.frombuffer(b, "<f4"), abs=2e-3)
        else:
            assert a == b


def test_a_written_bundle_reads_back(made: Path) -> None:
    manifest, store = bundle.read(made)
    assert manifest["name"] == "tiny"
    count, dimension = manifest["reference"]["count"], manifest["encoder"]["dimension"]
    vectors = np.frombuffer(store.get(manifest["reference"]["vectors"]) or b"", "<f4").reshape(count, dimension)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(count), abs=1e-5)


def test_a_reference_case_carries_every_field_of_a_case() -> None:
    schema = json.loads((COMMITTED.parents[1] / "packages/schema/json/case-record.schema.json").read_text())
    assert set(export.CASE_FIELDS) == set(schema["properties"])


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    tiny.build(tmp_path / "b")
    file = tmp_path / "b" / "encoder.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(TrainingError, match=r"encoder\.onnx") as caught:
        bundle.read(tmp_path / "b")
    assert caught.value.code == "hash"


def test_without_its_manifest_it_is_no_bundle(tmp_path: Path) -> None:
    tiny.build(tmp_path / "b")
    (tmp_path / "b" / "manifest.json").unlink()
    with pytest.raises(TrainingError) as caught:
        bundle.read(tmp_path / "b")
    assert caught.value.code == "missing"


def _minimal(made: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    manifest = json.loads((made / "manifest.json").read_text())
    files = {name: (made / name).read_bytes() for name in manifest["files"]}
    return files, {k: v for k, v in manifest.items() if k not in ("schema", "files", "opset")}


def test_an_existing_bundle_is_not_overwritten(made: Path) -> None:
    files, manifest = _minimal(made)
    with pytest.raises(TrainingError) as caught:
        bundle.write(made, files, manifest)
    assert caught.value.code == "exists"


def test_an_invalid_manifest_writes_nothing(made: Path, tmp_path: Path) -> None:
    files, manifest = _minimal(made)
    with pytest.raises(TrainingError) as caught:
        bundle.write(tmp_path / "b", files, {**manifest, "input": {}})
    assert caught.value.code == "invalid"
    assert not (tmp_path / "b").exists()


def test_a_missing_file_writes_nothing(made: Path, tmp_path: Path) -> None:
    files, manifest = _minimal(made)
    del files["region.onnx"]
    with pytest.raises(TrainingError) as caught:
        bundle.write(tmp_path / "b", files, manifest)
    assert caught.value.code == "missing-file"
    assert not (tmp_path / "b").exists()


def test_evaluate_refuses_a_bundle_that_saw_a_test_patient(made: Path) -> None:
    class Case:
        patient_hash = bundle.patient_hash("phantom", "p003")

    manifest, store = bundle.read(made)
    with pytest.raises(TrainingError) as caught:
        refuse_seen(manifest, store, [Case()])  # type: ignore[list-item]
    assert caught.value.code == "saw-test-patient"
    Case.patient_hash = bundle.patient_hash("phantom", "another")
    refuse_seen(manifest, open_store(str(made)), [Case()])  # type: ignore[list-item]
