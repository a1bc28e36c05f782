"""From a model to an ONNX graph: traced by ``torch.export``, translated by ``torch.onnx``, without what is local."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enfold.errors import EnfoldError, require
from enfold.export.heads import GRAPHS

if TYPE_CHECKING:
    import onnx

    from enfold.models import PreTrainedModel
    from enfold.text import Tokenizer

__all__ = ["OPSET", "input_names", "onnx_graph", "save_graph"]

OPSET = 23
"""The first with an operator for attention, and the newest that torch's exporter writes."""
WEIGHTS = "model.onnx.data"
_INSIDE = 1 << 10
"""Tensors of at least this many bytes stand in the file beside the graph, which engines map into memory."""


def input_names(model: PreTrainedModel, tokenizer: Tokenizer) -> tuple[str, ...]:
    """What the graph of a model reads, in order: token types only where both model and tokenizer have them."""
    stack: Any = model.base_model
    types = bool(stack.spec.embeddings.types) and "token_type_ids" in tokenizer.model_input_names
    return ("input_ids", "attention_mask", "token_type_ids") if types else ("input_ids", "attention_mask")


def onnx_graph(model: PreTrainedModel, head: str, names: tuple[str, ...], opset: int = OPSET) -> onnx.ModelProto:
    """The graph of an encoder, in float32, with batch and sequence of any size.

    Args:
        model: not changed.
        head: a key of `enfold.export.heads.HEADS`.
        names: what it reads, from `input_names`.
        opset: the version of the operators.

    Raises:
        MissingExtra: onnx or onnxscript is not installed.
        EnfoldError: torch cannot trace or translate the model.
    """
    for module in ("onnx", "onnxscript"):
        require(module, extra="export", purpose="enfold export")
    import torch

    from enfold.export.padded import Traced, traceable

    traced = Traced(traceable(model), head).to("cpu")
    ids = torch.ones(2, 5, dtype=torch.long)  # a size of 1, or two that are equal, would count as fixed
    mask = torch.ones_like(ids)
    mask[1, 3:] = 0
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    graph = GRAPHS[head]
    try:
        # Gradients are on: without them some layers choose another way for a few rows, which would fix the sizes.
        with _quiet(), torch.enable_grad():
            program = torch.export.export(
                traced,
                tuple(given[name] for name in names),
                dynamic_shapes=dict.fromkeys(names, any_size),
                strict=False,
            )
            made: Any = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=opset,
                input_names=list(names),
                output_names=[graph.output],
                verbose=False,
            )
            proto = made.model_proto
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise EnfoldError(f"torch could not export this {type(model).__name__}: {reason[0][:300]}") from error
    _name_axes(proto, names, graph.axes)
    _strip(proto)
    return proto


def _name_axes(proto: onnx.ModelProto, names: tuple[str, ...], output: dict[int, str]) -> None:
    """Give the sizes that change the names that users of such graphs expect."""
    axes = {name: {0: "batch", 1: "sequence"} for name in names} | {proto.graph.output[0].name: output}
    for value in (*proto.graph.input, *proto.graph.output):
        for place, name in axes[value.name].items():
            value.type.tensor_type.shape.dim[place].dim_param = name
    del proto.graph.value_info[:]  # it speaks of the sizes by their former names


def _strip(proto: onnx.ModelProto) -> None:
    """Leave out where in whose source each node was traced, which is of this machine alone."""
    del proto.metadata_props[:]
    graph = proto.graph
    del graph.metadata_props[:]
    graph.doc_string = proto.doc_string = ""
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del item.metadata_props[:]
        item.doc_string = ""
    proto.producer_name, proto.producer_version = "enfold", _version()


def _version() -> str:
    from enfold import __version__

    return __version__


def save_graph(proto: onnx.ModelProto, file: Path) -> None:
    """Write a graph, its large tensors into a file beside it."""
    import onnx

    onnx.save_model(
        proto,
        str(file),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=WEIGHTS,
        size_threshold=_INSIDE,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter tells its own developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [one.level for one in loggers]
    try:
        for one in loggers:
            one.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
