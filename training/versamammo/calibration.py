"""Calibration on validation patients: temperature, shares of positives, thresholds, abstention, out-of-support limit."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))


def probabilities(logits: np.ndarray, activation: str, temperature: float) -> np.ndarray:
    """[n, labels] logits to calibrated probabilities."""
    return softmax(logits / temperature) if activation == "softmax" else sigmoid(logits / temperature)


def negative_log_likelihood(probability: np.ndarray, hot: np.ndarray, activation: str) -> float:
    """Mean over images (softmax) or over images and labels (sigmoid), in nats."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    if activation == "softmax":
        return float(-(hot * np.log(p)).sum(1).mean())
    return float(-(hot * np.log(p) + (1 - hot) * np.log(1 - p)).mean())


def temperature(logits: np.ndarray, hot: np.ndarray, activation: str) -> float:
    """The temperature in [0.05, 20] with the least negative log likelihood."""
    found = minimize_scalar(
        lambda t: negative_log_likelihood(probabilities(logits, activation, float(np.exp(t))), hot, activation),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
    )
    return float(np.exp(found.x))


def operating_points(
    probability: np.ndarray, hot: np.ndarray, labels: list[str], activation: str
) -> list[dict[str, Any]]:
    """Manifest thresholds. Two exclusive labels: the second at sensitivity 0.90 and at specificity 0.90; else each label's best Youden index."""
    points: list[dict[str, Any]] = []
    binary = activation == "softmax" and len(labels) == 2
    for j in [1] if binary else range(len(labels)):
        positive = hot[:, j] > 0.5
        if not positive.any() or positive.all():
            continue
        candidates = np.unique(probability[:, j])
        sensitivity = np.array([(probability[positive, j] >= t).mean() for t in candidates])
        specificity = np.array([(probability[~positive, j] < t).mean() for t in candidates])

        def point(i: int, meaning: str) -> dict[str, Any]:
            return {
                "label": labels[j],  # noqa: B023
                "threshold": float(candidates[i]),  # noqa: B023
                "operatingPoint": meaning,
                "sensitivity": float(sensitivity[i]),  # noqa: B023
                "specificity": float(specificity[i]),  # noqa: B023
            }

        if binary:
            points.append(point(int(np.where(sensitivity >= 0.9)[0][-1]), "sensitivity 0.90 on validation"))
            specific = np.where(specificity >= 0.9)[0]
            if len(specific):
                points.append(point(int(specific[0]), "specificity 0.90 on validation"))
        else:
            points.append(point(int(np.argmax(sensitivity + specificity)), "highest Youden index on validation"))
    return points


def abstention(
    confidence: np.ndarray, correct: np.ndarray, gain: float = 0.25, least: float = 0.5
) -> tuple[float, float, float]:
    """Threshold, coverage and accuracy of what is answered: the lowest threshold that removes `gain` of the errors' share,
    as long as at least `least` of the questions are answered."""
    if len(confidence) == 0:
        return 0.0, 0.0, 0.0
    goal = 1 - (1 - correct.mean()) * (1 - gain)
    for threshold in [0.0, *np.unique(np.round(confidence, 3))]:
        answered = confidence >= threshold
        if answered.mean() < least:
            break
        if correct[answered].mean() >= goal:
            return float(threshold), float(answered.mean()), float(correct[answered].mean())
    return 0.0, 1.0, float(correct.mean())


def nearest_similarity(vectors: np.ndarray, reference: np.ndarray, k: int) -> np.ndarray:
    """Mean cosine similarity of each vector to its k nearest reference vectors, [n]."""
    similarity = vectors @ reference.T
    k = min(k, reference.shape[0])
    return np.partition(similarity, -k, axis=1)[:, -k:].mean(1)
