"""Settings of the kinds, their constructors and names, and the files they come from."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from text_kinds import EVERY as ALL
from text_kinds import FOLDERS, LANGUAGES, byte_pairs, pieces, write
from text_samples import TEXTS

import enfold.text
from enfold.errors import InputError
from enfold.text import AutoTokenizer, Tokenizer, tokenizer_class

EVERY = ALL[::2]

NAMES = """
GPT2Tokenizer RobertaTokenizer T5Tokenizer MarianTokenizer M2M100Tokenizer NllbTokenizer BartTokenizer MBartTokenizer
MBart50Tokenizer PegasusTokenizer BlenderbotTokenizer BlenderbotSmallTokenizer DistilBertTokenizer AlbertTokenizer
CamembertTokenizer XLMRobertaTokenizer ElectraTokenizer MPNetTokenizer FlaubertTokenizer DebertaV2Tokenizer
LlamaTokenizer GPTNeoXTokenizer GemmaTokenizer Qwen2Tokenizer BertTokenizer
""".split()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("settings")
    names = ("AlbertTokenizer", "GPT2Tokenizer", "LlamaTokenizer", "MarianTokenizer", "BlenderbotSmallTokenizer")
    return {name: FOLDERS[name](root / name) for name in (*names, "XLMRobertaTokenizer", "NllbTokenizer")}


def reference(name: str, folder: Path, **settings: Any) -> Any:
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(transformers, name).from_pretrained(str(folder), **settings)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_and_its_fast_spelling(name: str) -> None:
    made = tokenizer_class(name)
    assert made is not None
    assert issubclass(made, Tokenizer)
    assert tokenizer_class(f"{name}Fast") is made is getattr(enfold.text, name)
    assert getattr(enfold.text, f"{name}Fast") is made
    assert made.__name__ in (name, *_SHARED.get(name, ()))


_SHARED = {"BartTokenizer": ("RobertaTokenizer",), "ElectraTokenizer": ("BertTokenizer",)}


def test_names_that_are_not_there() -> None:
    assert tokenizer_class("T6Tokenizer") is None
    assert tokenizer_class("PreTrainedTokenizerFast") is Tokenizer
    with pytest.raises(AttributeError, match=r"module 'enfold.text' has no attribute 'T6Tokenizer'"):
        _ = enfold.text.T6Tokenizer  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("AlbertTokenizer", {"do_lower_case": False, "keep_accents": True}),
        ("AlbertTokenizer", {"do_lower_case": False}),
        ("AlbertTokenizer", {"keep_accents": True, "add_prefix_space": False}),
        ("BertTokenizer", {"do_lower_case": False, "tokenize_chinese_chars": False}),
        ("MPNetTokenizer", {"do_lower_case": False}),
        ("DebertaV2Tokenizer", {"do_lower_case": True, "split_by_punct": True}),
        ("DebertaV2Tokenizer", {"add_prefix_space": False}),
        ("T5Tokenizer", {"extra_ids": 7}),
        ("PegasusTokenizer", {"offset": 9}),
        ("GPT2Tokenizer", {"add_prefix_space": True}),
        ("GPT2Tokenizer", {"add_bos_token": True}),
        ("RobertaTokenizer", {"add_prefix_space": True, "trim_offsets": False}),
        ("BlenderbotTokenizer", {"add_eos_token": True, "add_prefix_space": False}),
        ("GPTNeoXTokenizer", {"add_prefix_space": True}),
        ("LlamaTokenizer", {"legacy": True, "add_bos_token": True}),
        ("LlamaTokenizer", {"add_prefix_space": False}),
        ("GemmaTokenizer", {"add_bos_token": True}),
        ("XLMRobertaTokenizer", {"add_prefix_space": False, "cls_token": "<cls>", "model_max_length": 11}),
        ("FlaubertTokenizer", {"do_lowercase": True}),
        ("NllbTokenizer", {"legacy_behaviour": True}),
    ],
    ids=str,
)
def test_settings(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """As an argument, and as the configuration has it."""
    folder = FOLDERS[name](tmp_path / name)
    theirs = reference(name, folder, **settings)
    expected = [theirs(text)["input_ids"] for text in EVERY]
    made = tokenizer_class(name)
    assert made is not None
    ours = made.from_pretrained(folder, **settings)
    assert ours(EVERY, verbose=False)["input_ids"] == expected
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text()) if file.is_file() else {"tokenizer_class": name}
    file.write_text(json.dumps({**config, **settings}))
    again = AutoTokenizer.from_pretrained(folder)
    assert again(EVERY, verbose=False)["input_ids"] == expected
    again.save_pretrained(tmp_path / "saved")
    assert [reference(name, tmp_path / "saved")(text)["input_ids"] for text in EVERY] == expected
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")(EVERY, verbose=False)["input_ids"] == expected


def test_bos_and_eos_around_texts(tmp_path: Path) -> None:
    """GPT-NeoX's class builds its template anew and forgets these two when it opens a tokenizer.json; ours does not."""
    folder = FOLDERS["GPTNeoXTokenizer"](tmp_path / "neox")
    settings = {"add_bos_token": True, "add_eos_token": True}
    theirs = reference("GPTNeoXTokenizer", folder, **settings)
    ours = tokenizer_class("GPTNeoXTokenizer").from_pretrained(folder, **settings)  # type: ignore[union-attr]
    expected = [theirs(text, "pair")["input_ids"] for text in EVERY]
    assert [ours(text, "pair")["input_ids"] for text in EVERY] == expected
    ours.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert [again(text, "pair")["input_ids"] for text in EVERY] == expected
    without = AutoTokenizer.from_pretrained(tmp_path / "saved", add_bos_token=False)
    assert without.encode("a") == ours.encode("a", add_special_tokens=False)


def test_constructors_take_the_files_of_the_kind(made: dict[str, Path]) -> None:
    for name, files in {
        "GPT2Tokenizer": {"vocab_file": "vocab.json", "merges_file": "merges.txt"},
        "AlbertTokenizer": {"vocab_file": "spiece.model"},
        "MarianTokenizer": {"source_spm": "source.spm", "target_spm": "target.spm", "vocab": "vocab.json"},
        "BlenderbotSmallTokenizer": {"vocab_file": "vocab.json", "merges_file": "merges.txt"},
    }.items():
        cls = tokenizer_class(name)
        assert cls is not None
        folder = made[name]
        expected = cls.from_pretrained(folder)(EVERY, verbose=False)["input_ids"]
        for opened in (
            cls(**{argument: str(folder / file) for argument, file in files.items()}),
            cls(*(folder / file for file in files.values())),
        ):
            assert type(opened) is cls
            assert opened(EVERY, verbose=False)["input_ids"] == expected
    gpt2 = tokenizer_class("GPT2Tokenizer")
    assert gpt2 is not None
    held = byte_pairs(["<|endoftext|>"])
    in_memory = gpt2(vocab=held["vocab__json"], merges=held["merges__txt"][1:], pad_token="<pad>")
    assert in_memory.pad_token_id == len(held["vocab__json"])
    assert len(in_memory.encode_batch(TEXTS)) == len(TEXTS)


def test_constructors_name_what_is_missing_or_unknown(made: dict[str, Path]) -> None:
    gpt2, t5 = tokenizer_class("GPT2Tokenizer"), tokenizer_class("T5Tokenizer")
    assert gpt2 is not None
    assert t5 is not None
    folder = made["GPT2Tokenizer"]
    with pytest.raises(TypeError, match=r"GPT2Tokenizer needs a vocabulary: merges_file \(merges\.txt\); or use GPT2"):
        gpt2(folder / "vocab.json")
    with pytest.raises(TypeError, match=r"GPT2Tokenizer takes 2 files, not 3"):
        gpt2("a", "b", "c")
    with pytest.raises(TypeError, match=r"takes no 'add_prefix'; it takes: .*; did you mean 'add_prefix_space'\?"):
        gpt2(folder / "vocab.json", folder / "merges.txt", add_prefix=True)
    with pytest.raises(InputError, match=r"from_pretrained takes no 'extra_id'; it takes: .*did you mean 'extra_ids'"):
        t5.from_pretrained(made["AlbertTokenizer"], extra_id=3)


def test_one_file_is_enough_where_its_name_or_class_says_what_it_is(made: dict[str, Path], tmp_path: Path) -> None:
    file = made["AlbertTokenizer"] / "spiece.model"
    albert = tokenizer_class("AlbertTokenizer")
    assert albert is not None
    assert albert.from_pretrained(file).options.tokenizer_class == "AlbertTokenizer"
    llama = AutoTokenizer.from_pretrained(made["LlamaTokenizer"] / "tokenizer.model")
    assert llama.options.tokenizer_class == "LlamaTokenizer"


def test_a_prefix_space_in_a_tokenizer_json(tmp_path: Path) -> None:
    folder = FOLDERS["RobertaTokenizer"](tmp_path / "roberta")
    reference("RobertaTokenizer", folder).save_pretrained(str(tmp_path / "saved"))
    ours = AutoTokenizer.from_pretrained(tmp_path / "saved", add_prefix_space=True)
    theirs = reference("RobertaTokenizer", tmp_path / "saved", add_prefix_space=True)
    words = [text.split() for text in LANGUAGES]
    assert ours(words, is_split_into_words=True)["input_ids"] == theirs(words, is_split_into_words=True)["input_ids"]
    assert ours(EVERY, verbose=False)["input_ids"] == theirs(EVERY)["input_ids"]


def test_another_special_token_stands_around_texts(made: dict[str, Path]) -> None:
    ours = tokenizer_class("XLMRobertaTokenizer").from_pretrained(made["XLMRobertaTokenizer"])  # type: ignore[union-attr]
    other = ours.with_options(eos_token="<mask>")
    assert other.tokenize("a", "a", add_special_tokens=True)[-1] == "<mask>"
    assert ours.tokenize("a", add_special_tokens=True)[-1] == "</s>"
    padded = ours.with_options(pad_token="<new>")
    assert padded.pad_token_id == len(ours)
    assert padded.tokenize("a", add_special_tokens=True) == ours.tokenize("a", add_special_tokens=True)


def test_a_template_of_its_own_stays(tmp_path: Path) -> None:
    """A tokenizer.json may put other tokens around texts than its class would; another pad token leaves them there."""
    from tokenizers import processors

    folder = FOLDERS["LlamaTokenizer"](tmp_path / "llama")
    theirs = reference("LlamaTokenizer", folder)
    theirs.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s> </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    theirs.save_pretrained(str(tmp_path / "saved"))
    ours = AutoTokenizer.from_pretrained(tmp_path / "saved").with_options(pad_token="</s>")
    assert ours.encode("a")[0] == 1
    assert ours.encode("a")[-2:] == [2, 2]


def test_added_tokens_of_a_kind_of_its_own_files(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "t5",
        spiece__model=pieces(pad_id=0, eos_id=1, unk_id=2, bos_id=-1),
        tokenizer_config__json={"tokenizer_class": "T5Tokenizer", "extra_ids": 2},
    )
    size = len(AutoTokenizer.from_pretrained(folder))
    (folder / "added_tokens.json").write_text(json.dumps({"newword": size, "<ctl>": size + 1}))
    (folder / "special_tokens_map.json").write_text(json.dumps({"additional_special_tokens": ["<ctl>"]}))
    ours, theirs = AutoTokenizer.from_pretrained(folder), reference("T5Tokenizer", folder)
    assert ours.convert_tokens_to_ids(["newword", "<ctl>"]) == [size, size + 1]
    text = "a newword<ctl> b"
    assert ours.encode(text) == theirs.encode(text)


def test_a_chat_template_in_a_file_of_its_own(tmp_path: Path) -> None:
    folder = FOLDERS["Qwen2Tokenizer"](tmp_path / "qwen2")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    ours = AutoTokenizer.from_pretrained(folder)
    assert ours.chat_template == "{{ messages[0].content }}"
    ours.save_pretrained(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").chat_template == ours.chat_template
