"""Model bundles: what TypeScript serves. The manifest is valid and comes last, or there is no bundle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx

from versamammo.errors import TrainingError
from versamammo.store import ObjectStore, open_store

SCHEMAS = Path(__file__).resolve().parents[2] / "packages" / "schema" / "json"
MAX_OPSET = 21
MAX_IR_VERSION = 10


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)


def validate(name: str, value: Any) -> None:
    """Raises TrainingError `invalid` where `value` does not fit packages/schema/json/<name>.schema.json."""
    errors = sorted(_validator(name).iter_errors(value), key=lambda e: list(e.path))
    if errors:
        where = "/".join(str(p) for p in errors[0].path) or "(root)"
        raise TrainingError("invalid", f"{name}: {where}: {errors[0].message[:300]} ({len(errors)} problems in all).")


def tensor(name: str, dtype: str, *shape: int | str) -> dict[str, Any]:
    """A TensorSpec of the manifest."""
    return {"name": name, "dtype": dtype, "shape": list(shape)}


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """One compact JSON object a line."""
    return "".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n" for row in rows).encode()


def float32(vectors: np.ndarray) -> bytes:
    """Little-endian float32, row-major."""
    return np.ascontiguousarray(vectors, dtype="<f4").tobytes()


def onnx_bytes(model: onnx.ModelProto) -> bytes:
    """Checked and serialised; TrainingError `opset` where TypeScript's onnxruntime could not read it."""
    onnx.checker.check_model(model, full_check=True)
    if max(o.version for o in model.opset_import) > MAX_OPSET or model.ir_version > MAX_IR_VERSION:
        raise TrainingError("opset", f"Export with opset ≤ {MAX_OPSET} and IR version ≤ {MAX_IR_VERSION}.")
    return model.SerializeToString(deterministic=True)


def write(
    uri: str | Path, files: Mapping[str, bytes], manifest: Mapping[str, Any], replace: bool = False
) -> dict[str, Any]:
    """Writes a bundle to a folder or S3 prefix, its manifest last and only if there is none (`replace` removes the old one first).

    Fills `schema`, `files` and `opset`, validates against the JSON Schema, and returns the complete manifest.
    """
    graphs = [onnx.load_model_from_string(data) for path, data in files.items() if path.endswith(".onnx")]
    complete = {
        **manifest,
        "schema": "versamammo-bundle/1",
        "files": {p: {"bytes": len(d), "sha256": hashlib.sha256(d).hexdigest()} for p, d in sorted(files.items())},
        "opset": max(o.version for graph in graphs for o in graph.opset_import if o.domain in ("", "ai.onnx")),
    }
    validate("manifest", complete)
    for path in referenced_files(complete):
        if path not in files:
            raise TrainingError("missing-file", f"The manifest names {path}, which is not among the bundle's files.")
    text = json.dumps(complete, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    store = open_store(str(uri))
    if replace:
        store.delete("manifest.json")
    elif store.get("manifest.json") is not None:
        raise TrainingError("exists", f"{uri} already holds a bundle: name another place.")
    for path, data in files.items():
        store.put(path, data)
    store.put_absent("manifest.json", text.encode())
    return complete


def referenced_files(node: Any) -> set[str]:
    """Every path that a manifest names under `file`, `tokenizer`, `vectors`, `cases` or `patientHashesFile`."""
    if isinstance(node, Mapping):
        keys = ("file", "tokenizer", "vectors", "cases", "patientHashesFile")
        own = {v for k, v in node.items() if k in keys and isinstance(v, str)}
        return own.union(*(referenced_files(v) for k, v in node.items() if k != "files"))
    if isinstance(node, list):
        return set().union(*(referenced_files(v) for v in node))
    return set()


def read(uri: str | Path) -> tuple[dict[str, Any], ObjectStore]:
    """The manifest and the place of a bundle whose schema and hashes hold. TrainingError `missing`, `invalid`, `hash` otherwise."""
    store = open_store(str(uri))
    text = store.get("manifest.json")
    if text is None:
        raise TrainingError("missing", f"{uri} has no manifest.json: it is no bundle, or its export was cut short.")
    manifest = json.loads(text)
    validate("manifest", manifest)
    for name, entry in manifest["files"].items():
        if hashlib.sha256(store.get(name) or b"").hexdigest() != entry["sha256"]:
            raise TrainingError("hash", f"{name} is not the file that the manifest describes: export the bundle again.")
    return manifest, store


def patient_hash(dataset: str, patient: str) -> str:
    """SHA-256 of "<dataset>/<patient>", lower-case hex."""
    return hashlib.sha256(f"{dataset}/{patient}".encode()).hexdigest()


def now() -> str:
    """Date and time as the manifest wants it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
