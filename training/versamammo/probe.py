"""Linear probe: logistic regression on frozen features, trained on training patients, judged on validation patients."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from versamammo.checkpoint import pack, unpack
from versamammo.config import Config, Task
from versamammo.data import PreparedDataset
from versamammo.errors import TrainingError
from versamammo.models.encoder import Encoder, build_encoder
from versamammo.store import ObjectStore

#: Inverse strengths of L2, the best on validation counts for every row alike.
STRENGTHS = (0.001, 0.01, 0.1)


@torch.inference_mode()
def features(encoder: Encoder, dataset: PreparedDataset, device: torch.device, batch: int = 16) -> Tensor:
    """Pooled features of every image, float32 [n, width]. The encoder is used as it is: call `.eval()` first."""
    out = []
    for start in range(0, len(dataset), batch):
        images = dataset.tensors(range(start, min(start + batch, len(dataset)))).to(device)
        out.append(encoder(images.contiguous(memory_format=torch.channels_last)).float().cpu())
    return torch.cat(out)


def kept_features(store: ObjectStore, encoder: Encoder, dataset: PreparedDataset, device: torch.device) -> Tensor:
    """`features`, kept in the run under the hash of weights, input and images, so that they are computed once."""
    digest = hashlib.sha256(json.dumps([dataset.spec.manifest(), [case.id for case in dataset.cases]]).encode())
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    key = f"features/{digest.hexdigest()[:24]}.pt"
    found = store.get(key)
    if found is not None:
        kept: Tensor = unpack(found)
        return kept
    computed = features(encoder.to(device).eval(), dataset, device).clone()
    store.put(key, pack(computed))
    return computed


def macro_auc(target: np.ndarray, score: np.ndarray) -> float | None:
    """Mean over the answers present with both outcomes of one-against-rest AUC; None where there is none.

    Args:
        target: class index [n] or multi-hot [n, answers].
        score: [n, answers].
    """
    hot = target if target.ndim == 2 else np.eye(score.shape[1])[target.astype(int)]
    columns = [c for c in range(score.shape[1]) if 0 < hot[:, c].sum() < len(hot)]
    if score.shape[1] == 2 and target.ndim == 1:
        columns = columns[1:]
    return float(np.mean([roc_auc_score(hot[:, c], score[:, c]) for c in columns])) if columns else None


def probe(
    train: np.ndarray, validation: np.ndarray, train_set: PreparedDataset, validation_set: PreparedDataset, task: Task
) -> dict[str, float]:
    """Macro AUC on validation per source (`source` → AUC) of a probe trained on that source alone."""
    result: dict[str, float] = {}
    y, known = (t.numpy() for t in train_set.targets(task))
    yv, known_v = (t.numpy() for t in validation_set.targets(task))
    for source in train_set.sources:
        rows = np.array([case.dataset == source for case in train_set.cases]) & known
        rows_v = np.array([case.dataset == source for case in validation_set.cases]) & known_v
        if task.multilabel or len(set(y[rows])) < 2 or rows_v.sum() < 2 or not set(yv[rows_v]) <= set(y[rows]):
            continue
        scaler = StandardScaler().fit(train[rows])
        best = max(
            (_fit_auc(scaler, train[rows], y[rows], validation[rows_v], yv[rows_v], c) or 0.0) for c in STRENGTHS
        )
        if best:
            result[source] = best
    return result


def _fit_auc(
    scaler: StandardScaler, x: np.ndarray, y: np.ndarray, xv: np.ndarray, yv: np.ndarray, strength: float
) -> float | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=strength, max_iter=200).fit(scaler.transform(x), y)
    return macro_auc(np.searchsorted(model.classes_, yv), model.predict_proba(scaler.transform(xv)))


def table(
    encoders: dict[str, Encoder],
    config: Config,
    store: ObjectStore,
    train: PreparedDataset,
    validation: PreparedDataset,
    device: torch.device,
) -> dict[str, dict[str, float]]:
    """Row name → "task source" → macro AUC on validation."""
    rows: dict[str, dict[str, float]] = {}
    for name, encoder in encoders.items():
        a, b = (kept_features(store, encoder, data, device).numpy() for data in (train, validation))
        rows[name] = {
            f"{task_name} {source}": auc
            for task_name, task in config.tasks.items()
            for source, auc in probe(a, b, train, validation, task).items()
        }
    return rows


def print_teacher_probe(
    config: Config, store: ObjectStore, train: PreparedDataset, teacher: Encoder, device: torch.device
) -> None:
    """Print, and keep as `stage1/probe.json`, the teacher's probe beside the frozen ImageNet encoder's."""
    validation = PreparedDataset(config.data.sets, ("validation",), config.input, config.data.cache)
    encoders = {"teacher": teacher}
    try:
        encoders["ImageNet, frozen"] = build_encoder(teacher.backbone, channels=config.input.channels, init="imagenet")
    except TrainingError as error:  # a backbone without weights here has no such row
        print(f"No ImageNet row: {error}")
    rows = table(encoders, config, store, train, validation, device)
    store.put("stage1/probe.json", (json.dumps(rows, indent=1) + "\n").encode())
    columns: Sequence[str] = list(dict.fromkeys(key for row in rows.values() for key in row))
    print("Linear probe, macro AUC on validation patients:")
    for column in columns:
        print(
            f"  {column:42s} " + "  ".join(f"{name} {row.get(column, float('nan')):.3f}" for name, row in rows.items())
        )
