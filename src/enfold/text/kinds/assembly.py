"""From a kind and its files to an engine with every special token in place, and its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken

from enfold.errors import CheckpointError, InputError
from enfold.text.engine import Engine
from enfold.text.kinds.kind import Built, Given, Kind, Roles
from enfold.text.options import SPECIAL_NAMES, TokenizerOptions

__all__ = ["added_token", "around", "assemble", "check_languages", "content", "placed"]


def assemble(
    kind: Kind,
    files: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    added: Mapping[int, AddedToken] | None = None,
    where: str,
) -> tuple[Engine, TokenizerOptions]:
    """Build a tokenizer of a kind.

    Args:
        kind: the kind.
        files: its files by argument.
        settings: what the configuration and the caller say: special tokens by role, rules of the kind, options.
        added: tokens that were added to the vocabulary later, by id.
        where: what it is read from, for messages.

    Raises:
        CheckpointError: a file is damaged or contradicts the others.
        InputError: a setting that is not known, or a language the tokenizer does not have.
    """
    tokens = {role: _role_token(kind, role, settings) for role in SPECIAL_NAMES}
    built = kind.build(Given(files, _texts(tokens), _rules(kind, settings), tuple(map(content, _extra(settings)))))
    tokens |= {role: None for role in built.without if role not in settings}
    special, rules = _texts(tokens), _rules(kind, settings)
    extra: list[Any] = _extra(settings) or [*built.extra]
    if kind.languages is not None:  # codes that the vocabulary has are special, whatever the configuration lists
        extra += [token for token in built.extra if built.engine.token_to_id(content(token)) is not None]
    wanted = [*(token for _, token in sorted((added or {}).items())), *tokens.values(), *extra]
    engine = _with_tokens(built, [added_token(token) for token in wanted if token is not None])
    _check_places(engine, added or {}, where)
    options = TokenizerOptions(
        special=special,
        tokenizer_class=kind.name,
        padding_side=kind.padding_side,
        model_input_names=kind.model_input_names,
        model_max_length=kind.model_max_length,
        src_lang=kind.languages.default if kind.languages else None,
        other={name: value for name, value in rules.items() if value != kind.rules[name] or name in settings},
    )
    known = {name: settings[name] for name in TokenizerOptions.names() if settings.get(name) is not None}
    roles = {role: None for role in SPECIAL_NAMES if role in settings and settings[role] is None}
    extra_names = dict.fromkeys(content(token) for token in extra if added_token(token).special)
    options = options.changed(**{**known, **roles, "extra_special_tokens": tuple(extra_names)})
    check_languages(engine, kind, options)
    return _surround(engine, kind, options), options


def placed(engine: Engine, kind: Kind, options: TokenizerOptions) -> Engine:
    """The engine with the special tokens of its options around texts."""
    return _surround(Engine(engine.copy(), engine.steps, engine.target), kind, options)


def check_languages(engine: Engine, kind: Kind | None, options: TokenizerOptions) -> None:
    """Refuse languages that a tokenizer does not have, and any for a tokenizer that marks none.

    Raises:
        InputError: so it is.
    """
    for name in ("src_lang", "tgt_lang"):
        code = getattr(options, name)
        if code is None:
            continue
        if kind is None or kind.languages is None:
            raise InputError(f"{name}={code!r} was given, but this tokenizer does not mark texts with their language")
        kind.languages.id_of(engine.raw, code)


def around(engine: Engine, kind: Kind, options: TokenizerOptions) -> Any:
    """The post-processor that puts the special tokens of the options around texts."""
    rules, special = {**kind.rules, **options.other}, Roles(options.special)
    if kind.languages is None:
        return kind.around(engine.raw, special, rules)
    return kind.languages.around(engine.raw, special, rules, options.src_lang or kind.languages.default)


def _surround(engine: Engine, kind: Kind, options: TokenizerOptions) -> Engine:
    engine.raw.post_processor = around(engine, kind, options)
    return engine if engine.target is None else Engine(engine.raw, engine.steps, placed(engine.target, kind, options))


def _texts(tokens: Mapping[str, AddedToken | None]) -> Roles:
    return Roles({role: token.content for role, token in tokens.items() if token is not None})


def _rules(kind: Kind, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings.get(name, default) for name, default in kind.rules.items()}


def _role_token(kind: Kind, role: str, settings: Mapping[str, Any]) -> AddedToken | None:
    """The special token of a role: its text from the settings, or the kind's own, and how it is found in texts."""
    value = settings[role] if role in settings else kind.special.get(role)
    if value is None:
        return None
    if isinstance(value, (Mapping, AddedToken)):
        state = {**added_token(value).__getstate__(), "special": True}
        return AddedToken(state.pop("content"), **state)
    return AddedToken(str(value), special=True, **kind.flags.get(role, {}))


def _extra(settings: Mapping[str, Any]) -> list[Any]:
    extra = settings.get("extra_special_tokens") or settings.get("additional_special_tokens") or ()
    return list(extra.values()) if isinstance(extra, Mapping) else list(extra)


def added_token(value: Any) -> AddedToken:
    """An added token from what files hold: its text, or an object that says how it is found too."""
    if isinstance(value, AddedToken):
        return value
    if isinstance(value, Mapping):
        keys = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
        return AddedToken(**{key: value[key] for key in keys if key in value})
    return AddedToken(str(value), special=True)


def content(token: Any) -> str:
    """The text of a token."""
    return added_token(token).content


def _with_tokens(built: Built, wanted: list[AddedToken]) -> Engine:
    """The engine with its added tokens, in their order; each once, as it is named first."""
    tokens: dict[str, AddedToken] = {}
    for token in wanted:
        tokens.setdefault(token.content, token)
    built.engine.add_tokens(list(tokens.values()))
    steps = built.steps
    if steps is not None:
        steps = steps.extended(built.engine, tokens)
    target = built.target.extended(list(tokens.values())) if built.target else None
    return Engine(built.engine, steps, target)


def _check_places(engine: Engine, added: Mapping[int, AddedToken], where: str) -> None:
    for number, token in sorted(added.items()):
        if engine.id_of(token.content) != number:
            raise CheckpointError(
                f"the added token {token.content!r} of {where} should have the id {number}; after the vocabulary "
                f"comes {engine.id_of(token.content)}"
            )
