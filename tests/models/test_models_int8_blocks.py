"""int8 blocks with fixed input ranges: the same numbers as map by map, in fewer passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from model_examples import padded, tiny
from torch import nn

import enfold
from enfold.layers import int8
from enfold.layers.int8 import Int8Linear, range_of
from enfold.layers.int8_blocks import Int8Block, quickest
from enfold.layers.linear import quantise_linear
from enfold.models.quantised import quantise_model

TEXTS = torch.randint(1, 50, (60, 12), generator=torch.Generator().manual_seed(3)).tolist()
BATCH = {key: own for key, own in padded([9, 4, 7, 12]).items() if key != "token_type_ids"}  # as the texts have none

needs_fusion = pytest.mark.skipif(
    int8.int8_product("cpu").name != "onednn", reason="this processor has no int8 product"
)


def trained_like(model: Any) -> Any:
    """Weights large enough that every part matters."""
    torch.manual_seed(1)
    with torch.no_grad():
        for own in model.parameters():
            own.copy_(torch.randn_like(own) * (0.3 if own.dim() > 1 else 0.1) + (own.dim() == 1) * own)
    return model


def encoder(kind: str) -> Any:
    sizes = {"vocab_size": 60, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    if kind in ("gelu", "gelu_new", "relu", "silu"):
        return trained_like(tiny(hidden_size=64, intermediate_size=128, num_attention_heads=4, hidden_act=kind))
    if kind == "modernbert":  # pre-norm, gated, rotated
        config = enfold.ModernBertConfig(**sizes, intermediate_size=96, pad_token_id=0)
        return trained_like(enfold.ModernBertForSequenceClassification(config).eval())
    config = enfold.T5Config(vocab_size=60, d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4)
    return trained_like(enfold.T5ForConditionalGeneration(config).eval())  # a bias on the scores


def logits(model: Any, batch: dict[str, torch.Tensor] = BATCH) -> torch.Tensor:
    if isinstance(model, enfold.T5ForConditionalGeneration):
        batch = batch | {"decoder_input_ids": torch.tensor([[0, 3]] * len(batch["input_ids"]))}
    with torch.inference_mode():
        return model(**batch).logits


def fixed_maps(model: nn.Module) -> list[Int8Linear]:
    return [own for own in model.modules() if isinstance(own, Int8Linear) and own.input_range is not None]


class TestRange:
    def test_it_holds_zero_and_what_was_seen(self) -> None:
        scale, zero = range_of(torch.tensor([-1.0, 0.5]), torch.tensor([2.0, 4.1])).tolist()
        assert scale == pytest.approx(5.1 / 255)
        assert zero == 50  # 1 / 0.02
        assert range_of(torch.tensor([1.0]), torch.tensor([5.1])).tolist() == [pytest.approx(0.02), 0]

    def test_inputs_are_scaled_first(self) -> None:
        scale, _ = range_of(torch.tensor([0.0, 0.0]), torch.tensor([100.0, 1.0]), torch.tensor([0.1, 2.0])).tolist()
        assert scale == pytest.approx(10 / 255)

    def test_what_is_outside_is_clipped(self) -> None:
        own = quantise_linear(nn.Linear(2, 1).eval(), input_range=torch.tensor([0.02, 50.0]))
        quantised = own.to_bytes(torch.tensor([[-9.0, 9.0], [0.0, 0.02]]))
        assert quantised.tolist() == [[0, 255], [50, 51]]


@pytest.mark.parametrize("product", int8.PRODUCTS, ids=lambda product: product.name)
def test_each_product_gives_the_map(product, monkeypatch) -> None:
    monkeypatch.setattr(int8, "int8_product", lambda device="cpu": product)
    torch.manual_seed(0)
    original, hidden = nn.Linear(64, 32).requires_grad_(False).eval(), torch.randn(40, 64) + 1
    small = quantise_linear(original, input_range=range_of(hidden.amin(0), hidden.amax(0)))
    scale, zero = small.fixed
    rounded = ((hidden / scale + zero).round().clamp(0, 255) - zero) * scale
    wanted = rounded @ (small.weight.float() * small.weight_scale[:, None]).t() + original.bias
    torch.testing.assert_close(small(hidden), wanted, rtol=1e-4, atol=1e-4)
    assert float((wanted - original(hidden)).abs().max()) < 0.05  # and the map is what it was


@pytest.mark.parametrize("kind", ["gelu", "gelu_new", "relu", "silu", "modernbert", "t5"])
@needs_fusion
def test_a_block_at_once_gives_what_its_maps_give(kind) -> None:
    model = encoder(kind)
    small = quantise_model(model, "int8", TEXTS)
    assert fixed_maps(small)
    blocks = small.base_model.encoder.blocks if kind == "t5" else small.base_model.blocks
    hidden = torch.zeros(1, 64)
    with torch.inference_mode():
        assert all(isinstance(quickest(block, hidden), Int8Block) for block in blocks)
    at_once = logits(small)
    seen = [block.register_forward_hook(lambda *_: None) for block in blocks]
    assert not any(isinstance(quickest(block, hidden), Int8Block) for block in blocks)
    one_by_one = logits(small)
    for hook in seen:
        hook.remove()
    wanted = logits(model)
    spread = float(wanted.std())
    # A number between two bytes may fall to either side.
    torch.testing.assert_close(at_once, one_by_one, rtol=0, atol=0.03 * spread)
    # As right as with a scale for each token, or half as much.
    per_token = logits(quantise_model(model, "int8"))
    assert float((at_once - wanted).std()) < 2 * float((per_token - wanted).std()) + 0.01 * spread


@needs_fusion
def test_hidden_states_are_those_of_the_blocks() -> None:
    small = quantise_model(encoder("gelu"), "int8", TEXTS)
    with torch.inference_mode():
        shown = small(**BATCH, output_hidden_states=True)
        assert len(shown.hidden_states) == 3
        embedded = small.bert.part("embeddings")
        assert embedded is small.bert.embed
        torch.testing.assert_close(shown.logits, small(**BATCH).logits, rtol=0, atol=0.05)
        plain = enfold.BertModel(small.config).eval()  # embeddings stay in float32 and are not written over
        plain.load_state_dict(
            {k.removeprefix("bert."): v for k, v in encoder("gelu").state_dict().items()}, strict=False
        )
        wanted = plain(**BATCH, output_hidden_states=True).hidden_states[0]
    torch.testing.assert_close(shown.hidden_states[0], wanted)


def test_an_answer_does_not_depend_on_its_neighbours() -> None:
    small = quantise_model(encoder("gelu"), "int8", TEXTS)
    together = logits(small).softmax(-1)
    for row, length in enumerate([9, 4, 7, 12]):
        alone = {key: own[row : row + 1, :length] for key, own in BATCH.items()}
        torch.testing.assert_close(logits(small, alone).softmax(-1)[0], together[row], rtol=0, atol=1e-3)


def test_a_saved_folder_keeps_the_ranges(tmp_path) -> None:
    small = quantise_model(encoder("gelu"), "int8", TEXTS)
    small.save_pretrained(tmp_path)
    again = enfold.BertForSequenceClassification.from_pretrained(tmp_path)
    assert len(fixed_maps(again)) == len(fixed_maps(small)) > 0
    assert torch.equal(logits(again), logits(small))


def test_a_writer_finds_a_scale_for_each_token() -> None:
    sizes = {"vocab_size": 60, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    model = enfold.LlamaForCausalLM(enfold.LlamaConfig(**sizes, num_attention_heads=4, num_key_value_heads=2)).eval()
    assert not fixed_maps(quantise_model(model, "int8", TEXTS))


def test_maps_of_one_input_must_have_one_range() -> None:
    maps = [quantise_linear(nn.Linear(32, 8).eval(), input_range=torch.tensor([0.1, zero])) for zero in (0.0, 3.0)]
    with pytest.raises(enfold.EnfoldError, match="int8 maps of one input must scale it alike"):
        int8.together(maps)(torch.zeros(1, 32))
