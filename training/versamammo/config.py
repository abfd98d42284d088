"""Config: a YAML file to dataclasses; unknown keys, wrong types and missing keys are refused with their path."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from versamammo.errors import TrainingError
from versamammo.store import open_store

T = TypeVar("T")


@dataclass(frozen=True)
class ModelInput:
    """The manifest's `input`: from a prepared image to a tensor (see packages/schema, `ModelInput`)."""

    prepared_long_side: int = 512
    height: int = 384
    width: int = 256
    fit: Literal["pad", "stretch"] = "stretch"
    channels: Literal[1, 3] = 3
    mean: list[float] = field(default_factory=lambda: [127 / 255] * 3)
    deviation: list[float] = field(default_factory=lambda: [128 / 255] * 3)

    def manifest(self) -> dict[str, Any]:
        """As manifest.json spells it."""
        return {
            "preparedLongSide": self.prepared_long_side,
            "height": self.height,
            "width": self.width,
            "fit": self.fit,
            "channels": self.channels,
            "mean": list(self.mean),
            "deviation": list(self.deviation),
        }


@dataclass(frozen=True)
class DataConfig:
    """Prepared sets: folders or s3:// prefixes that hold `cases.jsonl` and `images/`."""

    sets: list[str]
    #: Processes that load and augment; 0: the training process itself.
    workers: int = 0
    #: Keep decoded pixels in memory.
    cache: bool = True


@dataclass(frozen=True)
class Task:
    """A question, its label field, and the sources that hold all its answers."""

    #: Field of `Labels` (or `lesions`' fields mirrored there), e.g. `cancer`, `density`, `massShapes`.
    field: str
    #: Answers in logit order; values of the field. Images with other values are unlabelled for this task.
    values: list[str | int | bool]
    #: Data sets; null: every set.
    sources: list[str] | None = None
    #: Several answers may hold at once (sigmoid).
    multilabel: bool = False
    #: Weight of its loss in stage 2; 0 leaves it to the heads.
    weight: float = 1.0


@dataclass(frozen=True)
class Runtime:
    device: Literal["auto", "cpu", "cuda"] = "auto"
    #: Autocast type on a GPU; the CPU computes in fp32.
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    #: Threads of PyTorch; 0: its default.
    threads: int = 0
    channels_last: bool = True
    #: A checkpoint after this many seconds, beside those at stage ends.
    checkpoint_seconds: float = 180.0
    #: A checkpoint after this many steps; 0: by time alone.
    checkpoint_steps: int = 0
    tensorboard: bool = True
    #: A stage ends after this many seconds at the latest, and publishes what it has by then; 0: at its last step.
    stop_after_seconds: float = 0.0


@dataclass(frozen=True)
class Augment:
    """How far a training view may stray; all ranges are uniform, `*_p` are probabilities."""

    #: Area kept by the crop, and the range of its aspect relative to the image's.
    area: list[float] = field(default_factory=lambda: [0.6, 1.0])
    aspect: list[float] = field(default_factory=lambda: [0.75, 1.33])
    rotate_degrees: float = 10.0
    vertical_flip_p: float = 0.5
    #: Exponent of gamma is exp(±gamma); contrast about the breast's mean, brightness added inside it.
    gamma: float = 0.35
    contrast: float = 0.25
    brightness: float = 0.08
    #: Resampled down, to at least `blur_to` / (the source's long side) of the view's pixels, and up again.
    blur_p: float = 0.5
    blur_to: int = 256
    jpeg_p: float = 0.3
    jpeg_quality: list[int] = field(default_factory=lambda: [40, 95])
    noise_p: float = 0.3
    noise: float = 0.02
    #: What lies outside the breast is set to zero, or to a constant.
    background_p: float = 0.3
    solarize_p: float = 0.0


@dataclass(frozen=True)
class Stage1:
    """The self-supervised teacher. Defaults scale the published recipe to small data."""

    steps: int
    batch: int
    backbone: str = "tf_efficientnet_lite0"
    init: str = "imagenet"
    drop_path: float = 0.0
    global_size: list[int] = field(default_factory=lambda: [224, 160])
    local_size: list[int] = field(default_factory=lambda: [112, 80])
    local_crops: int = 2
    global_area: list[float] = field(default_factory=lambda: [0.5, 1.0])
    local_area: list[float] = field(default_factory=lambda: [0.1, 0.4])
    prototypes: int = 2048
    head_hidden: int = 1024
    head_bottleneck: int = 256
    dino_weight: float = 1.0
    ibot_weight: float = 0.0
    koleo_weight: float = 0.1
    #: iBOT has its own head of this bottleneck; share of images masked, and of patches in them.
    ibot_bottleneck: int = 256
    mask_probability: float = 0.5
    mask_ratio: list[float] = field(default_factory=lambda: [0.1, 0.5])
    centering: Literal["sinkhorn_knopp", "softmax"] = "sinkhorn_knopp"
    #: The published run read its centring under another key and used softmax centring whatever the file said.
    published_ignored_centering: bool = False
    sinkhorn_iterations: int = 3
    #: Teacher outputs of this many earlier batches join Sinkhorn–Knopp, so that small batches still balance prototypes.
    sinkhorn_queue: int = 0
    student_temperature: float = 0.1
    teacher_temperature: list[float] = field(default_factory=lambda: [0.04, 0.07])
    teacher_temperature_steps: int = 300
    ema: list[float] = field(default_factory=lambda: [0.994, 1.0])
    learning_rate: float = 2e-4
    minimum_learning_rate: float = 1e-6
    warmup_steps: int = 50
    weight_decay: list[float] = field(default_factory=lambda: [0.04, 0.2])
    patch_embed_factor: float = 0.2
    last_layer_frozen_steps: int = 50
    clip: float = 3.0
    accumulate: int = 1
    #: BatchNorm by the fixed statistics it starts with; its weight and bias still learn.
    freeze_batchnorm: bool = False
    #: The stem and this many blocks less one stay as they are: most of a CPU's time goes into their gradients. 0: none.
    freeze_stages: int = 0
    #: The published teacher is trained · share + initial · (1 − share), weight by weight (Wortsman et al. 2022, WiSE-FT),
    #: with the share of the best mean probe on validation patients. A short run on few images forgets more than it learns.
    shares: list[float] = field(default_factory=lambda: [1.0])
    augment: Augment = field(default_factory=Augment)


@dataclass(frozen=True)
class PublishedDefects:
    """The four stage-2 defects of the published code, to measure what they cost. All off by default."""

    #: S2-1: the low-resolution view is never used; the high-resolution tensor stands in for it.
    low_view_unused: bool = False
    #: S2-2: supervision sees the logits of the second (low-resolution) pass only.
    supervise_second_pass: bool = False
    #: S2-3: the low-resolution view is the target, with gradient, without normalisation, diagonal included.
    contrast_swapped: bool = False
    #: S2-4: KL(student ‖ teacher) in place of KL(teacher ‖ student).
    kl_reversed: bool = False


@dataclass(frozen=True)
class Stage2:
    """The student: labels, relational distillation, and consistency between resolutions."""

    steps: int
    batch: int
    backbone: str = "tf_efficientnet_lite0"
    init: str = "imagenet"
    drop_path: float = 0.1
    dropout: float = 0.2
    #: The encoder also pools where it expects lesions (models/encoder.py), and learns where from the masks of
    #: `focus_sources`, of images whose marks cover no more than `focus_area` of them.
    focus_weight: float = 0.0
    focus_sources: list[str] = field(default_factory=list)
    focus_area: float = 0.2
    #: Start from the stage-1 teacher of the same run where backbones agree.
    from_teacher: bool = False
    #: Start from the student of this run's stage 2 (folder or s3://), of the same backbone and tasks; null: from `init`.
    start_run: str | None = None
    #: Run (folder or s3://) whose stage 1 holds the teacher; null: this run.
    teacher_run: str | None = None
    #: The first `small_steps` steps see the high-resolution view at this (height, width).
    small_size: list[int] = field(default_factory=lambda: [256, 160])
    small_steps: int = 0
    low_size: list[int] = field(default_factory=lambda: [192, 128])
    low_augment: Augment = field(default_factory=Augment)
    augment: Augment = field(default_factory=Augment)
    label_weight: float = 10.0
    distillation_weight: float = 1.0
    consistency_weight: float = 1.0
    consistency_temperature: float = 0.07
    teacher_temperature: float = 0.05
    student_temperature: float = 0.05
    #: Teacher features are those of this many fixed augmented views, cached, averaged; 1: the plain image.
    teacher_views: int = 1
    label_smoothing: float = 0.05
    #: Mixing of images within a source; 0: none.
    mixup: float = 0.0
    ema: float = 0.998
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 5e-4
    #: Each earlier group of layers learns slower by this factor.
    layer_decay: float = 1.0
    head_learning_rate_factor: float = 3.0
    minimum_learning_rate: float = 1e-6
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_steps: int = 50
    weight_decay: float = 0.02
    clip: float = 5.0
    accumulate: int = 1
    freeze_batchnorm: bool = False
    freeze_stages: int = 0
    #: Share of each source's images in a batch; null: by number of images.
    source_share: dict[str, float] | None = None
    validate_steps: int = 200
    defects: PublishedDefects = field(default_factory=PublishedDefects)


@dataclass(frozen=True)
class Ablate:
    """Variants of stage 2, trained on all patients but a fold's and judged on the fold's."""

    #: Name → overrides of this config (`key=value`); differences are to the first.
    variants: dict[str, list[str]]
    folds: int = 3
    #: Trained at once.
    jobs: int = 1


@dataclass(frozen=True)
class Lesions:
    """Marked lesions as one label of the detector and the segmenter, within the sources that mark them so."""

    sources: list[str]
    question: str
    #: What must hold of the image, e.g. "a mass is present"; null: nothing.
    condition: str | None = None
    exploratory: bool = False


@dataclass(frozen=True)
class Heads:
    """Heads on the frozen encoder."""

    #: Whose encoder: the student's, the teacher's, or the frozen ImageNet weights (a baseline bundle).
    encoder: Literal["stage2", "stage1", "imagenet"] = "stage2"
    #: Runs (folders or s3://) whose students stand beside this run's: the vector is made of all of them, maps are this run's.
    members: list[str] = field(default_factory=list)
    #: At most this many numbers in the exported vector.
    dimension: int = 512
    #: Classification heads; null: the tasks of stage 2.
    tasks: dict[str, Task] | None = None
    #: Retrieval is judged on these fields of Labels, within each source.
    retrieval_fields: list[str] = field(default_factory=lambda: ["density", "cancer"])
    #: The decoder shared by detector and segmenter: label → lesions; empty: none.
    lesions: dict[str, Lesions] = field(default_factory=dict)
    decoder_channels: int = 48
    decoder_steps: int = 1500
    decoder_batch: int = 16
    decoder_learning_rate: float = 3e-3
    #: Also train the published lesion heads, UNet and Faster R-CNN, and report them (`heads/published.json`); for a GPU.
    published: bool = False
    published_learning_rate: float = 1e-3
    #: Regions: numbers in the vector, and the share by which boxes are widened.
    region_dimension: int = 128
    region_context: float = 0.25


@dataclass(frozen=True)
class Answers:
    """Question answering: topic of versamammo.questions → task that trains it. Other topics are defined, untrained."""

    topics: dict[str, str]
    map: str = "map32"
    width: int = 128
    attention_heads: int = 4
    steps: int = 1200
    #: Images a step; each is asked one question of every topic that it has a label of.
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05


@dataclass(frozen=True)
class Export:
    """The bundle: name, texts, licence."""

    name: str
    version: str
    description: str
    intended_use: str
    licence: str
    licence_statement: str
    commercial_use: bool
    #: Data sets whose training vectors may be published with the bundle.
    reference: list[str] = field(default_factory=list)
    #: Where the bundle goes; null: `bundle/` of the run.
    bundle: str | None = None
    #: Other runs whose stage-2 encoders `evaluate` sets beside the bundle: row → run.
    compare: dict[str, str] = field(default_factory=dict)
    #: Prepared sets that nothing was trained on: `evaluate` judges the bundle on them too (as `evaluate --also SET` does).
    also: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Config:
    """A whole run: what every command reads."""

    name: str
    data: DataConfig
    tasks: dict[str, Task]
    seed: int = 1
    input: ModelInput = field(default_factory=ModelInput)
    runtime: Runtime = field(default_factory=Runtime)
    stage1: Stage1 | None = None
    stage2: Stage2 | None = None
    ablate: Ablate | None = None
    heads: Heads | None = None
    answers: Answers | None = None
    export: Export | None = None


def head_tasks(config: Config) -> dict[str, Task]:
    """Tasks of the heads and of the answers."""
    own = config.heads.tasks if config.heads else None
    return config.tasks if own is None else own


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Parse a YAML file, here or under s3://. `overrides` are `dotted.key=yaml value`, applied before checking.

    A file may begin with `extends: other.yaml` (beside it): its own keys then replace that file's, mapping by mapping.

    Raises:
        TrainingError: `bad-config`, naming the key and what was expected.
    """
    document = _read(str(path))
    for override in overrides:
        _apply(document, override)
    return parse_config(document)


def _read(path: str) -> dict[str, Any]:
    folder = path[: path.rfind("/") + 1]
    try:
        document = yaml.load(_text(folder, path[len(folder) :]), Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise TrainingError("bad-config", f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise TrainingError("bad-config", f"{path} holds no mapping.")
    base = document.pop("extends", None)
    return document if base is None else _merged(_read(f"{folder}{base}"), document)


def _text(folder: str, name: str) -> str:
    if folder.startswith("s3://"):
        body = open_store(folder).get(name)
        if body is None:
            raise TrainingError("bad-config", f"There is no config {folder}{name}.")
        return body.decode("utf-8")
    try:
        return Path(folder, name).read_text(encoding="utf-8")
    except OSError as error:
        raise TrainingError("bad-config", f"The config {folder}{name} cannot be read: {error.strerror}.") from error


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    both = {**base, **own}
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            both[key] = _merged(base[key], value)
    return both


def parse_config(document: Mapping[str, Any]) -> Config:
    """A checked Config of a parsed document."""
    config: Config = _parse(Config, document, "")
    spec = config.input
    if len(spec.mean) != spec.channels or len(spec.deviation) != spec.channels:
        raise TrainingError("bad-config", f"input.mean and input.deviation need {spec.channels} numbers each.")
    if not config.data.sets:
        raise TrainingError("bad-config", "data.sets is empty: name at least one prepared set.")
    return config


def overridden(config: Config, overrides: Sequence[str]) -> Config:
    """The config with some keys replaced, checked again; see `load_config`."""
    document = dataclasses.asdict(config)
    for override in overrides:
        _apply(document, override)
    return parse_config(document)


def section(config: Config, name: str, kind: type[T]) -> T:
    """A stage's section, or `bad-config` where the file has none."""
    value = getattr(config, name)
    if not isinstance(value, kind):
        raise TrainingError("bad-config", f"The config has no section `{name}`, which this command needs.")
    return value


class _UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"the key {key!r} stands twice in one mapping, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


def _apply(document: dict[str, Any], override: str) -> None:
    dotted, equals, text = override.partition("=")
    if not equals:
        raise TrainingError("bad-config", f"--set takes key=value, not {override!r}.")
    *parents, last = dotted.split(".")
    place = document
    for key in parents:
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise TrainingError("bad-config", f"--set {dotted}: {key} is no mapping.")
    place[last] = yaml.safe_load(text)


def _parse(kind: Any, value: Any, path: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, path)
    if origin is Literal:
        if value in arguments:
            return value
        raise _wrong(path, f"one of {', '.join(map(str, arguments))}", value)
    if origin in (types.UnionType, typing.Union):
        return _parse_union(arguments, value, path)
    if origin is list:
        if not isinstance(value, list):
            raise _wrong(path, "a list", value)
        return [_parse(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(path, "a mapping", value)
        return {str(key): _parse(arguments[1], item, f"{path}.{key}") for key, item in value.items()}
    if kind is float and isinstance(value, str):  # YAML 1.1 reads 1e-4 as text
        try:
            return float(value)
        except ValueError:
            raise _wrong(path, "a number", value) from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (int, float, str, bool) and type(value) is kind:
        return value
    raise _wrong(path, {int: "a whole number", float: "a number", str: "text", bool: "true or false"}[kind], value)


def _parse_union(kinds: Sequence[Any], value: Any, path: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    inner = [kind for kind in kinds if kind is not type(None)]
    if len(inner) == 1:
        return _parse(inner[0], value, path)
    for kind in inner:
        if type(value) is kind:
            return value
    raise _wrong(path, " or ".join(kind.__name__ for kind in inner), value)


def _parse_dataclass(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(path, "a mapping", value)
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            raise TrainingError(
                "bad-config", f"Unknown key {_join(path, str(key))}: known here are {', '.join(fields)}."
            )
    for name, f in fields.items():
        no_default = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if name not in value and no_default:
            raise TrainingError("bad-config", f"The key {_join(path, name)} is missing.")
    return kind(**{key: _parse(hints[key], item, _join(path, key)) for key, item in value.items()})


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _wrong(path: str, expected: str, value: Any) -> TrainingError:
    return TrainingError("bad-config", f"{path or 'the config'} takes {expected}, not {value!r}.")
