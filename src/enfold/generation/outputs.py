"""What ``model.generate(..., return_dict_in_generate=True)`` returns, under the names of ``transformers``.

Attention weights, hidden states and caches are not among the fields: call the model on the finished sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from enfold.generation.rows import Row
from enfold.models.outputs import ModelOutput

__all__ = [
    "GenerateBeamDecoderOnlyOutput",
    "GenerateBeamEncoderDecoderOutput",
    "GenerateDecoderOnlyOutput",
    "GenerateEncoderDecoderOutput",
    "ScoreRecord",
]


@dataclass
class _WithScores(ModelOutput):
    sequences: Tensor | None = None
    scores: tuple[Tensor, ...] | None = None
    logits: tuple[Tensor, ...] | None = None


@dataclass
class GenerateDecoderOnlyOutput(_WithScores):
    """Of greedy decoding and sampling.

    Attributes:
        sequences: (rows, length) the prompt as it was given and the new tokens, padded on the right.
        scores: for each new token (rows, vocabulary) what it was chosen by; zeros for rows that were finished.
        logits: the same, as the model gave them.
    """


@dataclass
class GenerateEncoderDecoderOutput(_WithScores):
    """As `GenerateDecoderOnlyOutput`; ``sequences`` holds the ids of the decoder."""


@dataclass
class GenerateBeamDecoderOnlyOutput(ModelOutput):
    """Of beam search.

    Attributes:
        sequences: (rows, length) the prompt as it was given and the new tokens, padded on the right.
        sequences_scores: (rows,) each sequence's score.
    """

    sequences: Tensor | None = None
    sequences_scores: Tensor | None = None


@dataclass
class GenerateBeamEncoderDecoderOutput(GenerateBeamDecoderOnlyOutput):
    """As `GenerateBeamDecoderOnlyOutput`; ``sequences`` holds the ids of the decoder."""


class ScoreRecord:
    """Collects scores step by step, for rows that leave as they finish.

    Args:
        rows: how many there are at first.
        copies: sequences of each prompt.
        scores: whether processed scores are kept.
        logits: whether the model's own are.
    """

    def __init__(self, rows: int, copies: int, *, scores: bool, logits: bool) -> None:
        self._rows = rows
        self._copies = copies
        self.scores: list[Tensor] | None = [] if scores else None
        self.logits: list[Tensor] | None = [] if logits else None

    def __call__(self, rows: Sequence[Row], logits: Tensor, scores: Tensor) -> None:
        """Keep one step."""
        places = torch.tensor([row.prompt * self._copies + row.sequence for row in rows], device=logits.device)
        for kept, values in ((self.scores, scores), (self.logits, logits)):
            if kept is not None:
                kept.append(values.new_zeros(self._rows, values.shape[1]).index_copy_(0, places, values))
