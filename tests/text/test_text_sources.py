"""Tokenizers from the files of a folder, whole or damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from text_samples import TEXTS

from enfold.errors import CheckpointError, InputError, SourceError
from enfold.text import AutoTokenizer, BertTokenizer, BertTokenizerFast, Tokenizer, tokenizer_class


@pytest.fixture
def folder(vocabulary_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(vocabulary_folder, tmp_path / "model"))


@pytest.fixture
def saved(folder: Path) -> Path:
    """The same tokenizer as tokenizer.json."""
    Tokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "vocab.txt").unlink()
    return folder


def config(folder: Path, **changes: object) -> None:
    file = folder / "tokenizer_config.json"
    value = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**value, **changes}))


def test_both_files_make_the_same_tokenizer(saved: Path, tokenizer: Tokenizer) -> None:
    assert Tokenizer.from_pretrained(saved).encode_batch(TEXTS) == tokenizer.encode_batch(TEXTS)


def test_one_file_is_enough(folder: Path, tokenizer: Tokenizer) -> None:
    (folder / "tokenizer_config.json").unlink()
    for path in (folder / "vocab.txt", folder, str(folder)):
        opened = Tokenizer.from_pretrained(path)
        assert opened.encode_batch(TEXTS) == tokenizer.encode_batch(TEXTS)
        assert opened.model_max_length == int(1e30)
        assert opened.mask_token == "[MASK]"


def test_a_short_name(minilm_folder: Path) -> None:
    opened = AutoTokenizer.from_pretrained("minilm", use_fast=True)
    assert opened.name_or_path == "minilm"
    assert opened.model_max_length == 512
    assert opened.encode("hello world") == [101, 7592, 2088, 102]
    assert repr(opened) == "Tokenizer('minilm', 30522 tokens, model_max_length=512)"


def test_a_baked_in_padding_and_truncation_are_not_taken_over(minilm_folder: Path) -> None:
    written = json.loads((minilm_folder / "tokenizer.json").read_text())
    assert (written["padding"]["strategy"], written["truncation"]["max_length"]) == ({"Fixed": 128}, 128)
    opened = Tokenizer.from_pretrained(minilm_folder)
    assert len(opened.encode("hello " * 200, verbose=False)) == 202
    assert len(opened("hello").input_ids) == 3


def test_an_unknown_reference() -> None:
    with pytest.raises(SourceError, match=r"no file, folder or short name 'minlm'; .*did you mean 'minilm'"):
        Tokenizer.from_pretrained("minlm")


@pytest.mark.parametrize("kind", ["vocab.txt", "tokenizer.json"])
def test_the_configuration_and_then_the_caller_decide(folder: Path, kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "tokenizer.json":
        request.getfixturevalue("saved")
    config(folder, do_lower_case=False, strip_accents=False, padding_side="left", cls_token="[MASK]")
    opened = Tokenizer.from_pretrained(folder)
    assert opened.padding_side == "left"
    assert opened.tokenize("a", "a", add_special_tokens=True) == ["[MASK]", "a", "[SEP]", "a", "[SEP]"]
    assert opened.tokenize("Hello") != opened.tokenize("hello")
    overridden = Tokenizer.from_pretrained(folder, do_lower_case=True, padding_side="right", cls_token="[CLS]")
    assert overridden.padding_side == "right"
    assert overridden.tokenize("a", add_special_tokens=True) == ["[CLS]", "a", "[SEP]"]
    assert overridden.tokenize("Hello") == overridden.tokenize("hello")
    assert overridden.tokenize("é") != overridden.tokenize("e")


def test_another_unknown_token(folder: Path) -> None:
    assert Tokenizer.from_pretrained(folder).tokenize("ꯍ") == ["[UNK]"]
    assert Tokenizer.from_pretrained(folder, unk_token="[MASK]").tokenize("ꯍ") == ["[MASK]"]


def test_special_tokens_of_the_older_files(folder: Path) -> None:
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"cls_token": {"content": "[MASK]", "lstrip": False}, "additional_special_tokens": ["<a>"]})
    )
    (folder / "added_tokens.json").write_text(json.dumps({"newword": 400, "<a>": 401}))
    opened = Tokenizer.from_pretrained(folder)
    assert (opened.cls_token, opened.extra_special_tokens) == ("[MASK]", ["<a>"])
    assert opened.convert_tokens_to_ids(["newword", "<a>"]) == [400, 401]
    assert opened.tokenize("a newword") == ["a", "newword"]
    assert 401 in opened.all_special_ids


def test_added_tokens_of_the_configuration(folder: Path) -> None:
    config(folder, added_tokens_decoder={"400": {"content": "<x>", "special": True, "normalized": False}})
    assert Tokenizer.from_pretrained(folder).convert_tokens_to_ids("<x>") == 400
    config(folder, added_tokens_decoder={"500": {"content": "<y>", "special": True}})
    with pytest.raises(
        CheckpointError, match=r"the added token '<y>' of .* should have the id 500; after the vocabulary comes 400"
    ):
        Tokenizer.from_pretrained(folder)


def test_unknown_keys_of_the_configuration_come_through(folder: Path, tmp_path: Path) -> None:
    config(folder, chat_template="{{ messages }}", my_note={"a": 1})
    Tokenizer.from_pretrained(folder).save_pretrained(tmp_path / "again")
    written = json.loads((tmp_path / "again" / "tokenizer_config.json").read_text())
    assert (written["chat_template"], written["my_note"]) == ("{{ messages }}", {"a": 1})
    assert written["tokenizer_class"] == "BertTokenizer"
    assert "name_or_path" not in written


def test_saving_into_the_folder_it_came_from(saved: Path) -> None:
    opened = Tokenizer.from_pretrained(saved)
    files = opened.with_tokens("newword").save_pretrained(saved)
    assert [Path(file).name for file in files] == ["tokenizer_config.json", "tokenizer.json"]
    assert len(Tokenizer.from_pretrained(saved)) == len(opened) + 1
    assert sorted(file.name for file in saved.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]


def test_no_tokenizer_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError) as error:
        Tokenizer.from_pretrained(tmp_path)
    assert str(error.value).startswith(f"no tokenizer in {tmp_path}: looked for tokenizer.json, ")
    for name in (
        "vocab.txt",
        "vocab.json with merges.txt",
        "tokenizer.model",
        "spiece.model",
        "source.spm with target.spm",
    ):
        assert name in str(error.value)
    assert str(error.value).endswith("; it has: config.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "tokenizer.json is damaged or of a newer format than tokenizers"),
        (b'{"version": "1.0"}', "tokenizer.json is damaged or of a newer format"),
        (b'{"a": "\xff"}', "tokenizer.json is damaged: invalid UTF-8 at byte 7"),
        (b"", "tokenizer.json is damaged or of a newer format"),
    ],
)
def test_a_damaged_tokenizer_json(saved: Path, content: bytes, message: str) -> None:
    (saved / "tokenizer.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        Tokenizer.from_pretrained(saved)


def test_a_truncated_tokenizer_json(saved: Path) -> None:
    file = saved / "tokenizer.json"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is damaged"):
        Tokenizer.from_pretrained(saved)


def test_a_damaged_configuration(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json is damaged"):
        Tokenizer.from_pretrained(folder)
    (folder / "tokenizer_config.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json must hold a JSON object; it holds a list"):
        Tokenizer.from_pretrained(folder)


def test_a_damaged_vocabulary(folder: Path) -> None:
    file = folder / "vocab.txt"
    whole = file.read_bytes()
    file.write_bytes(b"[PAD]\n\xff\n")
    with pytest.raises(CheckpointError, match=r"vocab\.txt is damaged: invalid UTF-8 at byte 6"):
        Tokenizer.from_pretrained(folder)
    file.write_bytes(b"")
    with pytest.raises(
        CheckpointError, match=r"the vocabulary of .*vocab\.txt lacks \[UNK\], \[CLS\], \[SEP\], \[PAD\]; name its own"
    ):
        Tokenizer.from_pretrained(folder)
    file.write_bytes(whole.replace(b"[CLS]\n", b"<cls>\n"))
    with pytest.raises(CheckpointError, match=r"lacks \[CLS\]; name its own"):
        Tokenizer.from_pretrained(folder)
    assert Tokenizer.from_pretrained(folder, cls_token="<cls>").tokenize("a", add_special_tokens=True) == [
        "<cls>",
        "a",
        "[SEP]",
    ]


def test_an_unknown_override(folder: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"from_pretrained takes no 'do_lowercase'; it takes: .*do_lower_case.*did you mean 'do_lower_case'",
    ):
        Tokenizer.from_pretrained(folder, do_lowercase=True)
    with pytest.raises(InputError, match=r"from_pretrained takes no 'cache_dir'"):
        Tokenizer.from_pretrained(folder, cache_dir="x")


def test_class_names(folder: Path, vocabulary: list[str], tokenizer: Tokenizer) -> None:
    assert (
        tokenizer_class("BertTokenizer") is tokenizer_class("BertTokenizerFast") is BertTokenizer is BertTokenizerFast
    )
    assert tokenizer_class("BertTokeniser") is None
    for opened in (
        BertTokenizer.from_pretrained(folder),
        BertTokenizer(folder / "vocab.txt"),
        BertTokenizer(vocab_file=str(folder / "vocab.txt")),
        BertTokenizer({token: number for number, token in enumerate(vocabulary)}),
    ):
        assert type(opened) is BertTokenizer
        assert opened.encode_batch(TEXTS) == tokenizer.encode_batch(TEXTS)
        assert type(opened.with_options(padding_side="left")) is BertTokenizer
    cased = BertTokenizer(folder / "vocab.txt", do_lower_case=False, model_max_length=16)
    assert cased.encode_batch(TEXTS) == Tokenizer.from_pretrained(folder, do_lower_case=False).encode_batch(TEXTS)
    assert cased.model_max_length == 16
    with pytest.raises(TypeError, match=r"BertTokenizer needs a vocabulary"):
        BertTokenizer()
    with pytest.raises(CheckpointError, match=r"no vocabulary .*nowhere\.txt"):
        BertTokenizer(folder / "nowhere.txt")
