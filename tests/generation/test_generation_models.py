"""Our own models behind the decoding contract: what transformers writes with the same weights, token for token."""

from functools import lru_cache

import pytest
import torch
from generation_reference import ALL, EOS, ReferenceModel, as_reference_takes, gpt2, padded, random_prompts

from enfold import AutoModelForCausalLM, AutoModelForSeq2SeqLM
from enfold.generation import GenerationConfig, generate

MANY_STOPS = list(range(2, 25))


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    @lru_cache
    def load(name: str):
        folder = tmp_path_factory.mktemp(name)
        ALL[name]().save_pretrained(folder)
        pair = ALL[name]().config.is_encoder_decoder
        return (AutoModelForSeq2SeqLM if pair else AutoModelForCausalLM).from_pretrained(folder)

    return load


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"eos_token_id": MANY_STOPS},
        {"repetition_penalty": 1.3, "bad_words_ids": [[7], [8, 9]]},
        {"num_beams": 3, "num_return_sequences": 2},
        {"num_beams": 4, "eos_token_id": MANY_STOPS, "early_stopping": True, "length_penalty": 2.0},
        {"num_beams": 2, "eos_token_id": MANY_STOPS, "early_stopping": "never", "forced_eos_token_id": EOS},
    ],
    ids=str,
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_equal_to_transformers(ours, name, options, side):
    prompts = random_prompts(5, seed=2)
    wanted = ALL[name]().generate(**as_reference_takes(name, prompts), max_new_tokens=12, **options)
    found = ours(name).generate(**padded(prompts, side), max_new_tokens=12, **options)
    start = 0 if ours(name).is_encoder_decoder else padded(prompts)["input_ids"].shape[1]
    assert found[:, start:].equal(wanted[:, start:])


@pytest.mark.parametrize("name", ALL)
def test_sampling_is_the_same_through_the_cache_as_in_full(ours, name):
    config = GenerationConfig(do_sample=True, temperature=1.5, max_new_tokens=10, eos_token_id=MANY_STOPS)
    prompts = random_prompts(4, seed=3)
    given = {"encoder_ids": prompts} if ours(name).is_encoder_decoder else {}
    first = None if given else prompts
    seeds = [1, 2, 3, 4]
    found = generate(ours(name), first, config, seeds=seeds, **given)
    wanted = generate(ReferenceModel(ALL[name]()), first, config, seeds=seeds, **given)
    assert [row[0].ids for row in found] == [row[0].ids for row in wanted]


@pytest.mark.parametrize("name", ALL)
def test_speculation_leaves_the_output_as_it_is(ours, name):
    model = ours(name)
    batch = padded(random_prompts(3, seed=4))
    plain = model.generate(**batch, max_new_tokens=12)
    assert model.generate(**batch, max_new_tokens=12, prompt_lookup_num_tokens=3).equal(plain)
    assert model.generate(**batch, max_new_tokens=12, assistant_model=model, num_assistant_tokens=4).equal(plain)


def test_a_poor_assistant_is_taken_back(ours, tmp_path):
    gpt2(9, 1).save_pretrained(tmp_path)
    assistant = AutoModelForCausalLM.from_pretrained(tmp_path)
    model, ids = ours("gpt2"), torch.tensor([[7, 8, 9]])
    plain = model.generate(ids, max_new_tokens=20, eos_token_id=None)
    fast = model.generate(
        ids, max_new_tokens=20, eos_token_id=None, assistant_model=assistant, num_assistant_tokens=3,
        assistant_confidence_threshold=0.0,
    )  # fmt: skip
    assert fast.equal(plain)
