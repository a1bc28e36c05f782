"""Where the time of a run goes, by kinds of work.

One run is recorded by PyTorch's profiler. Each operation's own time, what it spends outside of operations that it
calls, goes to a kind by the operation's name; inside of a head, all of it goes to the head. Names rather than modules,
since fused layers call operations and not modules. What is left of the run is tokenising, measured apart, and what
stands between operations: Python, the pipeline, and the profiler itself, which makes that share larger than it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["KINDS", "parts_of"]

KINDS = ("linear", "attention", "norm", "activation", "embeddings", "head", "other", "tokenising", "between")
_HEAD = "enfold::head"
_NAMES = {
    "linear": ("addmm", "::mm", "linear", "_int_mm", "int4pack", "int8pack", "matmul_pointwise"),
    "attention": ("bmm", "softmax", "attention", "rotary"),
    "norm": ("norm", "rsqrt", "var_mean"),
    "activation": ("gelu", "silu", "relu", "tanh", "sigmoid"),
    "embeddings": ("embedding",),
}


def kind_of(operation: str) -> str:
    """The kind of an operation of PyTorch, by its name."""
    return next((kind for kind, names in _NAMES.items() if any(name in operation for name in names)), "other")


def parts_of(model: Any, run: Callable[[], object], tokenising: float) -> dict[str, float]:
    """The share of a run that each of `KINDS` takes; they add up to 1.

    Args:
        model: what the run calls, a model of Enfold.
        run: once.
        tokenising: seconds that the tokenizer takes for its texts.
    """
    from torch.profiler import ProfilerActivity, profile

    with _head_recorded(model), profile(activities=[ProfilerActivity.CPU]) as recorded:
        began = time.perf_counter()
        run()
        seconds = time.perf_counter() - began
    spent = dict.fromkeys(KINDS, 0.0)
    for event in recorded.events() or ():
        kind = "head" if _inside_a_head(event) else kind_of(event.name)
        spent[kind] += event.self_cpu_time_total / 1e6
    spent["tokenising"] = min(tokenising, max(0.0, seconds - sum(spent.values())))
    whole = max(seconds, sum(spent.values()))
    spent["between"] = whole - sum(spent.values())
    return {kind: value / whole for kind, value in spent.items()}


def _inside_a_head(event: Any) -> bool:
    while event is not None:
        if event.name == _HEAD:
            return True
        event = event.cpu_parent
    return False


@contextmanager
def _head_recorded(model: Any) -> Iterator[None]:
    """Mark what is computed above the stack: the modules beside it, and the scores of the vocabulary."""
    from torch.profiler import record_function

    stack = model.base_model
    handles = []
    if stack is not model:
        for module in model.children():
            if module is stack or any(one is stack for one in module.modules()):
                continue
            open_marks: list[Any] = []

            def begin(module: Any, given: Any, marks: list[Any] = open_marks) -> None:
                marks.append(record_function(_HEAD))
                marks[-1].__enter__()

            def end(module: Any, given: Any, found: Any, marks: list[Any] = open_marks) -> None:
                marks.pop().__exit__(None, None, None)

            handles += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    scores = getattr(model, "vocabulary_scores", None)
    if scores is not None:

        def recorded_scores(*given: Any, **named: Any) -> Any:
            with record_function(_HEAD):
                return scores(*given, **named)

        model.vocabulary_scores = recorded_scores
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        if scores is not None:
            del model.vocabulary_scores
