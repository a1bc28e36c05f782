"""From texts to typed predictions, one file a task. Importing this does not import torch."""

from enfold.pipelines.loading import pipeline, task_names
from enfold.pipelines.runtime import SequenceRuntime, TorchRuntime
from enfold.pipelines.text_classification import EncodedText, TextClassificationPipeline
from enfold.pipelines.threads import batch_threads, set_batch_threads

__all__ = [
    "EncodedText",
    "SequenceRuntime",
    "TextClassificationPipeline",
    "TorchRuntime",
    "batch_threads",
    "pipeline",
    "set_batch_threads",
    "task_names",
]
