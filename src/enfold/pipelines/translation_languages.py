"""How a translation model is told which languages it translates between.

marks       a token for each language in the vocabulary: before or behind the source, and first in the target
            (M2M100, NLLB, mBART), or of the target alone, before the source (Marian's groups of languages)
words       a phrase before the source, which the model's config names (T5)
nothing     one pair of languages, which the tokenizer's files may name
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enfold.errors import InputError, near
from enfold.text.languages import code_for, codes_of, language

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["Pair", "language_pair"]

_SCHEMES = (("nllb", "{}"), ("mbart", "{}"), ("m2m100", "__{}__"))
_TARGET_MARK = re.compile(r">>(.+)<<")
_TASK = re.compile(r"translation_(\w+)_to_(\w+)")


@dataclass(frozen=True, slots=True)
class Pair:
    """What a model is told of two languages.

    Attributes:
        tokenizer: marks sources with their language, where the model's tokenizer does.
        before: ids before a source.
        words: a phrase before a source.
        options: of generation.
    """

    tokenizer: Tokenizer
    before: tuple[int, ...] = ()
    words: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def language_pair(tokenizer: Tokenizer, config: Any, source: str, target: str) -> Pair:
    """Find out how this model is told, and that it has both languages.

    Args:
        tokenizer: of the model.
        config: of the model.
        source: the language of the texts, by any code or its English name.
        target: the language they are translated to.

    Raises:
        InputError: there is no such language, or the model does not have it; the message lists those it has.
    """
    for name in (source, target):
        language(name)
    if tokenizer.src_lang is not None:
        return _by_marks(tokenizer, source, target)
    marks = {
        match[1]: number for token, number in tokenizer.get_vocab().items() if (match := _TARGET_MARK.fullmatch(token))
    }
    if marks:
        return Pair(tokenizer, before=(marks[_among(target, list(marks))],))
    tasks = getattr(config, "task_specific_params", None) or {}
    phrases = {match.groups(): own.get("prefix", "") for name, own in tasks.items() if (match := _TASK.fullmatch(name))}
    if phrases:
        return Pair(tokenizer, words=_phrase(phrases, source, target))
    _check_own_pair(tokenizer, source, target)
    return Pair(tokenizer)


def _by_marks(tokenizer: Tokenizer, source: str, target: str) -> Pair:
    scheme, written = next(
        (scheme, written)
        for scheme, written in _SCHEMES
        if tokenizer.src_lang in codes_of(scheme)
        and tokenizer.convert_tokens_to_ids(written.format(tokenizer.src_lang)) != tokenizer.unk_token_id
    )
    vocabulary = tokenizer.get_vocab()
    there = [code for code in codes_of(scheme) if written.format(code) in vocabulary]
    own, other = (_coded(name, scheme, there) for name in (source, target))
    marked = tokenizer.with_options(src_lang=own, tgt_lang=other)
    mark = vocabulary[written.format(other)]
    in_front = marked.encode_batch([""])[0].ids[0] == vocabulary[written.format(own)]
    # A model whose sources begin with their mark begins to write with its start token and then the mark; one whose
    # sources end with it begins with the mark itself.
    return Pair(marked, options={"forced_bos_token_id" if in_front else "decoder_start_token_id": mark})


def _coded(name: str, scheme: str, there: list[str]) -> str:
    try:
        code = name if name in there else code_for(name, scheme)
    except InputError:
        code = ""
    if code not in there:
        raise InputError(f"this model does not have the language {name!r}; it has: {', '.join(there)}")
    return code


def _among(name: str, codes: list[str]) -> str:
    """The one of a model's codes that means a language."""
    wanted = language(name)
    for code in codes:
        try:
            found = language(code)
        except InputError:
            continue
        if code == name or found == wanted:
            return code
    raise InputError(f"this model does not have the language {name!r}; it has: {', '.join(sorted(codes))}")


def _phrase(phrases: dict[tuple[str, ...], str], source: str, target: str) -> str:
    wanted = (language(source), language(target))
    for codes, phrase in phrases.items():
        if tuple(language(code) for code in codes) == wanted:
            return phrase
    pairs = [f"{own} to {other}" for own, other in phrases]
    raise InputError(f"this model does not translate from {source!r} to {target!r}; it does: {', '.join(pairs)}")


def _check_own_pair(tokenizer: Tokenizer, source: str, target: str) -> None:
    """Where the tokenizer's files name the pair, it must be the one that is asked for."""
    files = tokenizer.other_options
    for what, name in (("source", source), ("target", target)):
        own = files.get(f"{what}_lang")
        if not own:
            continue
        try:
            same = language(str(own)) == language(name)
        except InputError:  # the name of a group of languages
            continue
        if not same:
            raise InputError(f"this model's {what} language is {own!r}, not {name!r}{near(name, [str(own)])}")
