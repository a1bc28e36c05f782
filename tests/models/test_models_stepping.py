"""A step of one token gives what the ordinary pass gives, for rows of any lengths, alone and in branches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import enfold
from enfold.layers.stepping import can_step
from enfold.models.decoding import Decoding

SIZES = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = SIZES | {"intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 64}
DYNAMIC = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 100.0}
T5 = {"vocab_size": 60, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
MARIAN = {"vocab_size": 60, "d_model": 32, "pad_token_id": 59, "max_position_embeddings": 64} | {
    f"{side}_{name}": value
    for side in ("encoder", "decoder")
    for name, value in {"layers": 2, "attention_heads": 4, "ffn_dim": 48}.items()
}
MODELS: dict[str, Any] = {
    "rotary, shared key heads": lambda: enfold.LlamaForCausalLM(enfold.LlamaConfig(**LLAMA)),
    "rotary that grows with the row": lambda: enfold.LlamaForCausalLM(
        enfold.LlamaConfig(**LLAMA | {"max_position_embeddings": 6}, rope_parameters=DYNAMIC)
    ),
    "a window": lambda: enfold.MistralForCausalLM(enfold.MistralConfig(**LLAMA, sliding_window=3)),
    "norms of each head": lambda: enfold.Qwen3ForCausalLM(enfold.Qwen3Config(**LLAMA, head_dim=8)),
    "learned places, one map": lambda: enfold.GPT2LMHeadModel(
        enfold.GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4, n_positions=64)
    ),
    "maps per head, both parts at once": lambda: enfold.GPTNeoXForCausalLM(
        enfold.GPTNeoXConfig(**SIZES, intermediate_size=48, rotary_pct=0.5)
    ),
    "post-norm, places after the padding's": lambda: enfold.RobertaForCausalLM(
        enfold.RobertaConfig(**SIZES, intermediate_size=48, is_decoder=True)
    ),
    "relative bias, a pair": lambda: enfold.T5ForConditionalGeneration(enfold.T5Config(**T5)),
    "post-norm, a pair": lambda: enfold.MarianMTModel(enfold.MarianConfig(**MARIAN)),
}
PROMPTS = [[5, 6, 7, 8, 9], [10, 11], [12, 13, 14, 15, 16, 17, 18]]
SOURCES = [[20, 21, 22], [23, 24, 25, 26, 27], [28]]


def model_of(name: str, seed: int = 0) -> Any:
    """With weights that let every part show in the scores."""
    torch.manual_seed(seed)
    model = MODELS[name]().double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5 + (parameter.dim() == 1))
    return model


def begun(model: Any, prompts: list[list[int]] = PROMPTS, *, ordinary: bool = False) -> Decoding:
    sources = SOURCES[: len(prompts)] if model.is_encoder_decoder else None
    decoding = model.begin_decoding(prompts, encoder_ids=sources, room=2)  # so little that it has to grow
    assert decoding._step is not None, "this model has no step"
    if ordinary:
        decoding._step = None
    return decoding


def tokens(rows: int, step: int) -> Tensor:
    return torch.randint(1, 55, (rows,), generator=torch.Generator().manual_seed(step))


def assert_same(first: Tensor, second: Tensor) -> None:
    torch.testing.assert_close(first.double(), second.double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_rows_of_any_lengths(name):
    model = model_of(name)
    fast, slow = begun(model), begun(model, ordinary=True)
    for step in range(6):
        assert_same(fast.feed(tokens(3, step)), slow.feed(tokens(3, step)))
    for decoding in (fast, slow):
        decoding.select(torch.tensor([2, 0]))  # a row leaves, the others change places
    for step in range(3):
        assert_same(fast.feed(tokens(2, step)), slow.feed(tokens(2, step)))
    for decoding in (fast, slow):
        decoding.forget([2, 1])
    assert_same(fast.feed(tokens(2, 9)), slow.feed(tokens(2, 9)))
    several = torch.tensor([[3, 4, 5], [6, 7, 8]])
    assert_same(fast.feed_several(several), slow.feed_several(several))
    assert_same(fast.feed(tokens(2, 10)), slow.feed(tokens(2, 10)))


@pytest.mark.parametrize("name", MODELS)
def test_branches_are_what_rows_of_their_own_would_be(name):
    """Beams that are reordered at each step, prompts that leave, and an end of branching."""
    model = model_of(name)
    fast, slow = begun(model), begun(model, ordinary=True)
    parents = [
        [0, 0, 0, 1, 1, 1, 2, 2, 2],
        [0, 0, 2, 4, 3, 5, 8, 7, 7],
        [1, 1, 1, 3, 4, 4, 6, 7, 8],
        [6, 8, 8, 0, 2, 1],  # the second prompt is done, the others change places
        [2, 1, 0, 3, 3, 4],
        [0, 4, 5],  # rows of different numbers of branches
        [2, 0, 1],
    ]
    for step, chosen in enumerate(parents):
        for decoding in (fast, slow):
            decoding.select(torch.tensor(chosen))
        assert fast.lengths == slow.lengths
        assert_same(fast.feed(tokens(len(chosen), step)), slow.feed(tokens(len(chosen), step)))


def test_branches_of_one_prompt_share_its_storage_until_they_are_taken_back():
    model = model_of("rotary, shared key heads")
    fast, slow = begun(model, PROMPTS[:1]), begun(model, PROMPTS[:1], ordinary=True)
    for decoding in (fast, slow):
        decoding.select(torch.tensor([0] * 4))
        decoding.feed(tokens(4, 1))
    assert fast._cache._own[0].keys.shape[0] == 1
    for decoding in (fast, slow):
        decoding.forget([1, 1, 1, 1])
    assert_same(fast.feed(tokens(4, 2)), slow.feed(tokens(4, 2)))
    several = torch.tensor([[3, 4], [5, 6], [7, 8], [9, 10]])
    for decoding in (fast, slow):
        decoding.select(torch.tensor([1, 0, 2, 2]))
    assert_same(fast.feed_several(several), slow.feed_several(several))


def test_more_branches_than_are_worth_it_are_rows_of_their_own():
    model = model_of("learned places, one map")
    fast, slow = begun(model, PROMPTS[:1]), begun(model, PROMPTS[:1], ordinary=True)
    for decoding in (fast, slow):
        decoding.select(torch.tensor([0] * 12))
    assert fast._cache.branches == 1
    assert_same(fast.feed(tokens(12, 1)), slow.feed(tokens(12, 1)))


def test_a_hook_or_a_part_that_a_step_does_not_know_takes_the_ordinary_pass():
    model = model_of("learned places, one map")
    seen = []
    hook = model.transformer.h[1].mlp.register_forward_hook(lambda *call: seen.append(call))
    assert model.begin_decoding(PROMPTS)._step is None
    hook.remove()
    assert model.begin_decoding(PROMPTS)._step is not None

    class Other(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, *arguments):
            return self.inner(*arguments)

    block = model.transformer.h[0]
    block.add_module("other", block.part("feed_forward"))
    path = block._paths["feed_forward"]
    owner = block.get_submodule(".".join(path[:-1]))
    owner.add_module(path[-1], Other(block.part("feed_forward")))
    assert not can_step(block)


def test_writing_leaves_every_parameter_its_value_and_the_folder_its_bytes(tmp_path):
    model = model_of("rotary, shared key heads").float()
    model.save_pretrained(tmp_path / "before")
    before = {name: (id(own), own.detach().clone()) for name, own in model.named_parameters()}
    model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=3)
    for name, own in model.named_parameters():
        assert id(own) == before[name][0]
        assert torch.equal(own, before[name][1])
    model.save_pretrained(tmp_path / "after")
    file = "model.safetensors"
    assert (tmp_path / "before" / file).read_bytes() == (tmp_path / "after" / file).read_bytes()


def test_a_model_that_has_written_can_be_trained_and_moved():
    model = model_of("rotary, shared key heads").float()
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        before = model.generate(ids, max_new_tokens=3)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.0)
    model.train()
    model(ids, labels=ids).loss.backward()
    optimiser.step()
    model.eval()
    assert torch.equal(model.generate(ids, max_new_tokens=3), before)
    assert torch.equal(model.double().generate(ids, max_new_tokens=3), before)
