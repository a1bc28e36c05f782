"""Conversation: messages in, the next reply out, with a history that fits the model.

A conversation that is longer than the model's context loses its oldest messages, never the system message and never
the one that is to be answered; ``ChatReply.forgotten`` says how many. What people wrote is read as plain text, so that
nobody can forge a turn of somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from enfold.errors import InputError
from enfold.pipelines.reading import checked_text
from enfold.pipelines.writing import NEW_TOKENS, Prompt, WritingPipeline
from enfold.values import ChatReply

__all__ = ["ChatPipeline", "Conversation"]

Message = Mapping[str, Any]


class ChatPipeline(WritingPipeline):
    """Answer conversations, with a tokenizer that has a chat template. For the arguments see `WritingPipeline`."""

    task = "chat"
    heads = "a model that continues a text (AutoModelForCausalLM)"
    writes_anew = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if not self.tokenizer.chat_template:
            raise InputError(
                "this tokenizer has no chat template: take a model made for chat, or text-generation for one that "
                "only continues texts"
            )

    def __call__(  # type: ignore[override]
        self,
        conversations: Sequence[Message] | Sequence[Sequence[Message]],
        *,
        seed: int | None = None,
        constraint: Any = None,
        **options: Any,
    ) -> list[ChatReply]:
        """Answer one conversation or several; always a list.

        Args:
            conversations: messages with ``role`` (``system``, ``user``, ``assistant``) and ``content``; or several.
            seed: of ``do_sample``.
            constraint: what the reply must match, see ``enfold.generation.Constraint``.
            options: of generation (``max_new_tokens``, ``temperature``, …), for this call.

        Raises:
            InputError: the messages are not messages, or the last one alone is longer than the model's context.
        """
        several: Any = conversations
        if several and isinstance(several[0], Mapping):
            several = [conversations]
        fitted = [self.fitted(messages, options) for messages in several]
        written = self.write([prompt for prompt, _ in fitted], options, seed=seed, constraint=constraint)
        return [
            ChatReply(**self.about(prompt, sequences), forgotten=forgotten)
            for (prompt, forgotten), sequences in zip(fitted, written, strict=True)
        ]

    def pieces(
        self, messages: Sequence[Message], *, seed: int | None = None, constraint: Any = None, **options: Any
    ) -> Iterator[str | ChatReply]:
        """Answer one conversation: pieces of the reply as they come, in whole characters, and at the end the reply."""
        prompt, forgotten = self.fitted(messages, options)
        for piece in self.written_from(prompt, options, seed=seed, constraint=constraint):
            if piece.text:
                yield piece.text
            if piece.generated is not None:
                yield ChatReply(**self.about(prompt, [piece.generated]), forgotten=forgotten)

    def fitted(self, messages: Sequence[Message], options: Mapping[str, Any]) -> tuple[Prompt, int]:
        """The newest messages that fit the context with room for a reply, as a prompt, and how many were left out."""
        if not messages:
            raise InputError("a conversation needs at least one message")
        longest = self.context_length
        wanted = self.config(**options).max_new_tokens or NEW_TOKENS
        room = None if longest is None else max(longest - wanted, longest // 2)
        kept = 1 if messages[0].get("role") == "system" and len(messages) > 1 else 0
        for left_out in range(len(messages) - kept):
            shown = [*messages[:kept], *messages[kept + left_out :]]
            if left_out and shown[kept].get("role") == "assistant":
                continue  # a reply without what it answers
            ids = self.tokenizer.apply_chat_template(shown, add_generation_prompt=True, return_dict=False)
            if room is None or len(ids) <= room:
                return Prompt(tuple(ids)), left_out
        raise InputError(
            f"the last message has {len(ids)} tokens with what stands around it, but the model has room for {room} of "
            f"its {longest}, beside {wanted} for the reply: shorten it, or ask for fewer max_new_tokens"
        )


class Conversation:
    """Turns with one model, which remembers what was said.

    Args:
        pipeline: who answers.
        system: what the model is told before everything else.
        options: of generation, for all replies.
    """

    def __init__(self, pipeline: ChatPipeline, *, system: str | None = None, **options: Any) -> None:
        self.pipeline = pipeline
        self.messages: list[dict[str, str]] = []
        if system is not None:
            self.messages.append({"role": "system", "content": checked_text(system, "the system message")})
        self._options = options

    def say(self, text: str, *, seed: int | None = None) -> ChatReply:
        """Say something; the reply."""
        reply = None
        for part in self.pieces(text, seed=seed):
            reply = part
        assert isinstance(reply, ChatReply)
        return reply

    def pieces(self, text: str, *, seed: int | None = None) -> Iterator[str | ChatReply]:
        """Say something; pieces of the reply as they come, and at the end the reply. An error leaves no trace."""
        asked = [*self.messages, {"role": "user", "content": checked_text(text, "the message")}]
        for part in self.pipeline.pieces(asked, seed=seed, **self._options):
            if isinstance(part, ChatReply):
                self.messages = [*asked, {"role": "assistant", "content": part.text}]
            yield part

    def forget(self) -> None:
        """Begin again, with the same system message."""
        self.messages = [message for message in self.messages[:1] if message["role"] == "system"]
