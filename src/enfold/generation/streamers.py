"""Streamers under the names of ``transformers``: they take token ids from ``model.generate`` and give text."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from typing import Any

from enfold.errors import InputError
from enfold.generation.detokenise import Detokeniser

__all__ = ["TextIteratorStreamer", "TextStreamer"]


class TextStreamer:
    """Prints text as it is written, by whole characters.

    Args:
        tokenizer: turns ids into text with ``decode``.
        skip_prompt: whether the prompt itself is left out.
        decode_options: of ``tokenizer.decode``, such as ``skip_special_tokens=True``.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, **decode_options: Any) -> None:
        self._decode = lambda ids: str(tokenizer.decode(list(ids), **decode_options))
        self._skip_prompt = skip_prompt
        self._detokeniser: Detokeniser | None = None

    def put(self, value: Any) -> None:
        """Take ids: the prompt (1, length) at first, then what is written.

        Raises:
            InputError: there are several sequences.
        """
        ids = value.tolist() if hasattr(value, "tolist") else list(value)
        if ids and isinstance(ids[0], list):
            if len(ids) > 1:
                raise InputError(f"a streamer takes one sequence; these are {len(ids)}")
            ids = ids[0]
        if self._detokeniser is None and self._skip_prompt:
            self._detokeniser = Detokeniser(self._decode, ids)
            return
        if self._detokeniser is None:
            self._detokeniser = Detokeniser(self._decode)
        text = "".join(map(self._detokeniser.push, ids))
        if text:
            self.on_finalized_text(text)

    def end(self) -> None:
        """Give out what is left, and be ready for another sequence."""
        text = "" if self._detokeniser is None else self._detokeniser.finish()
        self._detokeniser = None
        self.on_finalized_text(text, stream_end=True)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """What happens to text; a subclass may do something else."""
        print(text, flush=True, end="\n" if stream_end else "")


class TextIteratorStreamer(TextStreamer):
    """Text as an iterator, for a program that reads it while ``model.generate`` runs in another thread.

    Args:
        tokenizer: turns ids into text with ``decode``.
        skip_prompt: whether the prompt itself is left out.
        timeout: seconds to wait for text; the iterator then raises `queue.Empty`. None waits for ever.
        decode_options: of ``tokenizer.decode``.
    """

    def __init__(
        self, tokenizer: Any, skip_prompt: bool = False, timeout: float | None = None, **decode_options: Any
    ) -> None:
        super().__init__(tokenizer, skip_prompt, **decode_options)
        self._texts: Queue[str | None] = Queue()
        self._timeout = timeout

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Put text where the iterator finds it."""
        self._texts.put(text)
        if stream_end:
            self._texts.put(None)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self._texts.get(timeout=self._timeout)
        if text is None:
            raise StopIteration
        return text
