"""Every kind of tokenizer equals `transformers`' own over the same files: its fast class or, without one, its slow."""

from __future__ import annotations

import json
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from text_kinds import EVERY, FOLDERS, LANGUAGES, OUTSIDE, m2m100, marian, udhr

from enfold.errors import CheckpointError
from enfold.text import AutoTokenizer, Tokenizer, tokenizer_class

KINDS = list(FOLDERS)
FAST = [name for name in KINDS if name not in OUTSIDE]
VERSIONS = {
    **{name: lambda folder, name=name: FOLDERS[name](folder) for name in KINDS},
    "MarianTokenizer, two vocabularies": lambda folder: marian(folder, separate=True),
    "MarianTokenizer, several targets": lambda folder: marian(folder, codes=True),
    "M2M100Tokenizer, byte pairs": lambda folder: m2m100(folder, "bpe"),
}
PAIRS = list(zip(EVERY, EVERY[::-1], strict=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders that were asked for so far."""
    return {"": tmp_path_factory.mktemp("kinds")}


def of_kinds(names: Any) -> Any:
    return pytest.mark.parametrize("name", sorted(names), indirect=True)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(made: dict[str, Path], name: str) -> Path:
    if name not in made:
        made[name] = VERSIONS[name](made[""] / re.sub(r"\W+", "-", name))
    return made[name]


@pytest.fixture
def ours(folder: Path) -> Tokenizer:
    return AutoTokenizer.from_pretrained(folder) if (folder / "tokenizer_config.json").is_file() else opened(folder)


def opened(folder: Path) -> Tokenizer:
    """With the class of that name: nothing else says what the files are."""
    made = tokenizer_class(folder.name)
    assert made is not None
    return made.from_pretrained(folder)


@pytest.fixture
def theirs(folder: Path, name: str) -> Any:
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(transformers, name.partition(",")[0]).from_pretrained(str(folder))


def ids(tokenizer: Any, texts: list[Any], **arguments: Any) -> list[list[int]]:
    if isinstance(tokenizer, Tokenizer):
        arguments["verbose"] = False
    return tokenizer(texts, **arguments)["input_ids"]


def assert_same(ours: Tokenizer, theirs: Any, texts: list[str]) -> None:
    """Ids in both modes, text from ids with and without special tokens, and offsets."""
    encoded = ours(texts, verbose=False)
    assert encoded["input_ids"] == ids(theirs, texts)
    harmless = [text for text in texts if not any(token in text for token in ours.get_added_vocab())]
    assert len(harmless) > len(texts) / 2
    assert ids(ours, harmless, split_special_tokens=True) == ids(theirs, harmless, split_special_tokens=True)
    for skip in (False, True):
        written = ours.batch_decode(encoded["input_ids"], skip_special_tokens=skip)
        assert written == theirs.batch_decode(encoded["input_ids"], skip_special_tokens=skip)
    if theirs.is_fast:
        reference = theirs(texts, return_offsets_mapping=True)
        for row, offsets in enumerate(reference["offset_mapping"]):
            assert encoded.encodings[row].offsets == offsets
            assert encoded.word_ids(row) == reference.word_ids(row)
            assert encoded.tokens(row) == reference.tokens(row)
    else:
        for row, text in enumerate(texts):
            assert_slices(encoded.encodings[row].offsets, text)


def assert_slices(offsets: list[tuple[int, int]], text: str) -> None:
    """Offsets go forward through the text, and what lies between is blank or was cleaned away."""
    last = 0
    for start, end in offsets:
        assert 0 <= start <= end <= len(text)
        if end > start:
            assert start >= last or text[start:last]
            last = end


@of_kinds(VERSIONS)
def test_many_texts(ours: Tokenizer, theirs: Any) -> None:
    assert_same(ours, theirs, EVERY)


@of_kinds(VERSIONS)
def test_seventy_two_languages(ours: Tokenizer, theirs: Any) -> None:
    texts = udhr()
    if not texts:
        pytest.skip("no Universal Declaration of Human Rights: set ENFOLD_DATA to a folder that has udhr/*.txt")
    assert len(texts) > 200
    assert_same(ours, theirs, texts)


@of_kinds(KINDS)
def test_pairs_of_texts(ours: Tokenizer, theirs: Any) -> None:
    assert ids(ours, PAIRS) == ids(theirs, PAIRS)
    if theirs.is_fast:
        types = {"return_token_type_ids": True}
        assert ours(PAIRS, verbose=False, **types)["token_type_ids"] == theirs(PAIRS, **types)["token_type_ids"]


@of_kinds(KINDS)
def test_words_given_by_the_caller(ours: Tokenizer, theirs: Any) -> None:
    words = [text.split() for text in LANGUAGES]
    assert ids(ours, words, is_split_into_words=True) == ids(theirs, words, is_split_into_words=True)


@of_kinds(KINDS)
def test_vocabulary_and_special_tokens(ours: Tokenizer, theirs: Any, name: str) -> None:
    assert ours.get_vocab() == theirs.get_vocab()
    assert len(ours) == len(theirs)
    for role in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"):
        if (name, role) != ("MPNetTokenizer", "mask"):  # which has no such attribute there
            assert getattr(ours, f"{role}_token") == getattr(theirs, f"{role}_token"), role
            assert getattr(ours, f"{role}_token_id") == getattr(theirs, f"{role}_token_id"), role
    assert ours.model_input_names == theirs.model_input_names
    assert (ours.padding_side, ours.model_max_length) == (theirs.padding_side, theirs.model_max_length)
    assert ours.num_special_tokens_to_add() == theirs.num_special_tokens_to_add()
    missing = {str(token) for token in theirs.all_special_tokens} - set(ours.all_special_tokens)
    assert not missing & {token.content for token in ours._engine.added.values() if token.special}


@of_kinds(FAST)
def test_words_of_a_hundred_thousand_letters(ours: Tokenizer, theirs: Any) -> None:
    texts = ["x" * 100_000, "wörd" * 25_000, "字" * 33_000]
    assert ids(ours, texts) == ids(theirs, texts)


@of_kinds(VERSIONS)
def test_no_text_can_forge_a_control_token(ours: Tokenizer) -> None:
    """Not one by one, not all at once, and not with anything before or behind."""
    tokens = ours.all_special_tokens
    around = ["{}", "a{}b", " {} ", "{}{}", "x {} y", "{}\n"]
    texts = [form.replace("{}", token) for token in tokens for form in around]
    texts += [" ".join(tokens), "".join(tokens)]
    roles = {role: token for role, token in ours.special_tokens_map.items() if role != "unk_token"}
    only_unknown = {ours.unk_token_id} if ours.unk_token not in roles.values() else set()
    control = set(ours.all_special_ids) - only_unknown  # what a text does not know may become unknown
    bare = set(ours.encode_batch([""])[0].ids)
    assert control
    for encoding in ours.encode_batch(texts):
        inside = [n for n, mask in zip(encoding.ids, encoding.special_tokens_mask, strict=True) if not mask]
        assert control.isdisjoint(inside)
        assert [n for n, mask in zip(encoding.ids, encoding.special_tokens_mask, strict=True) if mask] == [
            number for number in ours.encode_batch([""])[0].ids if number in bare
        ]
    assert all(control.isdisjoint(one.ids) for one in _unsurrounded(ours, texts))


def _unsurrounded(tokenizer: Tokenizer, texts: list[str]) -> Any:
    return tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False).encodings


@of_kinds(KINDS)
def test_the_compatible_call_parses_special_tokens_in_texts(ours: Tokenizer, theirs: Any) -> None:
    tokens = [str(token) for token in theirs.all_special_tokens]
    texts = [" ".join(tokens), "".join(tokens), *(f"so {token} it is" for token in tokens[:12])]
    assert ids(ours, texts) == ids(theirs, texts)


@of_kinds(VERSIONS)
def test_what_we_save(ours: Tokenizer, theirs: Any, tmp_path: Path) -> None:
    """The same ids from `transformers`' class, from its AutoTokenizer, and from ours."""
    import transformers

    extended = ours.with_tokens(["newword"]).with_tokens("<custom>", special=True)
    extended.save_pretrained(tmp_path / "saved")
    texts = [*EVERY, "a newword and <custom> behind"]
    expected = ids(extended, texts)
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert ids(again, texts) == expected
    assert again.fingerprint == extended.fingerprint
    assert again.all_special_tokens == extended.all_special_tokens
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cls in (type(theirs), transformers.AutoTokenizer):
            reopened = cls.from_pretrained(str(tmp_path / "saved"))
            assert ids(reopened, texts) == expected
            assert len(reopened) == len(extended)


@of_kinds(FAST)
def test_what_transformers_saves(folder: Path, theirs: Any, tmp_path: Path) -> None:
    theirs.save_pretrained(str(tmp_path / "saved"))
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert ids(again, EVERY) == ids(theirs, EVERY)
    again.save_pretrained(tmp_path / "again")
    assert ids(type(theirs).from_pretrained(str(tmp_path / "again")), EVERY) == ids(theirs, EVERY)


@of_kinds(VERSIONS)
def test_pickled_and_copied(ours: Tokenizer) -> None:
    again = pickle.loads(pickle.dumps(ours))
    assert ids(again, EVERY) == ids(ours, EVERY)
    assert (again.fingerprint, type(again)) == (ours.fingerprint, type(ours))
    other = ours.with_options(padding_side="left", model_max_length=9)
    assert ids(other, EVERY[:3], truncation=True) == ids(ours, EVERY[:3], truncation=True, max_length=9)


@of_kinds(VERSIONS)
def test_windows_and_cuts_index_the_text(ours: Tokenizer) -> None:
    text = " ".join(LANGUAGES[:4])
    whole = ours.encode_batch([text])[0]
    windows = ours.windows(text, max_length=24, stride=4)
    assert len(windows) > 3
    assert max(end for window in windows for _, end in window.offsets) == max(end for _, end in whole.offsets)
    (cut,) = ours.encode_batch([text], max_length=24)[0].cut
    assert cut.tokens == len(whole.ids) - 24
    assert 0 < cut.start < cut.end <= len(text)


@of_kinds(OUTSIDE)
def test_a_slice_makes_its_token_again(ours: Tokenizer) -> None:
    """Where the reference has no offsets: the characters of a token, prepared by themselves, are its letters.

    One character may make several tokens (an ellipsis, a line break); each of them has its place.
    """
    steps = ours._engine.steps
    assert steps is not None
    checked = whole = 0
    for text in EVERY:
        encoding = ours.encode_batch([text])[0]
        rows = zip(encoding.ids, encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True)
        for number, token, (start, end), special in rows:
            letters = token.replace("\u2581", "").replace("@@", "").replace("</w>", "")
            if special or number == ours.unk_token_id or not letters:
                continue
            made = steps.prepare(text[start:end]).text.replace("\u2581", "").replace(" ", "")
            checked += 1
            whole += made == letters
            assert letters in made or text[start:end] == "\n"
    assert checked > 1000
    assert whole > 0.95 * checked


def test_the_configuration_of_a_folder_outranks_its_model_type(made: dict[str, Path], tmp_path: Path) -> None:
    """A BERT body with XLM-R's vocabulary; NLLB under m2m_100."""
    spm = FOLDERS["XLMRobertaTokenizer"](tmp_path / "xlmr")
    (spm / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (spm / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "XLMRobertaTokenizerFast"}))
    assert AutoTokenizer.from_pretrained(spm).options.tokenizer_class == "XLMRobertaTokenizer"
    (spm / "tokenizer_config.json").unlink()
    assert AutoTokenizer.from_pretrained(spm).options.tokenizer_class == "XLMRobertaTokenizer"
    (spm / "config.json").write_text(json.dumps({"model_type": "camembert"}))
    assert AutoTokenizer.from_pretrained(spm).options.tokenizer_class == "CamembertTokenizer"
    (spm / "config.json").write_text(json.dumps({"model_type": "m2m_100", "tokenizer_class": "NllbTokenizer"}))
    with pytest.raises(CheckpointError, match=r"is a unigram model; this kind of tokenizer needs a bpe model"):
        AutoTokenizer.from_pretrained(spm)
    nllb = FOLDERS["NllbTokenizer"](tmp_path / "nllb")
    (nllb / "config.json").write_text(json.dumps({"model_type": "m2m_100"}))
    assert AutoTokenizer.from_pretrained(nllb).options.tokenizer_class == "NllbTokenizer"


def test_a_class_that_is_not_known(tmp_path: Path) -> None:
    """Its files may look like those of another kind; only a tokenizer.json says what it does."""
    folder = FOLDERS["GPT2Tokenizer"](tmp_path / "xlm")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "XLMTokenizer"}))
    with pytest.raises(
        CheckpointError, match=r"is a XLMTokenizer, which is read from a tokenizer\.json alone; .*BertTok"
    ):
        AutoTokenizer.from_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "XLMTokenizer"}))
    assert AutoTokenizer.from_pretrained(folder).options.tokenizer_class == "PreTrainedTokenizerFast"
