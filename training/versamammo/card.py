"""Model card: Markdown with every figure and its interval, and plots; `npm run model-card` recomputes and compares it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from sklearn.metrics import roc_curve

from versamammo import bootstrap
from versamammo.config import Config
from versamammo.errors import TrainingError
from versamammo.measures import Measure
from versamammo.store import ObjectStore, open_store

mpl.use("Agg")
from matplotlib import pyplot as plt

#: Figures that the bundle claims in advance to be better than the frozen ImageNet encoder's.
CLAIMED = (
    "cancer_in_breast AUC, probe",
    "mass_malignancy AUC, probe",
    "density AUC, probe",
    "retrieval by outcome, P@5",
    "retrieval by density, P@5",
)
#: How far a recomputed figure may lie from the committed one: other processors round differently.
TOLERANCE = 0.005


def render(manifest: dict[str, Any], rows: dict[str, list[Measure]], own: Sequence[Measure]) -> str:
    """The card. `rows`: name → the same measures by several encoders, the bundle's first; `own`: of the bundle alone."""
    lines = [
        f"# {manifest['name']} {manifest['version']}",
        "",
        manifest["description"],
        "",
        f"**Intended use.** {manifest['intendedUse']}",
        "",
        f"**Licence.** {manifest['licence']['id']}: {manifest['licence']['statement']}",
        "",
        "For research use only. Not a medical device.",
        "",
        "## Training data",
        "",
        "| data set | licence | training images | training patients |",
        "|---|---|---|---|",
        *(
            f"| {d['name']} | {d['licence']} | {d['images']} | {d['patients']} |"
            for d in manifest["training"]["datasets"]
        ),
        "",
        "Patients were split once; test patients are in no stage. Each data set holds part of the answers: a head is one "
        "question within the sources that hold all of its answers, and figures are per source, never pooled.",
        "",
        "## Encoders side by side",
        "",
        "Test patients; linear probe (logistic regression, strength chosen on validation) or cosine retrieval from the "
        "training patients on the exported vector; 95 % intervals of 2,000 replicates over patients. The last columns are "
        "the bundle minus another row, paired. An outcome is benign or malignant within CBIS-DDSM, cancer or none within "
        "RSNA. Claimed in advance: " + "; ".join(CLAIMED) + ". Everything else is reported, not claimed.",
        "",
        *_table(rows),
        "",
        *_verdict(rows),
        *_remarks([*rows[next(iter(rows))], *own]),
        "## The bundle's own heads, answers and lesions",
        "",
        "| figure | source | value | chance | images | patients |",
        "|---|---|---|---|---|---|",
        *(_line(m) for m in own),
        "",
        "![ROC](card/roc.png) ![reliability](card/reliability.png) ![embedding](card/embedding.png) ![loss](card/loss.png) ![confusion](card/confusion.png) ![FROC](card/froc.png)",
        "",
        "## Limits",
        "",
        f"- Input {manifest['input']['height']} × {manifest['input']['width']} pixels: calcifications and fine margins are lost. "
        "CBIS-DDSM images here were 256 pixels, RSNA images stretched to a square before.",
        '- RSNA\'s "no cancer" is not biopsy-proven benign, and its cancer label is of the breast, not of the view.',
        "- CBIS-DDSM images all hold a mass; CDD-CESM images are all malignant; its findings are exploratory.",
        "- Few test patients: read the intervals. Where the paired difference includes zero, the encoders are not told apart.",
        "",
        "Recompute: `npm run model-card`.",
        "",
    ]
    return "\n".join(lines)


def _table(rows: dict[str, list[Measure]]) -> list[str]:
    names = list(rows)
    against = [name for name in AGAINST if name in rows]
    lines = [
        "| figure | source | " + " | ".join([*names, "chance", *(f"bundle − {name}" for name in against)]) + " |",
        "|---|---|" + "---|" * (len(names) + 1 + len(against)),
    ]
    for m in rows[names[0]]:
        same = {name: _same(rows[name], m) for name in names}
        cells = [_interval(found.interval) if found else "–" for found in same.values()]
        cells.append("–" if m.chance is None else f"{m.chance:.3f}")
        for name in against:
            beside = same[name]
            paired = beside is not None and np.array_equal(
                bootstrap.clusters(beside.patients), bootstrap.clusters(m.patients)
            )
            cells.append(_signed(bootstrap.difference(m.value, beside.value, m.patients)) if paired else "–")  # type: ignore[union-attr]
        lines.append(f"| {m.name} | {m.source} | {' | '.join(cells)} |")
    return lines


#: Rows that the bundle's are set against.
AGAINST = ("ImageNet, frozen", "plain fine-tuning", "stage 2 without teacher")
#: Rows that a complete comparison has.
EXPECTED = ("plain fine-tuning", "stage 2 without teacher")


def _verdict(rows: dict[str, list[Measure]]) -> list[str]:
    """Which claims hold, and which comparisons are missing."""
    other = rows.get("ImageNet, frozen", [])
    held, open_ = [], []
    for m in next(iter(rows.values())):
        beside = _same(other, m)
        if m.name in CLAIMED and beside is not None:
            gap = bootstrap.difference(m.value, beside.value, m.patients)
            (held if gap.low > 0 else open_).append(f"{m.name} ({m.source})")
    missing = [name for name in EXPECTED if name not in rows]
    return [
        f"Claims whose whole interval lies above zero: {'; '.join(held) or 'none'}.",
        "",
        f"Claims that these test patients do not bear out: {'; '.join(open_) or 'none'}.",
        "",
        *([f"Not measured yet: {'; '.join(missing)}.", ""] if missing else []),
    ]


def _remarks(own: Sequence[Measure]) -> list[str]:
    """What the figures warn of."""
    found = []
    for m in own:
        if m.name.startswith("source told") and m.value(None) > 0.9:
            found.append(
                "The vector tells the source almost perfectly: similarity over all sources is first of all similarity of source."
            )
        if m.name.endswith("false positives an image") and m.value(None) < 0.01:
            found.append(
                f"The detector of {m.name.split(' ')[0]} hardly fires on other sources: expect it to miss lesions there, not to be specific."
            )
    return [line for text in found for line in (text, "")]


def _same(measures: Sequence[Measure], m: Measure) -> Measure | None:
    return next((x for x in measures if (x.name, x.source) == (m.name, m.source)), None)


def _interval(i: bootstrap.Interval) -> str:
    return f"{i.value:.3f} ({i.low:.3f}–{i.high:.3f})"


def _signed(i: bootstrap.Interval) -> str:
    return f"{i.value:+.3f} ({i.low:+.3f} to {i.high:+.3f})"


def _line(m: Measure) -> str:
    chance = "–" if m.chance is None else f"{m.chance:.3f}"
    return (
        f"| {m.name} | {m.source} | {_interval(m.interval)} | {chance} | {len(m.patients)} | {len(set(m.patients))} |"
    )


def compare(store: ObjectStore, card: str) -> None:
    """TrainingError `card-differs`, naming the first line, where the committed README.md says something else."""
    committed = (store.get("README.md") or b"").decode().splitlines()
    fresh = card.splitlines()
    if len(committed) != len(fresh):
        raise TrainingError(
            "card-differs",
            f"The committed card has {len(committed)} lines, the recomputed one {len(fresh)}: run `evaluate` and commit.",
        )
    for old, new in zip(committed, fresh, strict=True):
        if not _close(old, new):
            raise TrainingError(
                "card-differs",
                f"The committed card says\n  {old}\nand the weights say\n  {new}\nRun `evaluate` and commit.",
            )


_NUMBER = re.compile(r"[-+]?\d+\.\d+")


def _close(a: str, b: str) -> bool:
    if _NUMBER.sub("#", a) != _NUMBER.sub("#", b):
        return False
    return all(
        abs(float(x) - float(y)) <= TOLERANCE for x, y in zip(_NUMBER.findall(a), _NUMBER.findall(b), strict=True)
    )


def plots(
    config: Config,
    manifest: dict[str, Any],
    rows: dict[str, list[Measure]],
    own: Sequence[Measure],
    sets: Any,
    vectors: Any,
    run: str,
) -> dict[str, bytes]:
    """PNG files by name."""
    return {
        "roc": _roc(rows),
        "reliability": _reliability(own),
        "confusion": _confusion(own),
        "froc": _froc(own),
        "embedding": _embedding(sets, vectors),
        "loss": _loss(open_store(run)),
    }


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.tight_layout()
    figure.savefig(buffer, format="png", dpi=70, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def _roc(rows: dict[str, list[Measure]]) -> bytes:
    binary = [
        m for m in next(iter(rows.values())) if m.kind == "macro_auc" and m.first.shape[1] == 2 and "view" not in m.name
    ]
    figure, axes = plt.subplots(1, max(1, len(binary)), figsize=(3.4 * max(1, len(binary)), 3.4), squeeze=False)
    for axis, m in zip(axes[0], binary, strict=False):
        for name, measures in rows.items():
            found = _same(measures, m)
            if found is not None and found.second is not None:
                x, y, _ = roc_curve(found.first[:, 1], found.second[:, 1])
                axis.plot(x, y, label=f"{name} {found.value(None):.2f}")
        axis.plot([0, 1], [0, 1], ":", color="grey")
        axis.set_title(f"{m.name.split(',')[0]}\n{m.source}", fontsize=8)
        axis.legend(fontsize=6)
    return _png(figure)


def _reliability(own: Sequence[Measure]) -> bytes:
    figure, axis = plt.subplots(figsize=(3.4, 3.4))
    for m in own:
        if m.kind == "macro_auc" and m.second is not None and m.first.shape[1] == 2:
            p, y = m.second[:, 1], m.first[:, 1]
            edges = np.quantile(p, np.linspace(0, 1, 6))
            place = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, 4)
            points = [(p[place == b].mean(), y[place == b].mean()) for b in np.unique(place)]
            axis.plot(*zip(*points, strict=True), "o-", label=f"{m.name} {m.source}", markersize=3)
    axis.plot([0, 1], [0, 1], ":", color="grey")
    axis.set_xlabel("probability")
    axis.set_ylabel("share of positives")
    axis.legend(fontsize=5)
    return _png(figure)


def _confusion(own: Sequence[Measure]) -> bytes:
    chosen = [m for m in own if m.kind == "balanced_accuracy" and m.name.endswith("combined")][:8]
    figure, axes = plt.subplots(2, 4, figsize=(10, 5), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, m in zip(axes.flat, chosen, strict=False):
        second = m.second if m.second is not None else m.first
        size = int(max(m.first.max(), second.max())) + 1
        table = np.zeros((size, size))
        np.add.at(table, (m.first.astype(int), second.astype(int)), 1)
        axis.axis("on")
        axis.imshow(table / np.maximum(table.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        axis.set_title(m.name.split(",")[0].removeprefix("answer "), fontsize=8)
        for (i, j), n in np.ndenumerate(table):
            axis.text(j, i, f"{n:.0f}", ha="center", va="center", fontsize=6)
    return _png(figure)


def _froc(own: Sequence[Measure]) -> bytes:
    figure, axis = plt.subplots(figsize=(3.4, 3.4))
    lines: dict[str, list[tuple[float, float]]] = {}
    for m in own:
        if m.kind == "sensitivity" and m.rate is not None and m.name.endswith(" an image"):
            lines.setdefault(m.name.split(" ")[0], []).append((m.rate, m.value(None)))
    for label, points in lines.items():
        axis.plot(*zip(*sorted(points), strict=True), "o-", label=label)
    axis.set_xlabel("false positives an image")
    axis.set_ylabel("sensitivity, overlap 0.5")
    axis.set_ylim(0, 1)
    if lines:
        axis.legend(fontsize=7)
    return _png(figure)


def _embedding(sets: Any, vectors: Any) -> bytes:
    x, cases = vectors["test"], sets["test"].cases
    centred = x - vectors["train"].mean(0)
    _, _, axes_ = np.linalg.svd(vectors["train"] - vectors["train"].mean(0), full_matrices=False)
    place = centred @ axes_[:2].T
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.4))
    for axis, title, of in (
        (axes[0], "source", [c.dataset for c in cases]),
        (axes[1], "density", [str(c.labels.get("density")) for c in cases]),
    ):
        for name in sorted(set(of)):
            rows = [i for i, o in enumerate(of) if o == name]
            axis.scatter(place[rows, 0], place[rows, 1], s=5, label=name)
        axis.set_title(title, fontsize=8)
        axis.legend(fontsize=6)
    return _png(figure)


def _loss(store: ObjectStore) -> bytes:
    figure, axes = plt.subplots(1, 2, figsize=(7, 3))
    for axis, stage in zip(axes, ("stage1", "stage2"), strict=True):
        log = [json.loads(line) for line in (store.get(f"{stage}/log.jsonl") or b"").decode().splitlines()]
        for key in ("loss", "dino", "ibot", "koleo", "labels", "focus", "distillation", "consistency"):
            values = [(e["step"], e[key]) for e in log if key in e]
            if values:
                axis.plot(*zip(*values, strict=True), label=key, linewidth=0.8)
        axis.set_title(stage, fontsize=8)
        if log:
            axis.legend(fontsize=6)
    return _png(figure)
