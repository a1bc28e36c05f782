"""Text to text: what an encoder reads in, what a decoder writes of it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from enfold.pipelines.reading import checked_texts
from enfold.pipelines.writing import Prompt, WritingPipeline
from enfold.values import WrittenPrediction

__all__ = ["Text2TextPipeline"]


class Text2TextPipeline(WritingPipeline):
    """Write another text from each, with an encoder-decoder. For the arguments see `WritingPipeline`.

    A text longer than the model reads is refused, never cut in silence.
    """

    task = "text2text-generation"
    heads = "an encoder-decoder (AutoModelForSeq2SeqLM)"
    writes_anew = True

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        truncation: bool = False,
        seed: int | Sequence[int] | None = None,
        constraint: Any = None,
        **options: Any,
    ) -> list[WrittenPrediction]:
        """Write from texts; always a list, in the order of the texts.

        Args:
            texts: one text or several.
            truncation: read only as much of a text as the model can; ``cut`` says how much was left out.
            seed: of ``do_sample``; one for all or one for each.
            constraint: what the output must match, see ``enfold.generation.Constraint``.
            options: of generation (``max_new_tokens``, ``num_beams``, …), for this call.

        Raises:
            InputError: a text is too long, or options are not known or contradict each other.
        """
        prompts = self.encode(list(checked_texts([texts] if isinstance(texts, str) else texts)), truncation)
        written = self.write(prompts, options, seed=seed, constraint=constraint)
        return [
            WrittenPrediction(**self.about(prompt, sequences))
            for prompt, sequences in zip(prompts, written, strict=True)
        ]

    def encode(self, texts: Sequence[str], truncation: bool = False) -> list[Prompt]:
        """Texts as the encoder reads them."""
        longest = self.context_length if truncation else None
        return [Prompt.of(encoding) for encoding in self.tokenizer.encode_batch(texts, max_length=longest)]
