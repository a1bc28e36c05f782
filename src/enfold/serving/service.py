"""The service behind the routes: the queue, the model in it and the feedback, started and stopped together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from enfold import __version__
from enfold.errors import EnfoldError
from enfold.serving.contracts import ModelSource, Recorder
from enfold.serving.messages import HealthResponse, Judgement, ModelHealth, QueueHealth
from enfold.serving.metrics import ServiceMetrics
from enfold.serving.queue import BatchQueue
from enfold.serving.settings import ServingSettings
from enfold.serving.swapping import ModelWatch, load_warm
from enfold.values import Feedback

__all__ = ["Service"]


class Service:
    """One model in service, from :meth:`start` to :meth:`stop`."""

    queue: BatchQueue
    watch: ModelWatch

    def __init__(self, source: ModelSource, recorder: Recorder, settings: ServingSettings) -> None:
        self.settings = settings
        self.metrics = ServiceMetrics()
        self._source = source
        self._recorder = recorder
        self._judging = ThreadPoolExecutor(max_workers=1, thread_name_prefix="enfold-feedback")
        self._started = time.monotonic()

    async def start(self) -> None:
        """Load the model, then take requests.

        Raises:
            EnfoldError: whatever keeps the model from loading.
        """
        loop = asyncio.get_running_loop()
        revision = self._source.revision()
        pipeline = await loop.run_in_executor(None, load_warm, self._source)
        self.queue = BatchQueue(
            pipeline,
            self._recorder,
            self.metrics,
            max_texts=self.settings.max_queue,
            max_characters=self.settings.max_queue_characters,
            max_batch_tokens=self.settings.max_batch_tokens,
        )
        self.watch = ModelWatch(
            self._source,
            revision=revision,
            queue=self.queue,
            metrics=self.metrics,
            poll_seconds=self.settings.poll_seconds,
        )
        self.queue.start()
        self.watch.start()
        self._started = time.monotonic()

    async def stop(self) -> None:
        """Finish what was accepted, then stop."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.queue.close)
        await loop.run_in_executor(None, self.watch.stop)
        await loop.run_in_executor(None, self._judging.shutdown)

    async def judge(self, judgements: Sequence[Judgement]) -> list[EnfoldError | None]:
        """Keep judgements; the outcome of each, in order: ``None``, or why it was not kept."""
        return await asyncio.get_running_loop().run_in_executor(self._judging, self._judge, judgements)

    def _judge(self, judgements: Sequence[Judgement]) -> list[EnfoldError | None]:
        outcomes: list[EnfoldError | None] = []
        for judgement in judgements:
            feedback = Feedback(
                prediction_id=judgement.prediction_id,
                kind=judgement.kind or "label",
                value=judgement.label,
                user=judgement.user,
                at=datetime.now(UTC),
            )
            try:
                self._recorder.judge(feedback, labels=self.queue.pipeline.labels)
            except EnfoldError as error:
                outcomes.append(error)
            else:
                self.metrics.feedback.labels(feedback.kind).inc()
                outcomes.append(None)
        return outcomes

    def health(self) -> HealthResponse:
        """What ``/health`` says."""
        state = self.watch.state
        texts, characters = self.queue.depth
        return HealthResponse(
            status="ok" if state.failure is None and self.queue.alive else "degraded",
            version=__version__,
            uptime_seconds=round(time.monotonic() - self._started, 3),
            model=ModelHealth(
                revision=state.revision,
                labels=list(state.labels),
                loaded_at=state.loaded_at,
                failure=state.failure,
            ),
            queue=QueueHealth(
                texts=texts,
                characters=characters,
                max_texts=self.queue.max_texts,
                max_characters=self.queue.max_characters,
            ),
        )
