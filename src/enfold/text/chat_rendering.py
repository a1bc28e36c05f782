"""A chat template at work: compiled once, given plain data, under limits, and its errors in one clear line each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Template
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError

from enfold.errors import CheckpointError, InputError
from enfold.text.chat_inputs import REASONING, ChatInputs, private_characters
from enfold.text.chat_limits import ChatLimits, TooMuch, limited
from enfold.text.chat_sandbox import MessagesRefused, environment, literals, marks_of_generation

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["looked_for", "render"]

_LONGEST_TEMPLATE = 200_000
"""Characters; ten times the longest in use. Compiling has no other limit."""


@cache
def _environment() -> Environment:
    return environment()


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    if len(template) > _LONGEST_TEMPLATE:
        raise CheckpointError(
            f"the chat template has {len(template):,} characters; at most {_LONGEST_TEMPLATE:,} are read"
        )
    try:
        return _environment().from_string(template)
    except TemplateSyntaxError as error:
        raise CheckpointError(f"the chat template is not valid: {error.message} (line {error.lineno})") from error
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        raise CheckpointError(f"the chat template is not valid: it is nested too deeply ({error})") from error


@lru_cache(maxsize=64)
def looked_for(template: str) -> tuple[str, ...]:
    """The strings that a template's program mentions, as in ``'</think>' in content``.

    Raises:
        CheckpointError: the template is not valid.
    """
    _compiled(template)
    return tuple(text for text in literals(_environment(), template) if text)


def render(
    template: str,
    inputs: ChatInputs,
    special_tokens: Mapping[str, str],
    prompt: bool,
    going_on: bool | str,
    limits: ChatLimits,
    *,
    marking: bool = False,
) -> tuple[str, list[tuple[int, int]]]:
    """Carry out a template.

    Args:
        template: in Jinja's language.
        inputs: messages and variables.
        special_tokens: role to token, which the template may write.
        prompt: whether the beginning of an answer stands at the end.
        going_on: whether the last message stays open, or which field of it.
        limits: what this may take.
        marking: whether ``{% generation %}`` is looked at.

    Returns:
        The text, and with ``marking`` the ranges of it that stand in ``{% generation %}``.

    Raises:
        InputError: the template refuses the messages, or cannot be applied to them.
        CheckpointError: the template is not valid, reaches for attributes, or goes over a limit.
    """
    compiled = _compiled(template)
    free = private_characters(inputs.characters() | set(template))
    marks, open_end = (next(free), next(free)), next(free) + " "
    messages = inputs.messages_with_reasoning()
    left_open = ""
    if going_on:
        if prompt:
            raise InputError("continue_final_message and add_generation_prompt exclude each other")
        left_open = _leave_open(messages, "content" if going_on is True else str(going_on), open_end)
    values = {"tools": None, "documents": None, **special_tokens, **inputs.variables}
    try:
        with limited(limits, marks if marking else None):
            text = compiled.render(messages=messages, add_generation_prompt=prompt, **values)
    except MessagesRefused as error:
        raise InputError(f"the chat template refuses these messages: {error.message}") from error
    except TooMuch as error:
        raise CheckpointError(f"the chat template is stopped: {error}") from error
    except (RecursionError, MemoryError, OverflowError) as error:
        raise CheckpointError(f"the chat template is stopped: it never comes to an end ({error})") from error
    except SecurityError as error:
        raise CheckpointError(f"the chat template is refused: {error.message}") from error
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise InputError(f"the chat template cannot be applied to these messages: {error}") from error
    if going_on:
        text = _cut_open(text, left_open, open_end)
    return marks_of_generation(text, marks) if marking else (text, [])


def _leave_open(messages: list[dict[str, Any]], field: str, open_end: str) -> str:
    """Put a mark at the end of the last message; what it says."""
    last = messages[-1]
    content = last.get(field)
    if isinstance(content, list):
        block = next((block for block in reversed(content) if isinstance(block, dict) and "text" in block), None)
        if block is not None:
            text = block["text"]
            block["text"] += open_end
            return text
    if not isinstance(content, str):
        raise InputError(f"continue_final_message: the last message has no text in {field!r} to go on with")
    names = [name for name in REASONING if last.get(name) == content] if field in REASONING else [field]
    for name in names:
        last[name] = content + open_end
    return content


def _cut_open(text: str, said: str, open_end: str) -> str:
    """The text up to the mark. A template that trims messages takes the blank after it; then blanks before it go."""
    mark = open_end[0]
    if mark not in text or said.strip() not in text:
        raise InputError(
            "continue_final_message: the chat template leaves out (a part of) the last message, so it cannot go on"
        )
    place = text.rindex(mark)
    return text[:place] if text.startswith(open_end, place) else text[:place].rstrip()
