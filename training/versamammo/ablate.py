"""Ablations: variants of stage 2, compared by cross-validation over training and validation patients; test patients stay out.

One validation split is too small to choose between students: each fold here trains every variant on the other patients,
and differences come with an interval over patients.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import multiprocessing
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from versamammo import bootstrap, distributed, metrics, stage2
from versamammo.config import Ablate, Config, overridden, section
from versamammo.data import DECODED, PreparedDataset, read_cases, read_grey
from versamammo.errors import TrainingError
from versamammo.models.encoder import Encoder
from versamammo.store import FolderStore, ObjectStore, open_store

#: Inverse strength of the probe's L2.
STRENGTH = 0.01
REPLICATES = 1000


@dataclass(frozen=True)
class Measure:
    """A figure on a fold's patients: one-against-rest AUC of `score` [n, answers] for the class index `target` [n], or,
    where `score` is [n], its mean within each class, averaged."""

    patients: list[str]
    target: np.ndarray
    score: np.ndarray

    def metric(self) -> bootstrap.Metric:
        if self.score.ndim == 1:
            return lambda weight: metrics.mean_over_classes(self.score, self.target, weight)
        return metrics.ranked_macro_auc(np.eye(self.score.shape[1])[self.target], self.score)


def run(config: Config, run_uri: str) -> None:
    """Train every variant on every fold, as many at once as `ablate.jobs`; print the table. Done pairs are not repeated."""
    how = section(config, "ablate", Ablate)
    configs = {name: overridden(config, overrides) for name, overrides in how.variants.items()}
    store = open_store(run_uri)
    if not isinstance(store, FolderStore):
        raise TrainingError("bad-config", "ablate works in a folder: give --run a path.")
    sets = [write_folds(folder, store.root, how.folds) for folder in config.data.sets]
    jobs = [(name, fold) for fold in range(how.folds) for name in how.variants]
    places = {(name, fold): place_of(configs[name], fold, how.folds) for name, fold in jobs}
    waiting = [job for job in jobs if store.get(scores_key(places[job])) is None]
    decode(config.data.sets)
    context, running, failed = multiprocessing.get_context("fork"), {}, []
    while waiting or running:
        for job, process in list(running.items()):
            if not process.is_alive():
                del running[job]
                failed += [job] if process.exitcode else []
                print(f"{time.strftime('%H:%M:%S')} {job[0]}, fold {job[1]}: exit {process.exitcode}", flush=True)
        for job in waiting[:]:
            if len(running) >= how.jobs:
                break
            waiting.remove(job)
            data = dataclasses.replace(configs[job[0]].data, sets=[each[job[1]] for each in sets])
            own = dataclasses.replace(configs[job[0]], data=data)
            running[job] = context.Process(target=one, args=(own, store, places[job]))
            running[job].start()
        time.sleep(0.2)
    report(
        {
            name: {
                fold: unpacked(body) for fold in range(how.folds) if (body := store.get(scores_key(places[name, fold])))
            }
            for name in how.variants
        }
    )
    if failed:
        logs = ", ".join(f"runs/{places[job]}/log.txt" for job in failed)
        raise TrainingError("ablation-failed", f"{len(failed)} of {len(jobs)} trainings failed: see {logs}.")


def write_folds(folder: str, root: Path, folds: int) -> list[str]:
    """Per fold a set like `folder` whose validation patients are the fold's and whose training patients are the others."""
    source = open_store(folder)
    if not isinstance(source, FolderStore):
        raise TrainingError("bad-config", f"ablate reads sets in folders, not {folder}.")
    cases, written = read_cases([folder], ("train", "validation")), []
    for fold in range(folds):
        target = root / "folds" / f"{fold}-of-{folds}" / source.root.name
        target.mkdir(parents=True, exist_ok=True)
        rows = [
            {**case.row, "split": "validation" if fold_of(case.patient, folds) == fold else "train"} for case in cases
        ]
        FolderStore(target).put("cases.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        for name in ("images", "masks"):
            if (source.root / name).exists() and not (target / name).exists():
                (target / name).symlink_to((source.root / name).resolve())
        written.append(str(target))
    return written


def fold_of(patient: str, folds: int) -> int:
    """A patient's fold: of its hash, the same in every run."""
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:4], "big") % folds


def decode(sets: Sequence[str]) -> None:
    """Decode all pixels once, before forking, so that every process shares them."""
    cases = read_cases(sets, ("train", "validation"))
    with ThreadPoolExecutor(16) as pool:
        DECODED.update(zip((case.row["sha256"] for case in cases), pool.map(read_grey, cases), strict=True))


def place_of(config: Config, fold: int, folds: int) -> str:
    """Name of the run of a variant on a fold: another for any other configuration, so that no score is taken for another's."""
    document = json.dumps(dataclasses.asdict(dataclasses.replace(config, ablate=None)), sort_keys=True)
    return f"{hashlib.sha256(document.encode()).hexdigest()[:12]}-{fold}-of-{folds}"


def scores_key(place: str) -> str:
    return f"scores/{place}.npz"


def one(config: Config, store: FolderStore, place: str) -> None:
    """Train and score one variant on one fold; its output goes to a log beside its run."""
    folder = store.root / "runs" / place
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("a") as log:
        sys.stdout = sys.stderr = log
        try:
            stage2.run(config, str(folder))
            store.put(scores_key(place), packed(score(config, open_store(str(folder)))))
        except Exception:
            traceback.print_exc(file=log)
            raise SystemExit(1) from None


def score(config: Config, store: ObjectStore) -> dict[str, Measure]:
    """Measures of a published student on the validation patients: its own heads, linear probes, retrieval."""
    device = distributed.start(config.runtime)
    encoder, heads, _ = stage2.load_student(store)
    train, held = (PreparedDataset(config.data.sets, (s,), config.input) for s in ("train", "validation"))
    x, xv = (pooled(encoder, data, config, device) for data in (train, held))
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    z, zv = (x - mean) / deviation, (xv - mean) / deviation
    found: dict[str, Measure] = {}
    for name, task in config.tasks.items():
        if task.multilabel or not task.weight:
            continue
        (y, known), (yv, known_v) = train.targets(task), held.targets(task)
        logits = xv @ heads[f"{name}.weight"].to(device).T + heads[f"{name}.bias"].to(device)
        for source in held.sources:
            rows = torch.tensor([case.dataset == source for case in train.cases]) & known
            rows_v = torch.tensor([case.dataset == source for case in held.cases]) & known_v
            if len(y[rows].unique()) < 2 or len(yv[rows_v].unique()) < 2:
                continue
            patients = [case.patient for case, inside in zip(held.cases, rows_v, strict=True) if inside]
            target = yv[rows_v].numpy()
            linear = probe(z[rows.to(device)], y[rows].to(device), len(task.values))
            found[f"probe {name} {source}"] = Measure(patients, target, probabilities(linear(zv[rows_v.to(device)])))
            found[f"head {name} {source}"] = Measure(patients, target, probabilities(logits[rows_v.to(device)]))
            if name in ("density", "cancer_in_breast", "mass_malignancy"):
                near = metrics.retrieval(unit(zv[rows_v.to(device)]), unit(z[rows.to(device)]), target, y[rows].numpy())
                found[f"P@5 {name} {source}"] = Measure(patients, target, near["P@5"])
    return found


@torch.inference_mode()
def pooled(encoder: Encoder, data: PreparedDataset, config: Config, device: torch.device) -> Tensor:
    """Pooled features of every image on the device, float32 [n, width]."""
    encoder = encoder.to(device).eval()
    loader = torch.utils.data.DataLoader(data, batch_size=32, num_workers=config.data.workers)
    return torch.cat(
        [encoder(images.to(device).contiguous(memory_format=torch.channels_last)).float() for images in loader]
    )


def probe(x: Tensor, y: Tensor, answers: int) -> nn.Linear:
    """Multinomial logistic regression with L2, as scikit-learn's with C = `STRENGTH`."""
    linear = nn.Linear(x.shape[1], answers).to(x.device)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = STRENGTH * nn.functional.cross_entropy(linear(x), y, reduction="sum") + linear.weight.square().sum() / 2
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return linear


def probabilities(logits: Tensor) -> np.ndarray:
    return logits.detach().softmax(-1).float().cpu().numpy()


def unit(vectors: Tensor) -> np.ndarray:
    return nn.functional.normalize(vectors, dim=1).cpu().numpy()


def packed(found: dict[str, Measure]) -> bytes:
    body = io.BytesIO()
    flat = {
        f"{name}|{f.name}": np.asarray(getattr(m, f.name)) for name, m in found.items() for f in dataclasses.fields(m)
    }
    np.savez_compressed(body, **flat)
    return body.getvalue()


def unpacked(body: bytes) -> dict[str, Measure]:
    with np.load(io.BytesIO(body)) as flat:
        names = dict.fromkeys(key.split("|")[0] for key in flat)
        return {
            name: Measure([str(p) for p in flat[f"{name}|patients"]], flat[f"{name}|target"], flat[f"{name}|score"])
            for name in names
        }


def report(scores: dict[str, dict[int, dict[str, Measure]]]) -> None:
    """Print each measure's mean over folds, per variant, and its difference to the first variant with a 95 % interval.

    Args:
        scores: variant → fold → measure.
    """
    first = next(iter(scores))
    for measure in next(iter(scores[first].values()), {}):
        print(f"\n{measure}")
        for name, by_fold in scores.items():
            folds = [fold for fold in by_fold if fold in scores[first]]
            if not folds:
                continue
            own = [by_fold[fold][measure].metric() for fold in folds]
            base = [scores[first][fold][measure].metric() for fold in folds]
            draws = [bootstrap.weights(by_fold[fold][measure].patients, REPLICATES, fold) for fold in folds]
            gaps = np.nanmean([a(w) - b(w) for a, b, w in zip(own, base, draws, strict=True)], axis=0)
            low, high = np.nanquantile(gaps, [0.025, 0.975])
            value, gap = (float(np.mean([f(None) for f in fs])) for fs in (own, base))
            print(f"  {name:28s} {value:.3f}  {value - gap:+.3f} ({low:+.3f}…{high:+.3f})  {len(folds)} folds")
