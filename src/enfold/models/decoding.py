"""A model in the middle of writing: what generation needs of it, in token ids alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.cache import Cache
from enfold.layers.packing import layout_of, pack
from enfold.models.stepping import stack_step

if TYPE_CHECKING:
    from enfold.models.pretrained import PreTrainedModel

__all__ = ["Decoding"]


class Decoding:
    """Rows of tokens, the keys and values of what was read, and the scores of what may come next.

    Rows of any lengths stand side by side: nothing is padded, so that each is computed as if it were alone.

    Args:
        model: with a head that scores the vocabulary.
        prompts: token ids of each row; for an encoder-decoder what its decoder has written already, its start token at
            least.
        encoder_ids: what the encoder reads, a row each.
        room: how many tokens each row may get; more only costs time.

    Raises:
        InputError: a prompt is empty, an id is outside the vocabulary, or the numbers of rows differ.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: Sequence[Sequence[int]],
        *,
        encoder_ids: Sequence[Sequence[int]] | None = None,
        room: int = 0,
    ) -> None:
        if model.training:
            raise InputError("a model writes in evaluation mode: call model.eval() first")
        if model.is_encoder_decoder != (encoder_ids is not None):
            raise InputError("encoder_ids go with an encoder-decoder, and with no other model")
        self._model = model
        self._pair = model.is_encoder_decoder
        packed = pack(prompts, device=model.device)
        self._cache = Cache(len(prompts), room=max(map(len, prompts), default=0) + room)
        arguments: dict[str, Any] = {}
        if encoder_ids is not None:
            if len(encoder_ids) != len(prompts):
                raise InputError(f"{len(encoder_ids)} texts for the encoder, {len(prompts)} prompts for the decoder")
            read = pack(encoder_ids, device=model.device)
            arguments = {"input_ids": read.input_ids, "layout": read.layout}
        self._logits = self._run(packed.input_ids, packed.layout, arguments, packed.layout.last)
        stack: Any = model.stack  # type: ignore[attr-defined]  # a head's
        self._step = stack_step(stack.decoder if self._pair else stack)
        self._order: Tensor | None = None  # of rows in ``_logits``, where they were selected since

    @property
    def logits(self) -> Tensor:
        """(rows, vocabulary) float32, after the last token of each row."""
        if self._order is not None:
            self._logits = self._logits[self._order.to(self._logits.device)]
            self._order = None
        return self._logits

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._cache.rows

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row so far."""
        return list(self._cache.lengths)

    def feed(self, tokens: Tensor) -> Tensor:
        """One more token for each row, (rows,); the scores after it, (rows, vocabulary)."""
        tokens = tokens.to(self._model.device)
        if self._step is None:
            return self._after(self._run(tokens, layout_of(torch.ones(self.rows, dtype=torch.long)), {}))
        model: Any = self._model
        with torch.inference_mode():
            return self._after(model.vocabulary_scores(self._step(tokens, self._cache)).float())

    def feed_several(self, tokens: Tensor) -> Tensor:
        """Several more tokens for each row, (rows, n); the scores after each, (rows, n, vocabulary)."""
        rows, count = tokens.shape
        layout = layout_of(torch.full((rows,), count))
        scores = self._run(tokens.flatten().to(self._model.device), layout, {}).view(rows, count, -1)
        self._after(scores[:, -1])
        return scores

    def _after(self, logits: Tensor) -> Tensor:
        self._logits, self._order = logits, None
        return logits

    def select(self, rows: Tensor) -> None:
        """Keep, reorder or repeat rows, by their numbers."""
        with torch.inference_mode():
            self._cache.select(rows)
        # Scores are gathered when they are read; often the next token comes first.
        self._order = rows if self._order is None else self._order[rows.to(self._order.device)]

    def forget(self, counts: Sequence[int]) -> None:
        """Take back the last tokens of each row; ``logits`` are those of the next ``feed``."""
        self._cache.forget(counts)

    def _run(self, ids: Tensor, layout: Any, more: dict[str, Any], at: Tensor | None = None) -> Tensor:
        """Scores of the packed tokens at ``at``, or of all: (…, vocabulary)."""
        model: Any = self._model
        layout = layout.to(model.device)
        with torch.inference_mode():
            names = ("decoder_input_ids", "decoder_layout") if self._pair else ("input_ids", "layout")
            arguments = dict(zip(names, (ids, layout), strict=True)) | more
            hidden = model.packed_states(**arguments, cache=self._cache)
            return model.vocabulary_scores(hidden if at is None else hidden[at]).float()
