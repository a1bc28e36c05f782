"""What a chat template is given: messages, tools and the like as plain data, and what people wrote made harmless."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from enfold.errors import InputError

__all__ = ["REASONING", "ChatInputs", "guarded", "is_several", "private_characters", "read_chat_inputs", "stand_ins"]

REASONING = ("reasoning_content", "thinking", "reasoning")
"""Names under which a message's reasoning is passed; templates read the first or the second."""


@dataclass(frozen=True, slots=True)
class ChatInputs:
    """What a template is given, as plain data that nobody else holds."""

    messages: list[dict[str, Any]]
    variables: dict[str, Any]
    """Tools, documents and whatever else was passed for the template."""

    def changed(self, change: Callable[[str], str]) -> ChatInputs:
        """The same with every text that people wrote changed. Roles are the program's words, not theirs."""
        messages = [
            {key: value if key == "role" else _plain(value, change) for key, value in message.items()}
            for message in self.messages
        ]
        return ChatInputs(messages, _plain(self.variables, change))

    def characters(self) -> set[str]:
        """Every character in them."""
        found: set[str] = set()

        def note(text: str) -> str:
            found.update(text)
            return text

        _plain([self.messages, self.variables], note)
        return found

    def messages_with_reasoning(self) -> list[dict[str, Any]]:
        """The messages, each with its reasoning under every name that templates read it by."""
        made = []
        for message in self.messages:
            reasoning = next((message[name] for name in REASONING if name in message), None)
            extra = {} if reasoning is None else {"thinking": reasoning}
            last = {} if reasoning is None else {"reasoning_content": reasoning}
            made.append({**extra, **message, **last})
        return made


def read_chat_inputs(messages: Any, tools: Any, documents: Any, variables: Mapping[str, Any]) -> ChatInputs:
    """Messages and what goes with them as plain data.

    A key of a message whose value is None is left out: many templates would write the word.

    Raises:
        InputError: a message, a tool or a document is not a mapping and cannot be made one; there is no message.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InputError(f"a conversation is a list of messages; this is a {type(messages).__name__}")
    made = []
    for number, message in enumerate(messages):
        plain = _plain(message, str)
        if not isinstance(plain, dict):
            raise InputError(
                f"message {number} must be a mapping with role and content, not a {type(message).__name__}"
            )
        made.append({key: value for key, value in plain.items() if value is not None})
    if not made:
        raise InputError("the conversation is empty: it needs at least one message")
    given = {name: value for name, value in (("tools", tools), ("documents", documents)) if value is not None}
    for name, values in given.items():
        for number, value in enumerate(values):
            if not isinstance(value, Mapping):
                what = "a JSON schema" if name == "tools" else "a mapping with title and text"
                raise InputError(f"{name}[{number}] must be {what}, not a {type(value).__name__}")
    return ChatInputs(made, _plain({**variables, **given}, str))


def is_several(conversation: Any) -> bool:
    """Whether these are conversations, not messages."""
    if isinstance(conversation, (str, bytes, Mapping)) or not isinstance(conversation, Sequence):
        return False
    return bool(conversation) and isinstance(conversation[0], (list, tuple))


def _plain(value: Any, change: Callable[[str], str]) -> Any:
    """Plain JSON data, each text changed. Objects would bring methods that a template could call."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return change(str.__str__(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {_plain(key, change): _plain(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, change) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), change) for field in fields(value)}
    if callable(getattr(value, "model_dump", None)):  # pydantic's, such as those of API clients
        return _plain(value.model_dump(), change)
    return f"<{type(value).__name__}>"


# ---- what people wrote -----------------------------------------------------------------------------------------------


_IN_NAMES = frozenset("_-.: \t\r\n")
"""Characters of keys, and blanks: they stay, so that a template finds its keys and trims as it means to."""


def private_characters(used: set[str]) -> Iterator[str]:
    """Characters of Unicode's private planes that are not used."""
    return (letter for letter in map(chr, range(0xF0000, 0xFFFFE)) if letter not in used)


def stand_ins(special: Sequence[str], inputs: ChatInputs, template: str) -> dict[str, str]:
    """What control tokens are told by (their first characters, brackets, bars and the like), as far as people wrote it
    somewhere: each such character to one that is not used at all.
    """
    written = inputs.characters()
    free = private_characters(written | set(template))
    telling = {letter for token in special for letter in token if not (letter.isalnum() or letter in _IN_NAMES)}
    telling |= {token[0] for token in special}
    return {letter: next(free) for letter in sorted(telling & written)}


def guarded(text: str, letters: Mapping[str, str], special: re.Pattern[str], looked_for: Iterable[str]) -> str:
    """A text in which nothing can become part of a control token.

    Args:
        text: what somebody wrote.
        letters: what `stand_ins` gave.
        special: matches every special token.
        looked_for: strings that the template itself looks for, such as ``</think>``. They stay as they are, so that the
            template does with them what it is meant to; what lies in a whole control token never does.
    """
    if not any(letter in text for letter in letters):
        return text
    kept: set[int] = set()
    for words in looked_for:
        if any(letter in words for letter in letters):
            for match in re.finditer(re.escape(words), text):
                kept.update(range(*match.span()))
    if not kept:
        return text.translate({ord(letter): stand_in for letter, stand_in in letters.items()})
    for match in special.finditer(text):
        kept.difference_update(range(*match.span()))
    return "".join(letter if place in kept else letters.get(letter, letter) for place, letter in enumerate(text))
