"""GGUF files written as llama.cpp's converter writes them, from small models of `transformers`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

TOKENS = ["<unk>", "<s>", "</s>", *(f"token{number}" for number in range(61))]
_LLAMA_PARTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_GPT2_PARTS = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_OUTSIDE = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
}


def small_config(model_type: str, **changes: Any) -> Any:
    """A config of two layers."""
    from transformers import AutoConfig

    if model_type == "gpt2":
        values = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 32, "n_inner": 96}
    else:
        values = {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "intermediate_size": 96,
            "max_position_embeddings": 32,
        }
    return AutoConfig.for_model(model_type, vocab_size=len(TOKENS), **{**values, **changes})


def small_model(config: Any) -> Any:
    """Its causal language model, every parameter random."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5)
    return model.eval()


def permuted(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """As the converter does with q and k of the llama architecture: the two halves of each head interleaved."""
    rows = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return torch.stack([rows[:, 0], rows[:, 1]], dim=2).reshape(tensor.shape)


def gguf_name(name: str) -> str:
    """The name llama.cpp gives a tensor."""
    stem, suffix = name.rsplit(".", 1)
    for start, parts in (("model.layers.", _LLAMA_PARTS), ("transformer.h.", _GPT2_PARTS)):
        if stem.startswith(start):
            number, part = stem.removeprefix(start).split(".", 1)
            return f"blk.{number}.{parts[part]}.{suffix}"
    return f"{_OUTSIDE[stem]}.{suffix}"


def converted(name: str, tensor: torch.Tensor, architecture: str, config: Any) -> torch.Tensor:
    """The values llama.cpp stores for a tensor."""
    if architecture == "llama" and "q_proj" in name:
        return permuted(tensor, config.num_attention_heads)
    if architecture == "llama" and "k_proj" in name:
        return permuted(tensor, config.num_key_value_heads)
    if architecture == "gemma" and "norm" in name:
        return tensor + 1
    if architecture == "gpt2" and name.endswith(".weight") and (".c_" in name):
        return tensor.T
    return tensor


def write_model(
    path: Path,
    model: Any,
    architecture: str,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    metadata: Mapping[str, Any] | None = None,
    extra: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write a model as a GGUF file; matrices in ``kind``, vectors in float32."""
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    if architecture == "gpt2":
        writer.add_feed_forward_length(config.n_inner)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
        if architecture == "llama":
            writer.add_rope_dimension_count(config.head_dim)
            writer.add_vocab_size(config.vocab_size)
        else:
            writer.add_key_length(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
            writer.add_value_length(
                getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
            )
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([2 if token.startswith("<") else 1 for token in TOKENS])
    writer.add_token_merges(["to ken"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{% for message in messages %}{{ message.content }}{% endfor %}")
    for key, value in (metadata or {}).items():
        {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}[type(value)](key, value)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = converted(name, tensor, architecture, config).contiguous().numpy()
        chosen = kind if values.ndim > 1 else gguf.GGMLQuantizationType.F32
        data = gguf.quantize(values, chosen)
        writer.add_tensor(gguf_name(name), data, raw_dtype=chosen)
    for name, values in (extra or {}).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
