"""Token ids to vectors: words, segment types and positions, summed, and normalised where the family does."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from enfold.errors import InputError

__all__ = ["Embed", "check_inputs"]


class Embed(nn.Module):
    """norm(scale · words[ids] + types[type_ids] + positions[places]) (Devlin et al., 2019, figure 2).

    It is handed its parts at each call. Only ``words`` and ``embeddings_dropout`` are always there.

    Args:
        scale: what word vectors are multiplied by.
        round_scale: whether the scale is rounded to the vectors' precision first.
        roles: the parts there are.
        project: what is brought to the stack's width, if anything is: ``words``, the ``sum``, or the sum ``unnormed``.
        scales_vectors: whether vectors given in place of ids are multiplied too.
    """

    def __init__(
        self,
        scale: float,
        round_scale: bool,
        roles: frozenset[str],
        project: str | None,
        scales_vectors: bool = False,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.round_scale = round_scale
        self.roles = roles
        self.project = project
        self.scales_vectors = scales_vectors

    def forward(
        self,
        part: Callable[[str], nn.Module],
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        positions: Tensor,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        """(tokens,) ids, types and places, or (tokens, width) vectors in place of ids, to (tokens, width)."""
        hidden = part("words")(input_ids) if inputs_embeds is None else inputs_embeds
        if self.scale != 1.0 and (inputs_embeds is None or self.scales_vectors):
            hidden = hidden * self._scale(hidden)
        if self.project == "words":
            hidden = part("embeddings_projection")(hidden)
        if "types" in self.roles:
            types = torch.zeros_like(positions) if token_type_ids is None else token_type_ids
            hidden = hidden + part("types")(types)
        if "positions" in self.roles:
            hidden = hidden + part("positions")(positions).to(hidden.dtype)
        if self.project == "unnormed":
            hidden = part("embeddings_projection")(hidden)
        if "embeddings_norm" in self.roles:
            hidden = part("embeddings_norm")(hidden)
        hidden = part("embeddings_dropout")(hidden)
        return part("embeddings_projection")(hidden) if self.project == "sum" else hidden

    def _scale(self, hidden: Tensor) -> float | Tensor:
        return torch.tensor(self.scale, dtype=hidden.dtype, device=hidden.device) if self.round_scale else self.scale

    def extra_repr(self) -> str:
        """The scale, as it prints."""
        return f"scale={self.scale}"


def check_inputs(
    where: Callable[[int], tuple[int, int]],
    input_ids: Tensor | None,
    token_type_ids: Tensor | None,
    positions: Tensor | None,
    sizes: tuple[int, int | None, int | None],
    begins: int = 0,
    lowest: int = 0,
) -> None:
    """Refuse ids outside a table, before the look-up fails without saying where.

    Args:
        where: gives the row of a token and its index there, for the message.
        input_ids, token_type_ids, positions: (tokens,), or None.
        sizes: how many words, segment types and places there are; None where any number is right.
        begins: the place of a row's first token.
        lowest: the least place there is.

    Raises:
        InputError: the message names the example, the position in it and the id.
    """
    what = ("input_ids", "token_type_ids", "position")
    for name, values, size in zip(what, (input_ids, token_type_ids, positions), sizes, strict=True):
        if values is None or size is None or values.numel() == 0:
            continue
        least = lowest if name == "position" else 0
        low, high = (int(bound) for bound in torch.aminmax(values))
        if low >= least and high < size:
            continue
        token = int(((values < least) | (values >= size)).nonzero()[0, 0])
        row, place = where(token)
        number = int(values[token])
        if name == "input_ids":
            raise InputError(
                f"example {row}, position {place}: token id {number} is outside the vocabulary (0 to {size - 1}); "
                "was the text tokenised with another model's tokenizer?"
            )
        if name == "token_type_ids":
            raise InputError(f"example {row}, position {place}: token type {number} is not one of 0 to {size - 1}")
        raise InputError(
            f"example {row} reaches position {number}, but the model has positions 0 to {size - 1}; "
            f"truncate to {size - begins} tokens, or predict over windows"
        )
