"""Which windows the model runs next: whose turn it is, and how much fits a batch."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable

from enfold.pipelines import TextClassificationPipeline
from enfold.serving.jobs import Job, Slot

__all__ = ["FairSchedule"]

_TEXTS_A_TURN = 16
_CHARACTERS_A_TOKEN = 4
_FEWEST_TOKENS = 512


class FairSchedule:
    """Jobs take turns, one window a turn, until the batch is full; what waits is shared out among the model's threads.

    A request of 256 texts, or one text of a hundred windows, therefore delays a short request by one window a
    turn, not by all of them. A batch holds windows of one pipeline only. Used by one thread at a time.

    Args:
        max_tokens: tokens in a batch. A window longer than that is a batch of its own.
        workers: threads that run batches at once.
        fail: what to do with a job that cannot be encoded.
    """

    def __init__(self, *, max_tokens: int, workers: int, fail: Callable[[Job, Exception], None]) -> None:
        self._max_tokens = max_tokens
        self._workers = workers
        self._fail = fail
        self._jobs: deque[Job] = deque()
        self.tokens_a_character = 1 / _CHARACTERS_A_TOKEN

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, jobs: Iterable[Job]) -> None:
        """Let jobs join at the end of the turn."""
        self._jobs.extend(jobs)

    def next_batch(self, pipeline: TextClassificationPipeline) -> list[Slot]:
        """The next batch; empty when no job has anything to run.

        Args:
            pipeline: the one in service, which encodes the jobs that have not begun.
        """
        self._forget_abandoned()
        self._encode(pipeline)
        batch: list[Slot] = []
        passed_over: deque[Job] = deque()
        room = self._room()
        while self._jobs:
            job = self._jobs.popleft()
            if not job.waiting or (batch and job.pipeline is not batch[0].job.pipeline):
                passed_over.append(job)
                continue
            if batch and len(job.waiting[0].encoding) > room:
                self._jobs.appendleft(job)
                break
            slot = job.waiting.popleft()
            batch.append(slot)
            room -= len(slot.encoding)
            if job.waiting or job.texts_left:
                self._jobs.append(job)
        self._jobs.extendleft(reversed(passed_over))
        return batch

    def _room(self) -> int:
        """Tokens of the next batch: a full one, or a thread's share of what waits, but not crumbs."""
        waiting = sum(len(slot.encoding) for job in self._jobs for slot in job.waiting)
        return min(self._max_tokens, max(_FEWEST_TOKENS, -(-waiting // self._workers)))

    def _forget_abandoned(self) -> None:
        if any(job.abandoned for job in self._jobs):
            self._jobs = deque(job for job in self._jobs if not job.abandoned)

    def _encode(self, pipeline: TextClassificationPipeline) -> None:
        """Encode about as many texts as the next batch can hold, in the order of the turn, together."""
        groups: dict[TextClassificationPipeline, list[tuple[Job, list[str]]]] = defaultdict(list)
        characters = self._workers * self._max_tokens / self.tokens_a_character
        for job in self._jobs:
            if job.waiting or not job.texts_left:
                characters -= sum(len(slot.encoding) for slot in job.waiting) / self.tokens_a_character
                continue
            texts = list(job.next_texts(_TEXTS_A_TURN))
            job.pipeline = job.pipeline or pipeline
            groups[job.pipeline].append((job, texts))
            characters -= sum(map(len, texts))
            if characters <= 0:
                break
        for encoder, group in groups.items():
            self._encode_group(encoder, group)

    def _encode_group(self, pipeline: TextClassificationPipeline, group: list[tuple[Job, list[str]]]) -> None:
        try:
            encoded = pipeline.encode([text for _, texts in group for text in texts])
        except Exception as error:
            if len(group) == 1:
                self._jobs.remove(group[0][0])
                self._fail(group[0][0], error)
                return
            for single in group:
                self._encode_group(pipeline, [single])
            return
        start = 0
        for job, texts in group:
            job.add(encoded[start : start + len(texts)])
            start += len(texts)
        tokens = sum(text.tokens for text in encoded)
        characters = sum(len(text) for _, texts in group for text in texts)
        if characters:
            self.tokens_a_character += 0.1 * (tokens / characters - self.tokens_a_character)
