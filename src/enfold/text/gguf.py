"""Tokenizers from the metadata of a GGUF file.

A GGUF file has no ``tokenizer.json``. It lists tokens, merges or scores, the ids of special tokens, and names the rule
by which texts are split before merging (``tokenizer.ggml.pre``); the keys are those of llama.cpp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers

from enfold.errors import CheckpointError, near
from enfold.text.chat_templates import chat_templates_in
from enfold.text.engine import Engine
from enfold.text.kinds.byte_pairs import QWEN2_SPLIT, byte_pair_model
from enfold.text.kinds.kind import bos_eos
from enfold.text.kinds.merged_pieces import gemma_engine, llama_engine
from enfold.text.options import TokenizerOptions
from enfold.text.sentencepiece_model import PieceType, merges_of
from enfold.text.tokenizer import Tokenizer

__all__ = ["PRE_TOKENIZERS", "tokenizer_from_gguf"]

_SPACE = "\u2581"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

PRE_TOKENIZERS: dict[str, str | None] = {
    **dict.fromkeys(("default", "gpt-2", "mpt", "olmo", "jais", "phi-2", "roberta-bpe"), "gpt2"),
    # Each digit is a word of its own.
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"), "digits"),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "dbrx", "smaug-bpe", "pixtral", "lfm2"), _LLAMA3),
    **dict.fromkeys(("qwen2", "stablelm2", "deepseek-r1-qwen", "megrez"), QWEN2_SPLIT),
    "tekken": _TEKKEN,
}
"""Names of ``tokenizer.ggml.pre`` to the pattern by which texts are split before merging."""

_ROLES = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
    "sep_token": "seperator_token_id",  # so the format spells it
    "cls_token": "cls_token_id",
    "mask_token": "mask_token_id",
}


def tokenizer_from_gguf(metadata: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer a GGUF file describes, with its chat template among the options.

    Args:
        metadata: key to value; lists for arrays. Read are ``general.architecture`` and what begins with
            ``tokenizer.``.

    Raises:
        CheckpointError: there is no tokenizer, one of a kind that is not supported, or its parts do not fit together.
    """
    model = _needed(metadata, "tokenizer.ggml.model")
    tokens = [str(token) for token in _needed(metadata, "tokenizer.ggml.tokens")]
    builders = {"gpt2": _byte_pairs, "llama": _pieces, "t5": _unigram}
    if model not in builders:
        known = list(builders)
        raise CheckpointError(
            f"this GGUF file has a tokenizer of the kind {model!r}; there are: {', '.join(known)}"
            f"{near(str(model), known)}"
        )
    types = list(metadata.get("tokenizer.ggml.token_type", [1] * len(tokens)))
    if len(types) != len(tokens):
        raise CheckpointError(f"this GGUF file has {len(tokens)} tokens but {len(types)} token types")
    engine = builders[model](metadata, tokens)
    special = _special(metadata, tokens)
    _add(engine, tokens, types, special)
    rules = {
        "add_bos_token": metadata.get("tokenizer.ggml.add_bos_token", model == "llama"),
        "add_eos_token": metadata.get("tokenizer.ggml.add_eos_token", model == "t5"),
    }
    engine.post_processor = bos_eos(engine, special, rules)
    controls = [token for token, kind in zip(tokens, types, strict=True) if kind == PieceType.CONTROL]
    template = chat_templates_in(metadata)
    architecture = str(metadata.get("general.architecture", ""))
    context = metadata.get(f"{architecture}.context_length")
    options = TokenizerOptions(
        special=special,
        extra_special_tokens=tuple(token for token in controls if token not in special.values()),
        model_input_names=("input_ids", "attention_mask"),
        padding_side="left",
        other={} if template is None else {"chat_template": template},
    )
    if context:
        options = options.changed(model_max_length=int(context))
    return Tokenizer._of(Engine(engine), options)


def _needed(metadata: Mapping[str, Any], key: str) -> Any:
    if key not in metadata:
        there = sorted(name for name in metadata if name.startswith("tokenizer."))
        raise CheckpointError(f"this GGUF file has no {key}; it has: {', '.join(there) or 'no tokenizer at all'}")
    return metadata[key]


def _special(metadata: Mapping[str, Any], tokens: Sequence[str]) -> dict[str, str]:
    special: dict[str, str] = {}
    for role, key in _ROLES.items():
        number = metadata.get(f"tokenizer.ggml.{key}")
        if number is None:
            continue
        if not 0 <= number < len(tokens):
            raise CheckpointError(
                f"this GGUF file says that tokenizer.ggml.{key} is {number}, but it has {len(tokens)} tokens"
            )
        special[role] = tokens[number]
    return special


def _add(engine: tokenizers.Tokenizer, tokens: Sequence[str], types: Sequence[int], special: Mapping[str, str]) -> None:
    """Control tokens are special; user-defined ones, such as ``<think>``, are found whole too."""
    named = set(special.values())
    added = [
        AddedToken(token, normalized=False, special=kind == PieceType.CONTROL or token in named)
        for token, kind in zip(tokens, types, strict=True)
        if kind in (PieceType.CONTROL, PieceType.USER_DEFINED) or token in named
    ]
    engine.add_tokens([token for token in added if token.content])


def _byte_pairs(metadata: Mapping[str, Any], tokens: Sequence[str]) -> tokenizers.Tokenizer:
    """Byte-pair encoding over bytes; tokens that are not written in the byte alphabet are added ones."""
    ids = {token: number for number, token in enumerate(tokens)}
    merges = _merges(metadata)
    if merges is None:
        raise CheckpointError("this GGUF file has a byte-pair tokenizer, but no tokenizer.ggml.merges")
    engine = tokenizers.Tokenizer(byte_pair_model(ids, merges, "this GGUF file"))
    name = str(metadata.get("tokenizer.ggml.pre", "default"))
    if name not in PRE_TOKENIZERS:
        known = sorted(PRE_TOKENIZERS)
        raise CheckpointError(
            f"this GGUF file splits texts by the rule {name!r}; there are: {', '.join(known)}{near(name, known)}"
        )
    rule = PRE_TOKENIZERS[name]
    if rule == "gpt2":
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    elif rule == "digits":
        engine.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    else:
        engine.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(str(rule)), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    engine.decoder = decoders.ByteLevel()
    return engine


def _pieces(metadata: Mapping[str, Any], tokens: Sequence[str]) -> tokenizers.Tokenizer:
    """SentencePiece's byte-pair encoding; merges come from the file, or follow from the scores."""
    architecture = str(metadata.get("general.architecture", ""))
    merges = _merges(metadata)
    if architecture.startswith("gemma"):
        # Runs of blanks stand in the file as blanks, and pieces are merged in their order.
        tokens = [_SPACE * len(token) if " " in token and not token.strip() else token for token in tokens]
        ids = {token: number for number, token in enumerate(tokens)}
        ranks = {token: -float(number) for token, number in ids.items()}
        unknown = tokens[int(metadata.get("tokenizer.ggml.unknown_token_id", 3))]
        return gemma_engine(ids, merges or merges_of(ids, ranks), unknown)
    ids = {token: number for number, token in enumerate(tokens)}
    if merges is None:
        scores = _needed(metadata, "tokenizer.ggml.scores")
        if len(scores) != len(tokens):
            raise CheckpointError(f"this GGUF file has {len(tokens)} tokens but {len(scores)} scores")
        merges = merges_of(ids, {token: float(score) for token, score in zip(tokens, scores, strict=True)})
    prefix = bool(metadata.get("tokenizer.ggml.add_space_prefix", True))
    engine = llama_engine(ids, merges, prefix=prefix, legacy=False)
    if architecture == "phi3":
        engine.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)])
        engine.pre_tokenizer = None
    return engine


def _unigram(metadata: Mapping[str, Any], tokens: Sequence[str]) -> tokenizers.Tokenizer:
    """T5's Unigram; its sentinels stand in the file as unused tokens."""
    scores = _needed(metadata, "tokenizer.ggml.scores")
    names = list(tokens)
    unused = [number for number, token in enumerate(names) if token.startswith("[PAD") and token.endswith("]")]
    for place, number in enumerate(unused[:100]):
        names[number] = f"<extra_id_{99 - place}>"
    engine = tokenizers.Tokenizer(
        models.Unigram(list(zip(names, map(float, scores), strict=True)), unk_id=2, byte_fallback=False)
    )
    charsmap = metadata.get("tokenizer.ggml.precompiled_charsmap")
    if charsmap:
        engine.normalizer = normalizers.Precompiled(bytes(charsmap))
    words = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always")
    engine.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), words])
    engine.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme="always")
    return engine


def _merges(metadata: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    merges = metadata.get("tokenizer.ggml.merges")
    if merges is None:
        return None
    pairs = []
    for number, merge in enumerate(merges, start=1):
        symbols = str(merge).split(" ")
        if len(symbols) != 2:
            raise CheckpointError(f"this GGUF file: merge {number} is no two symbols with a blank between: {merge!r}")
        pairs.append((symbols[0], symbols[1]))
    return pairs
