"""Whether the compressed model takes the place of the trained one: only if it is faster here and as right."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from enfold.compression.cost import Speed, measure_speed, size_on_disk
from enfold.compression.quantise import quantise
from enfold.errors import InputError
from enfold.evaluation import Answers, LabelledRows, answer, paired_bootstrap
from enfold.pipelines import TextClassificationPipeline
from enfold.values.reports import Cost, Decision
from enfold.web.pages import count, duration, share

__all__ = ["FASTER", "decide", "verdict"]

FASTER = 1.05
"""Gain in throughput that counts as faster, and loss of latency that does not count as slower: less is noise."""


def decide(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    bound: float,
    format: str = "int8",
    candidate: Any = None,
    max_length: int | None = None,
    budget: float = 6.0,
    seed: int = 0,
) -> Decision:
    """Compare a model with its compressed form, on this machine and on rows that neither was trained on.

    It is kept only if all of these hold: at least 5 % more texts per second; the median latency of a single text
    at most 5 % longer; no more accuracy lost than ``bound``.

    Args:
        model: the trained model, with a sequence-classification head.
        tokenizer: its tokenizer.
        texts: validation rows; the test rows stay untouched.
        labels: their right labels, by name.
        bound: largest loss of accuracy allowed, as a share: 0.005 is half a point.
        format: weight format to try.
        candidate: the compressed model, where it is already there; by default it is made of ``model``.
        max_length: tokens in a window of the pipeline, as the model will be used.
        budget: seconds for measuring speed; the accuracy pass comes on top.
        seed: of the samples.

    Raises:
        InputError: ``bound`` is negative, or texts and labels differ in number.
        DataError: there are no rows.
        LabelError: a label is not one of the model's.
    """
    if bound < 0:
        raise InputError(f"bound={bound} must be 0 or more: the share of accuracy that may be lost")
    if len(texts) != len(labels):
        raise InputError(f"the decision got {len(texts)} texts and {len(labels)} labels")
    rows = LabelledRows(texts=tuple(texts), labels=tuple(labels), source="the validation rows")
    candidate = quantise(model, format=format) if candidate is None else candidate
    trained = TextClassificationPipeline(model, tokenizer, max_length=max_length)
    compressed = TextClassificationPipeline(candidate, tokenizer, max_length=max_length)
    before = answer(trained, rows)
    after = answer(compressed, rows, labels=before.labels)
    speeds = measure_speed([trained, compressed], texts, budget=budget, seed=seed)
    old, new = _cost(before, model, speeds[0]), _cost(after, candidate, speeds[1])
    kept, reason = verdict(old, new, bound=bound, format=format, rows=len(texts))
    return Decision(
        kept=kept,
        reason=reason,
        format=format,
        before=old,
        after=new,
        difference=paired_bootstrap(after.scored.correct, before.scored.correct, seed=seed),
        flips=int((after.scored.predicted != before.scored.predicted).sum()),
        largest_change=float(np.abs(after.scores - before.scores).max()),
        bound=bound,
        rows=len(texts),
        machine=_machine(),
    )


def verdict(old: Cost, new: Cost, *, bound: float, format: str, rows: int) -> tuple[bool, str]:
    """The rules of :func:`decide` on two costs: whether the new one is kept, and why, as one sentence."""
    lost = old.accuracy - new.accuracy
    allowed = f"{100 * bound:.3g}"
    if lost > bound + 1e-9:
        return (
            False,
            f"{format} loses {100 * lost:.2f} points of accuracy on {count(rows)} rows; {allowed} are allowed.",
        )
    if new.throughput < FASTER * old.throughput:
        return False, (
            f"{format} is not faster on this machine: {count(new.throughput)} texts a second against "
            f"{count(old.throughput)} before."
        )
    if new.latency_p50 > FASTER * old.latency_p50:
        return False, (
            f"{format} answers a single text more slowly on this machine: {duration(new.latency_p50)} against "
            f"{duration(old.latency_p50)} before."
        )
    change = f"loses {100 * lost:.2f} points of accuracy" if lost > 0 else "loses no accuracy"
    return True, (
        f"{format} is {new.throughput / old.throughput:.1f} times as fast on this machine, takes "
        f"{share(new.bytes / old.bytes)} of the space and {change} ({allowed} points are allowed)."
    )


def _cost(answers: Answers, model: Any, speed: Speed) -> Cost:
    return Cost(
        bytes=size_on_disk(model),
        latency_p50=speed.latency_p50,
        latency_p99=speed.latency_p99,
        throughput=speed.throughput,
        accuracy=float(answers.scored.correct.mean()),
    )


def _machine() -> dict[str, Any]:
    import torch

    from enfold.layers.int8 import int8_product

    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "int8_product": int8_product("cpu").name,
        "torch": torch.__version__,
    }
