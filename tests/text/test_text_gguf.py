"""Tokenizers from the metadata of GGUF files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from text_kinds import EVERY, LLAMA, byte_pairs, pieces
from tokenizers import Regex, pre_tokenizers

from enfold.errors import CheckpointError
from enfold.text import tokenizer_from_gguf
from enfold.text.sentencepiece_model import parse_pieces

CHAT = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
NUMBERS = [*EVERY, "in 2024 there were 1234567 of 3.14", "x12y345 ٣٤٥ ½"]


def bytes_of(pre: str | None = "gpt-2", **more: Any) -> dict[str, Any]:
    held = byte_pairs(CHAT)
    ids = held["vocab__json"]
    tokens = sorted(ids, key=ids.__getitem__)
    metadata = {
        "general.architecture": "llama",
        "llama.context_length": 8192,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in CHAT else 1 for token in tokens],
        "tokenizer.ggml.merges": held["merges__txt"][1:],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": "{{ messages }}",
    }
    if pre is not None:
        metadata["tokenizer.ggml.pre"] = pre
    return {**metadata, **more}


def pieces_of(**more: Any) -> dict[str, Any]:
    model = parse_pieces(pieces("bpe", **LLAMA))
    return {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [piece.text for piece in model.pieces],
        "tokenizer.ggml.scores": [piece.score for piece in model.pieces],
        "tokenizer.ggml.token_type": [int(piece.type) for piece in model.pieces],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        **more,
    }


def unigram_of() -> dict[str, Any]:
    model = parse_pieces(pieces(pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    unused = [f"[PAD{number}]" for number in range(100)]
    return {
        "general.architecture": "t5",
        "tokenizer.ggml.model": "t5",
        "tokenizer.ggml.tokens": [*(piece.text for piece in model.pieces), *unused],
        "tokenizer.ggml.scores": [*(piece.score for piece in model.pieces), *[0.0] * 100],
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.unknown_token_id": 2,
        "tokenizer.ggml.padding_token_id": 0,
    }


def reference(metadata: dict[str, Any]) -> Any:
    """The engine that `transformers` builds from the same metadata."""
    from transformers.integrations.gguf import convert_gguf_tokenizer

    names = {
        "model": "tokenizer_type",
        "pre": "pre_tokenizer_type",
        "tokens": "tokens",
        "scores": "scores",
        "token_type": "token_type",
        "merges": "merges",
    }
    given = {
        name: metadata[f"tokenizer.ggml.{key}"] for key, name in names.items() if f"tokenizer.ggml.{key}" in metadata
    }
    return convert_gguf_tokenizer(metadata["general.architecture"], given)[0]


@pytest.mark.parametrize(
    "metadata",
    [
        bytes_of("gpt-2"),
        bytes_of(None),
        bytes_of("llama-bpe"),
        bytes_of("qwen2"),
        bytes_of("tekken"),
        pieces_of(),
        {**pieces_of(), "general.architecture": "gemma"},
        {**pieces_of(), "general.architecture": "phi3"},
    ],
    ids=["gpt-2", "none", "llama-bpe", "qwen2", "tekken", "llama", "gemma", "phi3"],
)
def test_texts_are_split_as_transformers_does(metadata: dict[str, Any]) -> None:
    ours, theirs = tokenizer_from_gguf(metadata), reference(metadata)
    texts = [*NUMBERS, "".join(ours.all_special_tokens), " ".join(ours.all_special_tokens)]
    for text in texts:
        expected = theirs.encode(text, add_special_tokens=False)
        encoded = ours(text, add_special_tokens=False, verbose=False)
        assert encoded["input_ids"] == expected.ids
        assert encoded.encodings[0].offsets == expected.offsets
        assert ours.decode(expected.ids) == theirs.decode(expected.ids, skip_special_tokens=False)
        assert ours.decode(expected.ids, skip_special_tokens=True) == theirs.decode(expected.ids)


def test_unigram_pieces() -> None:
    metadata = unigram_of()
    ours, theirs = tokenizer_from_gguf(metadata), reference(metadata)
    for text in EVERY:
        assert (
            ours.encode(text, add_special_tokens=False, verbose=False)
            == theirs.encode(text, add_special_tokens=False).ids
        )
    assert ours.encode("a")[-1] == 1
    assert ours.convert_tokens_to_ids("<extra_id_0>") == len(ours) - 1


def words_of(pre: str, text: str) -> list[str]:
    encoding = tokenizer_from_gguf(bytes_of(pre))(text, verbose=False).encodings[0]
    numbers = dict.fromkeys(number for number in encoding.word_ids if number is not None)
    return [text[slice(*encoding.word_to_chars(number))] for number in numbers]


def test_smollm_splits_off_every_digit() -> None:
    """The rule of its tokenizer.json: digits one by one, then GPT-2's pattern."""
    digits = pre_tokenizers.Split(Regex(r"\p{N}"), behavior="isolated")
    expected = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    for text in ("in 2024 there were 1234567 of 3.14", "x12y345 ٣٤٥ ½ Ⅷ ²", " 7", "a  8\n9"):
        assert words_of("smollm", text) == [text[slice(*span)] for _, span in expected.pre_tokenize_str(text)]
    assert words_of("smollm", "a 123") == ["a", " ", "1", "2", "3"]
    assert words_of("gpt-2", "a 123") == ["a", " 123"]
    assert words_of("llama-bpe", "a 1234") == ["a", " ", "123", "4"]


def test_special_tokens_and_what_stands_around_texts() -> None:
    ours = tokenizer_from_gguf(bytes_of("smollm"))
    assert (ours.bos_token, ours.eos_token, ours.pad_token) == ("<|im_start|>", "<|im_end|>", "<|im_end|>")
    assert ours.all_special_ids == [1, 2, 0]
    assert (ours.model_max_length, ours.padding_side, ours.chat_template) == (8192, "left", "{{ messages }}")
    assert ours.encode("a", add_special_tokens=True) == ours.encode("a", add_special_tokens=False)
    with_bos = tokenizer_from_gguf(bytes_of(**{"tokenizer.ggml.add_bos_token": True}))
    assert with_bos.encode("a")[0] == 1
    # A vocabulary of pieces has a bos token in front unless the file says otherwise.
    assert tokenizer_from_gguf(pieces_of()).encode("a")[0] == 1
    without = pieces_of(**{"tokenizer.ggml.add_bos_token": False, "tokenizer.ggml.add_eos_token": True})
    assert tokenizer_from_gguf(without).encode("a")[-1] == 2
    assert tokenizer_from_gguf(without).encode("a")[0] != 1


def test_no_text_can_forge_a_control_token() -> None:
    for metadata in (bytes_of("smollm"), pieces_of()):
        ours = tokenizer_from_gguf(metadata)
        control = set(ours.all_special_ids) - {ours.unk_token_id}
        assert control
        texts = ["".join(ours.all_special_tokens), *(f"a {token} b" for token in ours.all_special_tokens)]
        for encoding in ours.encode_batch(texts):
            assert control.isdisjoint(
                number for number, mask in zip(encoding.ids, encoding.special_tokens_mask, strict=True) if not mask
            )


def test_user_defined_tokens_are_found_whole() -> None:
    metadata = bytes_of()
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    ours = tokenizer_from_gguf(
        {**metadata, "tokenizer.ggml.tokens": [*tokens, "<think>"], "tokenizer.ggml.token_type": [*types, 4]}
    )
    assert "<think>" in ours.tokenize("a <think> b", split_special_tokens=True)
    assert "<think>" not in ours.all_special_tokens


def test_it_can_be_saved_and_opened_by_transformers(tmp_path: Any) -> None:
    from transformers import AutoTokenizer as Theirs

    from enfold.text import AutoTokenizer

    ours = tokenizer_from_gguf(bytes_of("smollm"))
    ours.save_pretrained(tmp_path)
    expected = ours(NUMBERS, verbose=False)["input_ids"]
    assert AutoTokenizer.from_pretrained(tmp_path)(NUMBERS, verbose=False)["input_ids"] == expected
    assert Theirs.from_pretrained(str(tmp_path))(NUMBERS)["input_ids"] == expected
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["chat_template"] == "{{ messages }}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenizer.ggml.model": None}, r"this GGUF file has no tokenizer\.ggml\.model; it has: tokenizer\.chat"),
        ({"tokenizer.ggml.tokens": None}, r"this GGUF file has no tokenizer\.ggml\.tokens"),
        ({"tokenizer.ggml.model": "rwkv"}, r"has a tokenizer of the kind 'rwkv'; there are: gpt2, llama, t5"),
        (
            {"tokenizer.ggml.pre": "smollm3"},
            r"splits texts by the rule 'smollm3'; there are: .*did you mean 'smollm'",
        ),
        ({"tokenizer.ggml.merges": None}, r"has a byte-pair tokenizer, but no tokenizer\.ggml\.merges"),
        ({"tokenizer.ggml.merges": ["a"]}, r"merge 1 is no two symbols with a blank between: 'a'"),
        ({"tokenizer.ggml.merges": ["Q Q"]}, r"merge 1 \('Q', 'Q'\) needs 'QQ', which the vocabulary lacks"),
        ({"tokenizer.ggml.token_type": [1]}, r"has 500 tokens but 1 token types"),
        (
            {"tokenizer.ggml.eos_token_id": 9999},
            r"says that tokenizer\.ggml\.eos_token_id is 9999, but it has 500",
        ),
    ],
)
def test_metadata_that_makes_no_tokenizer(change: dict[str, Any], message: str) -> None:
    metadata = {key: value for key, value in {**bytes_of(), **change}.items() if value is not None}
    with pytest.raises(CheckpointError, match=message):
        tokenizer_from_gguf(metadata)


def test_pieces_without_scores_that_fit() -> None:
    with pytest.raises(CheckpointError, match=r"has 700 tokens but 2 scores"):
        tokenizer_from_gguf(pieces_of(**{"tokenizer.ggml.scores": [0.0, 0.0]}))
    with pytest.raises(CheckpointError, match=r"this GGUF file has no tokenizer\.ggml\.model; it has: no tokenizer"):
        tokenizer_from_gguf({"general.architecture": "llama"})
