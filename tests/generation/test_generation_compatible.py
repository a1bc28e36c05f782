"""The call with transformers' arguments: what goes in and comes out has its shapes, and its helpers work as there."""

import pytest
import torch
from generation_reference import ALL, ReferenceModel, as_reference_takes, bart, gpt2, padded, random_prompts

from enfold.errors import InputError
from enfold.generation import GenerationConfig, generate_compatible


class Collected:
    def __init__(self):
        self.seen = []

    def put(self, ids):
        self.seen.append(ids.tolist())

    def end(self):
        self.seen.append("end")


def test_sequences_are_the_prompts_as_given_and_the_new_tokens():
    batch = padded(random_prompts(3), side="right")
    out = generate_compatible(ReferenceModel(gpt2()), **batch, max_new_tokens=4, eos_token_id=None)
    width = batch["input_ids"].shape[1]
    assert out.dtype == torch.long
    assert out.shape == (3, width + 4)
    assert out[:, :width].equal(batch["input_ids"])


@pytest.mark.parametrize("name", ALL)
def test_several_sequences_of_a_prompt_lie_one_after_another(name):
    batch = as_reference_takes(name, random_prompts(2))
    options = {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 5}
    wanted = ALL[name]().generate(**batch, **options)
    assert generate_compatible(ReferenceModel(ALL[name]()), **batch, **options).equal(wanted)


@pytest.mark.parametrize("name", ALL)
def test_max_length_and_min_length_count_the_width_as_in_transformers(name):
    reference, batch = ALL[name](), as_reference_takes(name, random_prompts(4, seed=5))
    for options in ({"max_length": 15}, {"max_length": 16, "min_length": 15, "eos_token_id": list(range(2, 40))}):
        wanted = reference.generate(**batch, **options)
        assert generate_compatible(ReferenceModel(reference), **batch, **options).equal(wanted)


def test_without_a_mask_pad_ids_are_padding_unless_they_stop():
    reference, batch = gpt2(), padded(random_prompts(4, seed=6))
    ids = batch["input_ids"]
    for options in ({}, {"pad_token_id": 1, "eos_token_id": [1, 2]}):
        wanted = reference.generate(ids, max_new_tokens=5, **options)
        assert generate_compatible(ReferenceModel(reference), ids, max_new_tokens=5, **options).equal(wanted)
    pair = bart()
    wanted = pair.generate(ids, max_new_tokens=5)
    assert generate_compatible(ReferenceModel(pair), ids, max_new_tokens=5).equal(wanted)


def test_masks_with_holes_leave_tokens_out():
    ids, mask = torch.tensor([[7, 8, 9, 10]]), torch.tensor([[1, 0, 1, 1]])
    model = ReferenceModel(gpt2())
    held = generate_compatible(model, ids, attention_mask=mask, max_new_tokens=5)[0, 4:]
    assert held.equal(generate_compatible(model, torch.tensor([[7, 9, 10]]), max_new_tokens=5)[0, 3:])


def test_a_config_and_options_by_name():
    reference, ids = gpt2(), torch.tensor([[7, 8, 9]])
    config = GenerationConfig(max_new_tokens=9, repetition_penalty=1.5)
    out = generate_compatible(ReferenceModel(reference), ids, config, max_new_tokens=3)
    assert out.equal(reference.generate(ids, max_new_tokens=3, repetition_penalty=1.5))


def test_a_config_may_be_a_mapping_or_one_of_transformers():
    import transformers

    model, ids = ReferenceModel(gpt2()), torch.tensor([[7, 8, 9]])
    options = {"max_new_tokens": 5, "repetition_penalty": 1.5}
    expected = generate_compatible(model, ids, **options)
    assert generate_compatible(model, ids, options).equal(expected)
    assert generate_compatible(model, ids, transformers.GenerationConfig(**options)).equal(expected)
    with pytest.raises(InputError, match="generation_config must be a GenerationConfig; it is a list"):
        generate_compatible(model, ids, [1])


def test_processors_of_the_caller_see_ids_and_scores():
    reference, batch = gpt2(), padded(random_prompts(3, seed=7))
    shapes = []

    def only_even(ids, scores):
        shapes.append((tuple(ids.shape), tuple(scores.shape)))
        scores = scores.clone()
        scores[:, 1::2] = -torch.inf
        return scores

    import transformers

    processors = transformers.LogitsProcessorList([only_even])
    wanted = reference.generate(**batch, max_new_tokens=6, logits_processor=processors, eos_token_id=None)
    seen, shapes = shapes, []
    found = generate_compatible(
        ReferenceModel(reference), **batch, max_new_tokens=6, logits_processor=[only_even], eos_token_id=None
    )
    assert found.equal(wanted)
    assert shapes == seen


def test_criteria_of_the_caller_end_rows():
    from transformers import StoppingCriteriaList

    reference, batch = gpt2(), padded(random_prompts(4, seed=8))
    width = batch["input_ids"].shape[1]

    def third_is_even(ids, scores, **_):
        return (ids[:, -1] % 2 == 0) if ids.shape[1] >= width + 3 else torch.zeros(len(ids), dtype=torch.bool)

    options = {"max_new_tokens": 8, "eos_token_id": 82, "pad_token_id": 1}
    wanted = reference.generate(**batch, stopping_criteria=StoppingCriteriaList([third_is_even]), **options)
    found = generate_compatible(ReferenceModel(reference), **batch, stopping_criteria=[third_is_even], **options)
    # Rows that are left are not as wide as the batch was: only where they end is compared.
    assert found.shape[1] <= wanted.shape[1]
    ours = generate_compatible(
        ReferenceModel(reference), **batch, stopping_criteria=[lambda ids, scores: True], **options
    )
    assert ours.shape[1] == width + 1


@pytest.mark.parametrize("beams", [1, 3])
def test_allowed_tokens_by_prefix(beams):
    reference, batch = gpt2(), padded(random_prompts(3, seed=9))

    def allowed(number, ids):
        return [10 + number, 20 + number, 30 + (int(ids[-1]) % 3), 40]

    options = {"max_new_tokens": 6, "num_beams": beams, "prefix_allowed_tokens_fn": allowed}
    wanted = reference.generate(**batch, **options)
    assert generate_compatible(ReferenceModel(reference), **batch, **options).equal(wanted)
    with pytest.raises(InputError, match="prefix_allowed_tokens_fn allows no token after the 2 of prompt 0"):
        generate_compatible(
            ReferenceModel(reference), torch.tensor([[7, 8]]), prefix_allowed_tokens_fn=lambda number, ids: []
        )


@pytest.mark.parametrize("name", ["gpt2", "bart"])
def test_a_streamer_gets_what_it_gets_in_transformers(name):
    reference, ids = ALL[name](), torch.tensor([[7, 8, 9]])
    theirs, ours = Collected(), Collected()
    reference.generate(ids, max_new_tokens=5, streamer=theirs)
    generate_compatible(ReferenceModel(reference), ids, max_new_tokens=5, streamer=ours)
    assert ours.seen == theirs.seen


def test_stop_strings_with_a_tokenizer():
    class Letters:
        def decode(self, ids):
            return "".join(chr(ord("a") + number) for number in ids)

    reference, ids = gpt2(), torch.tensor([[7, 8, 9]])
    free = generate_compatible(ReferenceModel(reference), ids, max_new_tokens=8, eos_token_id=None)[0, 3:]
    stop = Letters().decode(free[2:4].tolist())
    out = generate_compatible(
        ReferenceModel(reference), ids, max_new_tokens=8, eos_token_id=None, stop_strings=[stop], tokenizer=Letters()
    )[0, 3:]
    assert Letters().decode(out.tolist()).endswith(stop)
    with pytest.raises(InputError, match="stop_strings are looked for in text: give tokenizer="):
        generate_compatible(ReferenceModel(reference), ids, stop_strings=["x"])


def test_the_output_reads_as_in_transformers():
    reference, batch = gpt2(), padded(random_prompts(2))
    options = {"max_new_tokens": 4, "return_dict_in_generate": True}
    for more, keys in (
        ({}, ["sequences"]),
        ({"output_scores": True}, ["sequences", "scores"]),
        ({"num_beams": 2, "output_scores": True}, ["sequences", "sequences_scores"]),
    ):
        found = generate_compatible(ReferenceModel(reference), **batch, **options, **more)
        wanted = reference.generate(**batch, **options, **more)
        assert type(found).__name__ == type(wanted).__name__
        assert found.keys() == keys
        assert found["sequences"].equal(wanted.sequences)
    assert (
        type(generate_compatible(ReferenceModel(bart()), **batch, **options)).__name__ == "GenerateEncoderDecoderOutput"
    )


def test_sampling_takes_seeds_or_torchs_generator():
    model, ids = ReferenceModel(gpt2()), torch.tensor([[7, 8], [9, 10]])
    options = {"do_sample": True, "temperature": 3.0, "max_new_tokens": 8}
    assert generate_compatible(model, ids, seeds=[1, 2], **options).equal(
        generate_compatible(model, ids, seeds=[1, 2], **options)
    )
    torch.manual_seed(0)
    first = generate_compatible(model, ids, **options)
    torch.manual_seed(0)
    assert generate_compatible(model, ids, **options).equal(first)
