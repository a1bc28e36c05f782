"""Models of one stack: encoders, and decoders, which differ in what a token sees and in a cache."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from enfold.errors import InputError
from enfold.layers.cache import Cache
from enfold.layers.packing import Layout
from enfold.layers.places import place
from enfold.layers.specs import PairSpec, StackSpec
from enfold.models import capture
from enfold.models.capture import Seen
from enfold.models.inputs import Inputs, bring_in
from enfold.models.outputs import ModelOutput, StackOutput
from enfold.models.pretrained import PreTrainedModel
from enfold.models.stack import Stack

__all__ = ["DecoderModel", "EncoderModel", "opened_cache", "returned"]


def returned(output: ModelOutput, return_dict: bool) -> Any:
    """The output itself, or the tuple of what is in it."""
    return output if return_dict else output.to_tuple()


def opened_cache(given: Any, older: Any, use_cache: bool | None, rows: int) -> Cache | None:
    """The cache that was given under either name, or a new one where one is asked for.

    Raises:
        InputError: it is not one of ours.
    """
    cache = older if given is None else given
    if cache is None:
        return Cache(rows) if use_cache else None
    if not isinstance(cache, Cache):
        raise InputError(
            f"cache must be what an earlier call of this model gave; it is a {type(cache).__name__}. "
            "Leave it out at the first call, with use_cache=True"
        )
    return cache


class EncoderModel(Stack, PreTrainedModel):
    """A stack without a head; of a family of pairs, the encoder alone.

    Attributes:
        input_names: the arguments that bring a batch in, in order; a head's targets come after them.
        option_names: further ones.
        has_pooler: whether a family's pooler is made where nothing else is said.
        side: which stack of a pair it is.
        own_words: whether a stack of a pair has its word vectors for itself alone.
    """

    input_names: ClassVar[tuple[str, ...]] = (
        "input_ids",
        "attention_mask",
        "token_type_ids",
        "position_ids",
        "inputs_embeds",
    )
    option_names: ClassVar[tuple[str, ...]] = ("layout", "cache", "past_key_values", "use_cache")
    has_pooler: ClassVar[bool] = True
    side: ClassVar[str] = "encoder"
    own_words: ClassVar[bool] = False

    def __init__(self, config: Any, add_pooling_layer: bool | None = None) -> None:
        """Build the stack with new weights, with a pooler if the family has one, unless told otherwise."""
        self.pooled = self.has_pooler if add_pooling_layer is None else add_pooling_layer
        PreTrainedModel.__init__(self, config)

    def build(self) -> None:
        """Make the modules."""
        family_spec = self.family.spec(self.config)
        spec = _one_of(family_spec, self.side) if isinstance(family_spec, PairSpec) else family_spec
        self.pooled = self.pooled and "pooler" in spec.names
        self._shared: str | None = None
        if isinstance(family_spec, PairSpec) and family_spec.shared is not None and not self.own_words:
            self._shared = family_spec.shared
            table = spec.embeddings
            words = nn.Embedding(table.vocabulary, table.width or spec.width, padding_idx=table.pad_id)
            place(self, self._shared, words)
        self.build_stack(spec)
        if self.pooled:
            place(self, spec.names["pooler"], nn.Linear(spec.width, spec.width))

    @property
    def ties(self) -> dict[str, str]:
        """The stack of a pair shares the pair's word vectors."""
        return {} if self._shared is None else {f"{self.spec.names['words']}.weight": f"{self._shared}.weight"}

    @property
    def firm_ties(self) -> dict[str, str]:
        """The same, where the family shares them whatever the config says."""
        return EncoderModel.ties.fget(self) if self.family.always_shares else {}  # type: ignore[attr-defined]

    @property
    def words_path(self) -> str:
        """Where the word vectors lie that vocabulary scores may share."""
        return self._shared or self.spec.names.get("words", "words")

    def enter(
        self,
        *,
        input_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        layout: Layout | None = None,
        cache: Any = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        pooled: bool = False,
        reads: Tensor | None = None,
        **more: Any,
    ) -> Inputs:
        """Bring a batch inside the door; one that came with a layout is there already.

        For most arguments see ``forward``; ``reads`` are the places (batch,) whose states a head uses, the first ones
        where it is ``pooled``.
        """
        given = input_ids if inputs_embeds is None else inputs_embeds
        rows = layout.rows if layout is not None else (0 if given is None else given.shape[0])
        if pooled and layout is None:
            reads = torch.zeros(rows, dtype=torch.long)
        return bring_in(
            self.spec,
            self.dtype,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            layout=layout,
            cache=opened_cache(cache, past_key_values, use_cache, rows),
            reads=reads,
            **more,
        )

    def reread(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a head that judges its inputs: as they are, since there is no second stack to read them."""
        return arguments

    def observe(self, inputs: Inputs, *, hidden_states: bool, attentions: bool) -> Seen:
        """Run the stack on a batch that is inside the door."""
        seen = capture.encode(self, inputs, hidden_states=hidden_states, attentions=attentions)
        if inputs.cache is not None:
            inputs.cache.close()
        return seen

    def seen_outside(self, seen: Seen, inputs: Inputs) -> dict[str, Any]:
        """The further fields of an output, as the caller sees them."""
        return {
            "cache": None if inputs.cache is None else inputs.cache.cache,
            "hidden_states": inputs.outside_states(seen.hidden_states),
            "attentions": inputs.outside_weights(seen.attentions),
        }

    def pool(self, hidden: Tensor, inputs: Inputs) -> Tensor:
        """tanh(dense(first token)) (Devlin et al., 2019, section 3): (rows, width)."""
        first = inputs.at(torch.zeros(inputs.layout.rows, dtype=torch.long))
        return torch.tanh(self.get_submodule(self.spec.names["pooler"])(hidden[first]))

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
        cache: Cache | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Hidden states of a padded batch, or of a packed one.

        Args:
            input_ids: (batch, seq), or (tokens,) with a layout.
            attention_mask: (batch, seq) with 1 at real tokens, or 3-D or 4-D; see ``enfold.layers.door``.
            token_type_ids: shaped like ``input_ids``; all 0 where None.
            position_ids: shaped like ``input_ids``, or (1, seq); counted by the family's rule where None.
            inputs_embeds: (batch, seq, width) or (tokens, width), in place of ``input_ids``.
            layout: where each row of a packed batch lies.
            attention_bias: (rows, 1 or heads, 1 or length, length) added to the attention scores of a packed batch
                whose rows have one length.
            cache: what an earlier call gave; the tokens stand behind those it holds, and padding has no place in it.
            past_key_values: the older name of ``cache``.
            use_cache: whether keys and values are kept; only where asked for, or where a cache is given.
            output_hidden_states: also return the embeddings' output and each block's.
            output_attentions: also return the attention weights of each block.
            return_dict: return a ``StackOutput``; a tuple where False.

        Raises:
            InputError: an id, a type or a position is outside its table, or the inputs do not fit together.
        """
        inputs = self.enter(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            layout=layout,
            cache=cache,
            past_key_values=past_key_values,
            use_cache=use_cache,
            pooled=self.pooled,
        )
        if attention_bias is not None:
            inputs.bias = attention_bias
        shown = self.shown(output_hidden_states, output_attentions)
        seen = self.observe(inputs, **shown)
        pooled = self.pool(seen.hidden, inputs) if self.pooled else None
        output = StackOutput(inputs.outside(seen.hidden), pooled, **self.seen_outside(seen, inputs))
        return returned(output, self.config.return_dict if return_dict is None else return_dict)

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of word vectors."""
        return self.part("words")  # type: ignore[return-value]

    def set_input_embeddings(self, table: nn.Embedding) -> None:
        """Put another table of word vectors in place."""
        if self._shared is not None:
            place(self, self._shared, table)
        self.set_words(table)
        for key in ("vocab_size", "decoder_vocab_size"):  # the second is there where a decoder may have its own
            if hasattr(self.config, key):
                setattr(self.config, key, table.num_embeddings)


class DecoderModel(EncoderModel):
    """A stack whose tokens see only what stands before them, without a head."""

    has_pooler: ClassVar[bool] = False
    side: ClassVar[str] = "decoder"
    own_words: ClassVar[bool] = True


def _one_of(pair: PairSpec, side: str) -> StackSpec:
    """One stack of a pair as a model of its own: its parts lie below the name of its side."""
    spec: StackSpec = getattr(pair, side)
    names = {role: f"{side}.{path}" for role, path in spec.names.items()}
    return replace(spec, names=names, block_paths=tuple(f"{side}.{path}" for path in spec.paths))
