"""How GGUF files name things: per architecture, the keys of ``config.json`` and the names of tensors.

GGUF is llama.cpp's format; its converter renames every tensor and key, and changes the values of some. What it did is
written down here once, as tables, and undone by the named transforms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

__all__ = ["ARCHITECTURES", "DERIVED", "TRANSFORMS", "Architecture"]

DERIVED = ("rope_freqs.weight",)
"""Tensors of a file that are not weights: what they hold is worked into the config."""


@dataclass(frozen=True)
class Architecture:
    """One value of ``general.architecture``."""

    model_type: str
    """The model type whose ``config.json`` describes the same model."""
    layer: str
    """Where a model keeps its layers, such as ``model.layers``."""
    outside: Mapping[str, str]
    """Names outside the layers: the file's to the model's."""
    inside: Mapping[str, str]
    """Names within a layer: the file's to the model's."""
    keys: Mapping[str, str]
    """Keys of ``config.json`` to the metadata's, without the architecture in front. All must be there."""
    defaults: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    """The same for keys that a file may leave out, with what llama.cpp then takes."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Keys of ``config.json`` that are the same for every file of the architecture."""
    transforms: Mapping[str, str] = field(default_factory=dict)
    """Names of the file, without layer and with suffix, to what undoes the converter's change of the values."""
    biases: Mapping[str, str] = field(default_factory=dict)
    """Keys of ``config.json`` that are true where the first layer has this tensor."""
    refused: tuple[str, ...] = ()
    """Keys of the metadata that would change the output, and that no key of ``config.json`` expresses."""

    def own_name(self, name: str) -> str | None:
        """What the model calls a tensor of the file; None for one that the architecture does not have."""
        stem, _, suffix = name.rpartition(".")
        inside = _LAYER.fullmatch(stem)
        table, part = (self.inside, inside["part"]) if inside else (self.outside, stem)
        if part not in table or suffix not in ("weight", "bias"):
            return None
        own = table[part]
        return f"{self.layer}.{inside['number']}.{own}.{suffix}" if inside else f"{own}.{suffix}"

    def transform_of(self, name: str) -> str | None:
        """The name of the transform that undoes what the converter did to a tensor of the file."""
        return self.transforms.get(_IN_LAYER.sub("", name))


_LAYER = re.compile(r"blk\.(?P<number>\d+)\.(?P<part>\w+)")
_IN_LAYER = re.compile(r"^blk\.\d+\.")


# ---- what the converter did to values --------------------------------------------------------------------------------


def _halves(tensor: Tensor, heads: int) -> Tensor:
    """Rows of q or k per head from (even, odd, even, odd, …) back to (first half, second half), which rotary
    positions of ``transformers`` pair.
    """
    width = tensor.shape[0] // heads
    return tensor.reshape(heads, width // 2, 2, *tensor.shape[1:]).transpose(1, 2).reshape(tensor.shape)


TRANSFORMS: dict[str, Callable[[Tensor, Mapping[str, Any]], Tensor]] = {
    "unpermute q": lambda tensor, config: _halves(tensor, config["num_attention_heads"]),
    "unpermute k": lambda tensor, config: _halves(tensor, config["num_key_value_heads"]),
    "minus one": lambda tensor, config: tensor - 1,
    "transpose": lambda tensor, config: tensor.T,
}
"""By name: from a tensor of the file, and the config, to the model's tensor."""


# ---- the tables ------------------------------------------------------------------------------------------------------

_OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_INSIDE = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_KEYS = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "max_position_embeddings": "context_length",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
}
_DEFAULTS = {
    "num_key_value_heads": ("attention.head_count_kv", None),
    "head_dim": ("attention.key_length", None),
    "rope_theta": ("rope.freq_base", 10000.0),
}
_UNSEEN = (
    "expert_count",
    "expert_shared_count",
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "logit_scale",
    "embedding_scale",
    "residual_scale",
    "attention.scale",
    "attention.temperature_scale",
)
_UNPERMUTED = {
    "attn_q.weight": "unpermute q",
    "attn_q.bias": "unpermute q",
    "attn_k.weight": "unpermute k",
    "attn_k.bias": "unpermute k",
}

_LLAMA = Architecture(
    model_type="llama",
    layer="model.layers",
    outside=_OUTSIDE,
    inside=_INSIDE,
    keys=_KEYS,
    defaults=_DEFAULTS,
    constants={"hidden_act": "silu"},
    transforms=_UNPERMUTED,
    biases={"attention_bias": "blk.0.attn_q.bias", "mlp_bias": "blk.0.ffn_up.bias"},
    refused=(*_UNSEEN, "attention.sliding_window"),
)

ARCHITECTURES: dict[str, Architecture] = {
    "llama": _LLAMA,
    # llama.cpp has no architecture of this name: Mistral's files say llama, and are told apart by their model's name.
    "mistral": Architecture(
        model_type="mistral",
        layer="model.layers",
        outside=_OUTSIDE,
        inside=_INSIDE,
        keys=_KEYS,
        defaults={**_DEFAULTS, "sliding_window": ("attention.sliding_window", None)},
        constants={"hidden_act": "silu"},
        transforms=_UNPERMUTED,
        refused=_UNSEEN,
    ),
    "qwen2": Architecture(
        model_type="qwen2",
        layer="model.layers",
        outside=_OUTSIDE,
        inside=_INSIDE,
        keys=_KEYS,
        defaults=_DEFAULTS,
        constants={"hidden_act": "silu", "use_sliding_window": False},
        refused=(*_UNSEEN, "attention.sliding_window"),
    ),
    "qwen3": Architecture(
        model_type="qwen3",
        layer="model.layers",
        outside=_OUTSIDE,
        inside={**_INSIDE, "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"},
        keys=_KEYS,
        defaults=_DEFAULTS,
        constants={"hidden_act": "silu", "use_sliding_window": False},
        biases={"attention_bias": "blk.0.attn_q.bias"},
        refused=(*_UNSEEN, "attention.sliding_window"),
    ),
    "gemma": Architecture(
        model_type="gemma",
        layer="model.layers",
        outside=_OUTSIDE,
        inside=_INSIDE,
        keys=_KEYS,
        defaults=_DEFAULTS,
        constants={"hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh"},
        # The converter stores 1 + w, so that llama.cpp needs no norm of its own for Gemma.
        transforms={
            "attn_norm.weight": "minus one",
            "ffn_norm.weight": "minus one",
            "output_norm.weight": "minus one",
        },
        refused=(*_UNSEEN, "attention.sliding_window"),
    ),
    "gpt2": Architecture(
        model_type="gpt2",
        layer="transformer.h",
        outside={
            "token_embd": "transformer.wte",
            "position_embd": "transformer.wpe",
            "output_norm": "transformer.ln_f",
            "output": "lm_head",
        },
        inside={
            "attn_norm": "ln_1",
            "attn_qkv": "attn.c_attn",
            "attn_output": "attn.c_proj",
            "ffn_norm": "ln_2",
            "ffn_up": "mlp.c_fc",
            "ffn_down": "mlp.c_proj",
        },
        keys={
            "n_embd": "embedding_length",
            "n_layer": "block_count",
            "n_head": "attention.head_count",
            "n_positions": "context_length",
            "n_inner": "feed_forward_length",
            "layer_norm_epsilon": "attention.layer_norm_epsilon",
        },
        constants={"activation_function": "gelu_new"},
        # GPT-2's Conv1D keeps (inputs, outputs); the file has the order of a linear layer.
        transforms=dict.fromkeys(
            ("attn_qkv.weight", "attn_output.weight", "ffn_up.weight", "ffn_down.weight"), "transpose"
        ),
        refused=_UNSEEN,
    ),
}
"""By ``general.architecture``."""
