"""From texts to typed predictions, one file a task. Importing this does not import torch."""

from enfold.pipelines.chat import ChatPipeline, Conversation
from enfold.pipelines.dialogue_state_tracking import DialogueStatePipeline
from enfold.pipelines.embedding import EmbeddingPipeline
from enfold.pipelines.feature_extraction import FeatureExtractionPipeline
from enfold.pipelines.fill_mask import FillMaskPipeline
from enfold.pipelines.loading import pipeline
from enfold.pipelines.pooling import Pooling, read_pooling
from enfold.pipelines.question_answering import QuestionAnsweringPipeline
from enfold.pipelines.reading import EncodedText
from enfold.pipelines.response_selection import EmbeddingResponsePipeline, ResponseSelectionPipeline
from enfold.pipelines.runtime import TorchRuntime
from enfold.pipelines.runtime_protocols import (
    ChoiceRuntime,
    HiddenRuntime,
    Runtime,
    SequenceRuntime,
    SpanRuntime,
    TokenRuntime,
    VocabularyRuntime,
)
from enfold.pipelines.search_index import SearchIndex
from enfold.pipelines.semantic_search import SemanticSearchPipeline
from enfold.pipelines.sentence_similarity import SentenceSimilarityPipeline
from enfold.pipelines.steps import Pipeline
from enfold.pipelines.summarization import SummarizationPipeline
from enfold.pipelines.tasks import task_names
from enfold.pipelines.text2text import Text2TextPipeline
from enfold.pipelines.text_classification import (
    MultiLabelClassificationPipeline,
    TextClassificationPipeline,
    TextRegressionPipeline,
)
from enfold.pipelines.text_generation import TextGenerationPipeline
from enfold.pipelines.threads import batch_threads, set_batch_threads
from enfold.pipelines.token_classification import TokenClassificationPipeline
from enfold.pipelines.translation import TranslationPipeline
from enfold.pipelines.zero_shot_classification import EmbeddingZeroShotPipeline, ZeroShotClassificationPipeline

__all__ = [
    "ChatPipeline",
    "ChoiceRuntime",
    "Conversation",
    "DialogueStatePipeline",
    "EmbeddingPipeline",
    "EmbeddingResponsePipeline",
    "EmbeddingZeroShotPipeline",
    "EncodedText",
    "FeatureExtractionPipeline",
    "FillMaskPipeline",
    "HiddenRuntime",
    "MultiLabelClassificationPipeline",
    "Pipeline",
    "Pooling",
    "QuestionAnsweringPipeline",
    "ResponseSelectionPipeline",
    "Runtime",
    "SearchIndex",
    "SemanticSearchPipeline",
    "SentenceSimilarityPipeline",
    "SequenceRuntime",
    "SpanRuntime",
    "SummarizationPipeline",
    "Text2TextPipeline",
    "TextClassificationPipeline",
    "TextGenerationPipeline",
    "TextRegressionPipeline",
    "TokenClassificationPipeline",
    "TokenRuntime",
    "TorchRuntime",
    "TranslationPipeline",
    "VocabularyRuntime",
    "ZeroShotClassificationPipeline",
    "batch_threads",
    "pipeline",
    "read_pooling",
    "set_batch_threads",
    "task_names",
]
