"""The heads that score the vocabulary at each place, and those that models are pre-trained with."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enfold.layers.linear import Linear, multiply
from enfold.layers.places import place
from enfold.models.encoder_decoder import resize_decoder_words
from enfold.models.heads import Head
from enfold.models.losses import next_labels, token_loss
from enfold.models.outputs import LanguageModelOutput, PreTrainingOutput, ReplacedTokenOutput

__all__ = [
    "CausalLM",
    "ConditionalGeneration",
    "DecoderAlone",
    "MaskedLM",
    "PreTraining",
    "ReplacedTokens",
    "SentenceOrderPreTraining",
]


class _Vocabulary(Head):
    """Scores of every vocabulary entry at each place."""

    def build_head(self) -> None:
        """Make the steps, the last map and the biases beside it."""
        if self.plan.bias is not None:
            place(self, self.plan.bias, nn.Parameter(torch.zeros(self.outputs)))
        super().build_head()
        if self.plan.buffer is not None:
            self.register_buffer(self.plan.buffer, torch.zeros(1, self.outputs))

    @property
    def outputs(self) -> int:
        """As many as there are words."""
        spec: Any = getattr(self._spec, "decoder", self._spec)
        return spec.embeddings.vocabulary

    @property
    def ties(self) -> dict[str, str]:
        """The last map shares the word vectors, and its bias stands beside it."""
        own = {}
        if not self.plan.output:
            return super().ties
        if self.plan.tied:
            prefix = f"{self.stack_attribute}." if self.stack_attribute else ""
            words = self.stack_class.words_path.fget(self.stack)
            own[f"{self.plan.output}.weight"] = f"{prefix}{words}.weight"
        if self.plan.bias is not None:
            own[f"{self.plan.output}.bias"] = self.plan.bias
        return super().ties | own

    def packed_states(self, **arguments: Any) -> Tensor:
        """The stack's last hidden states of a packed batch, (tokens, width), before any scoring."""
        inputs = self.stack_class.enter(self.stack, **arguments)
        return self.stack_class.observe(self.stack, inputs, hidden_states=False, attentions=False).hidden

    def classify(self, hidden: Tensor) -> Tensor:
        """(…, width) through the steps and the last map, or the word vectors, to (…, outputs)."""
        hidden = super().classify(hidden)
        return hidden if self.plan.output else multiply(hidden, self.get_input_embeddings().weight, self._beside)

    @property
    def _beside(self) -> nn.Parameter | None:
        return None if self.plan.bias is None else self.get_parameter(self.plan.bias)

    def vocabulary_scores(self, hidden: Tensor) -> Tensor:
        """(tokens, width) to (tokens, vocabulary)."""
        scores = self.classify(hidden)
        return scores if self.plan.buffer is None else scores + self.get_buffer(self.plan.buffer)

    def results(
        self, hidden: Tensor, inputs: Any, reads: Tensor | None, labels: Tensor | None = None
    ) -> LanguageModelOutput:
        """(batch, seq, vocabulary) logits; the loss of labels at their own places."""
        logits = self.vocabulary_scores(hidden)
        loss = None if labels is None else token_loss(logits, inputs.inside(labels))
        return LanguageModelOutput(loss, inputs.outside(logits))

    def get_output_embeddings(self) -> nn.Linear:
        """The linear map from hidden states to vocabulary scores."""
        if self.plan.output:
            return self.get_submodule(self.plan.output)  # type: ignore[return-value]
        words, bias = self.get_input_embeddings(), self._beside
        scores = Linear(words.embedding_dim, words.num_embeddings, bias=bias is not None, device="meta")
        scores.weight, scores.bias = words.weight, bias  # type: ignore[assignment]
        return scores

    def set_output_embeddings(self, decoder: nn.Linear) -> None:
        """Put another map in place, and its bias beside it."""
        if self.plan.output:
            place(self, self.plan.output, decoder)
        if self.plan.bias is not None:
            place(self, self.plan.bias, decoder.bias)
        if self.plan.buffer is not None:
            old = self.get_buffer(self.plan.buffer)
            grown = old.new_zeros(1, decoder.out_features)
            kept = min(old.shape[1], grown.shape[1])
            grown[:, :kept] = old[:, :kept]
            self.register_buffer(self.plan.buffer, grown)


class MaskedLM(_Vocabulary):
    """Scores of every vocabulary entry at each place (Devlin et al., 2019, section 3.1).

    ``labels`` are (batch, seq) token ids, -100 where none counts.
    """

    labels_places = True


class _Writing(_Vocabulary):
    """Scores of the token that comes next."""

    @property
    def scores_path(self) -> str | None:
        """Where the map to the vocabulary lies, where it is a map of its own."""
        return self.plan.output or None


class CausalLM(_Writing):
    """Scores of the token that comes next, at each place.

    ``labels`` are (batch, seq) token ids, usually the inputs themselves, -100 where none counts; each is compared with
    the scores at the place before it. A label whose place before is masked does not count.
    """

    shifts_labels = True

    def results(
        self, hidden: Tensor, inputs: Any, reads: Tensor | None, labels: Tensor | None = None
    ) -> LanguageModelOutput:
        """(batch, seq, vocabulary) logits."""
        logits = self.vocabulary_scores(hidden)
        loss = None
        if labels is not None:
            entry = inputs.entry
            packed, real = (inputs.layout, None) if entry is None else (None, entry.real)
            loss = token_loss(logits, inputs.inside(next_labels(labels, layout=packed, mask=real)))
        return LanguageModelOutput(loss, inputs.outside(logits))


class DecoderAlone(_Writing):
    """The decoder of a pair, writing by itself. Labels are compared with the scores at their own place, as there."""

    labels_places = True


class ConditionalGeneration(_Writing):
    """Scores of the token that the decoder says next, at each of its places.

    ``labels`` are (batch, decoder seq) token ids, -100 where none counts. Where the decoder is given nothing to read,
    it reads them one place to the right, behind what the family begins with.
    """

    labels_places = True

    def finish(self, arguments: dict[str, Any], targets: dict[str, Any], *shown: Any, **named: Any) -> Any:
        """Give the decoder something to read."""
        labels = targets["labels"]
        reads = ("decoder_input_ids", "decoder_inputs_embeds")
        if labels is not None and not any(name in arguments for name in reads):
            shifted = self.family.shift(labels, self.config, arguments.get("decoder_layout"))
            arguments = arguments | {"decoder_input_ids": shifted}
        return super().finish(arguments, targets, *shown, **named)

    def resize_decoder_token_embeddings(self, new_num_tokens: int) -> nn.Embedding:
        """Change the number of the decoder's word vectors and of the scores; see ``resize_token_embeddings``.

        Raises:
            InputError: both stacks have the same vocabulary.
        """
        return resize_decoder_words(self, self.stack, new_num_tokens)

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """What the decoder reads to say ``labels``: both (batch, decoder seq)."""
        return self.family.shift(labels, self.config)


class PreTraining(MaskedLM):
    """Masked tokens and the relation of two sentences at once: the two losses, summed.

    ``labels`` are (batch, seq) token ids; those of the relation (batch,).

    Attributes:
        relation_label: the argument with the relation's labels.
        relation_logits: the field of the output with its scores.
    """

    relation_label: ClassVar[str] = "next_sentence_label"
    relation_logits: ClassVar[str] = "seq_relationship_logits"
    targets = ("labels", "next_sentence_label")

    def build_head(self) -> None:
        """Make both heads."""
        super().build_head()
        relation = self.plan.relation
        assert relation is not None
        self._relation_steps = self.build_steps(relation)
        place(self, relation.output, nn.Linear(self._width, 2, bias=relation.output_bias))

    def results(  # type: ignore[override]
        self, hidden: Tensor, inputs: Any, reads: Tensor | None, labels: Tensor | None = None, **relation: Any
    ) -> PreTrainingOutput:
        """(batch, seq, vocabulary) and (batch, 2) logits; the loss where both kinds of label are given."""
        plan = self.plan.relation
        assert plan is not None
        words = self.vocabulary_scores(hidden)
        judged = self.pick(hidden, inputs, plan, reads)
        for path in (*self._relation_steps, plan.output):
            judged = self.get_submodule(path)(judged)
        right, loss = relation[self.relation_label], None
        if labels is not None and right is not None:
            loss = token_loss(words, inputs.inside(labels)) + F.cross_entropy(judged, right.view(-1))
        output = PreTrainingOutput(loss, inputs.outside(words))
        setattr(output, self.relation_logits, judged)
        return output


class SentenceOrderPreTraining(PreTraining):
    """The same with the order of two sentences (Lan et al., 2020, section 3.1)."""

    relation_label = "sentence_order_label"
    relation_logits = "sop_logits"
    targets = ("labels", "sentence_order_label")


class ReplacedTokens(Head):
    """Whether each token was replaced (Clark et al., 2020): one score a place.

    ``labels`` are (batch, seq), 1 where it was; masked places do not count.
    """

    @property
    def outputs(self) -> int:
        """One score."""
        return 1

    def results(
        self, hidden: Tensor, inputs: Any, reads: Tensor | None, labels: Tensor | None = None
    ) -> ReplacedTokenOutput:
        """(batch, seq) logits."""
        logits = self.classify(hidden)[:, 0]
        loss = None
        if labels is not None:
            loss = F.binary_cross_entropy_with_logits(logits, inputs.inside(labels).to(logits.dtype))
        return ReplacedTokenOutput(loss, inputs.outside(logits))
