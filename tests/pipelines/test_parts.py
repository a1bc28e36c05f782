"""Long texts in parts: nothing lost, nothing too long, sentences whole where they fit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enfold.pipelines.parts import in_parts


def words(texts: Sequence[str]) -> list[int]:
    """A count that needs no tokenizer: words, and one token at the end."""
    return [len(text.split()) + 1 for text in texts]


TEXT = "One two three. Four five!\n\nSix seven eight nine ten.  Eleven? Twelve thirteen fourteen fifteen."


def test_sentences_together_as_far_as_they_fit() -> None:
    parts = in_parts(TEXT, words, 8)
    assert [part.text for part in parts] == [
        "One two three. Four five!",
        "Six seven eight nine ten.  Eleven?",
        "Twelve thirteen fourteen fifteen.",
    ]
    assert [part.before for part in parts] == ["", "\n\n", " "]


def test_a_part_for_each_sentence() -> None:
    parts = in_parts(TEXT, words, 8, by_sentence=True)
    assert [part.text for part in parts][:3] == ["One two three.", "Four five!", "Six seven eight nine ten."]
    assert parts[2].before == "\n\n"


def test_a_sentence_that_is_too_long_is_halved_at_a_blank_near_its_middle() -> None:
    parts = in_parts("a b c d e f g h", words, 5)
    assert [part.text for part in parts] == ["a b c d", "e f g h"]


def test_a_sentence_without_blanks_is_halved_anywhere() -> None:
    parts = in_parts("abcdefgh", lambda texts: [len(text) for text in texts], 3)
    assert "".join(part.before + part.text for part in parts) == "abcdefgh"
    assert max(len(part.text) for part in parts) <= 3


@pytest.mark.parametrize("text", ["", " \n "])
def test_blanks_have_no_parts(text: str) -> None:
    assert in_parts(text, words, 5) == []


@pytest.mark.parametrize("by_sentence", [False, True])
@given(text=st.text(alphabet="ab .!?\n。人", max_size=60), longest=st.integers(2, 12))
def test_parts_and_the_blanks_before_them_are_the_text(by_sentence: bool, text: str, longest: int) -> None:
    parts = in_parts(text, words, longest, by_sentence=by_sentence)
    assert "".join(part.before + part.text for part in parts) == text.rstrip()
    assert all(part.text.strip() == part.text and part.text for part in parts)
    assert all(count <= longest for count in words([part.text for part in parts]))
