"""Encoders of several languages, each token of which carries the number of its own (Lample and Conneau, 2019)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.embeddings import check_inputs
from enfold.layers.packing import Layout
from enfold.models.encoder import EncoderModel, returned
from enfold.models.inputs import Inputs
from enfold.models.outputs import StackOutput

__all__ = ["LanguageEncoder"]


class LanguageEncoder(EncoderModel):
    """A stack whose tokens have languages, whose token types are words, and whose states are 0 at padding.

    Without a mask, as many tokens at the end of each row are padding as the row holds padding ids.
    """

    input_names: ClassVar[tuple[str, ...]] = (
        "input_ids",
        "attention_mask",
        "langs",
        "token_type_ids",
        "position_ids",
        "inputs_embeds",
    )
    option_names: ClassVar[tuple[str, ...]] = ("layout",)
    has_pooler: ClassVar[bool] = False

    def enter(  # type: ignore[override]
        self,
        *,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        langs: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        layout: Layout | None = None,
        **more: Any,
    ) -> Inputs:
        """Bring a batch inside the door; for the arguments see ``forward``."""
        if attention_mask is None and layout is None and input_ids is not None and input_ids.dim() == 2:
            attention_mask = self._mask_of(input_ids)
        inputs = super().enter(input_ids=input_ids, attention_mask=attention_mask, layout=layout, **more)
        inputs.languages = None if langs is None else inputs.inside(langs)
        inputs.types = None if token_type_ids is None else inputs.inside(token_type_ids)
        return inputs

    def _mask_of(self, ids: Tensor) -> Tensor | None:
        pad_id = self.spec.embeddings.pad_id
        if pad_id is None:
            return None
        lengths = (ids != pad_id).sum(1, keepdim=True)
        if bool((lengths == ids.shape[1]).all()):
            return None
        return (torch.arange(ids.shape[1], device=ids.device) < lengths).long()

    def encode(self, inputs: Inputs) -> Tensor:
        """Hidden states of a batch that is inside the door: (tokens, width)."""
        if not torch.compiler.is_compiling():
            check_inputs(inputs.layout.where, inputs.ids, None, None, self.sizes)
            self._check(inputs)
        words: Any = self.part("words")
        vectors = words(inputs.ids) if inputs.vectors is None else inputs.vectors
        if inputs.languages is not None and self.has("languages"):
            vectors = vectors + self.part("languages")(inputs.languages)
        if inputs.types is not None:
            vectors = vectors + words(inputs.types)
        return inputs.blank(super().encode(replace(inputs, ids=None, types=None, vectors=vectors)))

    def _check(self, inputs: Inputs) -> None:
        bounds = {"token type": (inputs.types, self.sizes[0]), "language": (inputs.languages, self.config.n_langs)}  # type: ignore[attr-defined]
        for what, (values, size) in bounds.items():
            if values is None or not bool(((values < 0) | (values >= size)).any()):
                continue
            token = int(((values < 0) | (values >= size)).nonzero()[0, 0])
            row, place = int(inputs.layout.row_of[token]), int(inputs.layout.positions[token])
            raise InputError(
                f"example {row}, position {place}: {what} {int(values[token])} is not one of 0 to {size - 1}"
            )

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        langs: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        *,
        layout: Layout | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Hidden states of a padded batch, or of a packed one.

        Args:
            input_ids: (batch, seq), or (tokens,) with a layout.
            attention_mask: (batch, seq) with 1 at real tokens, or 3-D or 4-D; see ``enfold.layers.door``.
            langs: shaped like ``input_ids``: the number of each token's language; none is added where None.
            token_type_ids: shaped like ``input_ids``: words whose vectors are added, too; none where None.
            position_ids: shaped like ``input_ids``, or (1, seq); the index in the row where None.
            inputs_embeds: (batch, seq, width) or (tokens, width), in place of ``input_ids``.
            layout: where each row of a packed batch lies.
            output_hidden_states: also return the embeddings' output and each block's.
            output_attentions: also return the attention weights of each block.
            return_dict: return a ``StackOutput``; a tuple where False.

        Raises:
            InputError: an id, a type, a language or a position is outside its table, or the inputs do not fit together.
        """
        inputs = self.enter(
            input_ids=input_ids,
            attention_mask=attention_mask,
            langs=langs,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            layout=layout,
        )
        seen = self.observe(inputs, **self.shown(output_hidden_states, output_attentions))
        output = StackOutput(inputs.outside(seen.hidden), None, **self.seen_outside(seen, inputs))
        return returned(output, self.config.return_dict if return_dict is None else return_dict)
