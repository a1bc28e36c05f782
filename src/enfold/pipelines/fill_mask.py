"""Fill-mask: what stands behind the masks of a text.

The mask token is the one special token that is read as such where it stands in a text; every other is plain text
there, so that a text cannot forge one. Of a text longer than the model reads only those windows run that hold a mask,
each mask in the window in which it has most context.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from enfold.errors import InputError
from enfold.pipelines.batching import chunks_of_texts
from enfold.pipelines.reading import EncodedText, checked_texts
from enfold.pipelines.runtime_protocols import VocabularyRuntime
from enfold.pipelines.scores import softmax, top
from enfold.pipelines.steps import Pipeline
from enfold.values import Encoding, FilledMask, MaskCandidate, MaskPrediction
from enfold.values.alignment import trimmed

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["EncodedMasks", "FillMaskPipeline", "reading_masks"]

_CHUNK_TEXTS = 64  # every mask of a chunk has a row as wide as the vocabulary
_CHUNK_CHARACTERS = 500_000


@dataclass(frozen=True, slots=True)
class EncodedMasks:
    """A text with masks, as the windows that hold them.

    Attributes:
        text: all of it.
        windows: those that are run.
        places: of each mask, the number among ``windows`` and of its row among those windows' masks.
        spans: the characters of each mask.
        targets: ids of the only tokens that are asked for; None for all.
        top_k: how many candidates each mask gets.
    """

    text: EncodedText
    windows: tuple[Encoding, ...]
    places: tuple[tuple[int, int], ...]
    spans: tuple[tuple[int, int], ...]
    targets: tuple[int, ...] | None
    top_k: int


class FillMaskPipeline(Pipeline[EncodedMasks, MaskPrediction]):
    """Fill the masks of texts. Safe to use from several threads.

    Args:
        model: a masked language model, or a `VocabularyRuntime`.
        tokenizer: the tokenizer the model was trained with; it must have a mask token.
        top_k: candidates for each mask.
        max_length: tokens in a window, special tokens included; by default as many as the model reads.
        stride: tokens by which windows overlap; by default 64, or half a window where that is less.
        max_tokens: tokens in a batch.

    Raises:
        InputError: the tokenizer has no mask token; a number is too small, the sizes contradict each other or the
            model, or the model's head is of another kind.
    """

    task = "fill-mask"
    runtime_protocol = VocabularyRuntime
    heads = ("ForMaskedLM", "ForPreTraining")

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        top_k: int = 5,
        max_length: int | None = None,
        stride: int | None = None,
        max_tokens: int = 1024,
    ) -> None:
        super().__init__(model, tokenizer, max_length=max_length, stride=stride, max_tokens=max_tokens)
        if tokenizer.mask_token is None:
            raise InputError(
                "this tokenizer has no mask token, so no text can have a mask: use a masked language model"
            )
        if top_k < 1:
            raise InputError(f"top_k={top_k} must be at least 1")
        self.top_k = top_k
        self._parsing = reading_masks(tokenizer)
        self._mask_id: int = tokenizer.mask_token_id

    def __call__(
        self, texts: str | Sequence[str], *, targets: str | Sequence[str] | None = None, top_k: int | None = None
    ) -> list[MaskPrediction]:
        """One prediction a text; always a list, in the order of the texts.

        Args:
            texts: one text with masks, or several.
            targets: the only tokens to choose from. Their probabilities are still those among the whole vocabulary.
            top_k: candidates for each mask, where it should differ from the pipeline's own.

        Raises:
            InputError: a text has no mask, or a target is no single token of the vocabulary.
        """
        return list(self.stream([texts] if isinstance(texts, str) else texts, targets=targets, top_k=top_k))

    def stream(
        self, texts: Iterable[str], *, targets: str | Sequence[str] | None = None, top_k: int | None = None
    ) -> Iterator[MaskPrediction]:
        """Fill texts as they come, in order and in bounded memory."""
        for chunk in chunks_of_texts(checked_texts(texts), max_texts=_CHUNK_TEXTS, max_characters=_CHUNK_CHARACTERS):
            yield from self.answers(self.encode(chunk, targets=targets, top_k=top_k))

    def encode(
        self, texts: Sequence[str], *, targets: str | Sequence[str] | None = None, top_k: int | None = None
    ) -> list[EncodedMasks]:
        """Tokenise texts into the windows that hold their masks.

        Raises:
            InputError: a text has no mask, or a target is no single token of the vocabulary.
        """
        wanted = None if targets is None else self.target_ids([targets] if isinstance(targets, str) else targets)
        count = self.top_k if top_k is None else top_k
        encodings = self._parsing.encode_batch(texts)
        read = [self.reader.cut_up(one, text=text) for one, text in zip(encodings, texts, strict=True)]
        return [self._with_masks(number, one, wanted, count) for number, one in enumerate(read)]

    def _with_masks(self, number: int, text: EncodedText, targets: tuple[int, ...] | None, top_k: int) -> EncodedMasks:
        ids, offsets = text.column("ids"), text.column("offsets")
        masks = [place for place, token in enumerate(ids) if token == self._mask_id]
        if not masks:
            raise InputError(f"text {number} has no mask: write {self.tokenizer.mask_token} where a word is wanted")
        owners = text.owners()
        chosen = sorted({int(owners[place]) for place in masks})
        places = []
        for place in masks:
            window = int(owners[place])
            first = text.starts[window]
            earlier = sum(first <= other < place for other in masks)
            places.append((chosen.index(window), earlier))
        return EncodedMasks(
            text,
            tuple(text.windows[window] for window in chosen),
            tuple(places),
            tuple(trimmed(text.text, *offsets[place]) for place in masks),
            targets,
            top_k,
        )

    def target_ids(self, targets: Sequence[str]) -> tuple[int, ...]:
        """The ids of tokens that are asked for, each once.

        Raises:
            InputError: there are none, or one is not a single token of the vocabulary; the message says what it is
                split into.
        """
        if not targets:
            raise InputError("targets is empty: name at least one token, or leave it out")
        vocabulary = self.tokenizer.get_vocab()
        found = []
        for target in targets:
            number = vocabulary.get(target)
            if number is None:
                encoding = self.tokenizer.encode_batch([target])[0]
                pieces = [
                    (token, name)
                    for token, name, of in zip(encoding.ids, encoding.tokens, encoding.sequence_ids, strict=True)
                    if of is not None
                ]
                if len(pieces) != 1 or pieces[0][0] == self.tokenizer.unk_token_id:
                    split = ", ".join(repr(name) for _, name in pieces)
                    raise InputError(
                        f"the target {target!r} is not one token of this vocabulary; it is read as {split or 'nothing'}"
                    )
                number = pieces[0][0]
            found.append(number)
        return tuple(dict.fromkeys(found))

    def logits(self, windows: Sequence[Encoding]) -> list[np.ndarray]:
        """Run windows as one batch: of each *shape* ``(its masks, vocabulary)``, float32."""
        places = [[place for place, token in enumerate(window.ids) if token == self._mask_id] for window in windows]
        logits: list[np.ndarray] = self._runtime.vocabulary_logits(windows, places)
        return logits

    def decide(self, encoded: EncodedMasks, outputs: Sequence[np.ndarray]) -> MaskPrediction:
        """Rank the vocabulary at every mask of one text; ``outputs`` are the logits of its windows."""
        masks = []
        for (window, row), span in zip(encoded.places, encoded.spans, strict=True):
            scores = softmax(outputs[window][row].astype(np.float64))
            masks.append(self._filled(encoded, span, scores))
        whole = encoded.text.text
        for mask in reversed(masks):
            whole = _replaced(whole, mask.start, mask.end, mask.candidates[0].token)
        text = encoded.text
        return MaskPrediction(
            model=self.revision, tokens=text.tokens, windows=len(encoded.windows), text=whole, masks=tuple(masks)
        )

    def _filled(self, encoded: EncodedMasks, span: tuple[int, int], scores: np.ndarray) -> FilledMask:
        if encoded.targets is None:
            # A model's table may have more rows than its tokenizer has tokens.
            ids = top(scores[: len(self.tokenizer)], encoded.top_k)
        else:
            wanted = np.asarray(encoded.targets)
            ids = wanted[top(scores[wanted], encoded.top_k)]
        tokens = self.tokenizer.batch_decode([[int(number)] for number in ids])
        text = encoded.text.text
        return FilledMask(
            *span,
            tuple(
                MaskCandidate(token, int(number), float(scores[number]), _replaced(text, *span, token))
                for number, token in zip(ids, tokens, strict=True)
            ),
        )


def reading_masks(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer for which, where special tokens in a text are plain text, the mask token still is the mask.

    The engine parses tokens that are added but not special; so it is told that the mask is such a one.
    """
    import tokenizers

    from enfold.text import Tokenizer as Made

    state = json.loads(tokenizer._engine.to_json())
    for token in state["added_tokens"]:
        if token["content"] == tokenizer.mask_token:
            token["special"] = False
    return Made(tokenizers.Tokenizer.from_str(json.dumps(state)), tokenizer.options.changed(mask_token=None))


def _replaced(text: str, start: int, end: int, token: str) -> str:
    """The text with a token in place of a mask; the blank before it, which some tokens hold, is there once."""
    if token[:1].isspace() and (start == 0 or text[start - 1].isspace()):
        token = token.lstrip()
    return text[:start] + token + text[end:]
