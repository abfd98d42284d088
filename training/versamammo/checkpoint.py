"""Checkpoints: state first, manifest last and conditionally, so that nothing half-written is ever taken up."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from versamammo.errors import TrainingError
from versamammo.store import AlreadyExists, ObjectStore


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint: step, state as saved, manifest."""

    step: int
    state: dict[str, Any]
    manifest: dict[str, Any]


class Checkpoints:
    """Checkpoints of one stage of a run: `<stage>/checkpoints/<step>/{state.pt,manifest.json}`.

    Args:
        store: the run.
        stage: `stage1`, `stage2`, …
        fingerprint: of everything that the state depends on; a run is not resumed with another.
        keep: how many whole checkpoints to keep.
    """

    def __init__(self, store: ObjectStore, stage: str, fingerprint: str, keep: int = 2) -> None:
        self.store, self.stage, self.fingerprint, self.keep = store, stage, fingerprint, keep
        self.prefix = f"{stage}/checkpoints/"

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write the checkpoint of `step`, then remove older ones. Saving a step again leaves the first in place."""
        body = pack(state)
        folder = f"{self.prefix}{step:09d}"
        if self.store.get(f"{folder}/manifest.json") is not None:
            return
        self.store.put(f"{folder}/state.pt", body)
        manifest = {
            "schema": "versamammo-checkpoint/1",
            "stage": self.stage,
            "step": step,
            "fingerprint": self.fingerprint,
            "files": {"state.pt": {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}},
        }
        publish(self.store, f"{folder}/manifest.json", manifest)
        self._prune()

    def latest(self) -> Checkpoint | None:
        """The newest whole checkpoint; what is incomplete or damaged is passed over and removed.

        Raises:
            TrainingError: `config-changed` where it was made with another configuration.
        """
        for folder in self._folders():
            body = self.store.get(f"{folder}/manifest.json")
            if body is None:
                continue
            manifest = json.loads(body)
            if manifest["fingerprint"] != self.fingerprint:
                raise TrainingError(
                    "config-changed",
                    f"{self.store.uri} holds a {self.stage} begun with another configuration or data: choose another "
                    "--run, or go back to the first configuration.",
                )
            state = self.store.get(f"{folder}/state.pt")
            expected = manifest["files"]["state.pt"]["sha256"]
            if state is not None and hashlib.sha256(state).hexdigest() == expected:
                return Checkpoint(manifest["step"], unpack(state), manifest)
            self.store.delete(f"{folder}/manifest.json")
        return None

    def _folders(self) -> list[str]:
        """Newest first."""
        return sorted({key.rsplit("/", 1)[0] for key in self.store.list(self.prefix)}, reverse=True)

    def _prune(self) -> None:
        whole = [f for f in self._folders() if self.store.get(f"{f}/manifest.json") is not None]
        for folder in whole[self.keep :]:
            self.store.delete(f"{folder}/manifest.json")  # first: without it the rest is nothing
            self.store.delete(f"{folder}/state.pt")


def publish(store: ObjectStore, key: str, document: dict[str, Any]) -> None:
    """Write a manifest if it is absent. The same content again is fine; another is refused."""
    body = (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
    try:
        store.put_absent(key, body)
    except AlreadyExists:
        if store.get(key) != body:
            raise TrainingError(
                "already-published", f"{store.uri}/{key} exists and differs: choose another --run."
            ) from None


def read_manifest(store: ObjectStore, key: str, hint: str) -> dict[str, Any]:
    """A published manifest, or TrainingError `not-ready` with what to do first."""
    body = store.get(key)
    if body is None:
        raise TrainingError("not-ready", f"{store.uri}/{key} does not exist: {hint}")
    document: dict[str, Any] = json.loads(body)
    return document


def read_file(store: ObjectStore, folder: str, name: str, manifest: dict[str, Any]) -> bytes:
    """A file that a manifest lists, its hash checked."""
    body = store.get(f"{folder}/{name}")
    if body is None or hashlib.sha256(body).hexdigest() != manifest["files"][name]["sha256"]:
        raise TrainingError("damaged", f"{store.uri}/{folder}/{name} is missing or not what its manifest says.")
    return body


def describe(body: bytes) -> dict[str, Any]:
    """A file's entry in a manifest."""
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def halved(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights as they are published: matrices in half precision, as the bundle stores them; vectors and counters as they are."""
    return {
        name: (tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in state.items()
    }


def pack(state: Any) -> bytes:
    """Tensors, numbers, strings, lists and dicts to bytes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def unpack(body: bytes) -> Any:
    """What `pack` wrote; nothing in it is executed. Tensors come to the CPU."""
    return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
