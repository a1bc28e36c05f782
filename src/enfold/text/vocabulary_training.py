"""The trainers of the `tokenizers` library, made to give the same vocabulary every time.

They keep words in tables whose order is drawn anew in each process. With a prefix for the inner parts of words (``##``)
that order decides between pairs that are equally frequent; in Unigram it decides the scores of the rarest characters.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import tokenizers
from tokenizers import AddedToken, trainers

from enfold.errors import InputError, near

__all__ = ["train"]

_PAIRS = (
    "vocab_size",
    "min_frequency",
    "limit_alphabet",
    "initial_alphabet",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "show_progress",
)
_TRAINERS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "BPE": (trainers.BpeTrainer, (*_PAIRS, "max_token_length")),
    "WordPiece": (trainers.WordPieceTrainer, _PAIRS),
    "WordLevel": (trainers.WordLevelTrainer, ("vocab_size", "min_frequency", "show_progress")),
    "Unigram": (
        trainers.UnigramTrainer,
        (
            "vocab_size",
            "initial_alphabet",
            "shrinking_factor",
            "unk_token",
            "max_piece_length",
            "n_sub_iterations",
            "show_progress",
        ),
    ),
}
"""By kind of model: its trainer and the options that it has; others it would leave out without a word."""
_RARE_STEP = 1e-4
"""How far apart the scores are that Unigram's trainer gives to characters that no piece is left of."""
_DECIMALS = 6
"""Of scores; sums of floats in another order differ far behind them."""


def train(
    engine: tokenizers.Tokenizer, texts: Iterable[str], special_tokens: Sequence[str | AddedToken], **options: Any
) -> tokenizers.Tokenizer:
    """Fill the empty vocabulary of an engine from texts, which are read once.

    Args:
        engine: splits texts into words; its model decides which trainer is used.
        texts: the texts.
        special_tokens: get the first ids, in this order.
        options: of the trainer.

    Raises:
        InputError: an option that the trainer does not have, or a vocabulary that cannot hold the characters.
    """
    kind = json.loads(engine.to_str())["model"]["type"]
    prefix = options.get("continuing_subword_prefix", "##" if kind == "WordPiece" else None)
    if kind in ("WordPiece", "BPE") and prefix:
        return _train_with_prefix(engine, kind, texts, special_tokens, prefix, options)
    _run(engine, _trainer(kind, special_tokens, options), texts)
    return _in_order(engine, special_tokens) if kind == "Unigram" else engine


def _trainer(kind: str, special_tokens: Sequence[str | AddedToken], options: Mapping[str, Any]) -> Any:
    made, known = _TRAINERS[kind]
    for name in options:
        if name not in known:
            raise InputError(
                f"the trainer of a {kind} vocabulary has no option {name!r}; it has: "
                f"{', '.join(known)}{near(name, known)}"
            )
    return made(special_tokens=list(special_tokens), **{"show_progress": False, **options})


def _run(engine: tokenizers.Tokenizer, trainer: Any, texts: Iterable[str]) -> None:
    try:
        engine.train_from_iterator(texts, trainer)
    except InputError:
        raise
    except Exception as error:  # the library raises plain Exception
        if "not large enough to contain all chars" in str(error):
            raise InputError(
                f"vocab_size={trainer.vocab_size} is too small: it cannot hold every character of the texts"
            ) from error
        raise


# ---- inner parts with a prefix ---------------------------------------------------------------------------------------


def _train_with_prefix(
    engine: tokenizers.Tokenizer,
    kind: str,
    texts: Iterable[str],
    special_tokens: Sequence[str | AddedToken],
    prefix: str,
    options: Mapping[str, Any],
) -> tokenizers.Tokenizer:
    """Characters with the prefix get ids in order before the words are looked at: as further special tokens, for a
    moment. Which there are, a first pass says that merges nothing; the texts wait for the second one in a file.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as kept:
        first = tokenizers.Tokenizer.from_str(engine.to_str())
        _run(first, _trainer(kind, special_tokens, {**options, "vocab_size": 0}), _keeping(texts, kept))
        names = [getattr(token, "content", token) for token in special_tokens]
        inner = sorted(
            token for token in first.get_vocab() if token.startswith(prefix) and len(token) == len(prefix) + 1
        )
        inner = [token for token in inner if token not in names]
        kept.seek(0)
        _run(engine, _trainer(kind, [*special_tokens, *inner], options), (json.loads(line) for line in kept))
    state = json.loads(engine.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] not in set(inner)]
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def _keeping(texts: Iterable[str], file: Any) -> Iterator[str]:
    for text in texts:
        file.write(json.dumps(text) + "\n")
        yield text


# ---- Unigram ---------------------------------------------------------------------------------------------------------


def _in_order(engine: tokenizers.Tokenizer, special_tokens: Sequence[str | AddedToken]) -> tokenizers.Tokenizer:
    """Pieces by falling score; characters that got the lowest scores in an order of chance get them in their own."""
    state = json.loads(engine.to_str())
    names = [getattr(token, "content", token) for token in special_tokens]
    pieces = [(piece, score) for piece, score in state["model"]["vocab"] if piece not in names]
    lowest = min((score for _, score in pieces), default=0.0)
    alone = [piece for piece, _ in pieces if len(piece) == 1]
    steps = {round(lowest + step * _RARE_STEP, _DECIMALS) for step in range(len(alone) + 1)}
    rounded = {piece: round(score, _DECIMALS) for piece, score in pieces}
    rare = sorted(piece for piece in alone if rounded[piece] in steps)
    for piece, score in zip(rare, sorted((rounded[piece] for piece in rare), reverse=True), strict=True):
        rounded[piece] = score
    special = dict(state["model"]["vocab"])
    ordered = sorted(rounded.items(), key=lambda item: (-item[1], item[0]))
    unknown = state["model"]["unk_id"]
    if unknown is not None:
        state["model"]["unk_id"] = names.index(state["model"]["vocab"][unknown][0])
    state["model"]["vocab"] = [*([name, special[name]] for name in names), *map(list, ordered)]
    return tokenizers.Tokenizer.from_str(json.dumps(state))
