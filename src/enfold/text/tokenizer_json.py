"""Engines from ``tokenizer.json``, taken as they are, with what the files beside it say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, models, normalizers, pre_tokenizers, processors

from enfold.errors import CheckpointError
from enfold.text.kinds import Kind
from enfold.text.kinds.kind import bos_eos
from enfold.text.kinds.wordpiece import BERT_TOKENS, bert_normalizer
from enfold.text.options import SPECIAL_NAMES, TokenizerOptions

__all__ = [
    "RULES",
    "bert_rules",
    "check_vocabulary",
    "class_name",
    "finished",
    "read",
    "roles",
    "ruled",
    "text_of",
]

RULES = (
    "do_lower_case",
    "strip_accents",
    "tokenize_chinese_chars",
    "add_prefix_space",
    "add_bos_token",
    "add_eos_token",
)
"""Settings that are carried out on an engine that is there already."""


def read(file: Path) -> tokenizers.Tokenizer:
    """An engine from a ``tokenizer.json``.

    Raises:
        CheckpointError: it is damaged, or of a newer format than the engine knows.
    """
    try:
        return tokenizers.Tokenizer.from_str(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{file} is damaged: invalid UTF-8 at byte {error.start}") from error
    except Exception as error:  # the engine raises plain Exception
        raise CheckpointError(
            f"{file} is damaged or of a newer format than tokenizers {tokenizers.__version__}: {error}"
        ) from error


def ruled(engine: tokenizers.Tokenizer, rules: Mapping[str, Any], special: Mapping[str, str]) -> tokenizers.Tokenizer:
    """The engine with some settings of `RULES` changed.

    Args:
        engine: is changed.
        rules: BERT's three, ``add_prefix_space`` for byte-level engines, ``add_bos_token`` and ``add_eos_token``.
        special: the special tokens by role.
    """
    current = engine.normalizer
    if isinstance(current, normalizers.BertNormalizer) and any(name in rules for name in RULES[:3]):
        state = {
            "clean_text": current.clean_text,
            "lowercase": current.lowercase,
            "strip_accents": current.strip_accents,
            "handle_chinese_chars": current.handle_chinese_chars,
        }
        engine.normalizer = bert_normalizer(state, rules)
    if rules.get("add_prefix_space") is not None:
        engine = _with_prefix(engine, bool(rules["add_prefix_space"]))
    if "add_bos_token" in rules or "add_eos_token" in rules:
        engine.post_processor = bos_eos(engine, special, rules)
    return engine


def _with_prefix(engine: tokenizers.Tokenizer, prefix: bool) -> tokenizers.Tokenizer:
    state = json.loads(engine.to_str())
    for part in ("pre_tokenizer", "post_processor"):
        _set_prefix(state[part], prefix)
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def _set_prefix(part: Any, prefix: bool) -> None:
    if isinstance(part, list):
        for item in part:
            _set_prefix(item, prefix)
    elif isinstance(part, dict):
        if part.get("type") in ("ByteLevel", "RobertaProcessing"):
            part["add_prefix_space"] = prefix
        for item in part.values():
            _set_prefix(item, prefix)


def bert_rules(engine: tokenizers.Tokenizer) -> dict[str, Any]:
    """How BERT's splitting is set in an engine, as ``tokenizer_config.json`` names it; empty for another kind."""
    if not isinstance(engine.normalizer, normalizers.BertNormalizer):
        return {}
    normalizer = engine.normalizer
    return {
        "do_lower_case": normalizer.lowercase,
        "strip_accents": normalizer.strip_accents,
        "tokenize_chinese_chars": normalizer.handle_chinese_chars,
    }


def default_tokens(engine: tokenizers.Tokenizer, kind: Kind | None) -> dict[str, str]:
    """The special tokens of an engine whose files name none: those of its kind that the vocabulary has."""
    if kind is None or kind.special == BERT_TOKENS:
        if not isinstance(engine.model, models.WordPiece):
            return {}
        # A vocabulary without one of these four is an error, which `check_vocabulary` names.
        needed = {role: token for role, token in BERT_TOKENS.items() if role != "mask_token"}
        mask = BERT_TOKENS["mask_token"]
        return needed if engine.token_to_id(mask) is None else {**needed, "mask_token": mask}
    return {role: token for role, token in kind.special.items() if engine.token_to_id(token) is not None}


def check_vocabulary(engine: tokenizers.Tokenizer, options: TokenizerOptions, source: str) -> None:
    """Every input needs these tokens; one that the vocabulary lacks would get an id that the model does not know.

    Raises:
        CheckpointError: one is missing.
    """
    if not isinstance(engine.model, models.WordPiece):
        return
    needed = [options.special.get(role) for role in ("unk_token", "cls_token", "sep_token", "pad_token")]
    missing = [token for token in needed if token is not None and engine.token_to_id(token) is None]
    if missing:
        raise CheckpointError(
            f"the vocabulary of {source} lacks {', '.join(missing)}; name its own in tokenizer_config.json or as "
            "arguments (cls_token=…)"
        )


def finished(engine: tokenizers.Tokenizer, options: TokenizerOptions) -> tokenizers.Tokenizer:
    """Make the engine know the special tokens of the options, adding those it lacks, and put them around texts.

    A WordPiece engine without a template of its own, or with BERT's for other tokens, gets BERT's: ``[CLS] A [SEP]``
    and ``[CLS] A [SEP] B [SEP]``.
    """
    engine.no_padding()
    engine.no_truncation()
    marked = {token.content for token in engine.get_added_tokens_decoder().values() if token.special}
    unmarked = [token for token in options.all_special_tokens if token not in marked]
    engine.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in unmarked])
    cls, sep = options.special.get("cls_token"), options.special.get("sep_token")
    if not isinstance(engine.model, models.WordPiece) or not cls or not sep:
        return engine
    engine.model.unk_token = options.special.get("unk_token", engine.model.unk_token)
    around = engine.encode("", "").tokens
    if engine.post_processor is None or (len(around) == 3 and around != [cls, sep, sep]):
        engine.post_processor = processors.TemplateProcessing(
            single=[f"{cls}:0", "$A:0", f"{sep}:0"],
            pair=[f"{cls}:0", "$A:0", f"{sep}:0", "$B:1", f"{sep}:1"],
            special_tokens=[(token, engine.token_to_id(token)) for token in dict.fromkeys((cls, sep))],
        )
    return engine


def class_name(engine: tokenizers.Tokenizer, kind: Kind | None) -> str:
    """The class by which `transformers` opens an engine: that of its kind, unless that would split texts otherwise."""
    wordpiece = isinstance(engine.model, models.WordPiece)
    if kind is not None and not wordpiece:
        return kind.name
    as_bert = wordpiece and isinstance(engine.pre_tokenizer, pre_tokenizers.BertPreTokenizer) and bert_rules(engine)
    if not as_bert:
        return "PreTrainedTokenizerFast"
    return "BertTokenizer" if kind is None else kind.name


def roles(engine: tokenizers.Tokenizer, special: Mapping[str, Any], kind: Kind | None) -> dict[str, str]:
    """The special tokens by role: what the files name, and what the kind has by itself."""
    defaults = default_tokens(engine, kind)
    found = {name: special[name] if special.get(name) is not None else defaults.get(name) for name in SPECIAL_NAMES}
    return {name: text_of(token) for name, token in found.items() if token is not None}


def text_of(token: Any) -> str:
    """The text of a token, which files also hold as an object."""
    return str(token["content"]) if isinstance(token, Mapping) else str(getattr(token, "content", token))
