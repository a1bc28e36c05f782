"""Task heads, written once, generic over the stack.

A head owns a stack under the family's attribute (``model.bert``) and its own few parts at the family's paths. It
brings a batch inside the door, runs the stack on packed tokens, and brings its logits back.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from enfold.errors import InputError
from enfold.layers.dropout import Dropout
from enfold.layers.packing import Layout
from enfold.layers.places import place
from enfold.models.encoder import EncoderModel, Inputs, returned
from enfold.models.losses import sequence_loss, span_loss, token_loss
from enfold.models.outputs import (
    EncoderOutput,
    ModelOutput,
    MultipleChoiceOutput,
    NextSentenceOutput,
    QuestionAnsweringOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from enfold.models.pretrained import PreTrainedModel
from enfold.values import LabelSet

__all__ = [
    "Head",
    "MultipleChoice",
    "NextSentence",
    "QuestionAnswering",
    "SequenceClassification",
    "TokenClassification",
]


class Head(PreTrainedModel):
    """What all heads share.

    Attributes:
        parts: the roles of the head's parts; those in one group are in a checkpoint together or not at all.
        pools: whether the head reads the pooled first token, so that its stack has a pooler.
        labels_places: whether ``labels`` has one for each token.
    """

    parts: ClassVar[tuple[tuple[str, ...], ...]] = ()
    pools: ClassVar[bool] = False
    labels_places: ClassVar[bool] = False
    stack_class: ClassVar[type[EncoderModel]]

    def build(self) -> None:
        """Make the stack and the head's own parts."""
        self._names = self.family.names
        self._spec = self.family.spec(self.config)
        self.add_module(self.base_model_prefix, self.stack_class(self.config, add_pooling_layer=self.pools))
        self.build_head()

    @property
    def stack(self) -> EncoderModel:
        """The stack below the head."""
        return self.base_model  # type: ignore[return-value]

    def build_head(self) -> None:
        """Make the head's own parts."""
        raise NotImplementedError

    def place(self, role: str, part: nn.Module | nn.Parameter) -> None:
        """Put a part of the head at the family's path."""
        place(self, self._names[role], part)

    def part(self, role: str) -> Any:
        """A part of the head."""
        return self.get_submodule(self._names[role])

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
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Logits, and the mean loss where labels are given. For the inputs see the stack's ``forward``."""
        inputs = self.stack.enter(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            layout,
            pools_first=self.pools,
            labels=labels if self.labels_places else None,
        )
        return self.finish(inputs, output_hidden_states, output_attentions, return_dict, labels=labels)

    def finish(
        self,
        inputs: Inputs,
        hidden_states: bool | None,
        attentions: bool | None,
        return_dict: bool | None,
        **targets: Any,
    ) -> Any:
        """Run the stack on a batch that is inside the door, then the head."""
        base = self.stack(
            **inputs.arguments, output_hidden_states=hidden_states, output_attentions=attentions, return_dict=True
        )
        output = self.score(base, inputs, **targets)
        for name, value in inputs.seen(base).items():
            setattr(output, name, value)
        return returned(output, self.config.return_dict if return_dict is None else return_dict)

    def score(self, base: EncoderOutput, inputs: Inputs, labels: Tensor | None) -> ModelOutput:
        """Logits and loss from the stack's packed output."""
        raise NotImplementedError


class _Classifier(Head):
    """Dropout and a linear map, to as many outputs as there are labels."""

    parts = (("classifier",),)

    def build_head(self) -> None:
        """Make the classifier."""
        own = getattr(self.config, "classifier_dropout", None)
        self.dropout = Dropout(self._spec.dropout if own is None else own)
        self.place("classifier", nn.Linear(self._spec.width, self.outputs))

    @property
    def outputs(self) -> int:
        """How many scores the classifier gives."""
        return self.config.num_labels

    def classify(self, hidden: Tensor) -> Tensor:
        """(…, width) to (…, outputs)."""
        return self.part("classifier")(self.dropout(hidden))


class _Labelled(_Classifier):
    """A classifier whose outputs have names."""

    @property
    def num_labels(self) -> int:
        """The number of outputs."""
        return self.config.num_labels

    @property
    def labels(self) -> LabelSet | None:
        """The names of the outputs, in order."""
        return LabelSet.from_id2label(self.config.id2label or {})  # type: ignore[arg-type]


class SequenceClassification(_Labelled):
    """One label, several labels or numbers for each text: a linear map of the pooled first token.

    ``labels`` are (batch,) class numbers; (batch, labels) floats for several labels at once; (batch,) or
    (batch, labels) numbers for regression. ``config.problem_type`` decides which, or the first labels where it is None.
    """

    pools = True

    def score(self, base: EncoderOutput, inputs: Inputs, labels: Tensor | None) -> SequenceClassifierOutput:
        """(batch, labels) logits."""
        logits = self.classify(base.pooler_output)  # type: ignore[arg-type]
        return SequenceClassifierOutput(None if labels is None else sequence_loss(logits, labels, self.config), logits)


class TokenClassification(_Labelled):
    """One label for each token. ``labels`` are (batch, seq) class numbers, -100 where none counts."""

    labels_places = True

    def score(self, base: EncoderOutput, inputs: Inputs, labels: Tensor | None) -> TokenClassifierOutput:
        """(batch, seq, labels) logits."""
        logits = self.classify(base.last_hidden_state)  # type: ignore[arg-type]
        loss = None if labels is None else token_loss(logits, inputs.inside(labels))
        return TokenClassifierOutput(loss, inputs.outside(logits))


class MultipleChoice(_Classifier):
    """The best of several continuations, over (batch, choices, seq) inputs. ``labels`` are (batch,) choice numbers."""

    pools = True

    @property
    def outputs(self) -> int:
        """One score for each choice."""
        return 1

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """(batch, choices) logits, and the mean loss where labels are given."""
        given = input_ids if inputs_embeds is None else inputs_embeds
        if given is None or given.dim() != (3 if inputs_embeds is None else 4):
            raise InputError("multiple choice takes inputs of (batch, choices, seq)")
        ids, mask, types, positions, vectors = (
            None if values is None else values.flatten(0, 1)
            for values in (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        )
        inputs = self.stack.enter(ids, mask, types, positions, vectors, None, pools_first=True)
        targets = {"labels": labels, "choices": given.shape[1]}
        return self.finish(inputs, output_hidden_states, output_attentions, return_dict, **targets)

    def score(  # type: ignore[override]
        self, base: EncoderOutput, inputs: Inputs, labels: Tensor | None, choices: int
    ) -> MultipleChoiceOutput:
        """(batch, choices) logits."""
        logits = self.classify(base.pooler_output).view(-1, choices)  # type: ignore[arg-type]
        return MultipleChoiceOutput(None if labels is None else F.cross_entropy(logits, labels), logits)


class QuestionAnswering(Head):
    """Where an answer begins and ends: two scores for each token.

    The loss of a padded batch is over all places, padding included, as in ``transformers``; that of a packed batch is
    over each row's own tokens.
    """

    parts = (("span",),)

    def build_head(self) -> None:
        """Make the span scores."""
        self.place("span", nn.Linear(self._spec.width, 2))

    def forward(  # type: ignore[override]
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
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """(batch, seq) start and end logits; the positions are (batch,) places in each row, ignored beyond it."""
        spans = None if start_positions is None or end_positions is None else (start_positions, end_positions)
        inputs = self.stack.enter(
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, layout, whole_rows=spans is not None
        )
        return self.finish(inputs, output_hidden_states, output_attentions, return_dict, labels=spans)

    def score(self, base: EncoderOutput, inputs: Inputs, labels: Any) -> QuestionAnsweringOutput:
        """(batch, seq) start and end logits."""
        logits = self.part("span")(base.last_hidden_state)
        loss = None
        if labels is not None:
            start_loss, end_loss = (span_loss(logits[:, side], labels[side], inputs.layout) for side in (0, 1))
            loss = (start_loss + end_loss) / 2
        start, end = inputs.outside(logits).unbind(-1)
        return QuestionAnsweringOutput(loss, start.contiguous(), end.contiguous())


class NextSentence(Head):
    """Whether the second text follows the first: logits (it follows, it does not); ``labels`` are 0 and 1 likewise."""

    parts = (("next_sentence",),)
    pools = True

    def build_head(self) -> None:
        """Make the classifier."""
        self.place("next_sentence", nn.Linear(self._spec.width, 2))

    def score(self, base: EncoderOutput, inputs: Inputs, labels: Tensor | None) -> NextSentenceOutput:
        """(batch, 2) logits."""
        logits = self.part("next_sentence")(base.pooler_output)
        return NextSentenceOutput(None if labels is None else F.cross_entropy(logits, labels.view(-1)), logits)
