"""Model card check: recomputes the bundle's and the baselines' figures from weights and compares them with the committed card."""

from __future__ import annotations

from versamammo import evaluate
from versamammo.config import Config


def run(config: Config, run_uri: str) -> None:
    """TrainingError `card-differs` where the card says something else; rows of other runs come from the committed scores."""
    evaluate.run(config, run_uri, check=True)
