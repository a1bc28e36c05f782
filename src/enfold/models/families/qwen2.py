"""Qwen2 (Yang et al., 2024): Llama with biases on queries, keys and values, and windows in the upper blocks."""

from __future__ import annotations

from typing import Any, ClassVar

from enfold.errors import InputError
from enfold.layers.specs import StackSpec
from enfold.models.encoder import DecoderModel
from enfold.models.families.llama import DERIVED, HEADS, GatedConfig, stack
from enfold.models.family import Family


class WindowedConfig(GatedConfig):
    """What Qwen2 and Qwen3 have in their ``config.json``.

    Attributes:
        use_sliding_window: whether ``sliding_window`` counts at all.
        max_window_layers: the first block that sees a window only, where ``layer_types`` does not say.
        layer_types: of each block, ``full_attention`` or ``sliding_attention``.
    """

    kinds: ClassVar[tuple[str, ...]] = ("full_attention", "sliding_attention")

    vocab_size: int = 151936
    intermediate_size: int = 22016
    num_key_value_heads: int | None = 32
    max_position_embeddings: int = 32768
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    use_sliding_window: bool = False
    sliding_window: int | None = 4096
    max_window_layers: int = 28
    layer_types: list[str] | None = None

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if not self.use_sliding_window:
            self.sliding_window = None
        if self.layer_types is None:
            below = self.num_hidden_layers if self.sliding_window is None else self.max_window_layers
            self.layer_types = [self.kinds[number >= below] for number in range(self.num_hidden_layers)]

    def windows(self) -> list[int | None]:
        """How many tokens each block sees, its own included; None for all before it.

        Raises:
            InputError: ``layer_types`` names another kind, a window without a width, or too few blocks.
        """
        kinds = self.layer_types or []
        strange = sorted(set(kinds) - set(self.kinds))
        if strange:
            raise InputError(f"layer_types has {', '.join(map(repr, strange))}; known are: {', '.join(self.kinds)}")
        if len(kinds) < self.num_hidden_layers:
            raise InputError(f"layer_types names {len(kinds)} blocks; num_hidden_layers is {self.num_hidden_layers}")
        sliding = [kind == "sliding_attention" for kind in kinds[: self.num_hidden_layers]]
        if any(sliding) and self.sliding_window is None:
            raise InputError("layer_types has 'sliding_attention': set use_sliding_window=True and sliding_window")
        return [self.sliding_window if own else None for own in sliding]


class Qwen2Config(WindowedConfig):
    """The ``config.json`` of model type ``qwen2``."""

    model_type = "qwen2"


def spec(config: Qwen2Config) -> StackSpec:
    """What the stack is made of."""
    return stack(config, bias=True, output_bias=False, windows=config.windows())


FAMILY = Family(
    attribute="model",
    members={"Qwen2": Qwen2Config},
    spec=spec,
    stacks={"Model": DecoderModel},
    heads=HEADS,
    derived=DERIVED,
    tokenizers=("Qwen2Tokenizer", "Qwen2TokenizerFast"),
)
