"""Which models are exported: their heads, what the graph of each gives, and why others are refused."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from enfold.errors import InputError, near
from enfold.pipelines.runtime import heads_of
from enfold.pipelines.tasks import task_named

if TYPE_CHECKING:
    from enfold.models import PreTrainedModel

__all__ = ["GRAPHS", "HEADS", "HIDDEN_TASKS", "Graph", "block_weights", "head_for", "require_encoder"]

HEADS = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "": "feature-extraction",
}
"""The heads that are exported, and the task each serves first; empty for the hidden states of any encoder."""
HIDDEN_TASKS = ("feature-extraction", "sentence-similarity", "semantic-search")
"""Tasks that read hidden states."""


@dataclass(frozen=True)
class Graph:
    """What a graph gives.

    Attributes:
        output: its name.
        axes: the axes that change from batch to batch, by their place.
    """

    output: str
    axes: dict[int, str]


_ROWS = {0: "batch"}
_TOKENS = {0: "batch", 1: "sequence"}
GRAPHS = {
    "ForSequenceClassification": Graph("logits", _ROWS),
    "ForTokenClassification": Graph("logits", _TOKENS),
    "ForQuestionAnswering": Graph("span_logits", _TOKENS),
    "": Graph("last_hidden_state", _TOKENS),
}


def head_for(task: str) -> str:
    """The head that a task needs.

    Raises:
        InputError: there is no such task, or models for it are not exported.
    """
    name = task_named(task).name
    if name in HIDDEN_TASKS:
        return ""
    found = next((head for head, own in HEADS.items() if own == name), None)
    if found is None:
        known = [*dict.fromkeys([*HEADS.values(), *HIDDEN_TASKS])]
        raise InputError(f"models for {name} are not exported; there are: {', '.join(known)}{near(name, known)}")
    return found


def require_encoder(model: PreTrainedModel, head: str) -> None:
    """Refuse what the exported graph would not compute.

    Raises:
        InputError: the model is no encoder, its weights are quantised already, or it has another head.
    """
    from enfold.layers.specs import PairSpec
    from enfold.models.quantised import is_quantised

    kind = type(model).__name__
    spec = model.family.spec(model.config)
    if isinstance(spec, PairSpec) or spec.causal:
        what = "of an encoder and a decoder" if isinstance(spec, PairSpec) else "a decoder"
        raise InputError(f"{kind} is {what}: enfold export takes encoders, such as BERT, RoBERTa or ModernBERT")
    if is_quantised(model):
        raise InputError(f"this {kind} is quantised already: export the model it was made of, with --format int8")
    if head and head not in heads_of(model):
        raise InputError(f"{HEADS[head]} needs a model with the head {head}; this one is a {kind}")
    for number in range(spec.depth):
        rotary = spec.attention_of(number).rotary
        if rotary is not None and dict(rotary.scaling).get("rope_type") in ("dynamic", "longrope"):
            raise InputError(f"{kind} turns by angles that depend on the length of each text, which a graph does not")


def block_weights(model: PreTrainedModel, head: str, without: Collection[str] = ()) -> set[str]:
    """The names that the weights of the blocks' linear maps have in a graph.

    Args:
        model: the one that was exported.
        head: a key of `HEADS`.
        without: roles of maps that are left out, such as ``value``.
    """
    root: Any = model if head else model.base_model
    stack: Any = model.base_model
    inside = {module for block in stack.blocks for module in block.reached()}
    left = {block.part(role) for block in stack.blocks for role in without if block.has(role)}
    modules = [name for name, module in root.named_modules() if module in inside and module not in left]
    return {f"model.{name}.weight" for name in modules}
