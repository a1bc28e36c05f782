"""Gemma (Mesnard et al., 2024): Llama with scaled embeddings, wide heads, and norms whose weights are stored less 1."""

from __future__ import annotations

from typing import Any, ClassVar

from enfold.errors import InputError
from enfold.layers.specs import EmbeddingSpec, NormSpec, StackSpec
from enfold.models.encoder import DecoderModel
from enfold.models.families.llama import DERIVED, HEADS, GatedConfig, stack
from enfold.models.family import Family

_TANH = "gelu_pytorch_tanh"


class GemmaConfig(GatedConfig):
    """The ``config.json`` of model type ``gemma``."""

    model_type = "gemma"
    refused: ClassVar[dict[str, tuple[Any, ...]]] = GatedConfig.refused | {"use_bidirectional_attention": (None, False)}

    vocab_size: int = 256000
    hidden_size: int = 3072
    intermediate_size: int = 24576
    num_hidden_layers: int = 28
    num_attention_heads: int = 16
    num_key_value_heads: int | None = 16
    head_dim: int = 256
    hidden_act: str = _TANH
    max_position_embeddings: int = 8192
    pad_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 1
    bos_token_id: int | None = 2
    tie_word_embeddings: bool = True
    attention_bias: bool = False
    use_bidirectional_attention: bool | None = None

    def __init__(self, **values: Any) -> None:
        """Read the settings.

        Raises:
            InputError: ``hidden_activation`` names another function than ``hidden_act``.
        """
        super().__init__(**values)
        if self.hidden_act == "gelu":  # the first files say gelu and mean its approximation by tanh
            self.hidden_act = _TANH
        # Version 4 of transformers took hidden_activation where it was set, version 5 does not look at it.
        older = getattr(self, "hidden_activation", None)
        if older not in (None, self.hidden_act):
            raise InputError(
                f"hidden_activation={older!r} contradicts hidden_act={self.hidden_act!r} for model type 'gemma': "
                "set both to the one that is meant"
            )


def spec(config: GemmaConfig) -> StackSpec:
    """What the stack is made of."""
    words = EmbeddingSpec(
        vocabulary=config.vocab_size,
        pad_id=config.pad_token_id,
        dropout=0.0,
        norm=False,
        scale=config.hidden_size**0.5,
        round_scale=True,
    )
    norm = NormSpec(eps=config.rms_norm_eps, kind="rms+1")
    bias = config.attention_bias
    return stack(config, bias=bias, output_bias=bias, embeddings=words, norm=norm)


FAMILY = Family(
    attribute="model",
    members={"Gemma": GemmaConfig},
    spec=spec,
    stacks={"Model": DecoderModel},
    heads={name: plan for name, plan in HEADS.items() if name != "ForQuestionAnswering"},
    derived=DERIVED,
    tokenizers=("GemmaTokenizer", "GemmaTokenizerFast"),
)
