"""Files of tokenizers that are missing, damaged or contradict each other: each is named, with the way out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from text_kinds import FOLDERS, byte_pairs, m2m100, marian, pieces, word_pairs, write

from enfold.errors import CheckpointError, InputError, MissingExtra
from enfold.text import AutoTokenizer, Tokenizer, tokenizer_class
from enfold.text.sentencepiece_charsmap import Charsmap
from enfold.text.sentencepiece_model import PieceType, merges_of, read_pieces


def opened(name: str, folder: Path) -> Tokenizer:
    made = tokenizer_class(name)
    assert made is not None
    return made.from_pretrained(folder)


@pytest.fixture(scope="module")
def spm() -> bytes:
    return pieces()


@pytest.fixture(scope="module")
def gpt2() -> dict[str, object]:
    return byte_pairs(["<|endoftext|>"])


@pytest.mark.parametrize("name", [name for name in FOLDERS if name != "BertTokenizer"])
def test_each_file_that_is_missing_is_named(name: str, tmp_path: Path) -> None:
    from enfold.text.kinds import KINDS

    (tmp_path / "notes.md").write_text("")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    with pytest.raises(CheckpointError) as error:
        AutoTokenizer.from_pretrained(tmp_path)
    message = str(error.value)
    assert message.startswith(f"no tokenizer in {tmp_path}: a {name} needs tokenizer.json, or ")
    for file in KINDS[name].files:
        assert file.optional or file.names[0] in message
    assert message.endswith("it has: notes.md, tokenizer_config.json")


def test_one_of_two_files_is_missing(gpt2: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path, vocab__json=gpt2["vocab__json"])
    with pytest.raises(CheckpointError, match=r"GPT2Tokenizer needs tokenizer\.json, or vocab\.json with merges\.txt"):
        opened("GPT2Tokenizer", tmp_path)
    with pytest.raises(CheckpointError, match=r"looked for tokenizer\.json, .*vocab\.json with merges\.txt.*it has: v"):
        AutoTokenizer.from_pretrained(tmp_path)


def test_a_model_cut_short_anywhere(spm: bytes, tmp_path: Path) -> None:
    file = tmp_path / "spiece.model"
    for length in (*range(60), 500, len(spm) // 2, len(spm) - 300, len(spm) - 1):
        file.write_bytes(spm[:length])
        with pytest.raises(CheckpointError, match=r"spiece\.model is cut short or no SentencePiece model: "):
            opened("T5Tokenizer", tmp_path)


def test_what_is_no_model(tmp_path: Path) -> None:
    file = tmp_path / "spiece.model"
    for content in (b"", b"\xff" * 40, b"<html>not found</html>", b"\x0a\x02hi", b"\x0a\x03\x0a\x01\xff"):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"spiece\.model is cut short or no SentencePiece model"):
            read_pieces(file)
    with pytest.raises(CheckpointError, match=r"no SentencePiece model at .*nowhere\.model"):
        read_pieces(tmp_path / "nowhere.model")
    file.write_bytes(pieces("word", size=60))
    with pytest.raises(CheckpointError, match=r"splits texts by the algorithm 'word'; there are: unigram, bpe"):
        read_pieces(file)


def test_a_model_of_the_other_algorithm(spm: bytes, tmp_path: Path) -> None:
    write(tmp_path, tokenizer__model=spm)
    with pytest.raises(
        CheckpointError, match=r"tokenizer\.model is a unigram model; this kind of tokenizer needs a bpe model"
    ):
        opened("LlamaTokenizer", tmp_path)


def test_a_damaged_character_map() -> None:
    for data in (b"\x01", b"\xff\xff\xff\x7f", b"\x08\x00\x00\x00abcd", b"\x00\x00\x00\x00"):
        with pytest.raises(CheckpointError, match=r"the character map of a SentencePiece model is damaged"):
            Charsmap(data)


def test_a_model_is_read_as_the_library_reads_it(tmp_path: Path) -> None:
    from sentencepiece import SentencePieceProcessor

    options = {"user_defined_symbols": ["<mask>"], "control_symbols": ["<c>"], "byte_fallback": True}
    for kind in ("unigram", "bpe"):
        data = pieces(kind, size=700, pad_id=3, unk_surface=" ?? ", **options)
        (tmp_path / "a.model").write_bytes(data)
        model, library = read_pieces(tmp_path / "a.model"), SentencePieceProcessor(model_proto=data)
        assert [piece.text for piece in model.pieces] == [library.id_to_piece(n) for n in range(len(model.pieces))]
        assert [piece.score for piece in model.pieces] == [library.get_score(n) for n in range(len(model.pieces))]
        for number, piece in enumerate(model.pieces):
            assert (piece.type is PieceType.CONTROL) == library.is_control(number)
            assert (piece.type is PieceType.BYTE) == library.is_byte(number)
            assert (piece.type is PieceType.UNKNOWN) == library.is_unknown(number)
        assert (model.algorithm, model.byte_fallback, model.unk_surface) == (kind, True, " ?? ")


def test_merges_of_pieces() -> None:
    ids = {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5}
    assert merges_of(ids) == [("a", "b"), ("b", "c"), ("a", "bc"), ("ab", "c")]
    ranks = {"a": 0.0, "b": 0.0, "c": 0.0, "ab": -2.0, "bc": -1.0, "abc": -3.0}
    assert merges_of(ids, ranks) == [("b", "c"), ("a", "b"), ("ab", "c"), ("a", "bc")]


@pytest.mark.parametrize(
    ("line", "shown"), [("a", "'a'"), ("a b c", "'a b c'"), (" a", "' a'"), ("", "''"), ("a  b", "'a  b'")]
)
def test_a_line_of_merges_that_is_none(gpt2: dict[str, object], tmp_path: Path, line: str, shown: str) -> None:
    merges = list(gpt2["merges__txt"])  # type: ignore[call-overload]
    merges.insert(4, line)
    write(tmp_path, vocab__json=gpt2["vocab__json"], merges__txt=merges)
    with pytest.raises(CheckpointError) as error:
        opened("GPT2Tokenizer", tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'merges.txt'}, line 5: a merge is two symbols with a blank between; this is {shown}"
    )


def test_a_merge_of_what_the_vocabulary_lacks(gpt2: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path, vocab__json=gpt2["vocab__json"], merges__txt=["#version: 0.2", "Q Q"])
    with pytest.raises(CheckpointError, match=r"merges\.txt: merge 1 \('Q', 'Q'\) needs 'QQ', which the vocab"):
        opened("GPT2Tokenizer", tmp_path)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({"a": 0, "b": None}, r"vocab\.json: the token 'b' has no id; it has None"),
        ({"a": 0, "b": "1"}, r"vocab\.json: the token 'b' has no id; it has '1'"),
        ({"a": 0, "b": -1}, r"vocab\.json: the token 'b' has no id; it has -1"),
        ({"a": 0, "b": True}, r"vocab\.json: the token 'b' has no id; it has True"),
        ({"a": 7, "b": 7}, r"vocab\.json: the tokens 'a' and 'b' have the same id 7"),
        (["a", "b"], r"vocab\.json must hold a JSON object of tokens and ids; it holds a list"),
    ],
)
def test_a_vocabulary_that_lacks_ids(tmp_path: Path, vocabulary: object, message: str) -> None:
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    for name in ("GPT2Tokenizer", "FlaubertTokenizer"):
        with pytest.raises(CheckpointError, match=message):
            opened(name, tmp_path)


def test_an_id_that_no_token_has(gpt2: dict[str, object], tmp_path: Path) -> None:
    """A vocabulary may have holes; a text cannot be written from one."""
    vocabulary = dict(gpt2["vocab__json"])  # type: ignore[call-overload]
    vocabulary["far"] = len(vocabulary) + 5
    write(tmp_path, vocab__json=vocabulary, merges__txt=gpt2["merges__txt"])
    ours = opened("GPT2Tokenizer", tmp_path)
    assert ours.convert_ids_to_tokens(vocabulary["far"]) == "far"
    with pytest.raises(InputError, match=rf"id {vocabulary['far'] - 1} at position 1 belongs to no token"):
        ours.decode([0, vocabulary["far"] - 1])


def test_damaged_vocabularies_and_merges(tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_bytes(b"#version\n\xff \xfe\n")
    (tmp_path / "vocab.json").write_text('{"a": 0')
    with pytest.raises(CheckpointError, match=r"vocab\.json is damaged: "):
        opened("GPT2Tokenizer", tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    with pytest.raises(CheckpointError, match=r"merges\.txt is damaged: invalid UTF-8 at byte 9"):
        opened("GPT2Tokenizer", tmp_path)


@pytest.mark.parametrize(
    "name", ["MarianTokenizer", "M2M100Tokenizer", "BlenderbotSmallTokenizer", "FlaubertTokenizer"]
)
def test_the_unknown_token_has_to_be_in_the_vocabulary(name: str, tmp_path: Path) -> None:
    folder = FOLDERS[name](tmp_path / name)
    file = folder / "vocab.json"
    unknown = "__unk__" if name.startswith("Blender") else "<unk>"
    kept = {token: number for token, number in json.loads(file.read_text()).items() if token != unknown}
    file.write_text(json.dumps(kept))
    with pytest.raises(CheckpointError, match=rf"vocab\.json lacks the token '{unknown}', among {len(kept)}"):
        opened(name, folder)


def test_marian_with_separate_vocabularies_needs_both(tmp_path: Path) -> None:
    folder = marian(tmp_path / "marian", separate=True)
    (folder / "target_vocab.json").unlink()
    with pytest.raises(CheckpointError, match=r"separate_vocabs is set, but there is no target_vocab\.json"):
        AutoTokenizer.from_pretrained(folder)


def test_language_codes_that_are_not_there(tmp_path: Path) -> None:
    folder = m2m100(tmp_path / "m2m100", "unigram")
    with pytest.raises(InputError, match=r"no language_codes 'wmt20'; there are: m2m100, wmt21; did you mean"):
        AutoTokenizer.from_pretrained(folder, language_codes="wmt20")


def test_a_special_token_that_the_kind_needs(spm: bytes, tmp_path: Path) -> None:
    write(
        tmp_path,
        sentencepiece__bpe__model=spm,
        tokenizer_config__json={"tokenizer_class": "XLMRobertaTokenizer", "mask_token": None},
    )
    with pytest.raises(CheckpointError, match=r"this kind of tokenizer needs a mask_token, but its configuration says"):
        AutoTokenizer.from_pretrained(tmp_path)


def test_a_model_file_of_which_nothing_says_what_it_is(spm: bytes, tmp_path: Path) -> None:
    (tmp_path / "my.model").write_bytes(spm)
    with pytest.raises(CheckpointError, match=r"nothing says what kind of tokenizer .*my\.model is: open it with"):
        AutoTokenizer.from_pretrained(tmp_path / "my.model")
    with pytest.raises(CheckpointError, match=r"MarianTokenizer needs source\.spm with target\.spm.*: open the"):
        opened("MarianTokenizer", tmp_path / "my.model")


def test_flaubert_without_moses(tmp_path: Path) -> None:
    special = ["<s>", "</s>", "<pad>", "<unk>", "<special1>"]
    folder = write(tmp_path / "flaubert", **word_pairs(special, lambda symbol: symbol))
    code = (
        "import sys; sys.modules['sacremoses'] = None\n"
        "from enfold.text import FlaubertTokenizer\n"
        f"FlaubertTokenizer.from_pretrained({str(folder)!r}).encode('oui')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert MissingExtra.__name__ in done.stderr
    assert "Flaubert's tokenizer needs sacremoses: pip install 'enfold[flaubert]'" in done.stderr
