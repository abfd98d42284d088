"""Prepared sets: cases.jsonl and 16-bit PNGs to tensors and targets, batches as a function of seed and step."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from versamammo.config import ModelInput, Task
from versamammo.errors import TrainingError
from versamammo.store import ObjectStore, open_store

SPLITS = ("train", "validation", "test")
Grey = np.ndarray[Any, np.dtype[np.uint16]]
#: Pixels that a parent process decoded for all its children, by the row's SHA-256.
DECODED: dict[str, Grey] = {}


@dataclass(frozen=True)
class Case:
    """A row of cases.jsonl (`PreparedCase` of packages/schema) and the set it belongs to."""

    id: str
    dataset: str
    source_image_id: str
    patient: str
    split: str
    image: str
    rows: int
    columns: int
    labels: dict[str, Any]
    lesions: list[dict[str, Any]]
    mask: str | None
    duplicate_of: str | None
    row: dict[str, Any] = field(repr=False)
    store: ObjectStore = field(repr=False, compare=False)

    @property
    def patient_hash(self) -> str:
        """SHA-256 of "<dataset>/<patient>", as manifests list patients."""
        return hashlib.sha256(f"{self.dataset}/{self.patient}".encode()).hexdigest()


def read_cases(sets: Iterable[str], splits: Sequence[str]) -> list[Case]:
    """Rows of the given splits, in order of set and line.

    Raises:
        TrainingError: `bad-cases` (unreadable row, a patient in two splits), `no-cases` (nothing in these splits).
    """
    cases: list[Case] = []
    for folder in sets:
        store = open_store(folder)
        body = store.get("cases.jsonl")
        if body is None:
            raise TrainingError("no-cases", f"{store.uri} holds no cases.jsonl: prepare it with `versamammo prepare`.")
        split_of: dict[tuple[str, str], str] = {}
        for number, line in enumerate(body.decode("utf-8").splitlines(), 1):
            if not line.strip():
                continue
            case = _parse_case(line, store, f"{store.uri}/cases.jsonl line {number}")
            before = split_of.setdefault((case.dataset, case.patient), case.split)
            if before != case.split:
                raise TrainingError(
                    "bad-cases", f"{store.uri}: a patient stands in {before} and in {case.split} (line {number})."
                )
            if case.split in splits:
                cases.append(case)
    if not cases:
        raise TrainingError("no-cases", f"The prepared sets hold no images of the split {' or '.join(splits)}.")
    return cases


def _parse_case(line: str, store: ObjectStore, where: str) -> Case:
    try:
        row = json.loads(line)
        case = Case(
            id=row["id"],
            dataset=row["dataset"],
            source_image_id=row["sourceImageId"],
            patient=row["patient"],
            split=row["split"],
            image=row["image"],
            rows=int(row["rows"]),
            columns=int(row["columns"]),
            labels=dict(row["labels"]),
            lesions=list(row["lesions"]),
            mask=row["mask"],
            duplicate_of=row.get("duplicateOf"),
            row=row,
            store=store,
        )
    except (ValueError, TypeError) as error:
        raise TrainingError("bad-cases", f"{where} is no case: {error}.") from error
    except KeyError as error:
        raise TrainingError("bad-cases", f"{where} lacks the field {error}.") from error
    if case.split not in SPLITS:
        raise TrainingError("bad-cases", f"{where}: the split {case.split!r} is none of {', '.join(SPLITS)}.")
    return case


def read_grey(case: Case) -> Grey:
    """Pixels of a prepared image, uint16 [rows, columns].

    Raises:
        TrainingError: `bad-image` naming the file, where it is missing, corrupt, or not what its row says.
    """
    body = case.store.get(case.image)
    where = f"{case.store.uri}/{case.image}"
    if body is None:
        raise TrainingError("bad-image", f"{where} is missing: prepare the set again.")
    try:
        with Image.open(io.BytesIO(body)) as image:
            if image.format != "PNG" or image.mode not in ("I;16", "I"):
                raise TrainingError("bad-image", f"{where} is no 16-bit grey PNG: prepare the set again.")
            grey = np.asarray(image).astype(np.uint16)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        raise TrainingError("bad-image", f"{where} cannot be decoded ({error}): prepare the set again.") from error
    if grey.shape != (case.rows, case.columns):
        raise TrainingError("bad-image", f"{where} is {grey.shape}, its row says {(case.rows, case.columns)}.")
    return grey


def read_mask(case: Case, mask: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A mask PNG of the set (0 outside, 255 inside) on the prepared image's grid, bool [rows, columns]."""
    body = case.store.get(mask)
    if body is None:
        raise TrainingError("bad-image", f"{case.store.uri}/{mask} is missing: prepare the set again.")
    try:
        with Image.open(io.BytesIO(body)) as image:
            return np.asarray(image.convert("L")) > 127
    except (OSError, SyntaxError, ValueError) as error:
        raise TrainingError("bad-image", f"{case.store.uri}/{mask} cannot be decoded: {error}.") from error


def half_up(value: float) -> int:
    """Rounds half up, as JavaScript's Math.round; at least 1."""
    return max(1, math.floor(value + 0.5))


def resize(grey: Tensor, height: int, width: int) -> Tensor:
    """Antialiased bilinear, float [rows, columns] → [height, width]."""
    if grey.shape == (height, width):
        return grey
    return F.interpolate(grey[None, None], size=(height, width), mode="bilinear", antialias=True)[0, 0]


def to_prepared(grey: Tensor, long_side: int) -> Tensor:
    """First step of `ModelInput`: the long side at most `long_side`, aspect kept, rounded to 16 bits; [0, 1]."""
    rows, columns = grey.shape
    scale = long_side / max(rows, columns)
    if scale >= 1:
        return grey
    small = resize(grey, half_up(rows * scale), half_up(columns * scale))
    return torch.floor(small.clamp(0, 1) * 65535 + 0.5) / 65535


def fit(grey: Tensor, spec: ModelInput) -> Tensor:
    """Second step of `ModelInput`: [rows, columns] → [height, width], stretched or padded."""
    if spec.fit == "stretch":
        return resize(grey, spec.height, spec.width)
    rows, columns = grey.shape
    scale = min(spec.height / rows, spec.width / columns)
    height, width = min(spec.height, half_up(rows * scale)), min(spec.width, half_up(columns * scale))
    top = (spec.height - height) // 2
    return F.pad(resize(grey, height, width), (0, spec.width - width, top, spec.height - height - top))


def normalise(grey: Tensor, spec: ModelInput) -> Tensor:
    """Third step: [..., height, width] → [..., channels, height, width], (x − mean) / deviation, grey repeated."""
    mean = torch.tensor(spec.mean, device=grey.device).view(-1, 1, 1)
    deviation = torch.tensor(spec.deviation, device=grey.device).view(-1, 1, 1)
    return (grey.unsqueeze(-3) - mean) / deviation


def to_model_input(grey: Grey, spec: ModelInput) -> Tensor:
    """All of `ModelInput`: a prepared image's uint16 pixels → float32 [channels, height, width]."""
    unit = torch.from_numpy(grey.astype(np.float32) / 65535)
    return normalise(fit(to_prepared(unit, spec.prepared_long_side), spec), spec)


def input_box(box: Sequence[float], case: Case, spec: ModelInput) -> list[float]:
    """A box on the prepared grid → model-input pixels."""
    if spec.fit == "stretch":
        sx, sy, top = spec.width / case.columns, spec.height / case.rows, 0.0
    else:
        scale = min(spec.height / case.rows, spec.width / case.columns)
        height, width = min(spec.height, half_up(case.rows * scale)), min(spec.width, half_up(case.columns * scale))
        sx, sy, top = width / case.columns, height / case.rows, (spec.height - height) // 2
    return [box[0] * sx, box[1] * sy + top, box[2] * sx, box[3] * sy + top]


class PreparedDataset(torch.utils.data.Dataset[Tensor]):
    """Images of some splits as model-input tensors, with targets per task.

    `dataset[i]` is the unaugmented tensor [channels, height, width] of `dataset.cases[i]`.
    """

    #: What was done to the images, part of what features are kept under.
    variant = ""

    def __init__(self, sets: Sequence[str], splits: Sequence[str], spec: ModelInput, cache: bool = True) -> None:
        self.cases = read_cases(sets, splits)
        self.spec = spec
        self._cache: dict[int, Grey] | None = {} if cache else None
        self._masks: dict[int, np.ndarray[Any, np.dtype[np.uint8]]] = {}  # bits

    def __len__(self) -> int:
        return len(self.cases)

    def grey(self, index: int) -> Grey:
        """Prepared pixels, uint16 [rows, columns], at most `prepared_long_side` long."""
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        grey = DECODED[known] if (known := self.cases[index].row["sha256"]) in DECODED else read_grey(self.cases[index])
        if max(grey.shape) > self.spec.prepared_long_side:
            unit = to_prepared(torch.from_numpy(grey.astype(np.float32) / 65535), self.spec.prepared_long_side)
            grey = (unit * 65535).round().numpy().astype(np.uint16)
        if self._cache is not None:
            self._cache[index] = grey
        return grey

    def lesions_mask(self, index: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Union of the marked lesions, bool [rows, columns] of `grey(index)`; nothing where none is marked."""
        case, shape = self.cases[index], self.grey(index).shape
        if case.mask is None:
            return np.zeros(shape, np.bool_)
        kept = self._masks.get(index)
        if kept is None:
            mask = read_mask(case, case.mask)
            if mask.shape != shape:
                mask = resize(torch.from_numpy(mask.astype(np.float32)), *shape).numpy() >= 0.5
            kept = self._masks[index] = np.packbits(mask)
        return np.unpackbits(kept, count=shape[0] * shape[1]).reshape(shape).astype(np.bool_)

    def preload(self) -> None:
        """Decode every image now, so that corrupt ones are found before the first step and workers share the pixels."""
        for index in range(len(self.cases)):
            self.grey(index)

    def __getitem__(self, index: int) -> Tensor:
        return to_model_input(self.grey(index), self.spec)

    def tensors(self, indices: Sequence[int]) -> Tensor:
        """[n, channels, height, width]."""
        return torch.stack([self[i] for i in indices])

    def targets(self, task: Task) -> tuple[Tensor, Tensor]:
        """Targets of all images and which are known: (int64 [n] or float32 [n, answers], bool [n])."""
        return task_targets(self.cases, task)

    def of_source(self, source: str) -> list[int]:
        return [i for i, case in enumerate(self.cases) if case.dataset == source]

    @property
    def sources(self) -> list[str]:
        return list(dict.fromkeys(case.dataset for case in self.cases))


class Inverted(PreparedDataset):
    """The same images with grey values inverted inside the breast; the background stays black."""

    variant = "inverted"

    def __init__(self, images: PreparedDataset) -> None:
        self.cases, self.spec, self._cache, self._masks = images.cases, images.spec, None, {}

    def grey(self, index: int) -> Grey:
        grey = super().grey(index)
        return np.where(grey > 0, 65535 - grey, 0).astype(np.uint16)


def task_targets(cases: Sequence[Case], task: Task) -> tuple[Tensor, Tensor]:
    """Targets of a task: class index [n] (−1 unknown), or multi-hot [n, answers] if multilabel; and a bool mask."""
    known = torch.zeros(len(cases), dtype=torch.bool)
    if task.multilabel:
        hot = torch.zeros(len(cases), len(task.values))
        for i, case in enumerate(cases):
            present = _field(case, task) or []
            complete = task.field == "findings" and case.labels.get("findingsComplete", False)
            if (present or complete) and _in_domain(case, task):
                known[i] = True
                hot[i] = torch.tensor([float(value in present) for value in task.values])
        return hot, known
    index = torch.full((len(cases),), -1, dtype=torch.int64)
    place = {typed(value): i for i, value in enumerate(task.values)}
    for i, case in enumerate(cases):
        found = place.get(typed(_single(_field(case, task))))
        if found is not None and _in_domain(case, task):
            index[i], known[i] = found, True
    return index, known


def _single(value: Any) -> Any:
    """The only item of a list, None of any other list; other values as they are."""
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return value


def _field(case: Case, task: Task) -> Any:
    if task.field not in case.labels:
        raise TrainingError("bad-config", f"{task.field!r} is no field of Labels: known are {', '.join(case.labels)}.")
    return case.labels[task.field]


def _in_domain(case: Case, task: Task) -> bool:
    return task.sources is None or case.dataset in task.sources


def typed(value: Any) -> tuple[str, Any]:
    """A label to compare: True is not 1."""
    return type(value).__name__, value


@dataclass(frozen=True)
class Schedule:
    """Which images each step's batch holds: a function of seed and step alone, so a resumed run sees the same ones.

    Every batch holds a fixed number of images of each source; within a source, images come in epochs, shuffled so that
    the answers of `strata` (one hashable per image) are spread evenly over the epoch.
    """

    sources: tuple[tuple[int, ...], ...]
    quotas: tuple[int, ...]
    strata: tuple[Any, ...]
    seed: int

    @staticmethod
    def build(
        cases: Sequence[Case], batch: int, seed: int, shares: dict[str, float] | None, strata: Sequence[Any]
    ) -> Schedule:
        """`shares`: source → share of each batch; None: by number of images. Every source has at least one."""
        names = sorted({case.dataset for case in cases})
        counts = Counter(case.dataset for case in cases)
        if shares is not None and set(shares) != set(names):
            raise TrainingError(
                "bad-config", f"stage2.source_share names {sorted(shares)}, the prepared sets are {names}."
            )
        weights = [float(shares[n]) if shares else float(counts[n]) for n in names]
        if batch < len(names):
            raise TrainingError("bad-config", f"A batch of {batch} cannot hold images of {len(names)} sources.")
        quotas = _quotas(weights, batch)
        sources = tuple(tuple(i for i, case in enumerate(cases) if case.dataset == n) for n in names)
        return Schedule(sources, tuple(quotas), tuple(strata), seed)

    def batch(self, step: int) -> list[int]:
        """Indices of the images of step `step` (from 0), source after source, so that slices by stride mix them."""
        taken: list[int] = []
        for number, (members, quota) in enumerate(zip(self.sources, self.quotas, strict=True)):
            for position in range(step * quota, (step + 1) * quota):
                epoch, place = divmod(position, len(members))
                taken.append(self._order(number, epoch)[place])
        return taken

    @lru_cache(maxsize=64)  # noqa: B019 (the schedule lives as long as its run)
    def _order(self, source: int, epoch: int) -> tuple[int, ...]:
        members = self.sources[source]
        rng = np.random.default_rng([self.seed, 0x5EED, source, epoch])
        shuffled = [members[i] for i in rng.permutation(len(members))]
        sizes = Counter(self.strata[i] for i in shuffled)
        offset = {key: rng.random() for key in sorted(sizes, key=repr)}
        seen: Counter[Any] = Counter()
        keyed: list[tuple[float, int]] = []
        for index in shuffled:
            key = self.strata[index]
            keyed.append(((seen[key] + offset[key]) / sizes[key], index))
            seen[key] += 1
        return tuple(index for _, index in sorted(keyed))


def _quotas(weights: Sequence[float], batch: int) -> list[int]:
    """Largest remainder, at least one each."""
    exact = [w / sum(weights) * batch for w in weights]
    quotas = [max(1, math.floor(e)) for e in exact]
    while sum(quotas) < batch:
        i = max(range(len(exact)), key=lambda j: exact[j] - quotas[j])
        quotas[i] += 1
    while sum(quotas) > batch:
        i = max((j for j in range(len(exact)) if quotas[j] > 1), key=lambda j: quotas[j] - exact[j])
        quotas[i] -= 1
    return quotas


def published(cases: Sequence[Case], sets: Sequence[str]) -> list[int]:
    """Places of the images that a reference collection of these sets carries: may be released, and no duplicate of another."""
    return [i for i, c in enumerate(cases) if c.dataset in sets and c.row["releasable"] and c.duplicate_of is None]


def patient_hashes(cases: Iterable[Case]) -> list[str]:
    """Sorted hashes of the patients, each once."""
    return sorted({case.patient_hash for case in cases})
