"""Models of two stacks: an encoder, and a decoder that attends to what it read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from enfold.errors import InputError
from enfold.layers.cache import Cache
from enfold.layers.context import Memory
from enfold.layers.packing import Layout, crossing
from enfold.layers.places import place
from enfold.layers.specs import PairSpec
from enfold.models import capture
from enfold.models.capture import Seen
from enfold.models.encoder import opened_cache, returned
from enfold.models.inputs import Inputs, bring_in
from enfold.models.outputs import StackOutput
from enfold.models.pretrained import PreTrainedModel
from enfold.models.resizing import resize_words
from enfold.models.stack import Stack

__all__ = ["EncoderDecoderModel", "resize_decoder_words"]


@dataclass(eq=False)
class PairInputs:
    """A batch for both stacks, inside the door.

    Attributes:
        encoder: what the encoder reads, or how the states that were given lie.
        decoder: what the decoder reads.
        states: the encoder's states, (tokens, width), where they were given.
    """

    encoder: Inputs | None
    decoder: Inputs
    states: Tensor | None = None

    @property
    def layout(self) -> Layout:
        """Of the decoder's tokens, which heads read."""
        return self.decoder.layout

    @property
    def entry(self) -> Any:
        """The decoder's way back."""
        return self.decoder.entry

    def outside(self, values: Tensor) -> Tensor:
        """The decoder's values as the caller sees them."""
        return self.decoder.outside(values)

    def inside(self, values: Tensor) -> Tensor:
        """The decoder's values as (tokens, …)."""
        return self.decoder.inside(values)

    def at(self, places: Tensor) -> Tensor:
        """(rows,) the decoder's token at each row's place."""
        return self.decoder.at(places)


@dataclass
class PairSeen:
    """What both stacks gave; ``hidden`` is the decoder's, (tokens, width)."""

    hidden: Tensor
    encoder: Seen | None
    decoder: Seen


class EncoderDecoderModel(PreTrainedModel):
    """Both stacks without a head."""

    has_two_stacks: ClassVar[bool] = True
    input_names: ClassVar[tuple[str, ...]] = (
        "input_ids",
        "attention_mask",
        "decoder_input_ids",
        "decoder_attention_mask",
        "encoder_outputs",
        "cache",
        "inputs_embeds",
        "decoder_inputs_embeds",
    )
    option_names: ClassVar[tuple[str, ...]] = (
        "position_ids",
        "decoder_position_ids",
        "layout",
        "decoder_layout",
        "past_key_values",
        "use_cache",
    )

    def __init__(self, config: Any, add_pooling_layer: bool | None = None) -> None:
        """Build both stacks with new weights."""
        super().__init__(config)

    def build(self) -> None:
        """Make the modules."""
        spec = self.family.spec(self.config)
        assert isinstance(spec, PairSpec)
        self.spec = spec
        if spec.shared is not None:
            table = spec.decoder.embeddings
            words = nn.Embedding(table.vocabulary, table.width or spec.width, padding_idx=table.pad_id)
            place(self, spec.shared, words)
        self.encoder = Stack(spec.encoder)
        self.decoder = Stack(spec.decoder)

    @property
    def ties(self) -> dict[str, str]:
        """Both stacks share the word vectors."""
        shared = self.spec.shared
        if shared is None:
            return {}
        sides = (("encoder", self.spec.encoder), ("decoder", self.spec.decoder))
        return {f"{side}.{spec.names.get('words', 'words')}.weight": f"{shared}.weight" for side, spec in sides}

    @property
    def firm_ties(self) -> dict[str, str]:
        """The same, where the family shares them whatever the config says."""
        return EncoderDecoderModel.ties.fget(self) if self.family.always_shares else {}  # type: ignore[attr-defined]

    @property
    def words_path(self) -> str:
        """Where the word vectors lie that vocabulary scores may share."""
        return self.spec.shared or f"decoder.{self.spec.decoder.names.get('words', 'words')}"

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of both stacks."""
        return [*self.encoder.blocks, *self.decoder.blocks]

    def enter(
        self,
        *,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        cache: Any = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        position_ids: Tensor | None = None,
        decoder_position_ids: Tensor | None = None,
        layout: Layout | None = None,
        decoder_layout: Layout | None = None,
        use_cache: bool | None = None,
        **rules: Any,
    ) -> PairInputs:
        """Bring a batch inside the door of both stacks; for the arguments see ``forward``."""
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            if input_ids is None or not self.family.restores:
                raise InputError("give decoder_input_ids or decoder_inputs_embeds, or labels where the head takes them")
            decoder_input_ids, decoder_layout = self.family.shift(input_ids, self.config, layout), layout
        given = decoder_input_ids if decoder_inputs_embeds is None else decoder_inputs_embeds
        assert given is not None
        rows = decoder_layout.rows if decoder_layout is not None else given.shape[0]
        opened = opened_cache(cache, past_key_values, use_cache, rows)
        decoder = bring_in(
            self.spec.decoder,
            self.dtype,
            input_ids=decoder_input_ids,
            inputs_embeds=decoder_inputs_embeds,
            attention_mask=decoder_attention_mask,
            position_ids=decoder_position_ids,
            layout=decoder_layout,
            cache=opened,
            **rules,
        )
        if opened is not None and opened.has_memory:
            decoder.memory = Memory(None, decoder.layout)
            return PairInputs(None, decoder)
        if encoder_outputs is not None:
            return self._given_states(encoder_outputs, attention_mask, layout, decoder)
        encoder = bring_in(
            self.spec.encoder,
            self.dtype,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            layout=layout,
        )
        return PairInputs(encoder, decoder)

    def reread(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a head that judges its inputs: a decoder that is given nothing reads them again, shifted."""
        ids, layout = arguments.get("input_ids"), arguments.get("layout")
        given = "decoder_input_ids" in arguments or "decoder_inputs_embeds" in arguments
        if ids is None or given or ids.dim() != (2 if layout is None else 1):
            return arguments
        shifted = {"decoder_input_ids": self.family.shift(ids, self.config, layout)}
        return arguments | (shifted if layout is None else shifted | {"decoder_layout": layout})

    def _given_states(self, given: Any, mask: Tensor | None, layout: Layout | None, decoder: Inputs) -> PairInputs:
        """The encoder's states were computed before: (batch, seq, width), or (tokens, width) with a layout."""
        states = given if isinstance(given, Tensor) else given[0]
        encoder = bring_in(
            self.spec.encoder, self.dtype, input_ids=None, inputs_embeds=states, attention_mask=mask, layout=layout
        )
        return PairInputs(encoder, decoder, encoder.vectors)

    def observe(self, inputs: PairInputs, *, hidden_states: bool, attentions: bool) -> PairSeen:
        """Run both stacks on a batch that is inside the door."""
        first: Seen | None = None
        asked = {"hidden_states": hidden_states, "attentions": attentions}
        if inputs.states is not None:
            first = Seen(inputs.states)
        elif inputs.encoder is not None:
            first = capture.encode(self.encoder, inputs.encoder, **asked)
        if first is not None:
            assert inputs.encoder is not None
            layout = crossing(inputs.decoder.layout, inputs.encoder.layout)
            inputs.decoder.memory = Memory(first.hidden, layout, self._cross_bias(inputs.encoder))
        second = capture.encode(self.decoder, inputs.decoder, **asked)
        if inputs.decoder.cache is not None:
            inputs.decoder.cache.close()
        return PairSeen(second.hidden, first, second)

    def _cross_bias(self, encoder: Inputs) -> Tensor | None:
        """What hides the encoder's padding from cross-attention, where its rows hold some."""
        bias = encoder.bias
        if bias is None:
            return None
        if bias.shape[1] != 1 or bias.shape[2] != 1:
            raise InputError("a decoder attends to an encoder by a mask of places, (batch, seq), or none")
        return bias

    def seen_outside(self, seen: PairSeen, inputs: PairInputs) -> dict[str, Any]:
        """The further fields of an output, as the caller sees them."""
        own, other = inputs.decoder, inputs.encoder
        fields: dict[str, Any] = {
            "cache": None if own.cache is None else own.cache.cache,
            "decoder_hidden_states": own.outside_states(seen.decoder.hidden_states),
            "decoder_attentions": own.outside_weights(seen.decoder.attentions),
            "cross_attentions": own.outside_weights(seen.decoder.cross_attentions, other),
        }
        if seen.encoder is not None and other is not None:
            fields["encoder_last_hidden_state"] = other.outside(seen.encoder.hidden)
            fields["encoder_hidden_states"] = other.outside_states(seen.encoder.hidden_states)
            fields["encoder_attentions"] = other.outside_weights(seen.encoder.attentions)
        return fields

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        *,
        position_ids: Tensor | None = None,
        decoder_position_ids: Tensor | None = None,
        layout: Layout | None = None,
        decoder_layout: Layout | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Hidden states of the decoder.

        Args:
            input_ids: (batch, seq) for the encoder, or (tokens,) with a layout.
            attention_mask: (batch, seq) with 1 at the encoder's real tokens.
            decoder_input_ids: (batch, decoder seq), or (tokens,) with a decoder layout; families that were trained to
                restore their input take it, shifted, where None.
            decoder_attention_mask: (batch, decoder seq) with 1 at real tokens.
            encoder_outputs: the encoder's states, or a tuple or output that begins with them, computed before.
            cache: what an earlier call gave; the encoder is then not run again.
            inputs_embeds, decoder_inputs_embeds: vectors in place of ids.
            position_ids, decoder_position_ids: places, counted by the family's rule where None.
            layout, decoder_layout: where each row of a packed batch lies.
            past_key_values: the older name of ``cache``.
            use_cache: whether keys and values are kept; only where asked for, or where a cache is given.
            output_hidden_states, output_attentions: also return those of both stacks, and the cross-attention's.
            return_dict: return a ``StackOutput``; a tuple where False.

        Raises:
            InputError: an id or a position is outside its table, or the inputs do not fit together.
        """
        inputs = self.enter(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            encoder_outputs=encoder_outputs,
            cache=cache,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            decoder_inputs_embeds=decoder_inputs_embeds,
            position_ids=position_ids,
            decoder_position_ids=decoder_position_ids,
            layout=layout,
            decoder_layout=decoder_layout,
            use_cache=use_cache,
        )
        seen = self.observe(inputs, **self.shown(output_hidden_states, output_attentions))
        output = StackOutput(inputs.outside(seen.hidden), **self.seen_outside(seen, inputs))
        return returned(output, self.config.return_dict if return_dict is None else return_dict)

    def get_encoder(self) -> Stack:
        """The encoder."""
        return self.encoder

    def get_decoder(self) -> Stack:
        """The decoder."""
        return self.decoder

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of word vectors; the encoder's, where the decoder has another vocabulary."""
        shared = self.spec.shared
        return self.encoder.part("words") if shared is None else self.get_submodule(shared)  # type: ignore[return-value]

    def set_input_embeddings(self, table: nn.Embedding) -> None:
        """Put another table of word vectors in place, in both stacks if they share them."""
        config: Any = self.config
        self.encoder.set_words(table)
        if self.spec.shared is not None:
            place(self, self.spec.shared, table)
            self.set_decoder_input_embeddings(table)
        config.vocab_size = table.num_embeddings

    def get_decoder_input_embeddings(self) -> nn.Embedding:
        """The decoder's table of word vectors."""
        return self.decoder.part("words")  # type: ignore[return-value]

    def set_decoder_input_embeddings(self, table: nn.Embedding) -> None:
        """Put another table of word vectors in place, in the decoder."""
        self.decoder.set_words(table)
        if hasattr(self.config, "decoder_vocab_size"):
            self.config.decoder_vocab_size = table.num_embeddings

    def resize_decoder_token_embeddings(self, new_num_tokens: int) -> nn.Embedding:
        """Change the number of the decoder's word vectors, where they are not shared; see ``resize_token_embeddings``.

        Raises:
            InputError: both stacks have the same vocabulary.
        """
        return resize_decoder_words(self, self, new_num_tokens)


def resize_decoder_words(model: PreTrainedModel, pair: EncoderDecoderModel, number: int) -> nn.Embedding:
    """The same for a model with a head, ``pair`` being its stacks."""
    if pair.spec.shared is not None:
        raise InputError("both stacks have the same word vectors: call resize_token_embeddings")
    table, put = pair.get_decoder_input_embeddings(), pair.set_decoder_input_embeddings
    resize_words(model, table, put, number, None, at_mean=True, scored=True)
    return pair.get_decoder_input_embeddings()
