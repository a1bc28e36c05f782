"""The self-test of an exported model: does it say what the model says, by the measure of its task?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enfold.errors import EnfoldError, InputError
from enfold.pipelines.scores import softmax

__all__ = ["Figure", "compare", "require_all"]


@dataclass(frozen=True)
class Figure:
    """One comparison.

    Attributes:
        name: what was compared.
        value: what was found.
        bound: what is allowed.
        at_least: whether the value must reach the bound; otherwise it must not exceed it.
    """

    name: str
    value: float
    bound: float
    at_least: bool

    @property
    def holds(self) -> bool:
        """Whether the bound is kept; never by something that is not a number."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        wanted = "at least" if self.at_least else "at most"
        return f"{self.name} {self.value:.4g} ({wanted} {self.bound:g})"


_BOUNDS: dict[str, dict[str, float]] = {
    "float32": {"same": 1.0, "mean": 1e-4, "greatest": 1e-3, "cosine": 0.9999},
    "int8": {"same": 0.95, "mean": 0.02, "greatest": 0.2, "cosine": 0.995},
}
_NEIGHBOURS = 1e-3
"""How far a score may move with the texts of the same batch."""
_TIE = 1e-3
"""Answers whose scores lie closer together than this are as good as each other."""


def compare(task: str, before: Any, after: Any, samples: Sequence[Any], format: str) -> list[Figure]:
    """Ask the model and what was exported of it the same.

    Args:
        task: of both pipelines.
        before: the pipeline of the model.
        after: the pipeline of what was exported.
        samples: texts; (question, context) pairs for question answering.
        format: of the weights, which decides the bounds.
    """
    bounds = _BOUNDS[format]
    if task == "feature-extraction":
        return list(_embeddings(before, after, samples, bounds))
    if task == "token-classification":
        return list(_tags(before, after, samples, bounds))
    if task == "question-answering":
        return list(_answers(before, after, samples, bounds))
    return list(_scores(before, after, samples, bounds))


def require_all(figures: Sequence[Figure], what: str) -> None:
    """Refuse what does not pass.

    Raises:
        EnfoldError: a bound is not kept; the message has all figures.
    """
    if not all(figure.holds for figure in figures):
        found = "; ".join(f"{'' if figure.holds else 'FAILED: '}{figure}" for figure in figures)
        raise EnfoldError(
            f"{what} does not say what the model says, and was not saved: {found}. "
            "Export in float32, or give texts of your own with texts= or --texts"
        )


def _scores(before: Any, after: Any, texts: Sequence[str], bounds: dict[str, float]) -> Iterator[Figure]:
    ours, theirs, alone = before(texts), after(texts), [after(text)[0] for text in texts]
    expected, found, single = (np.array([_numbers(one) for one in some]) for some in (ours, theirs, alone))
    if hasattr(ours[0], "outputs"):  # numbers on a scale of their own
        spread = max(float(expected.std()), 1e-6)
        expected, found, single = expected / spread, found / spread, single / spread
    else:
        same = [_same_label(*pair) for pair in zip(ours, theirs, strict=True)]
        yield Figure("same labels", float(np.mean(same)), bounds["same"], True)
    apart = np.abs(found - expected)
    yield Figure("mean difference of scores", float(apart.mean()), bounds["mean"], False)
    yield Figure("greatest difference of scores", float(apart.max()), bounds["greatest"], False)
    yield Figure("difference made by neighbours", float(np.abs(found - single).max()), _NEIGHBOURS, False)


def _numbers(prediction: Any) -> list[float]:
    values = prediction.outputs if hasattr(prediction, "outputs") else prediction.scores
    return list(values.values())


def _same_label(ours: Any, theirs: Any) -> bool:
    if hasattr(ours, "label"):
        return bool(ours.label == theirs.label or ours.score - ours.scores[theirs.label] <= _TIE)
    different = set(ours.labels) ^ set(theirs.labels)
    return all(abs(ours.scores[label] - ours.threshold) <= _TIE for label in different)


def _embeddings(before: Any, after: Any, texts: Sequence[str], bounds: dict[str, float]) -> Iterator[Figure]:
    ours, theirs = before.embed(texts), after.embed(texts)
    single = np.concatenate([after.embed(text) for text in texts])
    cosines = _cosines(ours, theirs)
    yield Figure("mean cosine", float(cosines.mean()), bounds["cosine"], True)
    yield Figure("least cosine", float(cosines.min()), 1 - 2 * (1 - bounds["cosine"]), True)
    yield Figure("difference made by neighbours", float(1 - _cosines(theirs, single).min()), _NEIGHBOURS, False)


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    found: np.ndarray = (first * second).sum(1) / np.maximum(lengths, 1e-12)
    return found


def _tags(before: Any, after: Any, texts: Sequence[str], bounds: dict[str, float]) -> Iterator[Figure]:
    encoded = [one for one in before.encode(texts) if one.read]
    if not encoded:
        raise InputError("the self-test needs a text with a token in it")
    windows = [window for one in encoded for window in one.windows]
    ours, theirs = _of_tokens(encoded, before.run(windows)), _of_tokens(encoded, after.run(windows))
    single = _of_tokens(encoded, [after.run([window])[0] for window in windows])
    best = theirs.argmax(1)
    lost = ours.max(1) - np.take_along_axis(ours, best[:, None], 1)[:, 0]
    yield Figure("same tags", float((lost <= _TIE).mean()), bounds["same"], True)
    yield Figure("mean difference of scores", float(np.abs(ours - theirs).mean()), bounds["mean"], False)
    yield Figure("difference made by neighbours", float(np.abs(theirs - single).max()), _NEIGHBOURS, False)


def _of_tokens(encoded: Sequence[Any], outputs: Sequence[np.ndarray]) -> np.ndarray:
    """The probabilities of every token's tags, (tokens of all texts, tags)."""
    rows, start = [], 0
    for one in encoded:
        end = start + len(one.windows)
        rows.append(one.merged(outputs[start:end]))
        start = end
    return softmax(np.concatenate(rows).astype(np.float64))


def _answers(before: Any, after: Any, pairs: Sequence[tuple[str, str]], bounds: dict[str, float]) -> Iterator[Figure]:
    questions, contexts = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ours, theirs = before(questions, contexts), after(questions, contexts)
    single = [after(*pair)[0] for pair in pairs]
    overlaps = [_overlap(*pair) for pair in zip(ours, theirs, strict=True)]
    yield Figure("overlap of answers", float(np.mean(overlaps)), bounds["same"], True)
    apart = [abs(one.score - other.score) for one, other in zip(ours, theirs, strict=True)]
    yield Figure("mean difference of scores", float(np.mean(apart)), bounds["mean"], False)
    beside = [abs(one.score - other.score) for one, other in zip(theirs, single, strict=True)]
    yield Figure("difference made by neighbours", float(max(beside)), _NEIGHBOURS, False)


def _overlap(ours: Any, theirs: Any) -> float:
    """F1 of the characters of two answers; 1 where they are as good as each other."""
    if abs(ours.score - theirs.score) <= _TIE and (ours.start, ours.end) == (theirs.start, theirs.end):
        return 1.0
    if ours.start is None or theirs.start is None:
        return float(ours.start is None and theirs.start is None)
    shared = min(ours.end, theirs.end) - max(ours.start, theirs.start)
    return max(0.0, 2 * shared / (ours.end - ours.start + theirs.end - theirs.start))
