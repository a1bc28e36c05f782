"""The parts that are traced say what the packed ones say, whatever stands in the padding."""

from __future__ import annotations

import pytest
import torch
from exported_models import made, without_types, wordpiece

from enfold.export.padded import Traced, traceable

DEBERTA = {
    "relative_attention": True,
    "position_buckets": 8,
    "max_relative_positions": 24,
    "pos_att_type": ["c2p", "p2c"],
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "conv_kernel_size": 3,
}
FAMILIES = {
    "places by tokens that are not padding": ("RobertaModel", {"pad_token_id": 1}),
    "a bias by distance": ("MPNetModel", {"pad_token_id": 1}),
    "disentangled attention and a convolution": ("DebertaV2Model", DEBERTA),
    "windows and rotations": (
        "ModernBertModel",
        {"local_attention": 6, "global_attn_every_n_layers": 2, "pad_token_id": 0},
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_padded_is_packed(name: str):
    kind, settings = FAMILIES[name]
    tokenizer = without_types() if settings.get("pad_token_id") == 1 else wordpiece()
    model = made(kind, tokenizer, **settings)
    traced = Traced(traceable(model), "")
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    example = torch.full((2, 5), 6), torch.tensor([[1] * 5, [1] * 3 + [0] * 2])
    with torch.enable_grad():
        program = torch.export.export(traced, example, dynamic_shapes=(any_size, any_size), strict=False).module()
    pad = model.config.pad_token_id
    generator = torch.Generator().manual_seed(3)
    for rows, length in ((1, 1), (1, 20), (3, 19)):
        ids = torch.randint(5, len(tokenizer), (rows, length), generator=generator)
        mask = torch.ones_like(ids)
        for row in range(1, rows):
            mask[row, length - 8 * row :] = 0
        ids = torch.where(mask == 1, ids, pad)
        with torch.no_grad():
            expected = model(ids, attention_mask=mask).last_hidden_state
            found = program(ids, mask)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_model_itself_stays_as_it_is():
    model = made("BertModel", wordpiece())
    kinds = [type(module) for module in model.modules()]
    copied = traceable(model)
    assert [type(module) for module in model.modules()] == kinds
    assert copied.get_input_embeddings().weight is model.get_input_embeddings().weight
    half = made("BertModel", wordpiece()).bfloat16()
    assert traceable(half).dtype == torch.float32
    assert half.dtype == torch.bfloat16
