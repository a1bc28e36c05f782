"""The queue: batches by tokens, in turns; full is said at once; what fails, fails alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest
from serving_examples import Slow, words

from enfold import AutoModelForSequenceClassification, AutoTokenizer
from enfold.pipelines import batch_threads, set_batch_threads
from enfold.serving.jobs import Job
from enfold.serving.metrics import ServiceMetrics
from enfold.serving.queue import BatchQueue, UnavailableError
from enfold.values import ClassPrediction, ServedPrediction


@pytest.fixture(autouse=True)
def one_model_thread() -> Iterator[None]:
    """One batch at a time, so that a gate holds up everything."""
    before = batch_threads()
    set_batch_threads(1)
    yield
    assert batch_threads() == 1
    set_batch_threads(before)


class Memory:
    """A recorder that keeps what it was given, in the groups it was given it in; it can be held up."""

    def __init__(self) -> None:
        self.groups: list[list[ServedPrediction]] = []
        self.open = threading.Event()
        self.open.set()
        self.failing = False

    def record(self, entries: Sequence[ServedPrediction]) -> None:
        self.open.wait()
        if self.failing:
            raise OSError("the disk is full")
        self.groups.append(list(entries))

    def judge(self, feedback, *, labels) -> None:
        raise NotImplementedError

    @property
    def texts(self) -> list[str]:
        return [entry.text for group in self.groups for entry in group]


def slow(models: Path, name: str = "first", *, seconds_a_token: float = 0.0) -> Slow:
    model = AutoModelForSequenceClassification.from_pretrained(models / name)
    return Slow(model, AutoTokenizer.from_pretrained(models / name), seconds_a_token=seconds_a_token)


def run(
    pipeline: Slow, scene: Callable[[BatchQueue], Awaitable[None]], recorder: Memory | None = None, **limits
) -> Memory:
    """Play a scene with a queue, then close it."""
    recorder = recorder or Memory()
    metrics = ServiceMetrics()

    async def play() -> None:
        settings = {"max_texts": 1000, "max_characters": 10**6, "max_batch_tokens": 128} | limits
        queue = BatchQueue(pipeline, recorder, metrics, **settings)
        queue.start()
        try:
            await asyncio.wait_for(scene(queue), 20)
        finally:
            recorder.open.set()
            await asyncio.to_thread(queue.close)
        assert queue.depth == (0, 0)
        assert not queue.alive

    asyncio.run(play())
    return recorder


async def held_up(queue: BatchQueue, pipeline: Slow) -> Job:
    """A job of three tokens, the first, that is with the model and stays there until the gate opens."""
    pipeline.gate.clear()
    job = queue.submit(["see"], None)
    while not pipeline.batches:
        await asyncio.sleep(0.001)
    return job


def test_answers_are_the_pipelines_own(models: Path):
    texts = [words(1 + number % 60, seed=number) for number in range(60)]
    pipeline = slow(models)
    expected = pipeline(texts)

    async def scene(queue: BatchQueue) -> None:
        alone = [queue.submit([text], None) for text in texts]
        together = queue.submit(texts, None)
        for number, job in enumerate(alone):
            (prediction,) = await job.answer
            assert prediction.scores == pytest.approx(expected[number].scores, abs=1e-5)
        assert [p.windows for p in await together.answer] == [p.windows for p in expected]

    run(pipeline, scene)


@pytest.mark.parametrize("cores", [2, 3])
def test_several_model_threads_give_the_same_answers_and_leave_the_setting_as_it_was(models: Path, cores: int):
    texts = [words(1 + number % 60, seed=number) for number in range(60)]
    pipeline = slow(models)
    expected = pipeline(texts)
    set_batch_threads(cores)

    async def scene(queue: BatchQueue) -> None:
        jobs = [queue.submit(texts, None), *(queue.submit([text], None) for text in texts)]
        answers = await asyncio.gather(*(job.answer for job in jobs))
        for one, other in zip([*answers[0], *(answer[0] for answer in answers[1:])], expected * 2, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-5)

    run(pipeline, scene)
    assert batch_threads() == cores
    set_batch_threads(1)


def test_what_arrives_while_a_batch_runs_makes_the_next_one_within_the_budget(models: Path):
    pipeline = slow(models)

    async def scene(queue: BatchQueue) -> None:
        first = await held_up(queue, pipeline)
        others = [queue.submit([words(6, seed=number)], None) for number in range(40)]
        pipeline.gate.set()
        await asyncio.gather(first.answer, *(job.answer for job in others))

    run(pipeline, scene)
    assert pipeline.batches[0] == [3]
    assert [len(batch) for batch in pipeline.batches[1:]] == [16, 16, 8]
    assert all(sum(batch) <= 128 for batch in pipeline.batches)


def test_a_large_request_does_not_hold_up_a_small_one(models: Path):
    """Fifty texts of twenty windows each are far ahead in the queue; one short text comes, and is answered first."""
    pipeline = slow(models)
    ended: list[str] = []

    async def scene(queue: BatchQueue) -> None:
        large = queue.submit([words(300, seed=number) for number in range(50)], "large")
        large.answer.add_done_callback(lambda _: ended.append("large"))
        while len(pipeline.batches) < 3:
            await asyncio.sleep(0.001)
        pipeline.gate.clear()
        small = queue.submit([words(5)], "small")
        small.answer.add_done_callback(lambda _: ended.append("small"))
        before = len(pipeline.batches)
        pipeline.gate.set()
        await small.answer
        assert len(pipeline.batches) - before < 60  # of some 330
        await large.answer

    run(pipeline, scene, max_batch_tokens=256)
    assert ended == ["small", "large"]


def test_requests_in_turn_each_give_a_window(models: Path):
    pipeline = slow(models)
    ended: list[int] = []

    async def scene(queue: BatchQueue) -> None:
        await held_up(queue, pipeline)
        jobs = [queue.submit([words(5, seed=number) for number in range(size)], None) for size in (40, 20, 10)]
        for number, job in enumerate(jobs):
            job.answer.add_done_callback(lambda _, number=number: ended.append(number))
        pipeline.gate.set()
        await asyncio.gather(*(job.answer for job in jobs))

    run(pipeline, scene, max_batch_tokens=42)
    assert ended == [2, 1, 0]


def test_a_full_queue_says_so_at_once_and_when_to_try_again(models: Path):
    pipeline = slow(models)

    async def scene(queue: BatchQueue) -> None:
        jobs = [await held_up(queue, pipeline), *(queue.submit([words(5)], None) for _ in range(3))]
        with pytest.raises(UnavailableError) as refusal:
            queue.submit([words(5)], None)
        assert refusal.value.code == "queue_full"
        assert str(refusal.value).startswith("4 texts with ")
        assert 1 <= refusal.value.retry_after <= 60
        with pytest.raises(UnavailableError):
            queue.submit([words(5)] * 2, None)
        pipeline.gate.set()
        await asyncio.gather(*(job.answer for job in jobs))
        await asyncio.sleep(0)
        await queue.submit([words(5)], None).answer

    run(pipeline, scene, max_texts=4)


def test_characters_are_bounded_too_but_an_empty_queue_takes_any_one_request(models: Path):
    async def scene(queue: BatchQueue) -> None:
        job = queue.submit([words(100)], None)
        with pytest.raises(UnavailableError):
            queue.submit(["see"], None)
        await job.answer

    run(slow(models), scene, max_characters=100)


def test_nothing_is_answered_before_it_is_recorded(models: Path):
    recorder = Memory()
    recorder.open.clear()

    async def scene(queue: BatchQueue) -> None:
        job = queue.submit(["see you"], "ada")
        await asyncio.sleep(0.2)
        assert not job.answer.done()
        recorder.open.set()
        (prediction,) = await job.answer
        (entry,) = recorder.groups[0]
        assert (entry.prediction, entry.text, entry.user) == (prediction, "see you", "ada")

    run(slow(models), scene, recorder)


def test_predictions_that_gathered_are_recorded_in_one_go(models: Path):
    recorder = Memory()
    recorder.open.clear()
    pipeline = slow(models)

    async def scene(queue: BatchQueue) -> None:
        first = queue.submit(["see"], None)
        await asyncio.sleep(0.2)
        others = [queue.submit([words(20, seed=number)], None) for number in range(20)]
        while sum(map(len, pipeline.batches)) < 21:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        recorder.open.set()
        await asyncio.gather(first.answer, *(job.answer for job in others))

    run(pipeline, scene, recorder)
    assert [len(group) for group in recorder.groups] == [1, 20]


def test_predictions_that_cannot_be_recorded_are_not_answered(models: Path):
    recorder = Memory()

    async def scene(queue: BatchQueue) -> None:
        recorder.failing = True
        with pytest.raises(UnavailableError) as refusal:
            await queue.submit(["see you"], None).answer
        assert (refusal.value.code, refusal.value.retry_after) == ("not_recorded", 1)
        recorder.failing = False
        await queue.submit(["see you"], None).answer

    run(slow(models), scene, recorder)
    assert recorder.texts == ["see you"]


def test_a_request_that_was_given_up_is_not_run_and_not_recorded(models: Path):
    pipeline = slow(models)

    async def scene(queue: BatchQueue) -> None:
        first = await held_up(queue, pipeline)
        given_up = queue.submit([words(25, seed=number) for number in range(50)], None)
        given_up.answer.cancel()
        await asyncio.sleep(0)
        assert queue.depth[0] == 1
        pipeline.gate.set()
        await first.answer

    recorder = run(pipeline, scene)
    assert len(recorder.texts) == 1
    assert pipeline.batches == [[3]]


class Picky(Slow):
    """Fails at every batch that holds a long window, or at encoding a text that names itself."""

    def encode(self, texts, **settings):
        if "unreadable" in texts:
            raise ValueError("cannot be encoded")
        return super().encode(texts, **settings)

    def logits(self, windows):
        if any(len(window) > 20 for window in windows):
            raise ValueError("too long for me")
        return super().logits(windows)


def test_what_fails_fails_alone(models: Path, caplog: pytest.LogCaptureFixture):
    model = AutoModelForSequenceClassification.from_pretrained(models / "first")
    pipeline = Picky(model, AutoTokenizer.from_pretrained(models / "first"))

    async def scene(queue: BatchQueue) -> None:
        jobs = [queue.submit([text], None) for text in ("see you", words(25), "unreadable", "lunch at six")]
        first, long, unreadable, last = await asyncio.gather(*(job.answer for job in jobs), return_exceptions=True)
        assert isinstance(first[0], ClassPrediction)
        assert isinstance(last[0], ClassPrediction)
        assert str(long) == "too long for me"
        assert str(unreadable) == "cannot be encoded"
        assert isinstance((await queue.submit(["see you"], None).answer)[0], ClassPrediction)

    run(pipeline, scene)
    assert "the model failed at a request of 1 texts" in caplog.text


def test_a_swapped_pipeline_answers_what_has_not_begun_and_never_half_a_request(models: Path):
    first, second = slow(models, "first"), slow(models, "second")

    async def scene(queue: BatchQueue) -> None:
        await held_up(queue, first)
        begun = queue.submit([words(20, seed=number) for number in range(60)], None)
        first.batches.clear()
        first.gate.set()
        while not first.batches:
            await asyncio.sleep(0.001)
        queue.pipeline = second
        later = queue.submit([words(20)], None)
        assert {p.model for p in await later.answer} == {second.revision}
        assert {p.model for p in await begun.answer} == {first.revision}

    run(first, scene)


def test_closing_finishes_what_was_accepted_and_takes_no_more(models: Path):
    async def scene(queue: BatchQueue) -> None:
        jobs = [queue.submit([words(20, seed=number)], None) for number in range(20)]
        closing = asyncio.create_task(asyncio.to_thread(queue.close))
        await asyncio.sleep(0.02)
        with pytest.raises(UnavailableError, match="the server is shutting down"):
            queue.submit(["see"], None)
        assert len(await asyncio.gather(*(job.answer for job in jobs))) == 20
        await closing

    run(slow(models, seconds_a_token=0.0005), scene)


def test_a_queue_that_must_stop_now_refuses_what_it_holds(models: Path):
    pipeline = slow(models)

    async def scene(queue: BatchQueue) -> None:
        first = await held_up(queue, pipeline)
        jobs = [first, *(queue.submit([words(20, seed=number)], None) for number in range(100))]
        queue.abandon()
        answers = await asyncio.gather(*(job.answer for job in jobs), return_exceptions=True)
        assert {getattr(answer, "code", None) for answer in answers} == {"shutting_down"}
        pipeline.gate.set()

    run(pipeline, scene)
    assert pipeline.batches == [[3]]
