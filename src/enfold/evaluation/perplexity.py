"""Perplexity: how surprised a language model is by texts.

It is the exponential of the mean loss of a token, so it can be compared between models with one tokenizer only. Bits a
byte can be compared between all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from enfold.errors import InputError

__all__ = ["Perplexity", "perplexity"]


@dataclass(frozen=True, slots=True)
class Perplexity:
    """How well texts were foretold."""

    loss: float
    """The mean of a token, in nats."""
    tokens: int
    """Tokens that were foretold; the first of each text has nothing before it, and is not."""

    @property
    def value(self) -> float:
        """The perplexity; infinite where it is beyond all numbers."""
        try:
            return math.exp(self.loss)
        except OverflowError:
            return math.inf

    def bits_per_byte(self, texts: Sequence[str]) -> float:
        """Bits for each byte of the texts the tokens were of; to compare models with other tokenizers.

        Raises:
            InputError: the texts are empty.
        """
        size = sum(len(text.encode()) for text in texts)
        if not size:
            raise InputError("the texts have no bytes")
        return self.loss * self.tokens / math.log(2) / size


def perplexity(model: Any, texts: Sequence[Sequence[int]], *, max_tokens: int = 4096) -> Perplexity:
    """Measure a causal language model.

    Texts are packed, never padded. A text longer than the model's context must be cut before
    (``enfold.training.chunk_into_blocks``).

    Args:
        model: a causal language model.
        texts: token ids of each text.
        max_tokens: tokens that are computed at a time.

    Raises:
        InputError: another kind of model, or no text has two tokens.
    """
    import torch
    import torch.nn.functional as F

    from enfold.data.batching import token_budget_batches
    from enfold.models import pack
    from enfold.models.losses import next_labels

    if not getattr(model, "shifts_labels", False):
        raise InputError(f"{type(model).__name__} is no causal language model: it does not foretell the next token")
    rows = [list(text) for text in texts if len(text) > 1]
    if not rows:
        raise InputError("no text has two tokens: a token is foretold from the ones before it")
    total, was_training = 0.0, model.training
    model.eval()
    try:
        with torch.inference_mode():
            for batch in token_budget_batches([len(row) for row in rows], max_tokens=max_tokens):
                packed = pack([rows[number] for number in batch], device=model.device)
                logits = model(input_ids=packed.input_ids, layout=packed.layout).logits
                labels = next_labels(packed.input_ids, layout=packed.layout)
                total += F.cross_entropy(logits.float(), labels, reduction="sum").item()
    finally:
        model.train(was_training)
    tokens = sum(len(row) - 1 for row in rows)
    return Perplexity(total / tokens, tokens)
