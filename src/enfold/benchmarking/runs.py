"""One model in one format, measured in a process of its own: tokens a second, latency, memory, where the time goes.

A process each, so that the memory of one format is not counted for another, and thread pools begin alike.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from enfold.benchmarking.limits import measure_limits
from enfold.errors import EnfoldError, InputError, near
from enfold.pipelines.writing import Prompt

__all__ = ["Measured", "Plan", "measure", "plan_for"]

READING = ("text-classification", "token-classification", "fill-mask", "feature-extraction")
WRITING = ("text-generation", "text2text-generation")
FLOATING = ("float32", "bfloat16")
_LATENCIES = 100  # answers to single texts
_LATENCY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        model: a reference.
        task: which pipeline runs it.
        formats: of the weights; of a folder whose weights are quantised, its own alone.
        writes: whether the task writes texts.
        stored: whether the weights of the folder are quantised.
    """

    model: str
    task: str
    formats: tuple[str, ...]
    writes: bool
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found for one format.

    Attributes:
        format: of the weights.
        texts: how many were read.
        tokens: read, special ones included, never padding.
        new_tokens: written, for all texts; 0 of a model that reads.
        load_seconds: until the model and its tokenizer were there.
        seconds: of each run over all texts at once, tokenising included.
        latencies: milliseconds of one answer after another, each to one text.
        memory_mb: the most memory the process had, torch and all, in million bytes.
        gflops: thousand million operations a second of the linear maps, in the median run; padding does no work here.
        limit: of those on this machine in the format, if it could be measured.
        gigabytes: a second of weights that are read for one token after another, in the median single answer; None of
            a model that reads.
        reading: what this machine's memory gives at most.
        parts: the share of one run that went into each kind of work, see :mod:`enfold.benchmarking.parts`.
        versions: of what ran it.
    """

    format: str
    texts: int
    tokens: int
    new_tokens: int
    load_seconds: float
    seconds: list[float]
    latencies: list[float]
    memory_mb: float
    gflops: float
    limit: float | None
    gigabytes: float | None
    reading: float
    threads: int
    parts: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def rates(self) -> tuple[float, float, float]:
        """Tokens a second: lowest, median and highest of the runs; of a model that writes, new ones."""
        counted = self.new_tokens or self.tokens
        return tuple(counted / one for one in (max(self.seconds), statistics.median(self.seconds), min(self.seconds)))  # type: ignore[return-value]

    def latency(self, percent: float) -> float:
        """Milliseconds within which so many per cent of single answers came."""
        ranked = sorted(self.latencies)
        return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]

    def to_dict(self) -> dict[str, Any]:
        """All of it, and what follows from it, for JSON."""
        low, middle, high = self.rates
        return asdict(self) | {
            "tokens_per_second": {"median": middle, "lowest": low, "highest": high},
            "latency_ms": {"p50": self.latency(50), "p99": self.latency(99)},
            "of_the_limit": self.gflops / self.limit if self.limit else None,
        }


def plan_for(model: str, task: str | None = None, formats: Sequence[str] = ()) -> Plan:
    """Which task and formats a model is measured in.

    Args:
        model: a reference: a folder, a Hub id, ``pypi:…``, a short name.
        task: by default what the checkpoint's head does, and feature extraction for one without.
        formats: by default all that fit.

    Raises:
        InputError: no such task or format, one that cannot be measured, or a format that the folder does not have.
        SourceError, CheckpointError: there is no such model, or it cannot be read.
    """
    from enfold.models import AutoConfig
    from enfold.models.quantised import MODEL_TYPE
    from enfold.models.sources import stored_config
    from enfold.models.weights import find_model
    from enfold.pipelines.exported import is_exported
    from enfold.pipelines.tasks import TASKS, task_named

    known = [*READING, *WRITING]
    if task is not None:
        task = task_named(task).name
        if task not in known:
            raise InputError(f"{task} is not measured: it needs more than texts; measured are {', '.join(known)}")
    if is_exported(model):
        raise InputError(f"{model} is an exported model, which torch does not run: give the model it was made of")
    config = AutoConfig.from_pretrained(model)
    if task is None:
        classes = list(config.architectures or ())
        heads = {name: [head for head in TASKS[name].heads if head] for name in known}
        found = (name for name, own in heads.items() if any(head in one for head in own for one in classes))
        # A GGUF file names no class; what it holds writes.
        writer = any("LMHead" in one for one in classes) or is_gguf(find_model(model, None).path)
        task = next(found, "text-generation" if writer else "feature-extraction")
    writes = task in WRITING
    every = [*FLOATING, "int8", *(["int4"] if writes else [])]
    for name in formats:
        if name not in every:
            why = " for a model that reads" if name == "int4" else ""
            raise InputError(f"no format {name!r}{why}; there are: {', '.join(every)}{near(name, every)}")
    stored = stored_config(find_model(model, None).path)
    if stored.get("model_type") == MODEL_TYPE:
        own = str(stored["format"])
        others = [name for name in formats if name != own]
        if others:
            raise InputError(f"the weights of {model} are {own} already: leave --format {others[0]} out")
        every = [own]
    chosen = tuple(dict.fromkeys(formats)) or tuple(every)
    return Plan(model, task, chosen, writes, stored.get("model_type") == MODEL_TYPE)


def measure(plan: Plan, format: str, texts: Sequence[str], *, runs: int = 3, new_tokens: int = 32) -> Measured:
    """Measure one format in a process of its own.

    Args:
        plan: as ``plan_for`` made it.
        format: one of its formats.
        texts: what is read; longer ones than the model reads are cut.
        runs: over all texts, after one that does not count.
        new_tokens: that are written for each text, by a model that writes.

    Raises:
        InputError: there are no texts, or the model does not allow the format.
        EnfoldError: anything else about the model; or the process ended, as when memory runs out.
    """
    if not texts:
        raise InputError("there are no texts to measure with")
    from enfold.pipelines.threads import batch_threads

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        try:
            found = process.submit(_measured, plan, format, list(texts), runs, new_tokens, batch_threads()).result()
        except BrokenProcessPool:
            raise EnfoldError(
                f"{plan.model} in {format}: its process was ended from outside, as when memory runs out; "
                "measure fewer or shorter texts, or a smaller format"
            ) from None
    if isinstance(found, str):
        raise InputError(found)
    return found


def _measured(plan: Plan, format: str, texts: list[str], runs: int, new_tokens: int, threads: int) -> Measured | str:
    """In the other process: what was found, or why not (errors of some kinds do not travel)."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # read when torch is imported; its profiler talks else
    logging.getLogger("enfold").setLevel(logging.ERROR)  # a head that is new is refused, in words of its own
    try:
        return _all_of_it(plan, format, texts, runs, new_tokens, threads)
    except EnfoldError as error:
        return str(error)


def _all_of_it(plan: Plan, format: str, texts: list[str], runs: int, new_tokens: int, threads: int) -> Measured:
    from importlib.metadata import version

    import torch

    from enfold import __version__, pipeline
    from enfold.benchmarking.parts import parts_of
    from enfold.benchmarking.work import linear_operations, weights_read

    torch.set_num_threads(threads)
    opening: dict[str, Any] = {} if plan.stored else {"dtype" if format in FLOATING else "format": format}
    began = time.perf_counter()
    run = pipeline(plan.task, plan.model, **opening)
    load_seconds = time.perf_counter() - began
    model = run.model if plan.writes else run._runtime._model
    if plan.task == "fill-mask":
        texts = [text if run.tokenizer.mask_token in text else f"{text} {run.tokenizer.mask_token}" for text in texts]

    def answer(some: list[str]) -> Any:
        if plan.writes:
            return _written(run, some, new_tokens)
        if plan.task == "feature-extraction":
            return run.embed(some, truncation=True)
        return run(some) if plan.task == "fill-mask" else run(some, truncation=True)

    answer(texts)  # packs weights and fills caches
    seconds = [_timed(answer, texts) for _ in range(runs)]
    latencies: list[float] = []
    while len(latencies) < _LATENCIES and sum(latencies) < 1000 * _LATENCY_SECONDS:
        latencies.append(1000 * _timed(answer, [texts[len(latencies) % len(texts)]]))
    memory = resident_peak_mb()  # before what profiling and the limits need
    tokens, written = _counted(run, plan, texts, answer)
    tokenising = min(_timed(run.encode if plan.writes else run.tokenizer.encode_batch, texts) for _ in range(2))
    parts = parts_of(model, lambda: answer(texts), tokenising)
    limits = measure_limits(blocks=4)
    middle = statistics.median(seconds)
    each = statistics.median(latencies) / 1000
    return Measured(
        format=format,
        texts=len(texts),
        tokens=tokens,
        new_tokens=written,
        load_seconds=load_seconds,
        seconds=seconds,
        latencies=latencies,
        memory_mb=memory,
        gflops=linear_operations(model, tokens, written) / middle / 1e9,
        limit=limits.of(format),
        gigabytes=weights_read(model) * written / len(texts) / each / 1e9 if plan.writes else None,
        reading=limits.reading,
        threads=limits.threads,
        parts=parts,
        versions={"python": sys.version.split()[0], "torch": version("torch"), "enfold": __version__},
    )


def is_gguf(path: Path) -> bool:
    """Whether a model is kept in a GGUF file."""
    return path.suffix == ".gguf" or (path.is_dir() and any(path.glob("*.gguf")))


def _written(run: Any, texts: list[str], new_tokens: int) -> tuple[int, int]:
    """Write so many tokens after each text, no fewer; how many were read, and written."""
    prompts = run.encode(texts, True)
    if not run.writes_anew and run.context_length is not None:
        room = run.context_length - new_tokens
        if room < 1:
            raise InputError(f"the model reads and writes {run.context_length} tokens: write fewer than {new_tokens}")
        prompts = [Prompt(prompt.ids[-room:]) for prompt in prompts]
    options = {"max_new_tokens": new_tokens, "min_new_tokens": new_tokens, "do_sample": False}
    found = run.write(prompts, options)
    return sum(len(prompt) for prompt in prompts), sum(len(one[0].ids) for one in found)


def _counted(run: Any, plan: Plan, texts: list[str], answer: Any) -> tuple[int, int]:
    """Tokens that are read and written for all texts."""
    if plan.writes:
        return answer(texts)
    read = run.reader.first_windows(texts) if plan.task != "fill-mask" else run.reader.read(texts)
    return sum(len(window) for text in read for window in text.windows), 0


def _timed(work: Any, given: list[str]) -> float:
    began = time.perf_counter()
    work(given)
    return time.perf_counter() - began


def resident_peak_mb() -> float:
    """The most memory this process had, in million bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # what the parent had before is not in it
        line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM")), None)
        if line is not None:
            return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
