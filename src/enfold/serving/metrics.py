"""What the service counts of its own work, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

__all__ = ["ServiceMetrics"]


class ServiceMetrics:
    """The series of one application; each has a registry of its own, so that two can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.predictions = Counter(
            "enfold_predictions", "Predictions recorded and answered.", ["label"], registry=self.registry
        )
        self.feedback = Counter("enfold_feedback", "Judgements kept, by kind.", ["kind"], registry=self.registry)
        self.refused = Counter(
            "enfold_refused_texts", "Texts refused because the queue was full.", registry=self.registry
        )
        self.queued_texts = Gauge("enfold_queue_texts", "Texts accepted and not yet answered.", registry=self.registry)
        self.queued_characters = Gauge(
            "enfold_queue_characters", "Characters accepted and not yet answered.", registry=self.registry
        )
        self.batch_tokens = Histogram(
            "enfold_batch_tokens",
            "Tokens in a batch.",
            buckets=(32, 64, 128, 256, 512, 1024, 2048, 4096, 8192),
            registry=self.registry,
        )
        self.batch_windows = Histogram(
            "enfold_batch_windows",
            "Windows in a batch.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "enfold_batch_seconds", "Seconds the model takes for a batch.", registry=self.registry
        )
        self.record_seconds = Histogram(
            "enfold_record_seconds", "Seconds until a group of predictions is durable.", registry=self.registry
        )
        self.batch_failures = Counter(
            "enfold_batch_failures",
            "Batches that failed and were run again one request at a time.",
            registry=self.registry,
        )
        self.record_failures = Counter(
            "enfold_record_failures", "Groups of predictions that could not be recorded.", registry=self.registry
        )
        self.swaps = Counter("enfold_model_swaps", "Models put in service while serving.", registry=self.registry)
        self.swap_failures = Counter(
            "enfold_model_swap_failures",
            "Models that could not be put in service; the old one went on.",
            registry=self.registry,
        )
        self.model = Info("enfold_model", "The model in service.", registry=self.registry)
