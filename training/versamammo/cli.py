"""Command line of training: `versamammo-train STAGE --config FILE --run FOLDER|s3://…`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from versamammo.config import load_config
from versamammo.errors import TrainingError

#: Each is a module with `run(config, run_uri)`, imported when called.
STAGES = {
    "stage1": "self-supervised teacher",
    "stage2": "student: labels, distillation, consistency between resolutions",
    "ablate": "variants of stage 2, compared by cross-validation over patients",
    "heads": "heads on the frozen encoder",
    "answers": "question encoder, router, answer head and gate",
    "export": "the model bundle",
    "support": "what lies outside, fitted anew for a bundle that is there",
    "evaluate": "metrics, baselines and model card",
    "model_card": "recompute the committed model card, and fail where it differs",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0: done; 1: stopped with a sentence on stderr; 2: wrong usage; 130: interrupted."""
    parser = argparse.ArgumentParser(prog="versamammo-train", description="Train a VersaMammo model. For research use.")
    stages = parser.add_subparsers(dest="stage", required=True)
    tiny = stages.add_parser("tiny", help="the bundle models/tiny, for tests")
    tiny.add_argument("--out", required=True, help="folder or s3://bucket/prefix")
    for name, about in STAGES.items():
        stage = stages.add_parser(name.replace("_", "-"), help=about, description=about)
        stage.add_argument("--config", required=True, help="YAML file")
        stage.add_argument("--run", required=True, help="folder or s3://bucket/prefix; an existing run is resumed")
        stage.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a config key"
        )
        if name == "evaluate":
            stage.add_argument(
                "--also", action="append", default=[], metavar="SET", help="a prepared set that nothing was trained on"
            )
    values = parser.parse_args(arguments)
    try:
        if values.stage == "tiny":
            importlib.import_module("versamammo.tiny").build(values.out)
            return 0
        config = load_config(values.config, values.overrides)
        if config.runtime.threads:  # NumPy's threads too, which read this when it is imported: waiting for each other they slow a shared machine
            os.environ.setdefault("OMP_NUM_THREADS", str(config.runtime.threads))
            os.environ.setdefault("OPENBLAS_NUM_THREADS", str(config.runtime.threads))
        more = {"also": values.also} if values.stage == "evaluate" else {}
        importlib.import_module(f"versamammo.{values.stage.replace('-', '_')}").run(config, values.run, **more)
    except TrainingError as error:
        print(f"{values.stage} stopped: {error} [{error.code}]", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{values.stage} interrupted; the same command resumes at the last checkpoint.", file=sys.stderr)
        return 130
    return 0
