"""Exporting a model: traced, perhaps quantised, tried, and only then put in place."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enfold import __version__
from enfold.errors import InputError, near, require
from enfold.export.card import model_card
from enfold.export.check import Figure, compare, require_all
from enfold.export.heads import HEADS, block_weights, head_for, require_encoder
from enfold.export.samples import QUESTIONS, TEXTS
from enfold.files import atomic_folder, fingerprint, fingerprint_of, read_json, write_json
from enfold.pipelines.exported import GRAPHS, PRODUCTS, Exported, is_exported

if TYPE_CHECKING:
    import onnx

    from enfold.models import PreTrainedModel
    from enfold.text import Tokenizer

__all__ = ["FORMATS", "export_model"]

FORMATS = ("float32", "int8")
_IN_FLOAT: tuple[tuple[str, ...], ...] = (
    (),
    ("value", "qkv"),
    ("value", "qkv", "attention_output", "gate", "up"),
)
"""The kinds of maps that an int8 graph leaves in float32, tried in this order until the self-test passes. Measured on
MiniLM embeddings, the maps to values cost more than half of the precision and are a twelfth of the work."""
_POOLING_FILES = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json")


def export_model(
    model: str | Path | PreTrainedModel,
    folder: str | Path,
    *,
    to: str = "onnx",
    format: str = "float32",
    task: str | None = None,
    texts: Sequence[Any] | None = None,
    tokenizer: Tokenizer | None = None,
    revision: str | None = None,
) -> Exported:
    """Write an encoder as a graph that ONNX Runtime or OpenVINO runs without torch.

    The folder holds the graph, the tokenizer, the labels (in ``config.json``), a model card and ``export.json``.
    ``pipeline(task, folder)`` opens it. Before anything is put in place, both answer the same texts: the labels and
    scores, tags, answers or vectors of the two must agree within bounds that depend on the format.

    Args:
        model: a reference (a folder, a Hub id, ``pypi:…``, a short name), or a loaded model. It is not changed.
        folder: where to write; an exported model that stands there is replaced, anything else is refused.
        to: ``onnx`` or ``openvino``.
        format: of the weights of linear maps: ``float32`` or ``int8``. In int8, activations become bytes with a scale
            for each token (ONNX Runtime), or stay in float32 (OpenVINO), so that an answer never depends on the other
            texts of a batch. Embeddings stay in float32.
        task: what the graph is for; by default what the checkpoint's head does, and feature extraction for one without.
        texts: for the self-test; (question, context) pairs for question answering. By default a few of our own.
        tokenizer: the one the model was trained with; by default the one beside it.
        revision: of the model, where the reference is a Hub id.

    Returns:
        what was written, with the figures of the self-test in ``check``.

    Raises:
        InputError: a name is wrong, the model is of a kind that is not exported, or the folder holds something else.
        MissingExtra: a library is not installed; the message has the command that installs it.
        EnfoldError: the self-test failed; nothing was written.
    """
    target = Path(folder)
    _check_names(to, format)
    _check_target(target)
    _check_extras(to)
    if texts is not None and not len(texts):
        raise InputError("the self-test needs at least one text")
    loaded, head, source = _opened(model, task, revision)
    require_encoder(loaded, head)
    if tokenizer is None:
        tokenizer = loaded.tokenizer
    from enfold.export.graph import OPSET, input_names, onnx_graph

    names = input_names(loaded, tokenizer)
    graph = onnx_graph(loaded, head, names)
    with atomic_folder(target) as temporary:
        tokenizer.save_pretrained(temporary)
        _write_config(loaded, temporary)
        pooling = _copy_pooling(loaded, temporary)
        for attempt in _IN_FLOAT if format == "int8" else ((),):
            _write_graph(graph, temporary, to, block_weights(loaded, head, attempt) if format == "int8" else None)
            exported = Exported(
                runtime=to,
                format=format,
                task=HEADS[head],
                head=head,
                revision=_revision(temporary, to),
                source=source,
                source_revision=loaded.revision,
                inputs=names,
                labels=_labels(loaded, head),
                problem_type=_problem(loaded) if head == "ForSequenceClassification" else None,
                max_length=loaded.context_length,
                pad_id=getattr(loaded.config, "pad_token_id", None) or 0,
                opset=OPSET if to == "onnx" else None,
                in_float=attempt,
                versions=_versions(to),
            )
            exported.write(temporary)
            figures = _tried(loaded, tokenizer, temporary, exported, texts, pooling)
            if all(figure.holds for figure in figures):
                break
        require_all(figures, f"the {to} form in {format}")
        exported = replace(exported, check={figure.name: round(figure.value, 8) for figure in figures})
        exported.write(temporary)
        (temporary / "README.md").write_text(model_card(exported, figures, target.name), encoding="utf-8")
    return exported


# ---- before ---------------------------------------------------------------------------------------------------------


def _check_names(to: str, format: str) -> None:
    for what, given, known in (("runtime", to, list(GRAPHS)), ("weight format", format, list(FORMATS))):
        if given not in known:
            raise InputError(f"no {what} {given!r}; there are: {', '.join(known)}{near(given, known)}")


def _check_target(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is a file: name a folder")
    if target.is_dir() and any(target.iterdir()) and not is_exported(target):
        raise InputError(f"{target} is not empty and holds no exported model: name another folder")


def _check_extras(to: str) -> None:
    for module in ("onnx", "onnxscript"):
        require(module, extra="export", purpose="enfold export")
    if to == "onnx":
        require("onnxruntime", extra="export", purpose="the self-test of an ONNX graph")
    else:
        require("openvino", extra="openvino", purpose="enfold export --to openvino")


def _opened(model: Any, task: str | None, revision: str | None) -> tuple[PreTrainedModel, str, str]:
    """The model, the head that is exported, and how the model is named."""
    if not isinstance(model, (str, Path)):
        if revision is not None:
            raise InputError("revision: only for a model that is loaded here; this one is loaded already")
        head = _own_head(model) if task is None else head_for(task)
        return model, head, getattr(getattr(model, "_located", None), "reference", "") or type(model).__name__
    import enfold.models

    if is_exported(model):
        raise InputError(f"{model} is an exported model already: export the model it was made of")
    if task is not None:
        head = head_for(task)
    else:
        config = enfold.models.AutoConfig.from_pretrained(model, revision=revision)
        head = _head_among(list(config.architectures or ()))
    loaded = getattr(enfold.models, f"AutoModel{head}").from_pretrained(model, revision=revision)
    missing = loaded.loading_report.initialised
    if head and missing:
        raise InputError(
            f"{model} has no trained head for {HEADS[head]}: {', '.join(missing[:3])} "
            f"{'is' if len(missing) == 1 else 'are'} not in its files; train it first, or export it for another task"
        )
    return loaded, head, str(model)


def _head_among(architectures: list[str]) -> str:
    found = next((head for head in HEADS if head and any(head in name for name in architectures)), None)
    if found is not None:
        return found
    others = [name for name in architectures if "For" in name or "LMHead" in name]
    if others:
        raise InputError(
            f"{', '.join(others)} is not exported: name the task that its stack serves, such as "
            "feature-extraction, or give a model with another head"
        )
    return ""


def _own_head(model: Any) -> str:
    from enfold.pipelines.runtime import heads_of

    heads = heads_of(model)
    found = next((head for head in HEADS if head and head in heads), None)
    return _head_among([type(model).__name__]) if found is None else found


# ---- what is written ------------------------------------------------------------------------------------------------


def _write_graph(graph: onnx.ModelProto, folder: Path, to: str, in_bytes: set[str] | None) -> None:
    """Write a graph for a runtime, with the named weights in int8; None for none. The graph itself stays as it is."""
    from enfold.export.graph import OPSET, save_graph
    from enfold.export.int8 import product_check, quantise_graph, with_stored_bytes

    made = copy.deepcopy(graph)
    if to == "openvino":
        from enfold.export.openvino import save_openvino

        if in_bytes is not None:
            with_stored_bytes(made, in_bytes)
        save_openvino(made, folder / GRAPHS[to])
        return
    if in_bytes is not None:
        quantise_graph(made, in_bytes)
        (folder / PRODUCTS).write_bytes(product_check(OPSET).SerializeToString())
    save_graph(made, folder / GRAPHS[to])


def _revision(folder: Path, to: str) -> str:
    files = sorted(file for file in folder.iterdir() if file.name.startswith(Path(GRAPHS[to]).stem))
    return fingerprint_of([[file.name, fingerprint(file)] for file in files])[:16]


def _write_config(model: PreTrainedModel, folder: Path) -> None:
    values = model.config.to_json()
    values["architectures"] = [type(model).__name__]
    write_json(folder / "config.json", values)


def _copy_pooling(model: PreTrainedModel, folder: Path) -> Any:
    """Copy what says how token vectors become one; gives it, or None for a model that was not read from a folder."""
    from enfold.pipelines.pooling import read_pooling

    located = getattr(model, "_located", None)
    if located is None or not located.path.is_dir():
        return None
    for name in _POOLING_FILES:
        if (located.path / name).is_file():
            shutil.copyfile(located.path / name, folder / name)
    if (folder / "modules.json").is_file():
        for step in read_json(folder / "modules.json"):
            path = str(step.get("path", ""))
            inside = (located.path / path).resolve()
            if path and inside.is_dir() and inside.is_relative_to(located.path.resolve()):
                shutil.copytree(inside, folder / path, dirs_exist_ok=True)
    return read_pooling(located.path)


def _labels(model: PreTrainedModel, head: str) -> tuple[str, ...]:
    if head not in ("ForSequenceClassification", "ForTokenClassification"):
        return ()
    if model.labels:
        return tuple(model.labels.names)
    return tuple(f"LABEL_{number}" for number in range(int(model.config.num_labels)))


def _problem(model: PreTrainedModel) -> str:
    known = getattr(model.config, "problem_type", None)
    return known or ("regression" if int(model.config.num_labels) == 1 else "single_label_classification")


def _versions(to: str) -> dict[str, str]:
    libraries = ("torch", "onnx", "onnxscript", "onnxruntime" if to == "onnx" else "openvino")
    return {"enfold": __version__} | {library: metadata.version(library) for library in libraries}


# ---- the self-test --------------------------------------------------------------------------------------------------


def _tried(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    folder: Path,
    exported: Exported,
    texts: Sequence[Any] | None,
    pooling: Any,
) -> list[Figure]:
    from enfold.pipelines.loading import pipeline
    from enfold.pipelines.runtimes import open_runtime

    samples = texts if texts is not None else QUESTIONS if exported.task == "question-answering" else TEXTS
    settings = {} if exported.head or pooling is None else {"pooling": pooling}
    before = pipeline(exported.task, model, tokenizer, **settings)
    after = pipeline(exported.task, open_runtime(folder), tokenizer, **settings)
    return compare(exported.task, before, after, list(samples), exported.format)
