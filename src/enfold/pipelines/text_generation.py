"""Text generation: a text in, what a decoder writes after it out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from enfold.errors import InputError
from enfold.pipelines.reading import checked_texts
from enfold.pipelines.writing import Prompt, WritingPipeline
from enfold.values import Encoding

__all__ = ["TextGenerationPipeline"]


class TextGenerationPipeline(WritingPipeline):
    """Continue texts with one model and its tokenizer. For the arguments see `WritingPipeline`.

    A prompt longer than the model's context is refused, never cut in silence.
    """

    task = "text-generation"
    heads = "a model that continues a text (AutoModelForCausalLM)"
    writes_anew = False

    def pieces(self, text: str, *, seed: int | None = None, constraint: Any = None, **options: Any) -> Iterator[str]:
        """Continue one text; what is written comes as it is written, in whole characters."""
        prompt = self.encode(list(checked_texts([text])), truncation=False)[0]
        for piece in self.written_from(prompt, options, seed=seed, constraint=constraint):
            if piece.sequence == 0 and piece.text:
                yield piece.text

    def encode(self, texts: Sequence[str], truncation: bool = False) -> list[Prompt]:
        """Texts as prompts: as the tokenizer begins a text, and left open at the end.

        Raises:
            InputError: a text has no tokens, and the tokenizer has none that begins a text.
        """
        longest = self.context_length if truncation else None
        encodings = self.tokenizer.encode_batch(
            texts, max_length=None if longest is None else longest - 1, truncation_side="left"
        )
        return [self._left_open(number, encoding) for number, encoding in enumerate(encodings)]

    def _left_open(self, number: int, encoding: Encoding) -> Prompt:
        prompt = Prompt.of(encoding)
        if prompt.ids and encoding.special_tokens_mask[-1] and prompt.ids[-1] == self.tokenizer.eos_token_id:
            prompt = Prompt(prompt.ids[:-1], prompt.cut)  # it would close the text that goes on
        if prompt.ids:
            return prompt
        begin = self.tokenizer.bos_token_id
        if begin is None:
            raise InputError(f"text {number} is empty, and this tokenizer has no token that begins a text")
        return Prompt((begin,))
