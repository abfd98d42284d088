"""Evaluate: a bundle on test patients, beside baselines under the same protocol; metrics into its manifest, and its card."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from versamammo import baselines, bundle, card, distributed, external
from versamammo.answer_measures import answer_measures
from versamammo.config import Config, Export, section
from versamammo.data import Case, PreparedDataset, patient_hashes
from versamammo.errors import TrainingError
from versamammo.head_measures import head_measures, lesion_measures
from versamammo.measures import Measure, measure_of
from versamammo.robustness import robustness
from versamammo.served import Served, serve
from versamammo.store import ObjectStore
from versamammo.vector_measures import Encoded, Sets, row

BUNDLE, IMAGENET, PIXELS, METADATA = (
    "bundle", "ImageNet, frozen", "pixels + PCA", "source, site, machine, view, age alone",
)  # fmt: skip


def run(config: Config, run_uri: str, *, also: Sequence[str] = (), check: bool = False) -> None:
    """Measure the bundle and the baselines; write its metrics, scores and card.

    also: prepared sets that nothing was trained on; their figures are printed, and kept as card/external-SET.json.
    check: compare the card instead; TrainingError `card-differs` where it says something else.
    """
    how = section(config, "export", Export)
    device = distributed.start(config.runtime)
    manifest, store = bundle.read(how.bundle or f"{run_uri.rstrip('/')}/bundle")
    sets: Sets = {
        s: PreparedDataset(config.data.sets, (s,), config.input, False) for s in ("train", "validation", "test")
    }
    refuse_seen(manifest, store, sets["test"].cases)
    with timed("bundle"):
        served = {split: serve(config, manifest, store, data, maps=split == "test") for split, data in sets.items()}
        rows = {BUNDLE: row(config, sets, encoded(served))}
    with timed("baselines"):
        rows[METADATA] = row(config, sets, baselines.metadata(sets))
        rows[PIXELS] = row(config, sets, baselines.pixels(sets))
        try:
            rows[IMAGENET] = row(
                config, sets, baselines.imagenet(config, manifest["encoder"]["backbone"], sets, device)
            )
        except TrainingError as error:
            print(f"No ImageNet row: {error}")
    with timed("rows of other runs"):
        if check:
            rows |= {name: measures for name, measures in _kept_rows(store).items() if name not in rows}
        else:
            for name, uri in how.compare.items():
                rows[name] = row(config, sets, baselines.student(config, uri, sets, device))
    with timed("heads, answers, lesions"):
        test = sets["test"], served["test"]
        own = [
            *head_measures(config, manifest, store, *test),
            *answer_measures(config, manifest, store, sets, served),
            *lesion_measures(config, manifest, store, *test),
        ]
    with timed("robustness"):
        own += list(robustness(config, manifest, store, *test))
    with timed("card"):
        text = card.render(manifest, rows, own)
    if check:
        card.compare(store, text)
        return
    complete = with_metrics(manifest, own, rows[BUNDLE])
    bundle.validate("manifest", complete)
    scores = {name: [m.document() for m in measures] for name, measures in rows.items()}
    store.put("card/scores.json.gz", gzip.compress(json.dumps(scores, separators=(",", ":")).encode(), mtime=0))
    vectors = {split: s.vectors for split, s in served.items()}
    for name, picture in card.plots(config, manifest, rows, own, sets, vectors, run_uri).items():
        store.put(f"card/{name}.png", picture)
    store.put("README.md", text.encode())
    store.put("manifest.json", (json.dumps(complete, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    print(text)
    for uri in [*how.also, *also]:
        table, found = external.report(config, manifest, store, sets, uri, device)
        print(table)
        store.put(f"card/external-{found[BUNDLE][0].source}.json", external.document(found))
    distributed.stop()


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Prints how long a part took."""
    begun = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)


def encoded(served: dict[str, Served]) -> Encoded:
    return Encoded(
        {split: s.vectors for split, s in served.items()},
        {split: s.regions for split, s in served.items()},
        {split: s.region_vectors for split, s in served.items()},
    )


def refuse_seen(manifest: dict[str, Any], store: ObjectStore, test: Sequence[Case]) -> None:
    """TrainingError `saw-test-patient` where a gradient saw a patient whom the bundle would be judged on."""
    name = manifest["training"]["patientHashesFile"]
    if name is None:
        raise TrainingError("no-patients", "The bundle does not list its training patients: it cannot be judged.")
    seen = set((store.get(name) or b"").decode().split())
    both = seen & set(patient_hashes(test))
    if both:
        raise TrainingError(
            "saw-test-patient",
            f"The bundle was trained on {len(both)} of the test patients: its figures would be worthless.",
        )


def with_metrics(manifest: dict[str, Any], own: list[Measure], vectors: list[Measure]) -> dict[str, Any]:
    """The manifest with test figures where they belong: at heads, answers, and the bundle."""
    known = {m.name + "|" + m.source: found for m in own if (found := m.metric()) is not None}
    general = [found for m in vectors if (found := m.metric()) is not None]

    def chosen(prefix: str) -> list[dict[str, Any]]:
        return [v for k, v in known.items() if k.startswith(prefix)]

    heads = []
    for head in manifest["heads"]:
        label = head["labels"][0]
        if head["kind"] == "classification":
            found = chosen(head["name"])
        elif head["kind"] == "segmentation":
            found = [v for v in chosen(f"{label} Dice") if v["name"].startswith(f"{label} Dice")]
        else:
            found = [v for v in chosen(f"{label} ") if "Dice" not in v["name"]]
        heads.append({**head, "metrics": found})
    answers = manifest["answers"]
    if answers is not None:
        answers = {**answers, "metrics": [*chosen("answer "), *chosen("routing")]}
    region = manifest["region"]
    if region is not None:
        region = {**region, "metrics": [v for v in general if v["name"].startswith("lesion retrieval")]}
    whole = [v for v in general if not v["name"].startswith("lesion retrieval")]
    return {
        **manifest, "heads": heads, "answers": answers, "region": region, "metrics": [*whole, *chosen("cosine ")],
    }  # fmt: skip


def _kept_rows(store: ObjectStore) -> dict[str, list[Measure]]:
    """Rows of the committed scores."""
    body = store.get("card/scores.json.gz")
    if body is None:
        raise TrainingError("no-scores", "The bundle has no card/scores.json.gz: run `evaluate` first.")
    return {name: [measure_of(d) for d in rows] for name, rows in json.loads(gzip.decompress(body)).items()}
