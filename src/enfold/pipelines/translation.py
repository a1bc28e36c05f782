"""Translation: texts in one language in, in another out.

Models learn to translate sentences, so texts are translated sentence by sentence, all in one batch, and put together
with the blanks and line breaks that stood between them. A sentence longer than the model reads is halved at a blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from enfold.pipelines.parts import Part, in_parts
from enfold.pipelines.reading import checked_texts
from enfold.pipelines.translation_languages import language_pair
from enfold.pipelines.writing import Prompt, WritingPipeline
from enfold.values import TranslationPrediction

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["TranslationPipeline"]


class TranslationPipeline(WritingPipeline):
    """Translate with one model between two languages.

    Args:
        model: an encoder-decoder that was trained to translate.
        tokenizer: the tokenizer the model was trained with.
        source: the language of the texts, by any code (``de``, ``deu``, ``deu_Latn``, ``de_DE``) or its English name.
        target: the language they are translated to.
        by_sentence: translate each sentence by itself; else as many together as the model reads.
        max_tokens: tokens that are read at a time, over all sentences of a batch.
        options: of generation, as ``GenerationConfig`` has them.

    Raises:
        InputError: the model does not translate, or does not have one of the languages.
    """

    task = "translation"
    heads = "an encoder-decoder that translates (AutoModelForSeq2SeqLM)"
    writes_anew = True

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        source: str,
        target: str,
        by_sentence: bool = True,
        max_tokens: int = 4096,
        **options: Any,
    ) -> None:
        self._pair = language_pair(tokenizer, model.config, source, target)
        super().__init__(model, self._pair.tokenizer, max_tokens=max_tokens, **{**self._pair.options, **options})
        self.source = source
        self.target = target
        self.by_sentence = by_sentence

    def __call__(  # type: ignore[override]
        self, texts: str | Sequence[str], *, seed: int | None = None, **options: Any
    ) -> list[TranslationPrediction]:
        """Translate texts; always a list, in the order of the texts.

        Args:
            texts: one text or several; one of blanks stays as it is.
            seed: of ``do_sample``.
            options: of generation (``num_beams``, ``max_new_tokens``, …), for this call.

        Raises:
            InputError: something is not a text, or options are not known or contradict each other.
        """
        given = list(checked_texts([texts] if isinstance(texts, str) else texts))
        parts = [self.parts(text) for text in given]
        prompts = self.prompts([part.text for own in parts for part in own])
        written = self.write(prompts, options, seed=seed) if prompts else []
        results, start = [], 0
        for text, own in zip(given, parts, strict=True):
            end = start + len(own)
            results.append(self._together(text, own, prompts[start:end], written[start:end]))
            start = end
        return results

    def parts(self, text: str) -> list[Part]:
        """A text in the parts that are translated."""
        longest = self.context_length or 512
        room = longest - len(self.prompts([""])[0])
        return in_parts(text, self.tokenizer.count_tokens, room, by_sentence=self.by_sentence)

    def prompts(self, texts: Sequence[str]) -> list[Prompt]:
        """Sentences as the encoder reads them, with what tells the languages."""
        encodings = self.tokenizer.encode_batch([self._pair.words + text for text in texts])
        return [Prompt((*self._pair.before, *encoding.ids)) for encoding in encodings]

    def _together(
        self, text: str, parts: Sequence[Part], prompts: Sequence[Prompt], written: Sequence[Any]
    ) -> TranslationPrediction:
        """The translations of the parts of one text as one, with the blanks that stood around them."""
        abouts = [self.about(prompt, sequences) for prompt, sequences in zip(prompts, written, strict=True)]
        end = text[len(text.rstrip()) :] if parts else text
        choices = zip(*(about["texts"] for about in abouts), strict=True)
        wholes = [
            "".join(part.before + own.strip() for part, own in zip(parts, choice, strict=True)) + end
            for choice in choices
        ]
        reasons = [about["finish_reason"] for about in abouts] or ["stop"]
        return TranslationPrediction(
            model=self.revision,
            tokens=sum(about["tokens"] for about in abouts),
            windows=max(1, len(abouts)),
            text=wholes[0] if wholes else text,
            texts=tuple(wholes) or (text,),
            finish_reason="length" if "length" in reasons else reasons[-1],
            new_tokens=sum(about["new_tokens"] for about in abouts),
            source=self.source,
            target=self.target,
        )
