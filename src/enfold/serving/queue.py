"""The queue between the event loop and the model: batches by tokens, in turns, recorded before answered.

*Model threads* take batches from the schedule and run them; while they do, what arrives waits and makes the
next batch, so batches grow with the load and a lone request waits a few milliseconds at most. The *recording
thread* makes finished predictions durable, all that have gathered in one go, while the model runs on; only then
are they answered.

There are as many model threads as cores, up to four, and each runs its batches on its share of the cores. One
batch on all cores would meet at a barrier after every operation, and the event loop, which needs a core now and
then, would hold up all of them at each; measured on two busy cores, that costs most of the speed.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue

from enfold.errors import ServiceError
from enfold.pipelines import TextClassificationPipeline, batch_threads, set_batch_threads
from enfold.serving.contracts import Recorder
from enfold.serving.jobs import Job, Slot
from enfold.serving.metrics import ServiceMetrics
from enfold.serving.schedule import FairSchedule

__all__ = ["BatchQueue", "UnavailableError"]

_GATHER_SECONDS = 0.002
_LONGEST_RETRY = 60
_MOST_MODEL_THREADS = 4

_log = logging.getLogger(__name__)


class UnavailableError(ServiceError):
    """The queue cannot answer now; after ``retry_after`` seconds it may."""

    def __init__(self, code: str, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class BatchQueue:
    """Takes texts from the event loop, gives predictions back.

    ``pipeline`` may be replaced at any time: requests that have begun are finished by the pipeline they began
    with, the others go to the new one.

    Args:
        pipeline: the one in service.
        recorder: keeps the predictions.
        metrics: counts.
        max_texts: texts in the queue, from being accepted to being answered.
        max_characters: characters in the queue; a single request may exceed it when the queue is empty.
        max_batch_tokens: tokens the model runs at once.
    """

    def __init__(
        self,
        pipeline: TextClassificationPipeline,
        recorder: Recorder,
        metrics: ServiceMetrics,
        *,
        max_texts: int,
        max_characters: int,
        max_batch_tokens: int,
    ) -> None:
        self.pipeline = pipeline
        self.max_texts = max_texts
        self.max_characters = max_characters
        self._recorder = recorder
        self._metrics = metrics
        self._cores = batch_threads()
        workers = min(_MOST_MODEL_THREADS, self._cores)
        self._schedule = FairSchedule(max_tokens=max_batch_tokens, workers=workers, fail=self._fail)
        self._turn = threading.Lock()  # whoever holds it chooses the next batch
        self._results = threading.Lock()  # guards what jobs have been told so far
        self._changed = threading.Condition()  # guards the five below
        self._arrived: list[Job] = []
        self._open: set[Job] = set()
        self._texts = 0
        self._characters = 0
        self._closing = False
        self._seconds_a_token = 1 / 2000
        self._finished: SimpleQueue[Job | None] = SimpleQueue()
        self._models = [
            threading.Thread(target=self._run_model, args=(self._cores // workers,), name="enfold-model", daemon=True)
            for _ in range(workers)
        ]
        self._recording = threading.Thread(target=self._run_recorder, name="enfold-recorder", daemon=True)

    def start(self) -> None:
        """Start the threads."""
        for thread in (*self._models, self._recording):
            thread.start()

    @property
    def depth(self) -> tuple[int, int]:
        """Texts and characters that were accepted and are not answered yet."""
        return self._texts, self._characters

    @property
    def alive(self) -> bool:
        """Whether all threads run."""
        return all(thread.is_alive() for thread in (*self._models, self._recording))

    def submit(self, texts: Sequence[str], user: str | None) -> Job:
        """Accept a request; its ``answer`` comes when its predictions are recorded. Call it in the event loop.

        Cancelling the answer abandons the job: what has not run will not run.

        Raises:
            UnavailableError: the queue is full, or closing. The answer may raise it too, when predictions could
                not be recorded.
        """
        job = Job(texts, user)
        with self._changed:
            if self._closing:
                raise UnavailableError("shutting_down", "the server is shutting down", retry_after=1)
            over = len(texts) + self._texts > self.max_texts or job.characters + self._characters > self.max_characters
            if over and self._texts:
                self._metrics.refused.inc(len(texts))
                message = f"{self._texts} texts with {self._characters} characters are waiting already; try again later"
                raise UnavailableError("queue_full", message, retry_after=self._retry_after())
            self._open.add(job)
            self._count(len(texts), job.characters)
            self._arrived.append(job)
            self._changed.notify()
        job.answer.add_done_callback(lambda _: self._close(job))
        return job

    def close(self) -> None:
        """Finish what was accepted, then stop the threads. New requests are refused meanwhile."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._models:
            thread.join()
        self._finished.put(None)
        self._recording.join()
        set_batch_threads(self._cores)

    def abandon(self) -> None:
        """Answer everything that was accepted with :class:`UnavailableError`, for a server that must stop now."""
        with self._changed:
            self._closing = True
        self._fail_all(UnavailableError("shutting_down", "the server stopped before it came to this", retry_after=1))

    def _retry_after(self) -> int:
        seconds = self._characters * self._schedule.tokens_a_character * self._seconds_a_token
        return max(1, min(_LONGEST_RETRY, math.ceil(seconds)))

    def _count(self, texts: int, characters: int) -> None:
        self._texts += texts
        self._characters += characters
        self._metrics.queued_texts.set(self._texts)
        self._metrics.queued_characters.set(self._characters)

    def _close(self, job: Job) -> None:
        """A job was answered, failed or abandoned: it no longer counts."""
        with self._changed:
            self._open.discard(job)
            self._count(-len(job.texts), -job.characters)

    def _fail_all(self, error: Exception) -> None:
        with self._changed:
            jobs = list(self._open)
        for job in jobs:
            self._fail(job, error)

    def _fail(self, job: Job, error: Exception) -> None:
        job.loop.call_soon_threadsafe(_set_exception, job, error)

    def _run_model(self, cores: int) -> None:
        set_batch_threads(cores)
        while True:
            try:
                with self._turn:
                    if not self._await_work():
                        return
                    batch = self._schedule.next_batch(self.pipeline)
                if batch:
                    self._run(batch)
            except Exception as error:  # the thread must outlive its faults, or every later request would hang
                _log.error("the queue failed", exc_info=error)
                self._fail_all(error)

    def _await_work(self) -> bool:
        """Wait until there is something to run and let the schedule have it; false when there never will be."""
        with self._changed:
            if not self._arrived and not len(self._schedule):
                while not self._arrived:
                    if self._closing:
                        return False
                    self._changed.wait()
                gathering = True
            else:
                gathering = False
        if gathering:
            time.sleep(_GATHER_SECONDS)  # requests seldom come alone
        with self._changed:
            arrived, self._arrived = self._arrived, []
        self._schedule.add(arrived)
        return True

    def _run(self, batch: list[Slot]) -> None:
        pipeline = batch[0].job.pipeline
        assert pipeline is not None
        batch.sort(key=lambda slot: len(slot.encoding))
        tokens = sum(len(slot.encoding) for slot in batch)
        started = time.perf_counter()
        try:
            logits = pipeline.logits([slot.encoding for slot in batch])
        except Exception as error:
            self._run_apart(batch, error)
            return
        seconds = time.perf_counter() - started
        with self._results:
            for slot, row in zip(batch, logits, strict=True):
                slot.job.put(slot, row)
            finished = [job for job in {slot.job for slot in batch} if job.finished]
        self._seconds_a_token += 0.1 * (seconds / tokens - self._seconds_a_token)
        self._metrics.batch_seconds.observe(seconds)
        self._metrics.batch_tokens.observe(tokens)
        self._metrics.batch_windows.observe(len(batch))
        for job in finished:
            if not job.abandoned:
                self._finished.put(job)

    def _run_apart(self, batch: list[Slot], error: Exception) -> None:
        """A batch failed: run its jobs one by one, so that only the one at fault fails."""
        self._metrics.batch_failures.inc()
        jobs = list(dict.fromkeys(slot.job for slot in batch))
        if len(jobs) == 1:
            _log.error("the model failed at a request of %d texts", len(jobs[0].texts), exc_info=error)
            self._fail(jobs[0], error)
            return
        for job in jobs:
            self._run([slot for slot in batch if slot.job is job])

    def _run_recorder(self) -> None:
        while (job := self._finished.get()) is not None:
            jobs = [job]
            while not self._finished.empty():
                more = self._finished.get()
                if more is None:
                    self._finished.put(None)
                    break
                jobs.append(more)
            self._record(jobs)

    def _record(self, jobs: list[Job]) -> None:
        entries = [entry for job in jobs for entry in job.entries()]
        started = time.perf_counter()
        try:
            self._recorder.record(entries)
        except Exception as error:
            _log.error("%d predictions could not be recorded", len(entries), exc_info=error)
            self._metrics.record_failures.inc()
            refusal = UnavailableError("not_recorded", "the prediction could not be recorded", retry_after=1)
            for job in jobs:
                self._fail(job, refusal)
            return
        self._metrics.record_seconds.observe(time.perf_counter() - started)
        for entry in entries:
            self._metrics.predictions.labels(entry.prediction.label).inc()
        jobs[0].loop.call_soon_threadsafe(_set_results, jobs)


def _set_results(jobs: list[Job]) -> None:
    for job in jobs:
        if not job.answer.done():
            job.answer.set_result(job.predictions())


def _set_exception(job: Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
