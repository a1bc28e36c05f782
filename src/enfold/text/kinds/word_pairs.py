"""Byte-pair encoding of words that are split off before: BlenderbotSmall's ``@@``, and Flaubert's after Moses.

Sennrich et al., 2016, "Neural Machine Translation of Rare Words with Subword Units": symbols are merged within words,
whose last symbol ends in ``</w>``. How texts become words, and how tokens are named, is not the engine's work.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models, pre_tokenizers

from enfold.errors import require
from enfold.text.alignment import Aligned
from enfold.text.kinds.kind import Built, File, Given, Kind, template
from enfold.text.kinds.vocabulary_files import read_ids, read_merges
from enfold.text.steps import Steps

__all__ = ["KINDS"]

_END = "</w>"
_BLANKS = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # as Unicode has them, not as Python does
_WORD = re.compile(rf"[^{_BLANKS}]+\n?")


@dataclass(frozen=True)
class _BlenderbotSmallWords:
    """Words between blanks, broken before punctuation and around apostrophes, in lower case.

    A line break right behind a word is a word of its own, ``__newln__``.
    """

    def __call__(self, text: str) -> Aligned:
        words: list[Aligned] = []
        whole = Aligned.of(text)
        for match in _WORD.finditer(text):
            start, end = match.span()
            broken = text[end - 1] == "\n"
            stop = end - 1 if broken else end
            for first, last in self._parts(text[start:stop], start):
                words.append(whole[first:last].lowered())
            if broken and text[stop - 1] != "'":  # the blanks around an apostrophe swallow it
                words.append(Aligned("__newln__", [stop] * 9, [end] * 9))
        return _with_blanks(words)

    @staticmethod
    def _parts(word: str, start: int) -> list[tuple[int, int]]:
        cuts = {0, len(word)}
        for place, letter in enumerate(word):
            if letter in ".,!?()":
                cuts.add(place)
            elif letter == "'":
                cuts.update((place, place + 1))
        return [(start + first, start + last) for first, last in pairwise(sorted(cuts))]


@dataclass(frozen=True)
class _BlenderbotSmallJoin:
    def __call__(self, tokens: Sequence[str]) -> str:
        return " ".join(tokens).replace("@@ ", "").strip()


def _with_blanks(words: Sequence[Aligned]) -> Aligned:
    parts: list[Aligned] = []
    for word in words:
        if parts:
            at = parts[-1].ends[-1] if len(parts[-1]) else 0
            parts.append(Aligned(" ", [at], [at]))
        parts.append(word)
    return Aligned.joined(parts) if parts else Aligned("", (), ())


def _word_engine(
    symbols: Mapping[str, str], ids: Mapping[str, int], merges: list[tuple[str, str]], given: Given
) -> tuple[tokenizers.Tokenizer, dict[int, int]]:
    """An engine for words between blanks.

    Args:
        symbols: symbol of the model to token of the vocabulary.
        ids: token to id.
        merges: in their order.
        given: names the special tokens, which no word becomes.

    Returns:
        the engine, and the ids of those symbols whose token the vocabulary lacks, which become unknown.
    """
    special, unknown = {*given.special.values(), *given.extra}, given.special["unk_token"]
    vocabulary: dict[str, int] = {}
    aliases: dict[int, int] = {}
    following = max(ids.values(), default=-1) + 1
    for symbol, token in symbols.items():
        number = ids.get(token) if token not in special else None
        if number is None:
            number = following + len(aliases)
            aliases[number] = ids[unknown]
        vocabulary[symbol] = number
    named = set(vocabulary.values())
    vocabulary |= {
        token if token in special else f" {token}": number for token, number in ids.items() if number not in named
    }
    engine = tokenizers.Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token=unknown, end_of_word_suffix=_END, fuse_unk=False)
    )
    engine.pre_tokenizer = pre_tokenizers.Split(" ", behavior="removed")
    return engine, aliases


def _symbols(merges: Sequence[tuple[str, str]], letters: Sequence[str]) -> list[str]:
    """Every symbol a word can be made of: letters inside and at its end, and what merging makes of them."""
    symbols = dict.fromkeys(letters)
    for left, right in merges:
        symbols.update(dict.fromkeys((left, right, left + right)))
    return list(symbols)


def _blenderbot_small(given: Given) -> Built:
    """Roller et al., 2020, the 90M model: tokens inside a word end in ``@@``."""
    unknown = given.special["unk_token"]
    ids = read_ids(given.files["vocab_file"], needed=[unknown])
    merges = read_merges(given.files["merges_file"])
    letters = [
        token.removesuffix("@@") + ("" if token.endswith("@@") else _END)
        for token in ids
        if len(token.removesuffix("@@")) == 1
    ]
    symbols = {
        symbol: symbol.removesuffix(_END) if symbol.endswith(_END) else f"{symbol}@@"
        for symbol in _symbols(merges, letters)
    }
    engine, aliases = _word_engine(symbols, ids, merges, given)
    steps = _steps(given, ids, aliases, _BlenderbotSmallWords(), _BlenderbotSmallJoin())
    return Built(engine, steps=replace(steps, spelled=symbols))


_ASCII = {
    **dict.fromkeys("”“《》」「", '"'),
    **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
    "，": ",",
    "、": ",",
    "∶": ":",
    "：": ":",
    "？": "?",
    "）": ")",
    "！": "!",
    "（": "(",
    "；": ";",
    "～": "~",
    "’": "'",
    "…": "...",
    "━": "-",
    "〈": "<",
    "〉": ">",
    "【": "[",
    "】": "]",
    "％": "%",
}
"""What Moses' script ``replace-unicode-punctuation`` writes for wide punctuation and digits."""
_WIDE = re.compile(f"[{''.join(map(re.escape, _ASCII))}]")
_WIDE_STOP = re.compile(r"[。．]\s*")


@dataclass(frozen=True)
class _MosesWords:
    """French words as Moses splits them (Koehn et al., 2007), by sacremoses' rules.

    The rules run one after another on a text that keeps track of where its characters come from.
    """

    lowercase: bool
    language: str = "fr"

    @cached_property
    def _moses(self) -> Any:
        return require("sacremoses", extra="flaubert", purpose="Flaubert's tokenizer")

    @cached_property
    def _normalizer(self) -> Any:
        return self._moses.MosesPunctNormalizer(lang=self.language)

    @cached_property
    def _tokenizer(self) -> Any:
        return self._moses.MosesTokenizer(lang=self.language)

    @cached_property
    def _rules(self) -> list[tuple[re.Pattern[str], str]]:
        return [(re.compile(pattern), new) for pattern, new in self._normalizer.substitutions]

    def __getstate__(self) -> dict[str, Any]:
        return {"lowercase": self.lowercase, "language": self.language}

    def __call__(self, text: str) -> Aligned:
        aligned = Aligned.of(text).replaced("``", '"').replaced("''", '"').composed()
        if self.lowercase:
            aligned = aligned.lowered()
        aligned = aligned.sub(_WIDE, lambda match: _ASCII[match.group()]).sub(_WIDE_STOP, ". ")
        for pattern, new in self._rules:
            aligned = aligned.sub(pattern, new)
        aligned = aligned[len(aligned.text) - len(aligned.text.lstrip()) :]
        aligned = aligned[: len(aligned.text.rstrip())]
        aligned = aligned.kept(lambda letter: not unicodedata.category(letter).startswith("C"))
        words = self._tokenizer.tokenize(aligned.text, return_str=False, escape=False)
        return _with_blanks(_located([word for word in words if word], aligned))


def _located(words: Sequence[str], text: Aligned) -> list[Aligned]:
    """Words of a text with their places in it: Moses takes characters away, and puts blanks between, but adds none."""
    located: list[Aligned] = []
    position = 0
    for word in words:
        places: list[int] = []
        for letter in word:
            place = text.text.find(letter, position)
            if place < 0:
                place = min(position, max(len(text) - 1, 0))
            else:
                position = place + 1
            places.append(place)
        located.append(Aligned(word, [text.starts[place] for place in places], [text.ends[place] for place in places]))
    return located


@dataclass(frozen=True)
class _FlaubertJoin:
    def __call__(self, tokens: Sequence[str]) -> str:
        return "".join(tokens).replace(_END, " ").strip()


def _flaubert(given: Given) -> Built:
    """Le et al., 2020."""
    unknown = given.special["unk_token"]
    ids = read_ids(given.files["vocab_file"], needed=[unknown])
    merges = read_merges(given.files["merges_file"], header=False, counts=True)
    given = replace(given, extra=given.extra or _FLAUBERT_EXTRA)
    letters = [token for token in ids if len(token.removesuffix(_END)) == 1]
    symbols = {symbol: symbol for symbol in _symbols(merges, letters)}
    engine, aliases = _word_engine(symbols, ids, merges, given)
    words = _MosesWords(bool(given.rules["do_lowercase"]))
    return Built(engine, _FLAUBERT_EXTRA, steps=_steps(given, ids, aliases, words, _FlaubertJoin()))


def _steps(given: Given, ids: Mapping[str, int], aliases: Mapping[int, int], prepare: Any, join: Any) -> Steps:
    return Steps(
        prepare,
        join,
        names={number: token for token, number in ids.items()},
        ids=aliases,
        base=len(ids),
        files={
            "vocab.json": Path(given.files["vocab_file"]).read_bytes(),
            "merges.txt": Path(given.files["merges_file"]).read_bytes(),
        },
    )


def _nothing(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    return template(engine, ["$A:0"], ["$A:0", "$B:1"])


def _flaubert_around(engine: tokenizers.Tokenizer, special: Mapping[str, str], rules: Mapping[str, Any]) -> Any:
    """``<s> A </s>``, ``<s> A </s> B </s>``."""
    bos, sep = special["bos_token"], special["sep_token"]
    return template(engine, [f"{bos}:0", "$A:0", f"{sep}:0"], [f"{bos}:0", "$A:0", f"{sep}:0", "$B:1", f"{sep}:1"])


_FLAUBERT_EXTRA = tuple(f"<special{number}>" for number in range(10))
_FILES = (File("vocab_file", ("vocab.json",), also=("vocab",)), File("merges_file", ("merges.txt",), also=("merges",)))

KINDS = (
    Kind(
        "BlenderbotSmallTokenizer",
        _FILES,
        _blenderbot_small,
        {"bos_token": "__start__", "eos_token": "__end__", "unk_token": "__unk__", "pad_token": "__null__"},
        _nothing,
        outside=True,
        model_types=("blenderbot-small",),
    ),
    Kind(
        "FlaubertTokenizer",
        _FILES,
        _flaubert,
        {
            "bos_token": "<s>",
            "unk_token": "<unk>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "cls_token": "</s>",
            "mask_token": "<special1>",
        },
        _flaubert_around,
        rules={"do_lowercase": False},
        outside=True,
        model_types=("flaubert",),
    ),
)
