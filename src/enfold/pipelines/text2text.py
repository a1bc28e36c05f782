"""Text to text: what an encoder reads in, what a decoder writes of it out."""

from __future__ import annotations

from collections.abc import Sequence

from enfold.pipelines.writing import Prompt, WritingPipeline

__all__ = ["Text2TextPipeline"]


class Text2TextPipeline(WritingPipeline):
    """Write another text from each, with an encoder-decoder. For the arguments see `WritingPipeline`.

    A text longer than the model reads is refused, never cut in silence.
    """

    task = "text2text-generation"
    heads = "an encoder-decoder (AutoModelForSeq2SeqLM)"
    writes_anew = True

    def encode(self, texts: Sequence[str], truncation: bool = False) -> list[Prompt]:
        """Texts as the encoder reads them."""
        longest = self.context_length if truncation else None
        return [Prompt.of(encoding) for encoding in self.tokenizer.encode_batch(texts, max_length=longest)]
