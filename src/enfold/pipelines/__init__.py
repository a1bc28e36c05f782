"""From texts to typed predictions, one file a task. Importing this does not import torch."""

from enfold.pipelines.loading import pipeline, task_names
from enfold.pipelines.runtime import SequenceRuntime, TorchRuntime
from enfold.pipelines.text_classification import EncodedText, TextClassificationPipeline

__all__ = [
    "EncodedText",
    "SequenceRuntime",
    "TextClassificationPipeline",
    "TorchRuntime",
    "pipeline",
    "task_names",
]
