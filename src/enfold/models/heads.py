"""Task heads, written once, generic over the stack.

A head owns a stack under the family's attribute (``model.bert``) and its own few parts at the family's paths. It
brings a batch inside the door, runs the stack on packed tokens, and brings its logits back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.errors import InputError
from enfold.layers.activations import activation
from enfold.layers.packing import Layout
from enfold.layers.places import place
from enfold.models.encoder import EncoderModel, Inputs, returned
from enfold.models.outputs import (
    EncoderOutput,
    MaskedLMOutput,
    MultipleChoiceOutput,
    NextSentenceOutput,
    PreTrainingOutput,
    QuestionAnsweringOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from enfold.models.pretrained import PreTrainedModel
from enfold.values import LabelSet

__all__ = [
    "Head",
    "MaskedLM",
    "MultipleChoice",
    "NextSentence",
    "PreTraining",
    "QuestionAnswering",
    "SequenceClassification",
    "TokenClassification",
]

_LM = ("lm_bias", "lm_dense", "lm_norm", "lm_decoder")


class Head(PreTrainedModel):
    """What all heads share.

    Attributes:
        parts: the roles of the head's parts; those in one group are in a checkpoint together or not at all.
        pools: whether the stack has a pooler.
    """

    parts: ClassVar[tuple[tuple[str, ...], ...]] = ()
    pools: ClassVar[bool] = False
    stack_class: ClassVar[type[EncoderModel]]

    def build(self) -> None:
        """Make the stack and the head's own parts."""
        self._names = self.family.names
        self.add_module(self.base_model_prefix, self.stack_class(self.config, add_pooling_layer=self.pools))
        self.build_head()

    def build_head(self) -> None:
        """Make the head's own parts."""
        raise NotImplementedError

    def place(self, role: str, part: nn.Module | nn.Parameter) -> None:
        """Put a part of the head at the family's path."""
        place(self, self._names[role], part)

    def part(self, role: str) -> Any:
        """A part of the head."""
        return self.get_submodule(self._names[role])

    def run_stack(self, inputs: Inputs, settings: Mapping[str, Any]) -> EncoderOutput:
        """The stack's packed output."""
        return self.base_model(**inputs.arguments, **settings, return_dict=True)

    def returns_record(self, return_dict: bool | None) -> bool:
        """Whether the caller gets an output rather than a tuple."""
        return self.config.return_dict if return_dict is None else return_dict

    @property
    def classifier_dropout(self) -> nn.Dropout:
        """The dropout before the classifier: the config's own, or the stack's."""
        own = getattr(self.config, "classifier_dropout", None)
        return nn.Dropout(self.family.spec(self.config).dropout if own is None else own)

    @property
    def width(self) -> int:
        """The width of the stack's hidden states."""
        return self.family.spec(self.config).width


class SequenceClassification(Head):
    """One label, several labels or numbers for each text: a linear map of the pooled first token."""

    parts = (("classifier",),)
    pools = True

    def build_head(self) -> None:
        """Make the classifier."""
        self.dropout = self.classifier_dropout
        self.place("classifier", nn.Linear(self.width, self.config.num_labels))

    @property
    def num_labels(self) -> int:
        """The number of outputs."""
        return self.config.num_labels

    @property
    def labels(self) -> LabelSet | None:
        """The names of the outputs, in order."""
        return LabelSet.from_id2label(self.config.id2label or {})  # type: ignore[arg-type]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        layout: Layout | None = None,
        return_dict: bool | None = None,
        **settings: Any,
    ) -> Any:
        """Logits (batch, labels), and the mean loss where labels are given; for the inputs see the stack.

        Args:
            labels: (batch,) class numbers; (batch, labels) floats for several labels; (batch,) or (batch, labels)
                numbers for regression. ``config.problem_type`` decides, or the first labels where it is None.
        """
        inputs = self.base_model.enter(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, layout, pools_first=True
        )
        base = self.run_stack(inputs, settings)
        logits = self.part("classifier")(self.dropout(base.pooler_output))
        loss = None if labels is None else sequence_loss(logits, labels, self.config)
        return returned(SequenceClassifierOutput(loss, logits, **inputs.seen(base)), self.returns_record(return_dict))


class TokenClassification(Head):
    """One label for each token."""

    parts = (("classifier",),)

    def build_head(self) -> None:
        """Make the classifier."""
        self.dropout = self.classifier_dropout
        self.place("classifier", nn.Linear(self.width, self.config.num_labels))

    @property
    def num_labels(self) -> int:
        """The number of outputs."""
        return self.config.num_labels

    @property
    def labels(self) -> LabelSet | None:
        """The names of the outputs, in order."""
        return LabelSet.from_id2label(self.config.id2label or {})  # type: ignore[arg-type]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        layout: Layout | None = None,
        return_dict: bool | None = None,
        **settings: Any,
    ) -> Any:
        """Logits (batch, seq, labels); ``labels`` (batch, seq) are class numbers, -100 where none counts."""
        inputs = self.base_model.enter(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, layout, labels=labels
        )
        base = self.run_stack(inputs, settings)
        logits = self.part("classifier")(self.dropout(base.last_hidden_state))
        own = inputs.inside(labels)
        loss = None if own is None else F.cross_entropy(logits.float(), own.to(logits.device))
        output = TokenClassifierOutput(loss, inputs.outside(logits), **inputs.seen(base))
        return returned(output, self.returns_record(return_dict))


class MultipleChoice(Head):
    """The best of several continuations: one score for each, over (batch, choices, seq) inputs."""

    parts = (("classifier",),)
    pools = True

    def build_head(self) -> None:
        """Make the classifier."""
        self.dropout = self.classifier_dropout
        self.place("classifier", nn.Linear(self.width, 1))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        return_dict: bool | None = None,
        **settings: Any,
    ) -> Any:
        """Logits (batch, choices); ``labels`` (batch,) are the numbers of the right choices."""
        given = input_ids if inputs_embeds is None else inputs_embeds
        if given is None or given.dim() < 3:
            raise InputError("multiple choice takes inputs of (batch, choices, seq)")
        choices = given.shape[1]
        flat = [
            None if values is None else values.flatten(0, 1)
            for values in (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        ]
        inputs = self.base_model.enter(*flat, None, pools_first=True)
        base = self.run_stack(inputs, settings)
        logits = self.part("classifier")(self.dropout(base.pooler_output)).view(-1, choices)
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return returned(MultipleChoiceOutput(loss, logits, **inputs.seen(base)), self.returns_record(return_dict))


class QuestionAnswering(Head):
    """Where an answer begins and ends: two scores for each token."""

    parts = (("span",),)

    def build_head(self) -> None:
        """Make the span scores."""
        self.place("span", nn.Linear(self.width, 2))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        *,
        layout: Layout | None = None,
        return_dict: bool | None = None,
        **settings: Any,
    ) -> Any:
        """Start and end logits (batch, seq); the positions (batch,) are places in the row, ignored outside it.

        The loss of a padded batch is over all places, padding included, as in ``transformers``; that of a packed batch
        is over each row's own tokens.
        """
        spans = start_positions is not None and end_positions is not None
        inputs = self.base_model.enter(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, layout, whole_rows=spans
        )
        base = self.run_stack(inputs, settings)
        logits = self.part("span")(base.last_hidden_state)
        loss = None
        if start_positions is not None and end_positions is not None:
            losses = [
                _span_loss(logits[:, side], positions, base_layout(inputs))
                for side, positions in enumerate((start_positions, end_positions))
            ]
            loss = (losses[0] + losses[1]) / 2
        start, end = inputs.outside(logits).unbind(-1)
        output = QuestionAnsweringOutput(loss, start.contiguous(), end.contiguous(), **inputs.seen(base))
        return returned(output, self.returns_record(return_dict))


class _LanguageModel(Head):
    """The masked-token scores that two heads share (Devlin et al., 2019, section 3.1)."""

    @property
    def ties(self) -> dict[str, str]:
        """The decoder shares the word vectors, and its bias stands beside it."""
        names, stack = self._names, self.base_model_prefix
        words = ".".join((stack, names["embeddings"], names["words"], "weight"))
        return {f"{names['lm_decoder']}.weight": words, f"{names['lm_decoder']}.bias": names["lm_bias"]}

    def build_lm(self) -> None:
        """Make the transform and the decoder."""
        spec = self.family.spec(self.config)
        self.place("lm_dense", nn.Linear(spec.width, spec.width))
        self.lm_activation = activation(spec.feed_forward.activation)
        self.place("lm_norm", nn.LayerNorm(spec.width, eps=spec.norm.eps))
        self.place("lm_bias", nn.Parameter(torch.zeros(spec.embeddings.vocabulary)))
        self.place("lm_decoder", nn.Linear(spec.width, spec.embeddings.vocabulary))

    def scores(self, hidden: Tensor) -> Tensor:
        """(tokens, width) to (tokens, vocabulary)."""
        transformed = self.part("lm_norm")(self.lm_activation(self.part("lm_dense")(hidden)))
        return self.part("lm_decoder")(transformed)

    def get_output_embeddings(self) -> nn.Module | None:
        """The linear map from hidden states to vocabulary scores."""
        return self.part("lm_decoder")


class MaskedLM(_LanguageModel):
    """Scores of every vocabulary entry at each place."""

    parts = (_LM,)

    def build_head(self) -> None:
        """Make the transform and the decoder."""
        self.build_lm()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        layout: Layout | None = None,
        return_dict: bool | None = None,
        **settings: Any,
    ) -> Any:
        """Logits (batch, seq, vocabulary); ``labels`` (batch, seq) are token ids, -100 where none counts."""
        inputs = self.base_model.enter(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, layout, labels=labels
        )
        base = self.run_stack(inputs, settings)
        logits = self.scores(base.last_hidden_state)
        own = inputs.inside(labels)
        loss = None if own is None else F.cross_entropy(logits, own.to(logits.device))
        output = MaskedLMOutput(loss, inputs.outside(logits), **inputs.seen(base))
        return returned(output, self.returns_record(return_dict))


class PreTraining(_LanguageModel):
    """Masked tokens and next sentence at once: the two losses BERT was trained with, summed."""

    parts = (_LM, ("next_sentence",))
    pools = True

    def build_head(self) -> None:
        """Make both heads."""
        self.build_lm()
        self.place("next_sentence", nn.Linear(self.width, 2))

    def forward(
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
        return_dict: bool | None = None,
        **settings: Any,
    ) -> Any:
        """Both logits; the loss where ``labels`` (batch, seq) and ``next_sentence_label`` (batch,) are both given."""
        inputs = self.base_model.enter(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            layout,
            labels=labels,
            pools_first=True,
        )
        base = self.run_stack(inputs, settings)
        scores = self.scores(base.last_hidden_state)
        relation = self.part("next_sentence")(base.pooler_output)
        loss = None
        own = inputs.inside(labels)
        if own is not None and next_sentence_label is not None:
            loss = F.cross_entropy(scores, own) + F.cross_entropy(relation, next_sentence_label.view(-1))
        output = PreTrainingOutput(loss, inputs.outside(scores), relation, **inputs.seen(base))
        return returned(output, self.returns_record(return_dict))


class NextSentence(Head):
    """Whether the second text follows the first."""

    parts = (("next_sentence",),)
    pools = True

    def build_head(self) -> None:
        """Make the classifier."""
        self.place("next_sentence", nn.Linear(self.width, 2))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        layout: Layout | None = None,
        return_dict: bool | None = None,
        **settings: Any,
    ) -> Any:
        """Logits (batch, 2): it follows, it does not; ``labels`` (batch,) are 0 and 1 in that order."""
        inputs = self.base_model.enter(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, layout, pools_first=True
        )
        base = self.run_stack(inputs, settings)
        logits = self.part("next_sentence")(base.pooler_output)
        loss = None if labels is None else F.cross_entropy(logits, labels.view(-1))
        return returned(NextSentenceOutput(loss, logits, **inputs.seen(base)), self.returns_record(return_dict))


def sequence_loss(logits: Tensor, labels: Tensor, config: Any) -> Tensor:
    """The mean loss of (batch, outputs) logits, by ``config.problem_type``; None lets the labels decide, and is set."""
    if config.problem_type is None:
        if config.num_labels == 1:
            config.problem_type = "regression"
        elif labels.dtype in (torch.long, torch.int):
            config.problem_type = "single_label_classification"
        else:
            config.problem_type = "multi_label_classification"
    if config.problem_type == "single_label_classification":
        return F.cross_entropy(logits, labels.view(-1).long())
    if config.problem_type == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return F.mse_loss(logits.view(labels.shape), labels.to(logits.dtype))


def base_layout(inputs: Inputs) -> Layout:
    """The layout the stack ran on."""
    return inputs.arguments["layout"]


def _span_loss(scores: Tensor, positions: Tensor, layout: Layout) -> Tensor:
    """Mean over rows of the cross-entropy of a position among its row's tokens; positions outside do not count."""
    positions = positions.view(-1).to(scores.device)
    lengths = layout.q_lengths.to(scores.device)
    counted = (positions >= 0) & (positions < lengths)
    width = int(layout.q_lengths.max())
    rows = scores.new_full((layout.rows, width), float("-inf"))
    rows = rows.index_put((layout.row_of, layout.positions), scores)
    return F.cross_entropy(rows, positions.masked_fill(~counted, -100))
