"""From the files of a model folder to an engine and its options.

Read is ``tokenizer.json`` or, where there is none, or where the kind needs more than such a file can hold, the files of
the kind; and beside them ``tokenizer_config.json``, ``special_tokens_map.json``, ``added_tokens.json`` and
``chat_template.jinja``. What kind it is says ``tokenizer_class`` in ``tokenizer_config.json``, then the same in
``config.json``, then the model type, then the files that are there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import AddedToken

from enfold.errors import CheckpointError, InputError, near
from enfold.files import read_json
from enfold.text import tokenizer_json
from enfold.text.chat_templates import read_chat_templates
from enfold.text.engine import Engine
from enfold.text.kinds import KINDS, LOOKED_FOR, Kind, kind_of_class, kind_of_files, kind_of_model
from enfold.text.kinds.assembly import added_token, around, assemble, check_languages, placed
from enfold.text.options import SPECIAL_NAMES, TokenizerOptions
from enfold.text.tokenizer_json import finished

__all__ = ["finished", "read", "reassigned"]

_OLDER_NAMES = ("max_len", "additional_special_tokens")
_OF_NO_KIND = ("PreTrainedTokenizerFast", "PreTrainedTokenizer", "TokenizersBackend", "PythonBackend", "AutoTokenizer")
_OF_THE_FILES = {
    "vocab_file",
    "merges_file",
    "tokenizer_file",
    "special_tokens_map_file",
    "source_spm",
    "target_spm",
    "vocab",
    "target_vocab_file",
    "spm_file",
    "sp_model_kwargs",
    "name_or_path",
    "added_tokens_decoder",
    "backend",
}
_IGNORED = {"is_local", "local_files_only", "files_loaded", "use_fast", "max_len", "additional_special_tokens"}


def read(path: Path, overrides: Mapping[str, Any], kind: Kind | None = None) -> tuple[Engine, TokenizerOptions]:
    """Read a tokenizer from a model folder, or from one file: ``tokenizer.json``, ``vocab.txt``, ``*.model``.

    Args:
        path: the folder or file.
        overrides: what takes the place of the folder's own settings: any option of `TokenizerOptions`, special tokens
            (``pad_token``), and the settings of the kind, such as ``do_lower_case``.
        kind: the kind, where the caller knows; it outranks what the files say.

    Raises:
        CheckpointError: a file is missing or damaged.
        InputError: an override that is not known.
    """
    folder = path.parent if path.is_file() else path
    config = _object(folder / "tokenizer_config.json")
    templates = read_chat_templates(folder, config)
    if templates is not None:
        config["chat_template"] = templates
    kind, files, whole = _found(path, folder, config, kind)
    _check_overrides(overrides, kind)
    other = {key: value for key, value in config.items() if _is_foreign(key)}
    if kind is None or kind.languages is None:  # then these mean something to another class, and are only kept
        other |= {name: config.pop(name) for name in ("src_lang", "tgt_lang") if name in config}
    special = {**_object(folder / "special_tokens_map.json"), **config}
    if kind is not None and files is not None:
        settings = {key: value for key, value in {**special, **overrides}.items() if key != "tokenizer_class"}
        if "max_len" in settings:
            settings.setdefault("model_max_length", settings["max_len"])
        added = _added(folder, config)
        engine, options = assemble(kind, files, settings, added=added, where=str(folder))
    else:
        assert whole is not None
        engine, options = _whole(whole, folder, config, special, overrides, kind)
    return engine, replace(options, other={**other, **options.other}).changed(name_or_path=str(path))


def _found(
    path: Path, folder: Path, config: Mapping[str, Any], kind: Kind | None
) -> tuple[Kind | None, dict[str, Path] | None, Path | None]:
    """The kind, and either its own files or the ``tokenizer.json`` to read."""
    if kind is None:
        kind = _named(folder, config)
    if path.is_file() and path.name != "vocab.json":
        return (kind, None, path) if path.suffix == ".json" else _of_one_file(path, kind)
    whole = folder / "tokenizer.json"
    is_whole = whole.is_file() and not path.is_file()
    own = kind.files_in(folder) if kind is not None else None
    if kind is not None and own is not None and (kind.outside or not is_whole):
        return kind, own, None
    if is_whole:
        return kind, None, whole
    there = ", ".join(sorted(item.name for item in folder.iterdir())[:20]) if folder.is_dir() else "nothing"
    if kind is not None:
        raise CheckpointError(
            f"no tokenizer in {folder}: a {kind.name} needs tokenizer.json, or {kind.looked_for}; it has: "
            f"{there or 'nothing'}"
        )
    named = _class_named(folder, config)
    if named and named not in _OF_NO_KIND:
        known = list(KINDS)
        raise CheckpointError(
            f"the tokenizer of {folder} is a {named}, which is read from a tokenizer.json alone; read from files of "
            f"their own are: {', '.join(known)}{near(named, known)}"
        )
    kind = kind_of_files(folder)
    if kind is None:
        raise CheckpointError(f"no tokenizer in {folder}: looked for {LOOKED_FOR}; it has: {there or 'nothing'}")
    return kind, kind.files_in(folder), None


def _named(folder: Path, config: Mapping[str, Any]) -> Kind | None:
    """The kind that the configuration names, or that the model type has where its files are there."""
    named = _class_named(folder, config)
    if named:
        return kind_of_class(named)
    kind = kind_of_model(_object(folder / "config.json").get("model_type"))
    if kind is None or kind.files_in(folder) is not None or (folder / "tokenizer.json").is_file():
        return kind
    return kind_of_files(folder) or kind  # a body with the vocabulary of another family


def _class_named(folder: Path, config: Mapping[str, Any]) -> str:
    return str(config.get("tokenizer_class") or _object(folder / "config.json").get("tokenizer_class") or "")


def _of_one_file(path: Path, kind: Kind | None) -> tuple[Kind, dict[str, Path], None]:
    if kind is None:
        single = [known for known in KINDS.values() if len(known.files) == 1]
        kind = KINDS["BertTokenizer"] if path.suffix == ".txt" else None
        kind = kind or next((known for known in single if path.name in known.files[0].names), None)
        if kind is None:
            raise CheckpointError(
                f"nothing says what kind of tokenizer {path} is: open it with its class "
                f"(T5Tokenizer.from_pretrained(…)), or put it into a folder under one of the names {LOOKED_FOR}"
            )
    if len(kind.files) != 1:
        raise CheckpointError(f"a {kind.name} needs {kind.looked_for}; {path} is only one file: open the folder")
    return kind, {kind.files[0].argument: path}, None


def _whole(
    file: Path,
    folder: Path,
    config: Mapping[str, Any],
    special: Mapping[str, Any],
    overrides: Mapping[str, Any],
    kind: Kind | None,
) -> tuple[Engine, TokenizerOptions]:
    """From a ``tokenizer.json``: the engine as it is; its settings change only where the caller asks for it."""
    raw = tokenizer_json.read(file)
    if kind is not None and kind.outside:
        kind = None  # somebody brought it into the engine after all
    _add_missing(raw, folder, config)
    settings: dict[str, Any] = {
        name: config[name]
        for name in TokenizerOptions.__dataclass_fields__
        if name not in ("special", "other", "tokenizer_class") and config.get(name) is not None
    }
    extra = settings.pop("extra_special_tokens", None) or special.get("additional_special_tokens") or ()
    if isinstance(extra, Mapping):  # named extra tokens, as multimodal models have
        extra = tuple(extra.values())
    options = TokenizerOptions(
        special=tokenizer_json.roles(raw, special, kind),
        tokenizer_class=tokenizer_json.class_name(raw, kind),
    ).changed(**{**settings, "extra_special_tokens": extra})
    if kind is not None and "padding_side" not in config:
        options = options.changed(padding_side=kind.padding_side)
    if kind is not None and "model_input_names" not in config:
        options = options.changed(model_input_names=kind.model_input_names)
    known = TokenizerOptions.names()
    options = options.changed(
        **{name: value for name, value in overrides.items() if name in known or name in _OLDER_NAMES}
    )
    tokenizer_json.check_vocabulary(raw, options, str(file))
    rules = {name: config[name] for name in tokenizer_json.RULES[:3] if name in config}
    rules |= {name: value for name, value in overrides.items() if name in tokenizer_json.RULES}
    raw = tokenizer_json.ruled(finished(raw, options), rules, options.special)
    options = replace(options, other={**options.other, **_changed_rules(kind, config, overrides)})
    engine = Engine(raw)
    if kind is not None and kind.languages is not None:
        usual = kind.languages.default
        if options.src_lang is None and raw.token_to_id(kind.languages.token(usual)) is not None:
            options = options.changed(src_lang=usual)
    check_languages(engine, kind, options)
    if options.src_lang is not None and kind is not None:
        engine = placed(engine, kind, options)
    return engine, options


def _changed_rules(kind: Kind | None, config: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the kind as they are written back, so that its class opens the file alike."""
    if kind is None:
        return {}
    return {
        name: overrides.get(name, config.get(name))
        for name in kind.rules
        if (name in config or name in overrides) and name not in tokenizer_json.RULES[:3]
    }


def reassigned(engine: Engine, before: TokenizerOptions, after: TokenizerOptions) -> Engine:
    """The engine after special tokens got other roles, or texts another language.

    Raises:
        InputError: a language that the tokenizer does not have.
    """
    kind = kind_of_class(after.tokenizer_class)
    if (before.src_lang, before.tgt_lang) != (after.src_lang, after.tgt_lang):
        check_languages(engine, kind, after)
    known = {token.content for token in engine.added.values() if token.special}
    new = [
        AddedToken(token, special=True, normalized=False) for token in after.all_special_tokens if token not in known
    ]
    extended = engine.extended(new) if new else engine
    if kind is None or kind.name == "BertTokenizer":
        return Engine(finished(extended.copy(), after), extended.steps, extended.target)
    current = engine.raw.post_processor
    usual = around(engine, kind, before)
    if kind.languages is not None and before.src_lang != after.src_lang:
        return placed(extended, kind, after)
    if current is None or usual is None or current.__getstate__() != usual.__getstate__():
        return extended  # a template of its own, from a tokenizer.json: it stays
    return placed(extended, kind, after)


def _check_overrides(overrides: Mapping[str, Any], kind: Kind | None) -> None:
    rules = (*kind.rules, *tokenizer_json.RULES[3:]) if kind is not None else tokenizer_json.RULES
    known = sorted({*TokenizerOptions.names(), *rules})
    for name in overrides:
        if name not in (*known, *_OLDER_NAMES):
            raise InputError(f"from_pretrained takes no {name!r}; it takes: {', '.join(known)}{near(name, known)}")


def _added(folder: Path, config: Mapping[str, Any]) -> dict[int, AddedToken]:
    """Tokens added to a vocabulary after it was made, by id, as the older files tell of them."""
    special = {**_object(folder / "special_tokens_map.json"), **config}
    named = {tokenizer_json.text_of(special[role]) for role in SPECIAL_NAMES if special.get(role) is not None}
    extra = special.get("extra_special_tokens") or special.get("additional_special_tokens") or ()
    named |= {tokenizer_json.text_of(token) for token in (extra.values() if isinstance(extra, Mapping) else extra)}
    found = {
        number: AddedToken(token, normalized=token not in named, special=token in named)
        for token, number in _object(folder / "added_tokens.json").items()
    }
    for number, token in config.get("added_tokens_decoder", {}).items():
        found[int(number)] = added_token(token)
    return found


def _add_missing(engine: Any, folder: Path, config: Mapping[str, Any]) -> None:
    """Added tokens that a ``tokenizer.json`` lacks."""
    for number, token in sorted(_added(folder, config).items()):
        if engine.token_to_id(token.content) is None:
            engine.add_tokens([token])
            if engine.token_to_id(token.content) != number:
                raise CheckpointError(
                    f"the added token {token.content!r} of {folder} should have the id {number}; after the vocabulary "
                    f"comes {engine.token_to_id(token.content)}"
                )


def _is_foreign(key: str) -> bool:
    known = set(TokenizerOptions.__dataclass_fields__) | set(SPECIAL_NAMES) | _OF_THE_FILES | _IGNORED
    return key not in known and key not in tokenizer_json.RULES[:3]


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
