"""The tasks there are: which pipeline serves each, and with which heads of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from enfold.errors import InputError, near
from enfold.pipelines.chat import ChatPipeline
from enfold.pipelines.dialogue_state_tracking import DialogueStatePipeline
from enfold.pipelines.feature_extraction import FeatureExtractionPipeline
from enfold.pipelines.fill_mask import FillMaskPipeline
from enfold.pipelines.question_answering import QuestionAnsweringPipeline
from enfold.pipelines.response_selection import EmbeddingResponsePipeline, ResponseSelectionPipeline
from enfold.pipelines.runtime import heads_of
from enfold.pipelines.runtime_protocols import Runtime
from enfold.pipelines.semantic_search import SemanticSearchPipeline
from enfold.pipelines.sentence_similarity import SentenceSimilarityPipeline
from enfold.pipelines.summarization import SummarizationPipeline
from enfold.pipelines.text2text import Text2TextPipeline
from enfold.pipelines.text_classification import (
    MultiLabelClassificationPipeline,
    TextClassificationPipeline,
    TextRegressionPipeline,
)
from enfold.pipelines.text_generation import TextGenerationPipeline
from enfold.pipelines.token_classification import TokenClassificationPipeline
from enfold.pipelines.translation import TranslationPipeline
from enfold.pipelines.zero_shot_classification import EmbeddingZeroShotPipeline, ZeroShotClassificationPipeline

__all__ = ["ALIASES", "TASKS", "Task", "task_named", "task_names"]

STACK = ""
"""In place of a head: the model's hidden states are enough."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Attributes:
        name: as `pipeline` takes it.
        pipelines: the end of the class name of models that serve it, such as ``ForTokenClassification``, to the
            pipeline for them; `STACK` for models of any kind. The first is what a reader would expect.
    """

    name: str
    pipelines: Mapping[str, type]

    @property
    def heads(self) -> list[str]:
        """The heads that serve it, without `STACK`."""
        return [head for head in self.pipelines if head != STACK]

    def head_among(self, architectures: list[str]) -> str:
        """Which of its heads a checkpoint has, by the class names in its ``config.json``.

        Raises:
            InputError: none, where one is needed.
        """
        for head in self.heads:
            if any(head in name for name in architectures):
                return head
        if STACK in self.pipelines:
            return STACK
        if len(self.heads) == 1:
            return self.heads[0]
        raise InputError(
            f"{self.name} needs a model with the head {' or '.join(self.heads)}; this checkpoint is of "
            f"{', '.join(architectures) or 'no class it names'}"
        )

    def pipeline_for(self, model: Any) -> type:
        """The pipeline that serves a loaded model, or a runtime."""
        heads = heads_of(model)
        kind = next((one for head, one in self.pipelines.items() if head in heads), None)
        if kind is None and isinstance(model, Runtime):
            kind = next((one for one in self.pipelines.values() if _runs(one, model)), None)
        kind = kind or self.pipelines.get(STACK) or next(iter(self.pipelines.values()))
        return _BY_PROBLEM[_problem_of(model)] if kind is TextClassificationPipeline else kind


def _runs(pipeline: type, model: Any) -> bool:
    protocol = getattr(pipeline, "runtime_protocol", None)
    return protocol is not None and isinstance(model, protocol)


_BY_PROBLEM: dict[str, type] = {
    "single_label_classification": TextClassificationPipeline,
    "multi_label_classification": MultiLabelClassificationPipeline,
    "regression": TextRegressionPipeline,
}


def _problem_of(model: Any) -> str:
    if hasattr(model, "problem_type"):
        return str(model.problem_type)
    config = getattr(model, "config", None)
    if config is None:
        return "single_label_classification"
    known = getattr(config, "problem_type", None)
    return known or ("regression" if int(config.num_labels) == 1 else "single_label_classification")


TASKS = {
    task.name: task
    for task in (
        Task("text-classification", {"ForSequenceClassification": TextClassificationPipeline}),
        Task(
            "zero-shot-classification",
            {"ForSequenceClassification": ZeroShotClassificationPipeline, STACK: EmbeddingZeroShotPipeline},
        ),
        Task("token-classification", {"ForTokenClassification": TokenClassificationPipeline}),
        Task("question-answering", {"ForQuestionAnswering": QuestionAnsweringPipeline}),
        Task("fill-mask", {"ForMaskedLM": FillMaskPipeline}),
        Task("feature-extraction", {STACK: FeatureExtractionPipeline}),
        Task("sentence-similarity", {STACK: SentenceSimilarityPipeline}),
        Task("semantic-search", {STACK: SemanticSearchPipeline}),
        Task(
            "response-selection",
            {
                "ForMultipleChoice": ResponseSelectionPipeline,
                "ForSequenceClassification": ResponseSelectionPipeline,
                STACK: EmbeddingResponsePipeline,
            },
        ),
        Task(
            "dialogue-state-tracking",
            {"ForQuestionAnswering": DialogueStatePipeline, "ForTokenClassification": DialogueStatePipeline},
        ),
        Task("text-generation", {"ForCausalLM": TextGenerationPipeline}),
        Task("chat", {"ForCausalLM": ChatPipeline}),
        Task("translation", {"ForSeq2SeqLM": TranslationPipeline}),
        Task("summarization", {"ForSeq2SeqLM": SummarizationPipeline}),
        Task("text2text-generation", {"ForSeq2SeqLM": Text2TextPipeline}),
    )
}
ALIASES = {
    "sentiment-analysis": "text-classification",
    "ner": "token-classification",
    "next-response-selection": "response-selection",
}
"""Names that tutorials use."""


def task_names() -> list[str]:
    """The tasks there are pipelines for."""
    return sorted(TASKS)


def task_named(name: str) -> Task:
    """A task by its name or one of its other names.

    Raises:
        InputError: there is no such task.
    """
    found = TASKS.get(ALIASES.get(name, name))
    if found is None:
        known = [*task_names(), *ALIASES]
        raise InputError(f"no pipeline for task {name!r}; there are: {', '.join(known)}{near(name, known)}")
    return found
