"""Token ids to vectors: words, segment types and learned positions, summed and normalised."""

from __future__ import annotations

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.packing import Layout
from enfold.layers.places import Assembly

__all__ = ["Embeddings", "check_inputs"]


class Embeddings(Assembly):
    """norm(words[ids] + types[type_ids] + positions[positions]) (Devlin et al., 2019, figure 2).

    Parts: ``words``, ``types``, ``positions``, ``embeddings_norm``, ``embeddings_dropout``.
    """

    def forward(
        self, input_ids: Tensor | None, token_type_ids: Tensor | None, positions: Tensor, inputs_embeds: Tensor | None
    ) -> Tensor:
        """(tokens,) ids, types and positions, or (tokens, width) vectors in place of ids, to (tokens, width)."""
        part = self.part
        words = part("words")(input_ids) if inputs_embeds is None else inputs_embeds
        if token_type_ids is None:
            token_type_ids = torch.zeros_like(positions)
        hidden = words + part("types")(token_type_ids) + part("positions")(positions)
        return part("embeddings_dropout")(part("embeddings_norm")(hidden))


def check_inputs(
    layout: Layout,
    input_ids: Tensor | None,
    token_type_ids: Tensor | None,
    positions: Tensor,
    sizes: tuple[int, int, int],
) -> None:
    """Refuse ids outside a table, before the look-up fails without saying where.

    Args:
        layout: where each row lies, for the message.
        input_ids, token_type_ids, positions: (tokens,)
        sizes: how many words, segment types and positions there are.

    Raises:
        InputError: the message names the example, the position in it and the id.
    """
    what = ("input_ids", "token_type_ids", "position")
    for name, values, size in zip(what, (input_ids, token_type_ids, positions), sizes, strict=True):
        if values is None or values.numel() == 0:
            continue
        low, high = (int(bound) for bound in torch.aminmax(values))
        if low >= 0 and high < size:
            continue
        token = int(((values < 0) | (values >= size)).nonzero()[0, 0])
        row, place = int(layout.row_of[token]), int(layout.positions[token])
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
            f"truncate to {size} tokens, or predict over windows"
        )
