"""Texts made from others, and SentencePiece's own rules, against the library itself."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_kinds import EVERY, pieces

from enfold.text.alignment import Aligned
from enfold.text.sentencepiece_model import parse_pieces
from enfold.text.sentencepiece_rules import SentencePieceDecoder, SentencePieceNormalizer

RULES = ["nmt_nfkc", "nmt_nfkc_cf", "nfkc", "identity"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    made = {rule: pieces(normalization_rule_name=rule) for rule in RULES}
    made["kept blanks"] = pieces(remove_extra_whitespaces=False)
    made["no prefix"] = pieces(add_dummy_prefix=False)
    made["user-defined"] = pieces(user_defined_symbols=["ﬁ", "<x>", "<xy>"])
    made["blanks behind"] = pieces(treat_whitespace_as_suffix=True)
    return made


@pytest.mark.parametrize("which", [*RULES, "kept blanks", "no prefix", "user-defined", "blanks behind"])
def test_normalising_is_that_of_sentencepiece(models: dict[str, bytes], which: str) -> None:
    from sentencepiece import SentencePieceProcessor

    library = SentencePieceProcessor(model_proto=models[which])
    ours = SentencePieceNormalizer.of(parse_pieces(models[which]))
    for text in [*EVERY, "a ﬁ b<x><xy> <x>y", "   ", " x  ▁ ▁", "e\u0301\u0323 \u1100\u1161\u11a8"]:
        aligned = ours(text)
        assert aligned.text == library.normalize(text), ascii(text)
        assert len(aligned.text) == len(aligned.starts) == len(aligned.ends)
        assert list(aligned.starts) == sorted(aligned.starts)


@pytest.mark.parametrize("which", ["nmt_nfkc", "kept blanks", "no prefix"])
def test_putting_pieces_together_is_that_of_sentencepiece(models: dict[str, bytes], which: str) -> None:
    from sentencepiece import SentencePieceProcessor

    library = SentencePieceProcessor(model_proto=models[which])
    ours = SentencePieceDecoder.of(parse_pieces(models[which]))
    for text in EVERY:
        found = library.encode(text, out_type=str)
        for order in (found, found[::-1], found[1:], [*found, "<unk>", "▁strange", "</s>", *found]):
            assert ours(order) == library.decode_pieces(order)


def test_bytes_are_put_together() -> None:
    from sentencepiece import SentencePieceProcessor

    data = pieces("bpe", size=700, byte_fallback=True)
    library, ours = SentencePieceProcessor(model_proto=data), SentencePieceDecoder.of(parse_pieces(data))
    for text in ["a☃b", "☃☃", "▁☃", "\U0001f9ea x"]:
        found = library.encode(text, out_type=str)
        assert any(piece.startswith("<0x") for piece in found)
        assert ours(found) == library.decode_pieces(found)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40))
def test_changes_keep_track(text: str) -> None:
    whole = Aligned.of(text)
    assert whole.composed().text == unicodedata.normalize("NFC", text)
    assert whole.lowered().text == text.lower()
    assert whole.replaced("a", "bc").text == text.replace("a", "bc")
    assert whole.sub(re.compile(r"(\w)\s+"), r"\1-").text == re.sub(r"(\w)\s+", r"\1-", text)
    assert whole.kept(str.isalpha).text == "".join(filter(str.isalpha, text))
    for changed in (whole.composed(), whole.lowered(), whole.kept(str.isalpha), whole[1:3], whole.shifted(4)):
        assert len(changed.text) == len(changed.starts) == len(changed.ends)
    for place in range(len(text)):
        assert whole.lowered().span(0, len(whole.lowered())) == (0, len(text))
        assert whole.span(place, place + 1) == (place, place + 1)


def test_where_characters_come_from() -> None:
    changed = Aligned.of("x ... y").replaced("...", "…")
    assert (changed.text, changed.span(2, 3)) == ("x … y", (2, 5))
    assert Aligned.of("e\u0301x").composed().span(0, 1) == (0, 2)
    assert Aligned.of("İx").lowered().span(0, 2) == (0, 1)
    same_ends = Aligned.of("don't").sub(re.compile("n't"), "n 't")
    assert [same_ends.span(place, place + 1) for place in (2, 4, 5)] == [(2, 3), (3, 4), (4, 5)]
    assert Aligned.of("ab").span(2, 2) == (2, 2)
    assert Aligned.joined([]).text == ""
