"""mBART (Liu et al., 2020): BART with pre-norm blocks and last norms; a decoder begins with a language's token."""

from __future__ import annotations

from functools import partial

from enfold.models.families import bart
from enfold.models.family import Family
from enfold.models.shifting import behind_last_token


class MBartConfig(bart.PairConfig):
    """The ``config.json`` of model type ``mbart``."""

    model_type = "mbart"

    bos_token_id: int | None = 0
    decoder_start_token_id: int | None = None
    classifier_dropout: float = 0.0
    forced_eos_token_id: int | list[int] | None = 2
    is_decoder: bool = False


FAMILY = Family(
    attribute="model",
    members={"MBart": MBartConfig},
    spec=partial(bart.pair, order="pre", final_norm=True),
    stacks=bart.STACKS,
    heads=bart.HEADS,
    tasks={"ForMaskedLM": "ForConditionalGeneration"},
    shift=behind_last_token,
    restores=True,
    derived=bart.DERIVED,
    tokenizers=("MBartTokenizer", "MBartTokenizerFast", "MBart50Tokenizer", "MBart50TokenizerFast"),
)
