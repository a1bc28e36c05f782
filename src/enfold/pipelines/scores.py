"""Logits to probabilities, in NumPy and without overflow."""

from __future__ import annotations

import numpy as np

__all__ = ["cosine", "log_sum_exp", "normalised", "sigmoid", "softmax", "top"]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Of each logit by itself."""
    small = np.exp(-np.abs(logits))
    probabilities: np.ndarray = np.where(logits >= 0, 1.0, small) / (1.0 + small)
    return probabilities


def log_sum_exp(scores: np.ndarray) -> float:
    """The logarithm of the sum of all exponents; -inf of none."""
    if not scores.size:
        return float("-inf")
    most = float(scores.max())
    if not np.isfinite(most):
        return most
    return most + float(np.log(np.exp(scores - most).sum()))


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1 along the last axis; one of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(lengths, 1e-12)
    return unit


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The cosine of each of ``(n, width)`` with each of ``(m, width)``: *shape* ``(n, m)``."""
    product: np.ndarray = normalised(first) @ normalised(second).T
    return product


def top(scores: np.ndarray, count: int) -> np.ndarray:
    """Places of the highest of ``(n,)`` scores, the best first; of equal ones, the earlier first."""
    count = min(count, len(scores))
    if count <= 0:
        return np.empty(0, dtype=np.int64)
    if count < len(scores):
        # Everything that equals the last one that fits is a candidate, so that ties do not depend on the partition.
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        candidates = np.flatnonzero(scores >= least)
    else:
        candidates = np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]
