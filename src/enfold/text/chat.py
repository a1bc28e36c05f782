"""Conversations to text and to token ids, by the chat template that a model came with.

The template writes control tokens such as ``<|im_start|>``; what people wrote must not. So ids are made in three steps.
In what people wrote, the characters that control tokens are told by (``<``, ``|``, ``>``) are replaced by stand-ins,
private characters that occur nowhere else. The template runs on that, so that a control token in what it wrote is its
own, however it put the pieces together. Then the characters come back, and only the template's own control tokens are
parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from enfold.errors import InputError
from enfold.text.batch import BatchEncoding
from enfold.text.chat_encoding import encode_with_control_tokens
from enfold.text.chat_inputs import ChatInputs, guarded, is_several, read_chat_inputs, stand_ins
from enfold.text.chat_limits import ChatLimits
from enfold.text.chat_rendering import looked_for, render
from enfold.text.chat_templates import choose_template, templates_of

if TYPE_CHECKING:
    from enfold.text.tokenizer import Tokenizer

__all__ = ["ChatLimits", "apply_chat_template", "encode_chat", "render_chat"]

Messages = Sequence[Any]


def render_chat(
    template: str,
    messages: Messages,
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    documents: Sequence[Mapping[str, Any]] | None = None,
    add_generation_prompt: bool = False,
    continue_final_message: bool | str = False,
    special_tokens: Mapping[str, str] | None = None,
    limits: ChatLimits | None = None,
    **variables: Any,
) -> str:
    """A conversation as one text.

    Args:
        template: in Jinja's language.
        messages: mappings with ``role`` and ``content``, or objects that can be made such.
        tools: what the model may call, as JSON schemas.
        documents: what it may read, mappings with ``title`` and ``text``.
        add_generation_prompt: whether the beginning of an answer stands at the end.
        continue_final_message: whether the last message stays open, so that the model goes on with it; or the name of
            the field that stays open, such as ``"reasoning_content"``.
        special_tokens: role to token (``bos_token``, …), which templates may write.
        limits: what rendering may take.
        variables: further names for the template.

    Raises:
        InputError: the messages are not messages, or the template refuses them; its own words are in the message.
        CheckpointError: the template is no template, reaches for attributes, or goes over a limit.
    """
    inputs = read_chat_inputs(messages, tools, documents, variables)
    return render(
        template, inputs, special_tokens or {}, add_generation_prompt, continue_final_message, limits or ChatLimits()
    )[0]


def encode_chat(
    tokenizer: Tokenizer,
    messages: Messages,
    *,
    chat_template: str | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    documents: Sequence[Mapping[str, Any]] | None = None,
    add_generation_prompt: bool = False,
    continue_final_message: bool | str = False,
    limits: ChatLimits | None = None,
    **variables: Any,
) -> list[int]:
    """The token ids of a conversation.

    Special tokens of the template are parsed; those that people wrote, in contents, tools, documents or variables, are
    read as plain text. Roles are not: a program must not take them from its users.

    Args:
        tokenizer: has the chat template, unless one is given.
        messages: see `render_chat`, as all that is not named here.
        chat_template: a template, or the name of one of the tokenizer's.
        tools: see `render_chat`.
        documents: see `render_chat`.
        add_generation_prompt: see `render_chat`.
        continue_final_message: see `render_chat`.
        limits: see `render_chat`.
        variables: see `render_chat`.

    Raises:
        InputError, CheckpointError: see `render_chat`; or the tokenizer has no chat template.
    """
    inputs = read_chat_inputs(messages, tools, documents, variables)
    template = choose_template(templates_of(tokenizer), chat_template, tools=tools is not None)
    chat = _Chat(tokenizer, template, limits or ChatLimits())
    return [token[0] for token in chat.encoded(inputs, add_generation_prompt, continue_final_message)[0]]


def apply_chat_template(
    tokenizer: Tokenizer,
    conversation: Any,
    tools: Sequence[Mapping[str, Any]] | None = None,
    documents: Sequence[Mapping[str, Any]] | None = None,
    chat_template: str | None = None,
    add_generation_prompt: bool = False,
    continue_final_message: bool | str = False,
    tokenize: bool = True,
    padding: bool | str = False,
    truncation: bool = False,
    max_length: int | None = None,
    return_tensors: str | None = None,
    return_dict: bool = True,
    return_assistant_tokens_mask: bool = False,
    sanitize_control_tokens: bool = True,
    limits: ChatLimits | None = None,
    **variables: Any,
) -> Any:
    """The call that users of `transformers` know, for one conversation or several.

    Args:
        tokenizer: has the chat template, unless one is given.
        conversation: a list of messages, or a list of such lists.
        tools: see `render_chat`.
        documents: see `render_chat`.
        chat_template: a template, or the name of one of the tokenizer's.
        add_generation_prompt: see `render_chat`.
        continue_final_message: see `render_chat`.
        tokenize: ``False`` returns the text.
        padding: as in the tokenizer's call.
        truncation: whether rows are cut to ``max_length``, on the tokenizer's side.
        max_length: the model's maximum unless given.
        return_tensors: ``"pt"``, ``"np"``, or ``None`` for lists.
        return_dict: ``False`` returns the ids alone.
        return_assistant_tokens_mask: whether ``assistant_masks`` marks what stands in ``{% generation %}``.
        sanitize_control_tokens: always so: control tokens that people wrote are read as plain text.
        limits: see `render_chat`.
        variables: see `render_chat`.

    Returns:
        A `BatchEncoding`, or ids, or text; one for one conversation, a list for several.

    Raises:
        InputError, CheckpointError: see `encode_chat`.
    """
    if not sanitize_control_tokens:
        raise InputError(
            "control tokens that people wrote are always read as plain text; leave sanitize_control_tokens"
        )
    if return_assistant_tokens_mask and not (tokenize and return_dict):
        raise InputError("return_assistant_tokens_mask=True goes with tokenize=True and return_dict=True")
    if return_assistant_tokens_mask and continue_final_message:
        raise InputError("return_assistant_tokens_mask and continue_final_message exclude each other")
    several = is_several(conversation)
    all_inputs = [
        read_chat_inputs(one, tools, documents, variables) for one in (conversation if several else [conversation])
    ]
    template = choose_template(templates_of(tokenizer), chat_template, tools=tools is not None)
    chat = _Chat(tokenizer, template, limits or ChatLimits())
    if not tokenize:
        texts = [chat.rendered(inputs, add_generation_prompt, continue_final_message) for inputs in all_inputs]
        return texts if several else texts[0]
    rows, masks = [], []
    for inputs in all_inputs:
        tokens, generated = chat.encoded(
            inputs, add_generation_prompt, continue_final_message, marking=return_assistant_tokens_mask
        )
        tokens = _cut(tokenizer, tokens, truncation, max_length)
        rows.append([number for number, _, _ in tokens])
        masks.append([int(any(start < e and end > s for s, e in generated)) for _, start, end in tokens])
    batch = tokenizer.pad({"input_ids": rows}, padding, max_length)
    data = dict(batch)
    if "token_type_ids" in tokenizer.model_input_names:
        data["token_type_ids"] = [[0] * len(row) for row in data["input_ids"]]
    if return_assistant_tokens_mask:
        left = tokenizer.padding_side == "left"
        blanks = [[0] * (len(padded) - len(row)) for padded, row in zip(data["input_ids"], rows, strict=True)]
        data["assistant_masks"] = [
            [*blank, *mask] if left else [*mask, *blank] for mask, blank in zip(masks, blanks, strict=True)
        ]
    if not several and return_tensors is None:
        data = {name: column[0] for name, column in data.items()}
    made = BatchEncoding(data, tensor_type=return_tensors)
    return made if return_dict else made["input_ids"]


@lru_cache(maxsize=64)
def _any_of(tokens: tuple[str, ...]) -> re.Pattern[str]:
    """Matches any of them, the longest there is; nothing where there are none."""
    return re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or "(?!)")


class _Chat:
    """A tokenizer with one of its templates."""

    def __init__(self, tokenizer: Tokenizer, template: str, limits: ChatLimits) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._limits = limits

    def rendered(self, inputs: ChatInputs, prompt: bool, going_on: bool | str) -> str:
        return render(self._template, inputs, self._tokenizer.special_tokens_map, prompt, going_on, self._limits)[0]

    def encoded(
        self, inputs: ChatInputs, prompt: bool, going_on: bool | str, *, marking: bool = False
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
        """Ids with the characters of the rendering that each stands for, and the ranges that the model itself says."""
        engine = self._tokenizer._engine
        special = tuple(token.content for token in engine.added.values() if token.special and token.content)
        pattern = _any_of(special)
        for message in inputs.messages:
            role = message.get("role")
            if isinstance(role, str) and pattern.search(role):
                raise InputError(f"a role is a plain word; this one holds a control token: {role!r}")
        letters = stand_ins(special, inputs, self._template)
        if letters:
            # A piece that control tokens are put together from, such as "|>", is nothing that a template looks for.
            kept = [words for words in looked_for(self._template) if not any(words in one for one in special)]
            inputs = inputs.changed(lambda text: guarded(text, letters, pattern, kept))
        text, generated = render(
            self._template, inputs, self._tokenizer.special_tokens_map, prompt, going_on, self._limits, marking=marking
        )
        own = [match.span() for match in pattern.finditer(text)]
        back = {ord(stand_in): letter for letter, stand_in in letters.items()}
        return encode_with_control_tokens(engine, text.translate(back), own, pattern), generated


def _cut(
    tokenizer: Tokenizer, tokens: list[tuple[int, int, int]], truncation: bool, max_length: int | None
) -> list[tuple[int, int, int]]:
    if not truncation:
        return tokens
    length = tokenizer.model_max_length if max_length is None else max_length
    if len(tokens) <= length:
        return tokens
    return tokens[-length:] if tokenizer.truncation_side == "left" else tokens[:length]
