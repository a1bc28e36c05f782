"""The heads that score the vocabulary at each place: masked language modelling, alone and in pre-training."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.layers.activations import activation
from enfold.layers.packing import Layout
from enfold.models.encoder import Inputs
from enfold.models.heads import Head
from enfold.models.losses import token_loss
from enfold.models.outputs import EncoderOutput, MaskedLMOutput, PreTrainingOutput

__all__ = ["MaskedLM", "PreTraining"]

_PARTS = ("lm_bias", "lm_dense", "lm_norm", "lm_decoder")


class MaskedLM(Head):
    """Scores of every vocabulary entry at each place (Devlin et al., 2019, section 3.1).

    ``labels`` are (batch, seq) token ids, -100 where none counts.
    """

    parts: ClassVar[tuple[tuple[str, ...], ...]] = (_PARTS,)
    labels_places = True

    def build_head(self) -> None:
        """Make the transform and the decoder."""
        width, vocabulary = self._spec.width, self._spec.embeddings.vocabulary
        self.place("lm_dense", nn.Linear(width, width))
        self.lm_activation = activation(self._spec.feed_forward.activation)
        self.place("lm_norm", nn.LayerNorm(width, eps=self._spec.norm.eps))
        self.place("lm_bias", nn.Parameter(torch.zeros(vocabulary)))
        self.place("lm_decoder", nn.Linear(width, vocabulary))

    @property
    def ties(self) -> dict[str, str]:
        """The decoder shares the word vectors, and its bias stands beside it."""
        names, stack = self._names, self.base_model_prefix
        words = ".".join((stack, names["embeddings"], names["words"], "weight"))
        return {f"{names['lm_decoder']}.weight": words, f"{names['lm_decoder']}.bias": names["lm_bias"]}

    def vocabulary_scores(self, hidden: Tensor) -> Tensor:
        """(tokens, width) to (tokens, vocabulary)."""
        transformed = self.part("lm_norm")(self.lm_activation(self.part("lm_dense")(hidden)))
        return self.part("lm_decoder")(transformed)

    def get_output_embeddings(self) -> nn.Linear:
        """The linear map from hidden states to vocabulary scores."""
        return self.part("lm_decoder")

    def set_output_embeddings(self, decoder: nn.Linear) -> None:
        """Put another map in place, and its bias beside it."""
        self.place("lm_decoder", decoder)
        self.place("lm_bias", decoder.bias)

    def score(self, base: EncoderOutput, inputs: Inputs, labels: Tensor | None) -> MaskedLMOutput:
        """(batch, seq, vocabulary) logits."""
        logits = self.vocabulary_scores(base.last_hidden_state)  # type: ignore[arg-type]
        loss = None if labels is None else token_loss(logits, inputs.inside(labels))
        return MaskedLMOutput(loss, inputs.outside(logits))


class PreTraining(MaskedLM):
    """Masked tokens and next sentence at once: the two losses that BERT was trained with, summed."""

    parts: ClassVar[tuple[tuple[str, ...], ...]] = (_PARTS, ("next_sentence",))
    pools = True

    def build_head(self) -> None:
        """Make both heads."""
        super().build_head()
        self.place("next_sentence", nn.Linear(self._spec.width, 2))

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        *,
        layout: Layout | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Both logits; the loss where ``labels`` (batch, seq) and ``next_sentence_label`` (batch,) are both given."""
        rules = {"labels": labels, "pools_first": True}
        inputs = self.stack.enter(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, layout, **rules
        )
        both = None if labels is None or next_sentence_label is None else (labels, next_sentence_label)
        return self.finish(inputs, output_hidden_states, output_attentions, return_dict, labels=both)

    def score(self, base: EncoderOutput, inputs: Inputs, labels: Any) -> PreTrainingOutput:  # type: ignore[override]
        """(batch, seq, vocabulary) and (batch, 2) logits."""
        words = self.vocabulary_scores(base.last_hidden_state)  # type: ignore[arg-type]
        relation = self.part("next_sentence")(base.pooler_output)
        loss = None
        if labels is not None:
            loss = token_loss(words, inputs.inside(labels[0])) + F.cross_entropy(relation, labels[1].view(-1))
        return PreTrainingOutput(loss, inputs.outside(words), relation)
