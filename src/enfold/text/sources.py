"""From the files of a model folder to an engine and its options.

Read are ``tokenizer.json`` or, where there is none, ``vocab.txt`` (WordPiece, split as BERT does), and beside them
``tokenizer_config.json``, ``special_tokens_map.json`` and ``added_tokens.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors

from enfold.errors import CheckpointError, InputError, near
from enfold.files import read_json
from enfold.text.options import SPECIAL_NAMES, TokenizerOptions

__all__ = ["bert_rules", "finished", "from_vocabulary", "read", "read_vocabulary"]

_BERT_TOKENS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_BERT_RULES = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
_OLDER_NAMES = ("max_len", "additional_special_tokens")
_LOOKED_FOR = "tokenizer.json, vocab.txt"
_OF_THE_FILES = {
    "vocab_file",
    "tokenizer_file",
    "special_tokens_map_file",
    "name_or_path",
    "added_tokens_decoder",
    "backend",
}
_IGNORED = {"is_local", "local_files_only", "files_loaded", "use_fast", "max_len"}


def read(path: Path, overrides: Mapping[str, Any]) -> tuple[tokenizers.Tokenizer, TokenizerOptions]:
    """Read a tokenizer from a model folder, or from one ``tokenizer.json`` or ``vocab.txt``.

    Args:
        path: the folder or file.
        overrides: what takes the place of the folder's own settings: any option of `TokenizerOptions`, special tokens
            (``pad_token``), and for BERT's splitting ``do_lower_case``, ``strip_accents``, ``tokenize_chinese_chars``.

    Raises:
        CheckpointError: a file is missing or damaged.
        InputError: an override that is not known.
    """
    _check_overrides(overrides)
    folder = path.parent if path.is_file() else path
    file = (
        path
        if path.is_file()
        else next((path / name for name in _LOOKED_FOR.split(", ") if (path / name).is_file()), None)
    )
    if file is None:
        there = ", ".join(sorted(item.name for item in folder.iterdir())[:20]) if folder.is_dir() else "nothing"
        raise CheckpointError(f"no tokenizer in {folder}: looked for {_LOOKED_FOR}; it has: {there or 'nothing'}")
    config = _object(folder / "tokenizer_config.json")
    special = {**_object(folder / "special_tokens_map.json"), **config}
    rules = {name: overrides.get(name, config.get(name)) for name in _BERT_RULES if name in overrides or name in config}

    if file.suffix == ".json":
        engine = _from_json(file, rules)
    else:
        engine = wordpiece(read_vocabulary(file), rules)
    _add_missing(engine, folder, config)
    vocabulary = engine.get_vocab(with_added_tokens=True)
    roles = {name: _text(special.get(name), _default_token(engine, vocabulary, name)) for name in SPECIAL_NAMES}
    settings: dict[str, Any] = {
        name: config[name]
        for name in TokenizerOptions.__dataclass_fields__
        if name not in ("special", "other") and config.get(name) is not None
    }
    extra = settings.pop("extra_special_tokens", None) or special.get("additional_special_tokens") or ()
    if isinstance(extra, Mapping):  # named extra tokens, as multimodal models have
        extra = tuple(extra.values())
    options = TokenizerOptions(
        special={name: token for name, token in roles.items() if token is not None},
        tokenizer_class=_class_name(engine),
        other={key: value for key, value in config.items() if _is_foreign(key)},
    ).changed(**{**settings, "extra_special_tokens": extra, "name_or_path": str(path)})
    options = options.changed(**{name: value for name, value in overrides.items() if name not in _BERT_RULES})
    _check_vocabulary(engine, options, str(file))
    return finished(engine, options), options


def from_vocabulary(
    vocabulary: Mapping[str, int], rules: Mapping[str, Any], overrides: Mapping[str, Any]
) -> tuple[tokenizers.Tokenizer, TokenizerOptions]:
    """A WordPiece tokenizer with BERT's splitting, from tokens and their ids.

    Raises:
        CheckpointError: a special token that every input needs is not in the vocabulary.
    """
    options = TokenizerOptions(
        special={role: token for role, token in _BERT_TOKENS.items() if role != "mask_token" or token in vocabulary},
        tokenizer_class="BertTokenizer",
    ).changed(**overrides)
    engine = wordpiece(vocabulary, rules)
    _check_vocabulary(engine, options, "the tokenizer")
    return finished(engine, options), options


def wordpiece(vocabulary: Mapping[str, int], rules: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """WordPiece as BERT uses it: clean, split off Chinese characters, lower-case, split at blanks and punctuation.

    Devlin et al., 2019, "BERT: Pre-training of Deep Bidirectional Transformers", and its BasicTokenizer: words of more
    than 100 characters are unknown; accents go when ``strip_accents`` says so or, unset, when words are lower-cased.
    """
    engine = tokenizers.Tokenizer(models.WordPiece(dict(vocabulary), unk_token="[UNK]", max_input_chars_per_word=100))
    engine.normalizer = _bert_normalizer({"clean_text": True, "lowercase": True}, rules)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece(prefix="##")
    return engine


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


def _check_vocabulary(engine: tokenizers.Tokenizer, options: TokenizerOptions, source: str) -> None:
    """Every input needs these tokens; one that the vocabulary lacks would get an id that the model does not know."""
    if not isinstance(engine.model, models.WordPiece):
        return
    needed = [options.special.get(role) for role in ("unk_token", "cls_token", "sep_token", "pad_token")]
    missing = [token for token in needed if token is not None and engine.token_to_id(token) is None]
    if missing:
        raise CheckpointError(
            f"the vocabulary of {source} lacks {', '.join(missing)}; name its own in tokenizer_config.json or as "
            "arguments (cls_token=…)"
        )


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


def _from_json(file: Path, rules: Mapping[str, Any]) -> tokenizers.Tokenizer:
    try:
        engine = tokenizers.Tokenizer.from_str(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{file} is damaged: invalid UTF-8 at byte {error.start}") from error
    except Exception as error:  # the engine raises plain Exception
        raise CheckpointError(
            f"{file} is damaged or of a newer format than tokenizers {tokenizers.__version__}: {error}"
        ) from error
    current = engine.normalizer
    if rules and isinstance(current, normalizers.BertNormalizer):
        engine.normalizer = _bert_normalizer({"clean_text": current.clean_text, **_normalizer_state(current)}, rules)
    return engine


def _normalizer_state(normalizer: Any) -> dict[str, Any]:
    return {
        "lowercase": normalizer.lowercase,
        "strip_accents": normalizer.strip_accents,
        "handle_chinese_chars": normalizer.handle_chinese_chars,
    }


def _bert_normalizer(state: dict[str, Any], rules: Mapping[str, Any]) -> normalizers.Normalizer:
    names = {
        "do_lower_case": "lowercase",
        "strip_accents": "strip_accents",
        "tokenize_chinese_chars": "handle_chinese_chars",
    }
    return normalizers.BertNormalizer(**{**state, **{names[name]: value for name, value in rules.items()}})


def read_vocabulary(file: Path) -> dict[str, int]:
    """One token a line, its id the number of the line; where a token comes twice, the last line counts.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            return {line.rstrip("\n"): number for number, line in enumerate(lines)}
    except FileNotFoundError as error:
        raise CheckpointError(f"no vocabulary at {file}") from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{file} is damaged: invalid UTF-8 at byte {error.start}") from error


def _check_overrides(overrides: Mapping[str, Any]) -> None:
    known = sorted([*TokenizerOptions.names(), *_BERT_RULES])
    for name in overrides:
        if name not in (*known, *_OLDER_NAMES):
            raise InputError(f"from_pretrained takes no {name!r}; it takes: {', '.join(known)}{near(name, known)}")


def _add_missing(engine: tokenizers.Tokenizer, folder: Path, config: Mapping[str, Any]) -> None:
    """Tokens added to a vocabulary after it was made, where only the old files tell of them."""
    wanted: dict[int, AddedToken] = {
        number: AddedToken(token, normalized=True) for token, number in _object(folder / "added_tokens.json").items()
    }
    for number, token in config.get("added_tokens_decoder", {}).items():
        wanted[int(number)] = AddedToken(**{key: value for key, value in token.items() if key != "__type"})
    for number, token in sorted(wanted.items()):
        if engine.token_to_id(token.content) is None:
            (engine.add_special_tokens if token.special else engine.add_tokens)([token])
            if engine.token_to_id(token.content) != number:
                raise CheckpointError(
                    f"the added token {token.content!r} of {folder} should have the id {number}; after the vocabulary "
                    f"comes {engine.token_to_id(token.content)}"
                )


def _default_token(engine: tokenizers.Tokenizer, vocabulary: Mapping[str, int], name: str) -> str | None:
    token = _BERT_TOKENS.get(name)
    if not isinstance(engine.model, models.WordPiece) or token is None:
        return None
    return token if name != "mask_token" or token in vocabulary else None


def _class_name(engine: tokenizers.Tokenizer) -> str:
    splits_as_bert = isinstance(engine.pre_tokenizer, pre_tokenizers.BertPreTokenizer) and bert_rules(engine)
    return (
        "BertTokenizer" if isinstance(engine.model, models.WordPiece) and splits_as_bert else "PreTrainedTokenizerFast"
    )


def _is_foreign(key: str) -> bool:
    known = set(TokenizerOptions.__dataclass_fields__) | set(SPECIAL_NAMES) | _OF_THE_FILES | _IGNORED
    return key not in known and key not in _BERT_RULES and key != "additional_special_tokens"


def _text(token: Any, default: str | None) -> str | None:
    if token is None:
        return default
    return token["content"] if isinstance(token, Mapping) else str(token)


def _object(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        value = read_json(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{file} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{file} must hold a JSON object; it holds a {type(value).__name__}")
    return value
