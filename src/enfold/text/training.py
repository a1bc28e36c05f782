"""New vocabularies from texts: WordPiece, byte-pair encoding, Unigram.

The texts are read once, as a stream. The same texts in the same order give the same tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors

from enfold.errors import DataError, InputError, near
from enfold.text.options import SPECIAL_NAMES, UNLIMITED, TokenizerOptions
from enfold.text.vocabulary_training import train

if TYPE_CHECKING:
    from enfold.text.tokenizer import Tokenizer

__all__ = ["Kind", "train_tokenizer"]

Kind = Literal["wordpiece", "bpe", "unigram"]

_KINDS = ("wordpiece", "bpe", "unigram")
_BERT = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_GPT = {"eos_token": "<|endoftext|>"}
_PIECES = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_DEFAULTS: dict[tuple[str, bool], dict[str, str]] = {
    ("wordpiece", False): _BERT,
    ("bpe", False): _GPT,
    ("bpe", True): _PIECES,
    ("unigram", False): _PIECES,
    ("unigram", True): _PIECES,
}
_BYTES = [f"<0x{value:02X}>" for value in range(256)]
_LONGEST_PIECE = 16


def train_tokenizer(
    texts: Iterable[str],
    kind: Kind = "bpe",
    vocab_size: int = 30_000,
    *,
    byte_fallback: bool = False,
    lowercase: bool = False,
    min_frequency: int = 2,
    special_tokens: Mapping[str, str] | None = None,
    extra_special_tokens: Sequence[str] = (),
    model_max_length: int | None = None,
) -> Tokenizer:
    """Train a tokenizer.

    - ``"wordpiece"``: as BERT has it: split at blanks and punctuation, ``[CLS] A [SEP] B [SEP]`` around texts.
    - ``"bpe"``: byte-pair encoding (Sennrich et al., 2016) over bytes, as GPT-2 has it: every text can be written. With
      ``byte_fallback`` over characters, as Llama's is: a character that was never seen is written as its bytes.
    - ``"unigram"``: SentencePiece's Unigram (Kudo, 2018), with or without ``byte_fallback``; ``A </s>`` around texts.

    Args:
        texts: read once, in order.
        kind: the kind of vocabulary.
        vocab_size: tokens it may have, special ones included. Fewer where the texts do not hold more.
        byte_fallback: see above.
        lowercase: whether texts are lower-cased; for WordPiece accents go too, as BERT's uncased models have it.
        min_frequency: how often a pair must be seen to be merged; Unigram does not look at it.
        special_tokens: role to token (``{"mask_token": "<mask>"}``), beside or instead of the kind's own; None as a
            token takes one away.
        extra_special_tokens: without a role.
        model_max_length: tokens the model reads at most, where that is known.

    Raises:
        InputError: an unknown kind or role, or a vocabulary too small for what it must hold.
        DataError: there are no texts, or one of them is no text.
    """
    from enfold.text.tokenizer import Tokenizer

    if kind not in _KINDS:
        raise InputError(f"no kind of tokenizer {kind!r}; there are: {', '.join(_KINDS)}{near(kind, _KINDS)}")
    if kind == "wordpiece" and byte_fallback:
        raise InputError("byte_fallback is for bpe and unigram: WordPiece writes the unknown token")
    special = _special(_DEFAULTS[kind, byte_fallback and kind != "wordpiece"], special_tokens)
    names = list(dict.fromkeys([*special.values(), *extra_special_tokens]))
    least = len(names) + (256 if byte_fallback or kind == "bpe" else 1)
    if vocab_size < least:
        raise InputError(f"vocab_size={vocab_size} is too small: special tokens and bytes alone take {least}")
    build = {"wordpiece": _wordpiece, "bpe": _pieces_bpe if byte_fallback else _bytes_bpe, "unigram": _unigram}[kind]
    engine, settings = build(special, lowercase, byte_fallback)
    if kind != "unigram":
        settings["min_frequency"] = min_frequency
    size = vocab_size - (256 if byte_fallback else 0)
    engine = train(engine, _checked(texts), names, vocab_size=size, **settings)
    if byte_fallback:
        engine = _with_byte_fallback(engine, names)
    engine.post_processor = _around(engine, kind, special) or engine.post_processor
    options = TokenizerOptions(
        special=special,
        extra_special_tokens=tuple(extra_special_tokens),
        model_max_length=UNLIMITED if model_max_length is None else model_max_length,
        model_input_names=("input_ids", "token_type_ids", "attention_mask")
        if kind == "wordpiece"
        else ("input_ids", "attention_mask"),
        tokenizer_class="BertTokenizer" if kind == "wordpiece" else "PreTrainedTokenizerFast",
    )
    return Tokenizer(engine, options)


def _special(defaults: Mapping[str, str], changes: Mapping[str, str] | None) -> dict[str, str]:
    for role in changes or {}:
        if role not in SPECIAL_NAMES:
            known = ", ".join(SPECIAL_NAMES)
            raise InputError(
                f"{role!r} is not the role of a special token; roles are: {known}{near(role, SPECIAL_NAMES)}"
            )
    merged = {**defaults, **(changes or {})}
    return {role: token for role, token in merged.items() if token is not None}


def _checked(texts: Iterable[str]) -> Iterator[str]:
    if isinstance(texts, str):
        raise DataError("texts must be several texts; this is one")
    number = -1
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"text {number} is a {type(text).__name__}, not a text")
        yield text
    if number < 0:
        raise DataError("there are no texts to train a tokenizer on")


# ---- the kinds -------------------------------------------------------------------------------------------------------

_Made = tuple[tokenizers.Tokenizer, dict[str, Any]]
"""An engine without a vocabulary, and the options of its trainer."""


def _wordpiece(special: Mapping[str, str], lowercase: bool, fallback: bool) -> _Made:
    unknown = special.get("unk_token")
    if unknown is None:
        raise InputError("WordPiece needs an unknown token: special_tokens={'unk_token': '[UNK]'}")
    engine = tokenizers.Tokenizer(models.WordPiece(unk_token=unknown, max_input_chars_per_word=100))
    engine.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece(prefix="##")
    return engine, {"continuing_subword_prefix": "##"}


def _bytes_bpe(special: Mapping[str, str], lowercase: bool, fallback: bool) -> _Made:
    engine = tokenizers.Tokenizer(models.BPE())
    engine.normalizer = _cased(lowercase)
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    engine.post_processor = processors.ByteLevel(trim_offsets=False)
    return engine, {"initial_alphabet": sorted(pre_tokenizers.ByteLevel.alphabet())}


def _pieces_bpe(special: Mapping[str, str], lowercase: bool, fallback: bool) -> _Made:
    engine = tokenizers.Tokenizer(models.BPE(unk_token=special.get("unk_token"), fuse_unk=True))
    engine.normalizer = _cased(lowercase)
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    engine.decoder = _pieces_decoder()
    return engine, {}


def _unigram(special: Mapping[str, str], lowercase: bool, fallback: bool) -> _Made:
    unknown = special.get("unk_token")
    if unknown is None:
        raise InputError("Unigram needs an unknown token: special_tokens={'unk_token': '<unk>'}")
    engine = tokenizers.Tokenizer(models.Unigram())
    steps = [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    engine.normalizer = normalizers.Sequence([*steps, normalizers.Lowercase()] if lowercase else steps)
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    engine.decoder = _pieces_decoder() if fallback else decoders.Metaspace()
    return engine, {"unk_token": unknown, "max_piece_length": _LONGEST_PIECE}


def _cased(lowercase: bool) -> Any:
    return normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()]) if lowercase else normalizers.NFC()


def _pieces_decoder() -> Any:
    return decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )


def _with_byte_fallback(engine: tokenizers.Tokenizer, names: Sequence[str]) -> tokenizers.Tokenizer:
    """The engine with a token for each byte behind the special ones, which unknown characters are written with.

    The trainers have no notion of it: bytes are no pieces of the texts.
    """
    state = json.loads(engine.to_str())
    model = state["model"]
    model["byte_fallback"] = True
    if isinstance(model["vocab"], list):
        scores = dict(model["vocab"])
        lowest = min(scores.values(), default=0.0)
        others = [[piece, score] for piece, score in model["vocab"] if piece not in names]
        unknown = model["vocab"][model["unk_id"]][0]
        model["vocab"] = [*([name, scores[name]] for name in names), *([byte, lowest] for byte in _BYTES), *others]
        model["unk_id"] = list(names).index(unknown)
    else:
        others = sorted((piece for piece in model["vocab"] if piece not in names), key=model["vocab"].__getitem__)
        model["vocab"] = {piece: number for number, piece in enumerate([*names, *_BYTES, *others])}
    for token in state["added_tokens"]:
        token["id"] = list(names).index(token["content"])
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def _around(engine: tokenizers.Tokenizer, kind: str, special: Mapping[str, str]) -> Any:
    """What stands around texts; BERT's template is made with the tokenizer."""
    end = special.get("eos_token")
    if kind != "unigram" or end is None:
        return None
    return processors.TemplateProcessing(
        single=["$A:0", f"{end}:0"],
        pair=["$A:0", f"{end}:0", "$B:0", f"{end}:0"],
        special_tokens=[(end, engine.token_to_id(end))],
    )
