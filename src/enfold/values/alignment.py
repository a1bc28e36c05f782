"""The span aligner: stretches of characters to labels of tokens, words or characters, and back.

Everything goes through characters of one text. A token, a word and a Chinese character are all *places* with offsets,
so one pair of functions serves them: `tags_of` marks the places that stretches cover, `spans_of` reads the stretches
that tags mark. Data that comes as words with tags, or as characters with tags, is first joined to a text by
`join_words`.

Two tokenizers never have to be compared: label once in characters, and label the tokens of whatever model reads the
text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from enfold.errors import InputError
from enfold.values.encodings import Encoding
from enfold.values.labels import LabelSet
from enfold.values.spans import Span
from enfold.values.tags import Run, TagScheme

__all__ = ["IGNORED", "JoinedWords", "join_words", "label_tokens", "spans_of", "tags_of", "trimmed"]

IGNORED = -100
"""The label of a token that does not count in the loss."""

Offsets = Sequence[tuple[int, int]]


class JoinedWords(NamedTuple):
    """Words as one text, and where each of them stands in it."""

    text: str
    offsets: list[tuple[int, int]]


def join_words(words: Sequence[str], separator: str = " ") -> JoinedWords:
    """Put words, or with ``separator=""`` characters, one after another.

    Raises:
        InputError: a word is empty, so that no character could carry its label.
    """
    offsets: list[tuple[int, int]] = []
    at = 0
    for number, word in enumerate(words):
        if not word:
            raise InputError(f"word {number} is empty: it has no character to label")
        offsets.append((at, at + len(word)))
        at += len(word) + len(separator)
    return JoinedWords(separator.join(words), offsets)


def spans_of(
    tags: Sequence[str], offsets: Offsets, text: str, scheme: TagScheme, scores: Sequence[float] | None = None
) -> list[Span]:
    """The stretches of a text that the tags of its places mark.

    Args:
        tags: one a place.
        offsets: the characters of each place. Places without characters, such as special tokens, carry no stretch and
            break none.
        text: what the offsets index.
        scheme: of the tags.
        scores: one a place; a stretch gets their mean.

    Raises:
        InputError: the numbers of tags, offsets and scores differ.
    """
    if len(tags) != len(offsets) or (scores is not None and len(scores) != len(tags)):
        count = "" if scores is None else f" and {len(scores)} scores"
        raise InputError(f"{len(tags)} tags, {len(offsets)} offsets{count}: there must be one of each for every place")
    kept = [place for place, (start, end) in enumerate(offsets) if end > start]
    found = []
    for first, end, kind in scheme.runs([tags[place] for place in kept]):
        places = kept[first:end]
        start, stop = trimmed(text, offsets[places[0]][0], offsets[places[-1]][1])
        if start < stop:
            score = None if scores is None else float(sum(scores[place] for place in places) / len(places))
            found.append(Span.of(text, start, stop, label=kind, score=score))
    return found


def tags_of(spans: Iterable[Span], offsets: Offsets, scheme: TagScheme) -> list[str]:
    """The tags of the places that labelled stretches cover.

    A place belongs to a stretch when they share a character: a token that holds the end of a name and a comma is part
    of the name. A stretch that no place touches, as in a text that was cut, leaves no tag.

    Raises:
        InputError: a span has no label.
        LabelError: a type is not in the scheme, or two spans claim one place.
    """
    runs = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if span.label is None:
            raise InputError(f"the span {span.start}:{span.end} ({span.text!r}) has no label")
        touched = [place for place, (start, end) in enumerate(offsets) if start < span.end and span.start < end]
        if touched:
            runs.append(Run(touched[0], touched[-1] + 1, span.label))
    return scheme.tags(runs, len(offsets))


def label_tokens(
    encoding: Encoding,
    spans: Iterable[Span],
    labels: LabelSet,
    *,
    continuing: Literal["label", "ignore"] = "label",
    sequence: int = 0,
) -> list[int]:
    """The label of every token, as a model for token classification is trained with it.

    Args:
        encoding: of the text that the spans index, whole, cut, or one window of it.
        spans: stretches with their type as label.
        labels: the tags, in the order of the model's outputs.
        continuing: ``"label"`` labels every token of a word; ``"ignore"`` only its first, as Devlin et al. (2019),
            section 5.3, do, and leaves the others out of the loss.
        sequence: which text of a pair the spans index.

    Returns:
        one number a token; `IGNORED` at special tokens and at tokens of the other text.

    Raises:
        InputError: ``continuing`` is something else.
        LabelError: the labels are no tags, or the spans do not fit them.
    """
    if continuing not in ("label", "ignore"):
        raise InputError(f"continuing={continuing!r} must be 'label' or 'ignore'")
    scheme = TagScheme.of(labels)
    places = [
        place
        for place, (of, (start, end)) in enumerate(zip(encoding.sequence_ids, encoding.offsets, strict=True))
        if of == sequence and end > start
    ]
    tags = tags_of(spans, [encoding.offsets[place] for place in places], scheme)
    numbers = [IGNORED] * len(encoding)
    words: set[int | None] = set()
    for place, tag in zip(places, tags, strict=True):
        word = encoding.word_ids[place]
        if continuing == "ignore" and word is not None and word in words:
            continue
        words.add(word)
        numbers[place] = labels.index(tag)
    return numbers


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without blanks at its ends: some tokenizers count the blank before a word as part of it."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
