"""A stack: embeddings, blocks and perhaps a last norm, built from a spec and run on packed tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from enfold.layers.activations import activation
from enfold.layers.attention import Attention, CrossAttention
from enfold.layers.block import BLOCKS, Block
from enfold.layers.context import Context
from enfold.layers.dropout import Dropout
from enfold.layers.embeddings import Embed, check_inputs
from enfold.layers.feed_forward import FeedForward, GatedFeedForward, StackedFeedForward
from enfold.layers.int8_blocks import quickest
from enfold.layers.linear import linear
from enfold.layers.norms import norm
from enfold.layers.places import Assembly, place
from enfold.layers.positions import FixedPositions, PositionTable, RelativeBias
from enfold.layers.rotary import Rotary
from enfold.layers.specs import AttentionSpec, RotarySpec, StackSpec
from enfold.models.inputs import Inputs

__all__ = ["Stack", "build_block"]

Parts = dict[str, nn.Module]

_BEHIND = ("relative", "final_norm", "final_dropout", "output_projection")


# ---- building -----------------------------------------------------------------------------------------------------


def build_block(spec: StackSpec, number: int) -> Block:
    """The block that is run at that place."""
    attention = spec.attention_of(number)
    parts = {
        **_attention(spec, attention),
        **_dropout(spec, "attention_dropout"),
        "attention_norm": norm(spec.norm, spec.width),
    }
    if spec.cross:
        parts |= {
            **_cross_attention(spec, attention),
            **_dropout(spec, "cross_dropout"),
            "cross_norm": norm(spec.norm, spec.width),
        }
    parts |= {
        **_feed_forward(spec),
        **_dropout(spec, "output_dropout"),
        "output_norm": norm(spec.norm, spec.width),
    }
    kind: type[Block] = spec.block or BLOCKS[spec.order]
    names = {role: path.format(number) for role, path in spec.block_names.items()}
    return kind(_own_parts(spec, parts, number), names, number)


def _dropout(spec: StackSpec, role: str) -> Parts:
    return {role: Dropout(0.0 if role in spec.undropped else spec.dropout)}


def _attention(spec: StackSpec, own: AttentionSpec) -> Parts:
    heads, kv_heads = own.heads, own.kv_heads or own.heads
    each = own.head_width or spec.width // heads
    sizes = {"query": heads * each, "key": kv_heads * each, "value": kv_heads * each}
    if own.maps != "separate":
        sizes = {"qkv": sum(sizes.values())}
    rotation = None if own.rotary is None else _rotations(spec).index(own.rotary)
    parts: Parts = {"attention": Attention(own, rotation)}
    for role, size in sizes.items():
        parts[role] = linear(spec.width, size, bias=own.bias, transposed=own.transposed)
    if own.norm is not None:
        parts |= {"query_norm": norm(own.norm, each), "key_norm": norm(own.norm, each)}
    output = linear(heads * each, spec.width, bias=own.output_bias, transposed=own.transposed)
    return parts | {"attention_output": output}


def _cross_attention(spec: StackSpec, own: AttentionSpec) -> Parts:
    inner = own.heads * (own.head_width or spec.width // own.heads)
    parts: Parts = {"cross_attention": CrossAttention(own)}
    for role in ("cross_query", "cross_key", "cross_value"):
        parts[role] = linear(spec.width, inner, bias=own.bias)
    return parts | {"cross_output": linear(inner, spec.width, bias=own.output_bias)}


def _feed_forward(spec: StackSpec) -> Parts:
    own = spec.feed_forward
    kind = {"no": FeedForward, "separate": GatedFeedForward, "stacked": StackedFeedForward}[own.gated]
    dropout = Dropout(own.dropout) if own.dropout else nn.Identity()
    parts: Parts = {"feed_forward": kind(activation(own.activation), dropout)}
    sizes = {"no": {"up": 1}, "separate": {"gate": 1, "up": 1}, "stacked": {"up": 2}}[own.gated]
    for role, times in sizes.items():
        parts[role] = linear(spec.width, times * own.width, bias=own.bias, transposed=own.transposed)
    return parts | {"down": linear(own.width, spec.width, bias=own.bias, transposed=own.transposed)}


def _rotations(spec: StackSpec) -> list[RotarySpec]:
    """The kinds of rotation that occur, each once."""
    found = (spec.attention_of(number).rotary for number in range(spec.depth))
    return list(dict.fromkeys(rotary for rotary in found if rotary is not None))


def _around(spec: StackSpec) -> Parts:
    """The parts of a stack beside its blocks."""
    table = spec.embeddings
    width = table.width or spec.width
    summed = spec.width if table.project == "words" else width
    parts: Parts = {"words": nn.Embedding(table.vocabulary, width, padding_idx=table.pad_id)}
    if spec.positions is not None:
        kind = PositionTable if spec.positions.stored else FixedPositions
        parts["positions"] = kind(spec.positions, summed, table.pad_id)
    if table.types:
        parts["types"] = nn.Embedding(table.types, summed)
    if table.norm:
        parts["embeddings_norm"] = norm(spec.norm, spec.width if table.project == "unnormed" else summed)
    parts["embeddings_dropout"] = Dropout(table.dropout)
    if width != spec.width:
        parts["embeddings_projection"] = nn.Linear(width, spec.width, bias=table.project_bias)
    if spec.final_norm:
        parts["final_norm"] = norm(spec.norm, spec.width)
    if spec.final_dropout:
        parts["final_dropout"] = Dropout(spec.final_dropout)
    for number, rotary in enumerate(_rotations(spec)):
        parts[f"rotary_{number}"] = Rotary(rotary)
    if spec.relative is not None:
        parts["relative"] = RelativeBias(spec.relative)
    parts = _own_parts(spec, parts, -1)
    project = table.project if "embeddings_projection" in parts else None
    embed = Embed(table.scale, table.round_scale, frozenset(parts), project, table.scales_vectors)
    return {"embeddings": embed, **parts}


def _own_parts(spec: StackSpec, parts: Parts, number: int) -> Parts:
    """The parts with those that the family passes in, of the stack (number -1) or of a block."""
    own = {role: make(spec, number) for role, make in spec.parts.items()}
    return parts | {role: part for role, part in own.items() if part is not None}


# ---- running ------------------------------------------------------------------------------------------------------


class Stack(Assembly):
    """A stack that may be a module of its own, or the model itself."""

    gradient_checkpointing = False

    def __init__(self, spec: StackSpec) -> None:
        super().__init__({}, {})
        self.build_stack(spec)

    def build_stack(self, spec: StackSpec) -> None:
        """Make the modules."""
        self.spec = spec
        around = _around(spec)
        behind = {role: around.pop(role) for role in _BEHIND if role in around}
        self.assemble(around, spec.names)
        for path in dict.fromkeys(spec.paths):
            block = build_block(spec, spec.paths.index(path))
            place(self, path, block)
            block.join(self)
        self.assemble(behind, spec.names)  # what blocks share may lie inside one of them
        self.rotary_roles = [f"rotary_{number}" for number in range(len(_rotations(spec)))]

    @property
    def width(self) -> int:
        """The width of the states that heads read."""
        last: Any = self.part("output_projection") if self.has("output_projection") else None
        return self.spec.width if last is None else last.out_features

    @property
    def blocks(self) -> list[Block]:
        """The blocks in the order in which they are run; shared ones come again."""
        return [self.get_submodule(path) for path in self.spec.paths]  # type: ignore[misc]

    @property
    def embed(self) -> nn.Module:
        """What makes the first hidden states, for hooks."""
        return self.part("embeddings")

    def encode(self, inputs: Inputs) -> Tensor:
        """Hidden states of a batch that is inside the door: (tokens, width)."""
        layout = inputs.layout
        positions = layout.positions if inputs.positions is None else inputs.positions
        if not torch.compiler.is_compiling():
            lowest = 0 if self.spec.positions is None else self.spec.positions.lowest
            check_inputs(layout.where, inputs.ids, inputs.types, positions, self.sizes, self.spec.first_place, lowest)
        hidden = self.part("embeddings")(self.part, inputs.ids, inputs.types, positions, inputs.vectors)
        hidden = self.run(inputs.blank(hidden) if self.spec.blanks else hidden, self.context(inputs, positions))
        if self.has("final_norm"):
            hidden = self.part("final_norm")(hidden)
        if self.has("final_dropout"):
            hidden = self.part("final_dropout")(hidden)
        return self.part("output_projection")(hidden) if self.has("output_projection") else hidden

    def context(self, inputs: Inputs, positions: Tensor) -> Context:
        """What the blocks of this pass share."""
        layout = inputs.layout.seeing(causal=self.spec.causal)
        rotations = tuple(self.part(role)(positions, layout) for role in self.rotary_roles)
        relative = self.part("relative") if self.has("relative") else None
        score_bias = relative.bias(once=not self.runs_again) if isinstance(relative, RelativeBias) else None
        shared: Any = None if relative is None or score_bias is not None else relative(self.part, inputs)
        return Context(layout, inputs.bias, score_bias, rotations, inputs.memory, inputs.cache, shared)

    @property
    def runs_again(self) -> bool:
        """Whether blocks are run again in backward rather than kept."""
        return self.gradient_checkpointing and self.training and torch.is_grad_enabled()

    def run(self, hidden: Tensor, context: Context) -> Tensor:
        """All blocks, one after another: (tokens, width) to (tokens, width)."""
        again = self.runs_again
        drop = self.spec.layer_drop if self.training else 0.0
        blocks: list[Any] = list(self.blocks)
        if not torch.is_grad_enabled() and not torch.compiler.is_compiling():
            blocks = [quickest(block, hidden) for block in blocks]
        for block in blocks:
            if drop and float(torch.rand(())) < drop:
                continue
            if again:
                hidden = checkpoint(block, hidden, context, use_reentrant=False)
            else:
                hidden = block(hidden, context)
        return hidden

    @property
    def sizes(self) -> tuple[int, int | None, int | None]:
        """How many words, segment types and places there are; None where any number is right."""
        words: Any = self.part("words")
        types: Any = self.part("types").num_embeddings if self.has("types") else None
        places = None if self.spec.positions is None else self.spec.positions.capacity
        return words.num_embeddings, types, places

    def set_words(self, table: nn.Embedding) -> None:
        """Put another table of word vectors in place."""
        place(self, self.spec.names.get("words", "words"), table)
