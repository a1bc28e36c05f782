"""Blenderbot's 90M model (Roller et al., 2021): BART with positions from row 0; a decoder adds them behind the norm."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from enfold.layers.embeddings import Embed
from enfold.layers.specs import PairSpec, PositionSpec, StackSpec
from enfold.models.families import bart
from enfold.models.family import Family


class BlenderbotSmallConfig(bart.PairConfig):
    """The ``config.json`` of model type ``blenderbot-small``."""

    model_type = "blenderbot-small"

    max_position_embeddings: int = 512
    encoder_layers: int = 8
    encoder_ffn_dim: int = 2048
    decoder_layers: int = 8
    decoder_ffn_dim: int = 2048
    d_model: int = 512
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    decoder_start_token_id: int | None = 1
    forced_eos_token_id: int | list[int] | None = 2
    is_decoder: bool = False


class NormedWords(Embed):
    """norm(words[ids]) + positions[places]: the norm stands before the sum, and words are never scaled."""

    def forward(
        self,
        part: Callable[[str], nn.Module],
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        positions: Tensor,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        """(tokens,) ids and places, or (tokens, width) vectors in place of ids, to (tokens, width)."""
        words = part("words")(input_ids) if inputs_embeds is None else inputs_embeds
        return part("embeddings_dropout")(part("embeddings_norm")(words) + part("positions")(positions))


def decoder_embeddings(spec: StackSpec, number: int) -> nn.Module | None:
    """The decoder's way from ids to vectors."""
    return NormedWords(1.0, False, frozenset(), None) if number < 0 else None


def spec(config: BlenderbotSmallConfig) -> PairSpec:
    """What the two stacks are made of."""
    positions = PositionSpec(capacity=config.max_position_embeddings)
    return PairSpec(
        encoder=bart.side(config, "encoder", positions=positions),
        decoder=bart.side(config, "decoder", positions=positions, parts={"embeddings": decoder_embeddings}),
        shared="shared",
    )


FAMILY = Family(
    attribute="model",
    members={"BlenderbotSmall": BlenderbotSmallConfig},
    spec=spec,
    stacks=bart.STACKS,
    heads=bart.WRITERS,
    derived=bart.DERIVED,
    tokenizers=("BlenderbotSmallTokenizer", "BlenderbotSmallTokenizerFast"),
)
