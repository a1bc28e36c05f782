"""Mistral (Jiang et al., 2023): Llama without biases, each token seeing a window of those before it."""

from __future__ import annotations

from enfold.layers.specs import StackSpec
from enfold.models.encoder import DecoderModel
from enfold.models.families.llama import DERIVED, HEADS, QUESTIONS, GatedConfig, stack
from enfold.models.family import Family


class MistralConfig(GatedConfig):
    """The ``config.json`` of model type ``mistral``."""

    model_type = "mistral"

    intermediate_size: int = 14336
    num_key_value_heads: int | None = 8
    head_dim: int | None = None
    max_position_embeddings: int = 4096 * 32
    sliding_window: int | None = 4096


def spec(config: MistralConfig) -> StackSpec:
    """What the stack is made of."""
    windows = [config.sliding_window] * config.num_hidden_layers
    return stack(config, bias=False, output_bias=False, windows=windows)


FAMILY = Family(
    attribute="model",
    members={"Mistral": MistralConfig},
    spec=spec,
    stacks={"Model": DecoderModel},
    heads=HEADS | {"ForQuestionAnswering": QUESTIONS},
    derived=DERIVED,
)
