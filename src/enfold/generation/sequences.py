"""The tokens of all rows that are being written, in one buffer that is allocated once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Sequences"]


class Sequences:
    """Prompts and what was written after them, row by row; all rows have written the same number of tokens.

    Places without a token hold the number of the vocabulary's size, which is no token: rules that scatter by token let
    it fall into a spare column.

    Attributes:
        buffer: (rows, capacity) token ids, each row from its left end.
        prompt_lengths: (rows,) tokens of each prompt.
        limits: (rows,) the length at which a row ends.
        minimums: (rows,) the length before which no stop id may come.
        prompts: (rows,) which prompt a row belongs to.
        written: new tokens of each row.
        vocabulary: the number of tokens there are.
    """

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        limits: Sequence[int],
        minimums: Sequence[int],
        vocabulary: int,
        device: torch.device | str = "cpu",
    ) -> None:
        lengths = [len(prompt) for prompt in prompts]
        buffer = torch.full((len(prompts), max(*limits, *lengths, 1)), vocabulary, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            buffer[row, : len(prompt)] = torch.tensor(prompt, dtype=torch.long).clamp(max=vocabulary)
        self.buffer = buffer.to(device)
        self._spare = torch.empty(0, dtype=torch.long, device=device)
        self.prompt_lengths = torch.tensor(lengths, device=device)
        self.limits = torch.tensor(limits, device=device)
        self.minimums = torch.tensor(minimums, device=device)
        self.prompts = torch.arange(len(prompts), device=device)
        self.vocabulary = vocabulary
        self.written = 0
        self.longest = max(lengths)
        self._shortest_room = min(limit - length for limit, length in zip(limits, lengths, strict=True))
        self._last_minimum = max(least - length for least, length in zip(minimums, lengths, strict=True))
        self._single_token_prompts = 1 in lengths

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.buffer)

    @property
    def tokens(self) -> Tensor:
        """(rows, longest) token ids, a view; shorter rows end in numbers that are no token."""
        return self.buffer[:, : self.longest]

    @property
    def lengths(self) -> Tensor:
        """(rows,) tokens of each row, prompt included."""
        return self.prompt_lengths + self.written

    @property
    def may_be_too_short(self) -> bool:
        """Whether a row may still be shorter than its minimum."""
        return self.written < self._last_minimum

    @property
    def may_be_at_last(self) -> bool:
        """Whether a row may have room for one token only."""
        return self.written >= self._shortest_room - 1

    @property
    def may_be_single(self) -> bool:
        """Whether a row may have one token, such as a decoder's start."""
        return self.written == 0 and self._single_token_prompts

    def suffixes(self, count: int) -> tuple[Tensor, Tensor]:
        """The last tokens of each row: (rows, count), and (rows,) whether the row has as many."""
        lengths = self.lengths
        places = lengths[:, None] - count + torch.arange(count, device=lengths.device)
        return self.buffer.gather(1, places.clamp(min=0)), lengths >= count

    def append(self, tokens: Tensor) -> None:
        """Put one token (rows,) at the end of each row."""
        self.buffer.scatter_(1, self.lengths[:, None], tokens[:, None])
        self.written += 1
        self.longest += 1

    def forget(self, count: int) -> None:
        """Take the last ``count`` tokens of each row back."""
        for _ in range(count):
            self.written -= 1
            self.longest -= 1
            self.buffer.scatter_(1, self.lengths[:, None], self.vocabulary)

    def select(self, rows: Tensor) -> None:
        """Keep, reorder and repeat rows: (new rows,) row numbers."""
        if len(rows) != len(self._spare):
            self._spare = torch.empty(len(rows), self.buffer.shape[1], dtype=torch.long, device=self.buffer.device)
        torch.index_select(self.buffer, 0, rows, out=self._spare)
        self.buffer, self._spare = self._spare, self.buffer
        self.prompt_lengths = self.prompt_lengths[rows]
        self.limits = self.limits[rows]
        self.minimums = self.minimums[rows]
        self.prompts = self.prompts[rows]

    def new_ids(self, row: int) -> list[int]:
        """What a row has written."""
        start = int(self.prompt_lengths[row])
        return self.buffer[row, start : start + self.written].tolist()
