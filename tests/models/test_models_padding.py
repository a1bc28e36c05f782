"""Rows packed, padded and alone give the same states, in every family."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import enfold
from enfold.models import pack
from enfold.models.auto import known_families

MODEL_TYPES = sorted(
    config.model_type for family in known_families() for config in family.members.values() if config.model_type
)
SIZES = {
    **dict.fromkeys(
        ("hidden_size", "d_model", "dim", "n_embd", "emb_dim", "embedding_size", "word_embed_proj_dim"), 32
    ),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "encoder_ffn_dim", "decoder_ffn_dim", "d_ff", "ffn_dim"), 64),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx"), 64),
    **dict.fromkeys(("head_dim", "d_kv"), 8),
    **dict.fromkeys(("pad_token_id",), 1),
    "num_key_value_heads": 2,
    "vocab_size": 60,
    "decoder_start_token_id": 2,
    "sliding_window": 6,
    "local_attention": 6,
}
LENGTHS = (1, 17, 5, 30, 9)


def tiny(model_type: str) -> Any:
    """The bare model of a family, with weights large enough that every part matters."""
    keys = enfold.AutoConfig.for_model(model_type).to_dict()
    config = enfold.AutoConfig.for_model(model_type, **{key: own for key, own in SIZES.items() if key in keys})
    torch.manual_seed(0)
    model: Any = enfold.AutoModel.from_config(config).eval()
    with torch.no_grad():
        for own in model.parameters():
            own.add_(torch.randn_like(own) * 0.2)
    return model


def states(model: Any, rows: list[list[int]]) -> list[Tensor]:
    """The last states of each row, (length, width), of one batch padded on the right."""
    longest = max(map(len, rows))
    ids, mask = torch.ones(len(rows), longest, dtype=torch.long), torch.zeros(len(rows), longest, dtype=torch.long)
    for row, own in enumerate(rows):
        ids[row, : len(own)], mask[row, : len(own)] = torch.tensor(own), 1
    batch = {"input_ids": ids, "attention_mask": mask}
    if model.is_encoder_decoder:
        batch |= {"decoder_input_ids": ids.flip(0), "decoder_attention_mask": mask.flip(0)}
    with torch.inference_mode():
        found = model(**batch)[0]
    seen = mask.flip(0) if model.is_encoder_decoder else mask
    return [own[kept.bool()] for own, kept in zip(found, seen, strict=True)]


def rows_of(model: Any) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    most = model.encoder_vocabulary
    return [torch.randint(3, most, (length,), generator=generator).tolist() for length in LENGTHS]


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_padded_equals_alone_equals_packed(model_type: str) -> None:
    model = tiny(model_type)
    rows = rows_of(model)
    pairs = list(zip(rows, rows[::-1], strict=True)) if model.is_encoder_decoder else []
    if pairs:
        with torch.inference_mode():
            alone = [
                model(input_ids=torch.tensor([read]), decoder_input_ids=torch.tensor([written]))[0][0]
                for read, written in pairs
            ]
    else:
        alone = [states(model, [row])[0] for row in rows]
    size = max(float(own.abs().max()) for own in alone)
    assert size > 0.1
    for found, wanted in zip(states(model, rows), alone, strict=True):
        assert float((found - wanted).abs().max()) <= 1e-5 * max(size, 1)
    if not pairs:
        packed = pack(rows)
        with torch.inference_mode():
            whole = model(input_ids=packed.input_ids, layout=packed.layout)[0]
        for found, wanted in zip(whole.split(list(LENGTHS)), alone, strict=True):
            assert float((found - wanted).abs().max()) <= 1e-5 * max(size, 1)
