"""Windows count places of the row as it came, masked ones too, in every kind of stack."""

from __future__ import annotations

import pytest
import torch
import transformers

import enfold
from enfold.errors import InputError

SMALL = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "sliding_window": 3,
}
HOLES = torch.tensor([[1, 0, 1, 1, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 0, 0, 1]])


def test_a_decoder_with_masked_places_in_between_is_what_transformers_computes() -> None:
    theirs = transformers.MistralModel(transformers.MistralConfig(**SMALL, attn_implementation="eager")).eval()
    ours = enfold.MistralModel(enfold.MistralConfig(**SMALL)).eval()
    ours.load_state_dict(theirs.state_dict())
    ids = torch.randint(4, 61, HOLES.shape, generator=torch.Generator().manual_seed(0))
    real = HOLES != 0
    with torch.no_grad():
        found = ours(ids, attention_mask=HOLES).last_hidden_state
        expected = theirs(ids, attention_mask=HOLES).last_hidden_state
        shorter = ours(ids * HOLES, attention_mask=HOLES).last_hidden_state
    torch.testing.assert_close(found[real], expected[real], rtol=1e-4, atol=1e-5)
    assert torch.equal(found, shorter)
    assert not bool(found[~real].any())


def test_with_a_cache_they_are_refused() -> None:
    model = enfold.MistralModel(enfold.MistralConfig(**SMALL))
    with pytest.raises(InputError, match="a window over masked places in between does not go with a cache"):
        model(torch.full(HOLES.shape, 5), attention_mask=HOLES, use_cache=True)


def test_padding_at_either_side_is_packed_all_the_same() -> None:
    model = enfold.ModernBertModel(
        enfold.ModernBertConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_attention_heads=2, pad_token_id=0)
    )
    for mask, packed in (([[0, 1, 1], [1, 1, 0]], 4), ([[1, 0, 1], [1, 1, 0]], 6)):
        brought = model.enter(input_ids=torch.ones(2, 3, dtype=torch.long), attention_mask=torch.tensor(mask))
        assert brought.ids is not None
        assert brought.ids.shape[0] == packed


def test_rows_of_no_places_stay_empty() -> None:
    model = enfold.MistralModel(enfold.MistralConfig(**SMALL)).eval()
    nothing = torch.zeros(2, 0, dtype=torch.long)
    assert model(nothing, attention_mask=nothing).last_hidden_state.shape == (2, 0, 32)
