"""What is wrong with prompts and arguments is said before the model runs: which, where, and the way out."""

import pytest
import torch
from generation_reference import ReferenceModel, bart, gpt2, padded, random_prompts

from enfold.errors import InputError
from enfold.generation import GenerationConfig, generate, generate_compatible


@pytest.fixture
def model():
    return ReferenceModel(gpt2())


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([], "there is no prompt"),
        (None, "there are no prompts"),
        ([[7, 8], []], "prompt 1 is empty: it needs at least one token"),
        ([[7], [7] * 65], "prompt 1 has 65 tokens; the model's context holds 64: shorten it"),
        ([[7] * 64], "prompt 0 has 64 tokens and fills the model's context of 64"),
        ([[7], [7, 8, 83, 9]], "prompt 1 has id 83 at position 2, outside the vocabulary, whose ids are 0 to 82"),
        ([[-1]], "prompt 0 has id -1 at position 0, outside the vocabulary"),
        ([[7, "8"]], "prompt 0 has '8' at position 1, which is no token id"),
        (["text"], "prompt 0 must be a list of token ids; it is a str"),
    ],
)
def test_prompts(model, prompts, message):
    with pytest.raises(InputError, match=message):
        generate(model, prompts)


def test_what_an_encoder_reads_is_checked_too():
    model = ReferenceModel(bart())
    with pytest.raises(InputError, match="encoder input 1 has id 99 at position 0"):
        generate(model, None, encoder_ids=[[7], [99]])
    with pytest.raises(InputError, match="encoder input 0 has 65 tokens; the model's context holds 64"):
        generate(model, None, encoder_ids=[[7] * 65])
    with pytest.raises(InputError, match="an encoder-decoder reads encoder_ids"):
        generate(model, [[7]])
    with pytest.raises(InputError, match="2 prompts but 1 encoder_ids: there must be one for each"):
        generate(model, [[7], [8]], encoder_ids=[[7]])
    with pytest.raises(InputError, match="encoder_ids are for encoder-decoders"):
        generate(ReferenceModel(gpt2()), [[7]], encoder_ids=[[7]])


def test_a_decoder_without_a_start():
    model = ReferenceModel(bart())
    model.generation_config = GenerationConfig()
    with pytest.raises(InputError, match="nothing says what the decoder starts with: set decoder_start_token_id"):
        generate(model, None, encoder_ids=[[7]])
    with pytest.raises(InputError, match="decoder_start_token_id lists 2 ids for 1 encoder inputs"):
        generate(model, None, GenerationConfig(decoder_start_token_id=[3, 4]), encoder_ids=[[7]])


def test_lengths_that_cannot_be(model):
    with pytest.raises(InputError, match="prompt 0 has 5 tokens and max_length=5 counts them too: give max_new_tokens"):
        generate(model, [[7] * 5], GenerationConfig(max_length=5))
    with pytest.raises(
        InputError, match="prompt 0 has 5 tokens and may have 2 new ones, but at least 4 were asked for"
    ):
        generate(model, [[7] * 5], GenerationConfig(max_length=7, min_new_tokens=4))


def test_seeds(model):
    config = GenerationConfig(do_sample=True)
    with pytest.raises(InputError, match="2 seeds for 1 prompts: give one for each, or a single number for all"):
        generate(model, [[7]], config, seeds=[1, 2])
    with pytest.raises(InputError, match="seed -1 must be a whole number"):
        generate(model, [[7]], config, seeds=-1)


def test_alternatives(model):
    with pytest.raises(InputError, match="alternatives=-1 must be at least 0"):
        generate(model, [[7]], alternatives=-1)


def test_unknown_and_unsupported_arguments_of_the_compatible_call(model):
    ids = torch.tensor([[7, 8]])
    with pytest.raises(InputError, match="does not take 'max_new_token'; did you mean 'max_new_tokens'"):
        generate_compatible(model, ids, max_new_token=3)
    with pytest.raises(InputError, match="does not take 'atention_mask'; did you mean 'attention_mask'"):
        generate_compatible(model, ids, atention_mask=None)
    for name, value in (
        ("inputs_embeds", ids),
        ("past_key_values", 1),
        ("negative_prompt_ids", ids),
        ("custom_generate", "x"),
    ):
        with pytest.raises(InputError, match=f"{name} is not supported"):
            generate_compatible(model, ids, **{name: value})
    with pytest.raises(InputError, match="synced_gpus=True is not supported"):
        generate_compatible(model, ids, synced_gpus=True)
    with pytest.raises(InputError, match="token_type_ids other than zeros"):
        generate_compatible(model, ids, token_type_ids=torch.ones_like(ids))
    with pytest.raises(InputError, match="decoder_input_ids are for encoder-decoders"):
        generate_compatible(model, ids, decoder_input_ids=ids)


def test_inputs_of_the_compatible_call(model):
    with pytest.raises(InputError, match="inputs and input_ids are the same argument"):
        generate_compatible(model, torch.tensor([[7]]), input_ids=torch.tensor([[7]]))
    with pytest.raises(InputError, match=r"whole numbers of shape \(batch, seq\); they have shape \(2,\)"):
        generate_compatible(model, torch.tensor([7, 8]))
    with pytest.raises(InputError, match="whole numbers of shape"):
        generate_compatible(model, torch.tensor([[0.5]]))
    with pytest.raises(InputError, match=r"attention_mask has shape \(1, 3\), but the ids have \(1, 2\)"):
        generate_compatible(model, torch.tensor([[7, 8]]), attention_mask=torch.ones(1, 3))
    with pytest.raises(InputError, match="row 1 of attention_mask is all zeros"):
        generate_compatible(model, torch.tensor([[7], [8]]), attention_mask=torch.tensor([[1], [0]]))
    with pytest.raises(InputError, match=r"model.generate\(\*\*inputs\)"):
        generate_compatible(model, type("BatchEncoding", (), {"input_ids": [[7]]})())
    with pytest.raises(InputError, match="the prompts are 2 ids wide and max_length=2 counts them too"):
        generate_compatible(model, torch.tensor([[7, 8]]), max_length=2)


def test_without_input_the_start_of_a_text_is_the_prompt_or_an_error(model):
    expected = gpt2().generate(max_new_tokens=4)
    assert generate_compatible(model, max_new_tokens=4).equal(expected)
    model.generation_config = GenerationConfig()
    with pytest.raises(InputError, match="there are no input_ids, and no bos_token_id to start with"):
        generate_compatible(model, max_new_tokens=4)


def test_a_streamer_takes_one_sequence(model):
    with pytest.raises(InputError, match="a streamer takes one sequence"):
        generate_compatible(model, **padded(random_prompts(2)), streamer=object())


def test_logits_with_beams(model):
    with pytest.raises(InputError, match="output_logits is not supported with beams"):
        generate_compatible(model, torch.tensor([[7]]), num_beams=2, return_dict_in_generate=True, output_logits=True)
