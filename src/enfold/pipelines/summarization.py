"""Summarization: long texts in, short ones out.

A text longer than the model reads is summarised in parts, cut between sentences, whose summaries are put together: all
of it has a say, and ``windows`` says in how many parts. Nothing is cut unless ``truncation=True`` asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from enfold.pipelines.parts import in_parts
from enfold.pipelines.reading import checked_texts
from enfold.pipelines.text2text import Text2TextPipeline
from enfold.pipelines.writing import Prompt
from enfold.values import SummaryPrediction

__all__ = ["SummarizationPipeline"]


class SummarizationPipeline(Text2TextPipeline):
    """Summarise texts with an encoder-decoder. For the arguments see `WritingPipeline`.

    A model that was trained on several tasks gets the words before a text that its config names for this one.
    """

    task = "summarization"

    def __call__(  # type: ignore[override]
        self,
        texts: str | Sequence[str],
        *,
        truncation: bool = False,
        seed: int | None = None,
        **options: Any,
    ) -> list[SummaryPrediction]:
        """Summarise texts; always a list, in the order of the texts.

        Args:
            texts: one text or several.
            truncation: read only the beginning of a text that is longer than the model reads.
            seed: of ``do_sample``.
            options: of generation (``max_new_tokens``, ``num_beams``, ``length_penalty``, …), for this call.

        Raises:
            InputError: something is not a text, or options are not known or contradict each other.
        """
        given = list(checked_texts([texts] if isinstance(texts, str) else texts))
        parts = [[text] if truncation else self.parts(text) for text in given]
        prompts = self.encode([part for own in parts for part in own], truncation)
        written = self.write(prompts, options, seed=seed)
        results, start = [], 0
        for own in parts:
            end = start + len(own)
            results.append(self._together(prompts[start:end], written[start:end]))
            start = end
        return results

    def parts(self, text: str) -> list[str]:
        """A text in parts that the model can read."""
        longest = self.context_length
        whole = self.prefix + text
        if longest is None or self.tokenizer.count_tokens([whole])[0] <= longest:
            return [text]
        room = longest - len(self.tokenizer.encode_batch([self.prefix])[0])
        return [part.text for part in in_parts(text, self.tokenizer.count_tokens, room)]

    @property
    def prefix(self) -> str:
        """The words before a text that the model's config names for this task; often none."""
        tasks = getattr(self.model.config, "task_specific_params", None) or {}
        return str((tasks.get("summarization") or {}).get("prefix", ""))

    def encode(self, texts: Sequence[str], truncation: bool = False) -> list[Prompt]:
        """Texts as the encoder reads them, behind the words of the task."""
        return super().encode([self.prefix + text for text in texts], truncation)

    def _together(self, prompts: Sequence[Prompt], written: Sequence[Any]) -> SummaryPrediction:
        """The summaries of the parts of one text as one."""
        abouts = [self.about(prompt, sequences) for prompt, sequences in zip(prompts, written, strict=True)]
        texts = tuple(" ".join(own) for own in zip(*(about["texts"] for about in abouts), strict=True))
        reasons = [about["finish_reason"] for about in abouts]
        return SummaryPrediction(
            model=self.revision,
            tokens=sum(about["tokens"] for about in abouts),
            cut=sum(about["cut"] for about in abouts),
            windows=len(abouts),
            text=texts[0],
            texts=texts,
            finish_reason="length" if "length" in reasons else reasons[-1],
            new_tokens=sum(about["new_tokens"] for about in abouts),
        )
