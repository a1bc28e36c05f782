"""Output that must match a JSON schema or a regular expression does, whatever the model would like to write."""

import json
import re
import sys

import pytest
import tokenizers
from generation_reference import ReferenceModel, gpt2, with_clear_choices
from tokenizers import decoders, models, pre_tokenizers, trainers

from enfold.errors import InputError, MissingExtra
from enfold.generation import Constraint, GenerationConfig, generate
from enfold.text import Tokenizer

pytest.importorskip("llguidance")

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "kind": {"enum": ["cat", "dog"]},
        "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["name", "age", "kind", "tags"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def tokenizer():
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    texts = [json.dumps({"name": "cat", "age": 12, "kind": "dog", "tags": [True, False]})] * 5
    made.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, special_tokens=["<end>"], show_progress=False),
    )
    return made


@pytest.fixture(scope="module")
def model(tokenizer):
    """A model of more tokens than the tokenizer has, as many are."""
    import transformers

    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size() + 7, n_positions=256, n_embd=24, n_layer=1, n_head=3, bos_token_id=0,
        eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    return ReferenceModel(with_clear_choices(transformers.GPT2LMHeadModel(config), 3))


SAMPLED = GenerationConfig(do_sample=True, temperature=1.5, max_new_tokens=200, top_k=0)


def is_valid(value) -> bool:
    return (
        set(value) == {"name", "age", "kind", "tags"}
        and isinstance(value["name"], str)
        and len(value["name"]) <= 12
        and isinstance(value["age"], int)
        and 0 <= value["age"] <= 120
        and value["kind"] in ("cat", "dog")
        and all(isinstance(tag, bool) for tag in value["tags"])
        and len(value["tags"]) <= 3
    )


def test_a_schema_holds(model, tokenizer):
    constraint = Constraint.json_schema(SCHEMA, tokenizer, compact=True)
    prompts = [[number] for number in range(5, 17)]
    results = generate(model, prompts, SAMPLED, constraint=constraint, seeds=3, decode=tokenizer.decode)
    texts = [one.text for (one,) in results if one.finish_reason == "stop"]
    assert len(texts) >= 8
    assert len(set(texts)) > 1
    assert all(is_valid(json.loads(text)) for text in texts)


def test_our_own_tokenizers_will_do(model, tokenizer):
    own = Tokenizer(tokenizer)
    constraint = Constraint.regular_expression("[a-z]{4}", own)
    (one,) = generate(model, [[5]], SAMPLED, constraint=constraint, seeds=1, decode=own.decode)[0]
    assert re.fullmatch("[a-z]{4}", one.text)


@pytest.mark.parametrize("do_sample", [False, True])
def test_an_expression_matches_the_whole_text(model, tokenizer, do_sample):
    pattern = r"(yes|no), [a-z]{2,5}[0-9]!"
    constraint = Constraint.regular_expression(pattern, tokenizer)
    config = GenerationConfig(do_sample=do_sample, max_new_tokens=40)
    results = generate(model, [[5], [6], [7]], config, constraint=constraint, seeds=1, decode=tokenizer.decode)
    for (one,) in results:
        assert one.finish_reason == "stop"
        assert re.fullmatch(pattern, one.text)


def test_each_prompt_may_have_its_own(model, tokenizer):
    first = Constraint.regular_expression("a{3}", tokenizer)
    second = Constraint.regular_expression("[0-9]{6}", tokenizer)
    config = GenerationConfig(max_new_tokens=9)
    rows = generate(model, [[5], [6], [7]], config, constraint=[first, None, second], decode=tokenizer.decode)
    assert rows[0][0].text == "aaa"
    assert re.fullmatch("[0-9]{6}", rows[2][0].text)
    assert rows[1][0].ids == generate(model, [[6]], config)[0][0].ids


def test_several_sequences_follow_it_apart(model, tokenizer):
    constraint = Constraint.regular_expression("[a-z]{4}", tokenizer)
    config = SAMPLED.updated(num_return_sequences=5)
    (results,) = generate(model, [[5]], config, constraint=constraint, seeds=2, decode=tokenizer.decode)
    assert all(re.fullmatch("[a-z]{4}", one.text) for one in results)
    assert len({one.text for one in results}) > 1


def test_without_a_stop_id_it_ends_when_nothing_can_follow(tokenizer):
    import transformers

    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=64,
        n_embd=24,
        n_layer=1,
        n_head=3,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = ReferenceModel(with_clear_choices(transformers.GPT2LMHeadModel(config), 3))
    model.generation_config = GenerationConfig()
    constraint = Constraint.regular_expression("[a-z]{4}", tokenizer)
    (one,) = generate(model, [[5]], constraint=constraint, decode=tokenizer.decode)[0]
    assert (one.finish_reason, len(one.text)) == ("stop", 4)


def test_what_cannot_be_enforced_is_said(tokenizer):
    with pytest.raises(InputError, match="the JSON schema cannot be used"):
        Constraint.json_schema({"type": "objekt"}, tokenizer)
    with pytest.raises(InputError, match="the JSON schema cannot be used"):
        Constraint.json_schema("{", tokenizer)
    with pytest.raises(InputError, match="the expression .* cannot be used"):
        Constraint.regular_expression("a(?=b", tokenizer)
    with pytest.raises(InputError, match="a constraint needs the model's tokenizer; this is of type int"):
        Constraint.regular_expression("a", 5)


def test_it_excludes_beams_and_speculation(model, tokenizer):
    constraint = Constraint.regular_expression("a", tokenizer)
    with pytest.raises(InputError, match="constraint and num_beams=2"):
        generate(model, [[5]], GenerationConfig(num_beams=2), constraint=constraint)
    with pytest.raises(InputError, match="constraint and speculation"):
        generate(model, [[5]], GenerationConfig(prompt_lookup_num_tokens=2), constraint=constraint)
    with pytest.raises(InputError, match="1 constraints for 2 prompts"):
        generate(model, [[5], [6]], constraint=[constraint])


def test_the_tokenizer_of_another_model_is_an_error(tokenizer):
    constraint = Constraint.regular_expression("a", tokenizer)
    with pytest.raises(InputError, match="the constraint's tokenizer does not fit a model of 83 tokens"):
        generate(ReferenceModel(gpt2()), [[7]], constraint=constraint)


def test_without_the_library_the_command_is_named(monkeypatch, tokenizer):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingExtra, match=r"pip install 'enfold\[structured\]'"):
        Constraint.regular_expression("a", tokenizer)
