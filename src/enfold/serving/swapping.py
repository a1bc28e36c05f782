"""The model in service: loaded at the start, and replaced while serving when the source has another."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from enfold.errors import EnfoldError
from enfold.pipelines import TextClassificationPipeline
from enfold.serving.contracts import ModelSource
from enfold.serving.metrics import ServiceMetrics
from enfold.serving.queue import BatchQueue

__all__ = ["ModelState", "ModelWatch", "load_warm"]

_LONGEST_WAIT = 60.0
_WARMING = ["A short text.", "A longer one, " + "so that the model has met more than one length. " * 40]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelState:
    """What ``/health`` says of the model."""

    revision: str
    labels: tuple[str, ...]
    loaded_at: datetime
    failure: str | None = None


def load_warm(source: ModelSource) -> TextClassificationPipeline:
    """Load the model that should be in service and run it once, so that the first request is not the slow one.

    A model that cannot answer fails here, not at somebody's request.
    """
    pipeline = source.load()
    pipeline(_WARMING)
    return pipeline


class ModelWatch:
    """Asks the source once in a while, and swaps the queue's pipeline when another model should be in service.

    The new model is loaded and warmed in a thread of its own; the old one answers meanwhile, and goes on when
    the new one fails. A failed revision is tried again after a wait that doubles, and at once when the source
    names yet another.

    Args:
        source: where models come from.
        revision: what the source named when the present pipeline was loaded.
        queue: whose pipeline is swapped.
        metrics: counts.
        poll_seconds: time between two questions.
    """

    def __init__(
        self, source: ModelSource, *, revision: str, queue: BatchQueue, metrics: ServiceMetrics, poll_seconds: float
    ) -> None:
        self._source = source
        self._revision = revision
        self._queue = queue
        self.state: ModelState
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._failed: str | None = None
        self._failures = 0
        self._not_before = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="enfold-model-watch", daemon=True)
        self._note_success(queue.pipeline, datetime.now(UTC))

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; waits for a load that is under way."""
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            try:
                wanted = self._source.revision()
            except Exception as error:  # whatever a source raises, the old model goes on
                self._note_failure("the source could not be asked which model is in service", error)
                continue
            self._follow(wanted)

    def _follow(self, wanted: str) -> None:
        if wanted == self._revision:
            if self.state.failure is not None:  # asked back to the present model, or the source is well again
                self._note_success(self._queue.pipeline, self.state.loaded_at)
            return
        if wanted == self._failed and time.monotonic() < self._not_before:
            return
        try:
            pipeline = load_warm(self._source)
        except Exception as error:
            self._failed = wanted
            self._note_failure(f"model {wanted} could not be put in service", error)
            return
        self._queue.pipeline = pipeline
        self._revision = wanted
        self._metrics.swaps.inc()
        self._note_success(pipeline, datetime.now(UTC))
        _log.info("model %s is in service", pipeline.revision)

    def _note_success(self, pipeline: TextClassificationPipeline, loaded_at: datetime) -> None:
        self._failed, self._failures = None, 0
        self._metrics.model.info({"revision": pipeline.revision})
        self.state = ModelState(pipeline.revision, pipeline.labels.names, loaded_at)

    def _note_failure(self, what: str, error: Exception) -> None:
        self._failures += 1
        self._not_before = time.monotonic() + min(_LONGEST_WAIT, self._poll_seconds * 2**self._failures)
        self._metrics.swap_failures.inc()
        reason = str(error) if isinstance(error, EnfoldError) else f"{type(error).__name__}: {error}"
        failure = f"{what}: {reason}"
        if failure != self.state.failure:  # once, however often it is tried
            _log.error("%s", failure, exc_info=None if isinstance(error, EnfoldError) else error)
        self.state = replace(self.state, failure=failure)
