"""The encoder stack: embeddings, blocks, and a pooler on the first token where the model has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from enfold.errors import InputError
from enfold.layers.activations import activation
from enfold.layers.attention import Attention
from enfold.layers.block import Block
from enfold.layers.door import Entry, enter
from enfold.layers.dropout import Dropout
from enfold.layers.embeddings import Embeddings, check_inputs
from enfold.layers.feed_forward import FeedForward
from enfold.layers.packing import Layout
from enfold.layers.places import Assembly, place
from enfold.layers.specs import EncoderSpec
from enfold.models.capture import capturing
from enfold.models.outputs import EncoderOutput, ModelOutput
from enfold.models.pretrained import PreTrainedModel

__all__ = ["EncoderModel", "Inputs", "build_block", "build_embeddings", "returned"]


def build_embeddings(spec: EncoderSpec) -> Embeddings:
    """The embeddings a spec asks for."""
    table = spec.embeddings
    parts = {
        "words": nn.Embedding(table.vocabulary, spec.width, padding_idx=table.pad_id),
        "positions": nn.Embedding(spec.positions.capacity, spec.width),
        "types": nn.Embedding(table.types, spec.width),
        "embeddings_norm": nn.LayerNorm(spec.width, eps=spec.norm.eps),
        "embeddings_dropout": Dropout(table.dropout),
    }
    return Embeddings(parts, spec.names)


def build_block(spec: EncoderSpec) -> Block:
    """One block as a spec asks for."""
    width, inner = spec.width, spec.feed_forward.width
    parts = {
        "attention": Attention(heads=spec.attention.heads, dropout=spec.attention.dropout),
        "query": nn.Linear(width, width),
        "key": nn.Linear(width, width),
        "value": nn.Linear(width, width),
        "attention_output": nn.Linear(width, width),
        "attention_dropout": Dropout(spec.dropout),
        "attention_norm": nn.LayerNorm(width, eps=spec.norm.eps),
        "up": nn.Linear(width, inner),
        "feed_forward": FeedForward(activation(spec.feed_forward.activation)),
        "down": nn.Linear(inner, width),
        "output_dropout": Dropout(spec.dropout),
        "output_norm": nn.LayerNorm(width, eps=spec.norm.eps),
    }
    return Block(parts, spec.names)


class Pooler(Assembly):
    """tanh(dense(first token)) (Devlin et al., 2019, section 3)."""

    def forward(self, hidden: Tensor, layout: Layout) -> Tensor:
        """(tokens, width) to (rows, width)."""
        return torch.tanh(self.part("pooler_dense")(hidden[layout.first]))


@dataclass(frozen=True, eq=False)
class Inputs:
    """A batch inside the door.

    Attributes:
        entry: the way back; None for a batch that came packed.
        arguments: what the stack is called with.
    """

    entry: Entry | None
    arguments: dict[str, Any]

    @property
    def layout(self) -> Layout:
        """Where each row lies among the packed tokens."""
        return self.arguments["layout"]

    def outside(self, values: Tensor) -> Tensor:
        """(tokens, …) as the caller sees it: (batch, seq, …), or unchanged for a batch that came packed."""
        return values if self.entry is None else self.entry.outside(values)

    def inside(self, values: Tensor) -> Tensor:
        """Labels of places, (batch, seq) or (tokens,), as (tokens,)."""
        return values if self.entry is None else self.entry.inside(values)

    def seen(self, output: EncoderOutput) -> dict[str, Any]:
        """Hidden states and attentions as the caller sees them."""
        hidden, weights = output.hidden_states, output.attentions
        if self.entry is not None:
            hidden = None if hidden is None else tuple(self.entry.outside(states) for states in hidden)
            weights = None if weights is None else tuple(self.entry.outside_weights(own) for own in weights)
        return {"hidden_states": hidden, "attentions": weights}


def returned(output: ModelOutput, return_dict: bool) -> Any:
    """The output itself, or the tuple of what is in it."""
    return output if return_dict else output.to_tuple()


class EncoderModel(PreTrainedModel):
    """A stack without a head."""

    pooled = True

    def __init__(self, config: Any, add_pooling_layer: bool = True) -> None:
        """Build the stack with new weights, with a pooler unless told otherwise."""
        self.pooled = add_pooling_layer
        super().__init__(config)

    def build(self) -> None:
        """Make the modules."""
        spec = self.family.spec(self.config)
        self._names = spec.names
        self._sizes = (spec.embeddings.vocabulary, spec.embeddings.types, spec.positions.capacity)
        self._heads = spec.attention.heads
        place(self, spec.names["embeddings"], build_embeddings(spec))
        place(self, spec.names["blocks"], nn.ModuleList(build_block(spec) for _ in range(spec.depth)))
        if self.pooled:
            place(self, spec.names["pooler"], Pooler({"pooler_dense": nn.Linear(spec.width, spec.width)}, spec.names))

    def enter(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        layout: Layout | None,
        **rules: Any,
    ) -> Inputs:
        """Bring a batch inside the door; one that came with a layout is there already."""
        given = input_ids if inputs_embeds is None else inputs_embeds
        if given is None or (input_ids is not None and inputs_embeds is not None):
            raise InputError("give exactly one of input_ids and inputs_embeds")
        if layout is not None:
            if attention_mask is not None:
                raise InputError("packed inputs take no attention_mask: the layout says what is there")
            return Inputs(None, self._arguments(input_ids, token_type_ids, position_ids, inputs_embeds, layout, None))
        if given.dim() != (2 if inputs_embeds is None else 3):
            raise InputError(f"inputs must be (batch, seq), or (tokens,) with a layout; they are {tuple(given.shape)}")
        entry = enter((given.shape[0], given.shape[1]), given.device, self.dtype, attention_mask, **rules)
        ids, types, positions, vectors = (
            None if values is None else entry.inside(values)
            for values in (input_ids, token_type_ids, position_ids, inputs_embeds)
        )
        return Inputs(entry, self._arguments(ids, types, positions, vectors, entry.layout, entry.bias))

    def _arguments(self, *values: Any) -> dict[str, Any]:
        names = ("input_ids", "token_type_ids", "position_ids", "inputs_embeds", "layout", "attention_bias")
        return dict(zip(names, values, strict=True))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        *,
        layout: Layout | None = None,
        attention_bias: Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Hidden states of a padded batch, or of a packed one.

        Args:
            input_ids: (batch, seq), or (tokens,) with a layout.
            attention_mask: (batch, seq) with 1 at real tokens, or 3-D or 4-D; see ``enfold.layers.door``.
            token_type_ids: shaped like ``input_ids``; all 0 where None.
            position_ids: shaped like ``input_ids``, or (1, seq); the index in the row where None.
            inputs_embeds: (batch, seq, width) or (tokens, width), in place of ``input_ids``.
            layout: where each row of a packed batch lies.
            attention_bias: (rows, 1 or heads, 1 or length, length) added to the attention scores of a packed batch
                whose rows have one length.
            output_hidden_states: also return the embeddings' output and each block's.
            output_attentions: also return the attention weights of each block.
            return_dict: return an ``EncoderOutput``; a tuple where False.

        Raises:
            InputError: an id, a type or a position is outside its table, or the inputs do not fit together.
        """
        hidden_too = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        weights_too = self.config.output_attentions if output_attentions is None else output_attentions
        record = self.config.return_dict if return_dict is None else return_dict
        if layout is None:
            inputs = self.enter(
                input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, None, pools_first=self.pooled
            )
        else:
            inputs = self.enter(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, layout)
            inputs.arguments["attention_bias"] = attention_bias
        if hidden_too or weights_too:
            with capturing(self.embeddings_part, self.blocks, hidden=hidden_too, attentions=weights_too) as captured:
                hidden = self._encode(**inputs.arguments)
            states, weights = tuple(captured.hidden_states), tuple(captured.attentions)
        else:
            hidden = self._encode(**inputs.arguments)
            states, weights = None, None
        pooled = self.get_submodule(self._names["pooler"])(hidden, inputs.layout) if self.pooled else None
        output = EncoderOutput(None, None, states if hidden_too else None, weights if weights_too else None)
        seen = inputs.seen(output)
        return returned(EncoderOutput(inputs.outside(hidden), pooled, **seen), record)

    @property
    def embeddings_part(self) -> Embeddings:
        """The embeddings, wherever the family keeps them."""
        return self.get_submodule(self._names["embeddings"])  # type: ignore[return-value]

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks, wherever the family keeps them."""
        return self.get_submodule(self._names["blocks"])  # type: ignore[return-value]

    def _encode(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        layout: Layout,
        attention_bias: Tensor | None,
    ) -> Tensor:
        positions = layout.positions if position_ids is None else position_ids
        if not torch.compiler.is_compiling():
            check_inputs(layout, input_ids, token_type_ids, positions, self._sizes)
        hidden = self.embeddings_part(input_ids, token_type_ids, positions, inputs_embeds)
        again = self.gradient_checkpointing and self.training and torch.is_grad_enabled()
        for block in self.blocks:
            if again:
                hidden = checkpoint(block, hidden, layout, attention_bias, use_reentrant=False)
            else:
                hidden = block(hidden, layout, attention_bias)
        return hidden

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of word vectors."""
        return self.embeddings_part.part("words")  # type: ignore[return-value]

    def set_input_embeddings(self, table: nn.Embedding) -> None:
        """Put another table of word vectors in place."""
        place(self.embeddings_part, self._names["words"], table)
        self._sizes = (table.num_embeddings, *self._sizes[1:])
        self.config.vocab_size = table.num_embeddings  # type: ignore[attr-defined]
