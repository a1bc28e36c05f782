"""Qwen3 (Yang et al., 2025): Qwen2 with normalised queries and keys of each head in place of biases."""

from __future__ import annotations

from enfold.layers.specs import NormSpec, StackSpec
from enfold.models.encoder import DecoderModel
from enfold.models.families.llama import BLOCK, DERIVED, HEADS, stack
from enfold.models.families.qwen2 import WindowedConfig
from enfold.models.family import Family


class Qwen3Config(WindowedConfig):
    """The ``config.json`` of model type ``qwen3``."""

    model_type = "qwen3"

    head_dim: int = 128
    attention_bias: bool = False


def spec(config: Qwen3Config) -> StackSpec:
    """What the stack is made of."""
    return stack(
        config,
        bias=config.attention_bias,
        output_bias=config.attention_bias,
        windows=config.windows(),
        head_norm=NormSpec(eps=config.rms_norm_eps, kind="rms"),
        block_names=BLOCK | {"query_norm": "self_attn.q_norm", "key_norm": "self_attn.k_norm"},
    )


FAMILY = Family(
    attribute="model",
    members={"Qwen3": Qwen3Config},
    spec=spec,
    stacks={"Model": DecoderModel},
    heads=HEADS,
    derived=DERIVED,
)
