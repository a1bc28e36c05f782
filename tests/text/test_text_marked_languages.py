"""Texts marked with their language, and targets beside them."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from text_kinds import FOLDERS, LANGUAGES, marian

from enfold.errors import InputError
from enfold.text import AutoTokenizer, Tokenizer, tokenizer_class
from enfold.text.kinds.translation import M2M100, MBART, MBART50, NLLB, WMT21

SOURCES, TARGETS = LANGUAGES[:4], LANGUAGES[4:8]
MARKED = {
    "MBartTokenizer": ("de_DE", "ro_RO", "fr_XX"),
    "MBart50Tokenizer": ("de_DE", "gl_ES", "fr_XX"),
    "NllbTokenizer": ("fra_Latn", "deu_Latn", "eng_Latn"),
    "M2M100Tokenizer": ("de", "zu", "fr"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("languages")
    folders = {name: FOLDERS[name](root / name) for name in MARKED}
    return {
        **folders,
        "MarianTokenizer": marian(root / "marian"),
        "separate": marian(root / "separate", separate=True),
        "codes": marian(root / "codes", codes=True),
    }


def reference(name: str, folder: Path, **settings: Any) -> Any:
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(transformers, name).from_pretrained(str(folder), **settings)


def ours(name: str, folder: Path, **settings: Any) -> Tokenizer:
    made = tokenizer_class(name)
    assert made is not None
    return made.from_pretrained(folder, **settings)


def test_the_languages_are_those_of_the_checkpoints() -> None:
    from transformers.models.m2m_100 import tokenization_m2m_100
    from transformers.models.mbart import tokenization_mbart
    from transformers.models.mbart50 import tokenization_mbart50
    from transformers.models.nllb import tokenization_nllb

    assert list(MBART) == tokenization_mbart.FAIRSEQ_LANGUAGE_CODES
    assert list(MBART50) == tokenization_mbart50.FAIRSEQ_LANGUAGE_CODES
    assert list(NLLB) == tokenization_nllb.FAIRSEQ_LANGUAGE_CODES
    codes = tokenization_m2m_100.FAIRSEQ_LANGUAGE_CODES
    assert {"m2m100": list(M2M100), "wmt21": list(WMT21)} == codes


@pytest.mark.parametrize("name", MARKED)
def test_source_and_target(made: dict[str, Path], name: str) -> None:
    source, target, third = MARKED[name]
    settings = {"src_lang": source, "tgt_lang": target}
    mine, theirs = ours(name, made[name], **settings), reference(name, made[name], **settings)
    assert (mine.src_lang, mine.tgt_lang) == (source, target)
    for arguments in ({}, {"padding": True}, {"truncation": True, "max_length": 12, "max_target_length": 9}):
        got = mine(SOURCES, text_target=TARGETS, **arguments)
        assert dict(got) == dict(theirs(SOURCES, text_target=TARGETS, **arguments))
    assert dict(mine(text_target=TARGETS)) == dict(theirs(text_target=TARGETS))
    assert mine(SOURCES[0], text_target=TARGETS[0])["labels"] == theirs(SOURCES[0], text_target=TARGETS[0])["labels"]
    other = mine.with_options(src_lang=third)
    theirs.src_lang = third
    assert other(SOURCES)["input_ids"] == theirs(SOURCES)["input_ids"]
    assert mine.src_lang == source
    assert mine(SOURCES)["input_ids"] != other(SOURCES)["input_ids"]


@pytest.mark.parametrize("name", MARKED)
def test_ids_of_languages(made: dict[str, Path], name: str) -> None:
    mine, theirs = ours(name, made[name]), reference(name, made[name])
    if name != "NllbTokenizer":  # which has no such attribute there
        assert mine.lang_code_to_id == theirs.lang_code_to_id
    for code in MARKED[name]:
        token = f"__{code}__" if name == "M2M100Tokenizer" else code
        assert mine.get_lang_id(code) == theirs.convert_tokens_to_ids(token)
    with pytest.raises(InputError, match=r"this tokenizer has no language 'tlh'; it has: .*"):
        mine.get_lang_id("tlh")


@pytest.mark.parametrize("name", MARKED)
def test_the_language_is_saved(made: dict[str, Path], name: str, tmp_path: Path) -> None:
    source, target, _ = MARKED[name]
    mine = ours(name, made[name], src_lang=source).with_options(tgt_lang=target)
    mine.save_pretrained(tmp_path)
    expected = dict(mine(SOURCES, text_target=TARGETS))
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert (again.src_lang, again.tgt_lang) == (source, target)
    assert dict(again(SOURCES, text_target=TARGETS)) == expected
    assert dict(reference(name, tmp_path)(SOURCES, text_target=TARGETS)) == expected


@pytest.mark.parametrize("name", MARKED)
def test_the_usual_language(made: dict[str, Path], name: str, tmp_path: Path) -> None:
    """Where nothing names one."""
    folder = Path(shutil.copytree(made[name], tmp_path / name))
    file = folder / "tokenizer_config.json"
    if file.is_file():
        config = json.loads(file.read_text())
        file.write_text(json.dumps({key: value for key, value in config.items() if not key.endswith("_lang")}))
    mine, theirs = ours(name, folder), reference(name, folder)
    assert mine.src_lang == theirs.src_lang
    assert dict(mine(SOURCES)) == dict(theirs(SOURCES))
    if name != "M2M100Tokenizer":  # which does not know a target there
        assert dict(mine(text_target=TARGETS)) == dict(theirs(text_target=TARGETS))


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("MBartTokenizer", "de_De", r"has no language 'de_De'; it has: ar_AR, .*did you mean 'de_DE'\?"),
        ("MBart50Tokenizer", "xx_XX", r"has no language 'xx_XX'; it has: ar_AR, .*sl_SI"),
        ("NllbTokenizer", "deu_Latin", r"has no language 'deu_Latin'; it has: deu_Latn, eng_Latn, fra_Latn; did you"),
        ("M2M100Tokenizer", "deu", r"has no language 'deu'; it has: af, am, .*; did you mean 'de'\?"),
    ],
)
def test_a_language_the_model_does_not_have(made: dict[str, Path], name: str, wrong: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ours(name, made[name], src_lang=wrong)
    with pytest.raises(InputError, match=message):
        ours(name, made[name]).with_options(src_lang=wrong)
    with pytest.raises(InputError, match=message):
        ours(name, made[name], tgt_lang=wrong)("a", text_target="b")


@pytest.mark.parametrize("which", ["MarianTokenizer", "separate", "codes"])
def test_marian_has_a_vocabulary_for_each_side(made: dict[str, Path], which: str) -> None:
    mine, theirs = ours("MarianTokenizer", made[which]), reference("MarianTokenizer", made[which])
    # With two vocabularies, the reference pads targets with the padding of the source.
    padded = {} if which == "separate" else {"padding": True, "truncation": True, "max_length": 20}
    for arguments in ({}, padded):
        assert dict(mine(SOURCES, text_target=TARGETS, **arguments)) == dict(
            theirs(SOURCES, text_target=TARGETS, **arguments)
        )
    labels = mine(text_target=TARGETS)["input_ids"]
    assert labels == theirs(text_target=TARGETS)["input_ids"]
    assert mine.batch_decode(labels) == theirs.batch_decode(labels)
    assert mine.batch_decode(labels, skip_special_tokens=True) == theirs.batch_decode(labels, skip_special_tokens=True)
    assert mine.target.encode(TARGETS[0]) == labels[0]


@pytest.mark.parametrize(
    "text",
    [">>fr<< Hello there", ">>xx<<hello", ">>fr<<", ">>de<<   x", "a >>fr<< b", ">>fr", ">> <<", ">>fr<<>>de<< a"],
)
def test_a_language_code_in_front_of_a_text(made: dict[str, Path], text: str) -> None:
    mine, theirs = ours("MarianTokenizer", made["codes"]), reference("MarianTokenizer", made["codes"])
    for split in (False, True):
        assert mine.encode(text, split_special_tokens=split) == theirs.encode(text, split_special_tokens=split)
    assert mine.decode(mine.encode(text)) == theirs.decode(mine.encode(text))
    assert mine.get_vocab() == theirs.get_vocab()


def test_a_tokenizer_that_marks_no_language_has_one_side(tmp_path: Path) -> None:
    folder = FOLDERS["RobertaTokenizer"](tmp_path / "roberta")
    mine, theirs = ours("BartTokenizer", folder), reference("BartTokenizer", folder)
    assert mine.src_lang is None
    assert mine.target is mine
    assert mine.lang_code_to_id == {}
    with pytest.raises(InputError, match=r"this tokenizer has no language 'de'; it has: none"):
        mine.get_lang_id("de")
    for change in ({"src_lang": "de"}, {"tgt_lang": "de"}):
        with pytest.raises(
            InputError, match=r"_lang='de' was given, but this tokenizer does not mark texts with their"
        ):
            mine.with_options(**change)
        with pytest.raises(
            InputError, match=r"_lang='de' was given, but this tokenizer does not mark texts with their"
        ):
            ours("BartTokenizer", folder, **change)
    # In a configuration it means something to another class, and stays there.
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BartTokenizer", "src_lang": "de"}))
    kept = AutoTokenizer.from_pretrained(folder)
    assert kept.src_lang is None
    kept.save_pretrained(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())["src_lang"] == "de"
    assert dict(mine(SOURCES, text_target=TARGETS)) == dict(theirs(SOURCES, text_target=TARGETS))
