"""Task heads, written once, generic over the stack.

A head owns a stack under the family's attribute (``model.bert``) and its own few parts at the paths of its plan. It
brings a batch inside the door, runs the stack on packed tokens, and brings its logits back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from enfold.errors import InputError
from enfold.layers.linear import Linear
from enfold.layers.places import place
from enfold.models import picking
from enfold.models.encoder import returned
from enfold.models.losses import sequence_loss, span_loss, token_loss
from enfold.models.outputs import (
    ModelOutput,
    MultipleChoiceOutput,
    NextSentenceOutput,
    QuestionAnsweringOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from enfold.models.plan import Plan
from enfold.models.pretrained import PreTrainedModel
from enfold.models.stack import Stack
from enfold.values import LabelSet

__all__ = [
    "Head",
    "MultipleChoice",
    "NextSentence",
    "QuestionAnswering",
    "SequenceClassification",
    "TokenClassification",
]

_SHOWN = ("output_hidden_states", "output_attentions", "return_dict")


class Head(PreTrainedModel):
    """What all heads share.

    Attributes:
        plan: what the head is made of.
        stack_class: the stack below it.
        targets: the arguments that make a loss.
        labels_places: whether ``labels`` has one for each token.
        judges_inputs: whether it judges what it is given to read, rather than what a decoder says.
        results: from the stack's packed states (tokens, width), the batch, the places that are read and the targets to
            logits and loss.
    """

    plan: Plan
    stack_class: ClassVar[Any]
    targets: ClassVar[tuple[str, ...]] = ("labels",)
    labels_places: ClassVar[bool] = False
    judges_inputs: ClassVar[bool] = False
    results: Callable[..., ModelOutput]

    # ---- building -------------------------------------------------------------------------------------------------

    @classmethod
    def input_names(cls) -> tuple[str, ...]:
        """The arguments of a call, in order."""
        stack = cls.stack_class
        return (*stack.input_names, *cls.targets, *stack.option_names, *_SHOWN)

    def build(self) -> None:
        """Make the stack and the head's own parts."""
        self._spec = self.family.spec(self.config)
        self.plan = self.plan.of(self.config)
        pooled = self.reads_pooled(self.plan)
        if self.stack_attribute:
            self.add_module(self.stack_attribute, self.stack_class(self.config, add_pooling_layer=pooled))
        else:
            self.pooled = pooled
            self.stack_class.build(self)
        self.build_head()

    @staticmethod
    def reads_pooled(plan: Plan) -> bool:
        """Whether the stack needs a pooler."""
        return "pooled" in (plan.pick, plan.relation.pick if plan.relation else None)

    @property
    def stack_attribute(self) -> str:
        """Under which attribute the stack lies; empty where its parts are the model's own."""
        return self.family.attribute if self.plan.attribute is None else self.plan.attribute

    @property
    def stack(self) -> Any:
        """The stack below the head."""
        return getattr(self, self.stack_attribute) if self.stack_attribute else self

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether the model reads with one stack and writes with another."""
        return self.stack_class.has_two_stacks

    @property
    def ties(self) -> dict[str, str]:
        """The stack's own."""
        return self._of_the_stack("ties")

    @property
    def firm_ties(self) -> dict[str, str]:
        """The stack's own that hold even where the config does not tie."""
        return self._of_the_stack("firm_ties")

    def _of_the_stack(self, kind: str) -> dict[str, str]:
        if not self.stack_attribute:
            return getattr(self.stack_class, kind).fget(self)
        prefix = f"{self.stack_attribute}."
        return {prefix + name: prefix + source for name, source in getattr(self.stack, kind).items()}

    def tensors_to_write(self) -> dict[str, Tensor]:
        """The state dict with each shared tensor once, without what files leave out."""
        tensors, pattern = super().tensors_to_write(), self.plan.unwritten
        return tensors if pattern is None else {n: own for n, own in tensors.items() if not re.search(pattern, n)}

    def build_head(self) -> None:
        """Make the steps and the last map."""
        self._steps = self.build_steps(self.plan)
        if self.plan.output:
            place(self, self.plan.output, Linear(self._width, self.outputs, bias=self.plan.output_bias))

    def build_steps(self, plan: Plan) -> list[str]:
        """Make the steps of a plan. Gives their paths, in order; those without weights are named for what they do."""
        stack, paths = self.stack, []
        self._width = stack.width if isinstance(stack, Stack) else self._spec.width
        for step in plan.steps:
            module, self._width = step.build(self._width, self.config, self._spec)
            path = getattr(step, "path", None) or self._free_name(type(step).__name__.lower())
            paths.append(path)
            place(self, path, module)
        return paths

    def _free_name(self, kind: str) -> str:
        name = {"drop": "dropout"}.get(kind, kind)
        taken = sum(own == name or own.startswith(f"{name}_") for own in self._modules)
        return f"{name}_{taken}" if taken else name

    @property
    def outputs(self) -> int:
        """How many scores the last map gives."""
        return self.config.num_labels

    # ---- running --------------------------------------------------------------------------------------------------

    def classify(self, hidden: Tensor) -> Tensor:
        """(…, width) through the steps and the last map to (…, outputs)."""
        for path in self._steps:
            hidden = self.get_submodule(path)(hidden)
        return self.get_submodule(self.plan.output)(hidden) if self.plan.output else hidden

    def pick(self, hidden: Tensor, inputs: Any, plan: Plan, reads: Tensor | None) -> Tensor:
        """The states a head for whole texts reads: (tokens, width) to (rows, width)."""
        if plan.pick == "pooled":
            return self.stack_class.pool(self.stack, hidden, inputs)
        if plan.pick in ("mean", "mean of places"):
            return picking.mean(hidden, inputs, padded=plan.pick != "mean")
        if reads is None:
            raise InputError("this head reads the state at a place of input_ids: give them, whatever else is given")
        return hidden[inputs.at(reads)]

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Logits, and the mean loss where targets are given. For the inputs see the stack's ``forward``."""
        arguments = self._bound(inputs, named)
        targets = {name: arguments.pop(name, None) for name in self.targets}
        shown = {name: arguments.pop(name, None) for name in _SHOWN}
        return self.finish(arguments, targets, **shown)

    def _bound(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        names = self.input_names()
        if len(inputs) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} arguments; {len(inputs)} were given")
        arguments = dict(zip(names, inputs, strict=False))
        for name, value in named.items():
            if name not in names:
                raise TypeError(f"{type(self).__name__} takes no argument {name!r}; it takes: {', '.join(names)}")
            if name in arguments:
                raise TypeError(f"{type(self).__name__} got {name!r} twice")
            arguments[name] = value
        return {name: value for name, value in arguments.items() if value is not None}

    def finish(
        self,
        arguments: dict[str, Any],
        targets: dict[str, Any],
        output_hidden_states: bool | None,
        output_attentions: bool | None,
        return_dict: bool | None,
    ) -> Any:
        """Bring the batch in, run the stack and the head, and bring the logits out."""
        if self.judges_inputs:
            arguments = self.stack_class.reread(self.stack, arguments)
        reads = self.reads(arguments)
        brought = self.stack_class.enter(self.stack, **arguments, reads=reads, **self.rules(targets))
        seen = self.stack_class.observe(self.stack, brought, **self.shown(output_hidden_states, output_attentions))
        output = self.results(seen.hidden, brought, reads, **targets)
        for name, value in self.stack_class.seen_outside(self.stack, seen, brought).items():
            setattr(output, name, value)
        return returned(output, self.config.return_dict if return_dict is None else return_dict)

    def reads(self, arguments: dict[str, Any]) -> Tensor | None:
        """The place of each row whose state the head uses, (rows,); None where it reads none or all."""
        plan = self.plan if self.plan.relation is None else self.plan.relation
        return (
            None if plan.pick in (None, "mean", "mean of places") else picking.places(plan.pick, arguments, self.config)
        )

    def rules(self, targets: dict[str, Any]) -> dict[str, Any]:
        """What else decides how a padded batch is computed."""
        return {"labels": targets["labels"]} if self.labels_places else {}


class _Labelled(Head):
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
    """One label, several labels or numbers for each text, from the state that the plan picks.

    ``labels`` are (batch,) class numbers; (batch, labels) floats for several labels at once; (batch,) or
    (batch, labels) numbers for regression. ``config.problem_type`` decides which, or the first labels where it is None.
    """

    judges_inputs = True

    def results(
        self, hidden: Tensor, inputs: Any, reads: Tensor | None, labels: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """(batch, labels) logits."""
        logits = self.classify(self.pick(hidden, inputs, self.plan, reads))
        return SequenceClassifierOutput(None if labels is None else sequence_loss(logits, labels, self.config), logits)


class TokenClassification(_Labelled):
    """One label for each token. ``labels`` are (batch, seq) class numbers, -100 where none counts."""

    labels_places = True

    def results(
        self, hidden: Tensor, inputs: Any, reads: Tensor | None, labels: Tensor | None = None
    ) -> TokenClassifierOutput:
        """(batch, seq, labels) logits."""
        logits = self.classify(hidden)
        loss = None if labels is None else token_loss(logits, inputs.inside(labels))
        return TokenClassifierOutput(loss, inputs.outside(logits))


class MultipleChoice(Head):
    """The best of several continuations, over (batch, choices, seq) inputs. ``labels`` are (batch,) choice numbers."""

    @property
    def outputs(self) -> int:
        """One score for each choice."""
        return 1

    def finish(self, arguments: dict[str, Any], targets: dict[str, Any], *shown: Any, **named: Any) -> Any:
        """(batch, choices) logits, and the mean loss where labels are given."""
        vectors = "inputs_embeds" in arguments
        given = arguments.get("inputs_embeds", arguments.get("input_ids"))
        if given is None or given.dim() != (4 if vectors else 3):
            raise InputError("multiple choice takes inputs of (batch, choices, seq)")
        flat = {name: value.flatten(0, 1) if isinstance(value, Tensor) else value for name, value in arguments.items()}
        return super().finish(flat, targets | {"choices": given.shape[1]}, *shown, **named)

    def results(
        self, hidden: Tensor, inputs: Any, reads: Tensor | None, choices: int, labels: Tensor | None = None
    ) -> MultipleChoiceOutput:
        """(batch, choices) logits."""
        logits = self.classify(self.pick(hidden, inputs, self.plan, reads)).view(-1, choices)
        return MultipleChoiceOutput(None if labels is None else F.cross_entropy(logits, labels), logits)


class QuestionAnswering(Head):
    """Where an answer begins and ends: two scores for each token.

    ``start_positions`` and ``end_positions`` are (batch,) places in each row, ignored beyond it. The loss of a padded
    batch is over all places, padding included, as in ``transformers``; that of a packed batch is over each row's own
    tokens.
    """

    targets = ("start_positions", "end_positions")
    judges_inputs = True

    @property
    def outputs(self) -> int:
        """One score for each end."""
        return 2

    def rules(self, targets: dict[str, Any]) -> dict[str, Any]:
        """A loss is over whole rows."""
        return {"whole_rows": None not in targets.values()}

    def results(
        self,
        hidden: Tensor,
        inputs: Any,
        reads: Tensor | None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
    ) -> QuestionAnsweringOutput:
        """(batch, seq) start and end logits."""
        logits = self.classify(hidden)
        loss = None
        if start_positions is not None and end_positions is not None:
            start_loss = span_loss(logits[:, 0], start_positions, inputs.layout)
            loss = (start_loss + span_loss(logits[:, 1], end_positions, inputs.layout)) / 2
        start, end = inputs.outside(logits).unbind(-1)
        return QuestionAnsweringOutput(loss, start.contiguous(), end.contiguous())


class NextSentence(Head):
    """Whether the second text follows the first: logits (it follows, it does not); ``labels`` are 0 and 1 likewise."""

    @property
    def outputs(self) -> int:
        """It follows; it does not."""
        return 2

    def results(
        self, hidden: Tensor, inputs: Any, reads: Tensor | None, labels: Tensor | None = None
    ) -> NextSentenceOutput:
        """(batch, 2) logits."""
        logits = self.classify(self.pick(hidden, inputs, self.plan, reads))
        return NextSentenceOutput(None if labels is None else F.cross_entropy(logits, labels.view(-1)), logits)
