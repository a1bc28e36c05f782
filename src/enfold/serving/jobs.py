"""One request on its way through the queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from enfold.pipelines import EncodedText, TextClassificationPipeline
from enfold.values import ClassPrediction, Encoding, ServedPrediction

__all__ = ["Job", "Slot"]


class Slot(NamedTuple):
    """One window of one text of one job: what a batch is made of."""

    job: Job
    text: int
    window: int
    encoding: Encoding


class Job:
    """A request's texts, the windows of them that wait for the model, and what the model has said so far.

    Texts are encoded a few at a time, when it is the job's turn, and all by the same pipeline: the one in
    service when its first text was encoded. So a model swapped in meanwhile answers later requests, never half
    of this one. The event loop makes a job and waits for ``answer``; everything else happens in the queue's
    threads, one at a time.
    """

    def __init__(self, texts: Sequence[str], user: str | None) -> None:
        self.texts = texts
        self.user = user
        self.characters = sum(map(len, texts))
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[list[ClassPrediction]] = self.loop.create_future()
        self.pipeline: TextClassificationPipeline | None = None
        self.waiting: deque[Slot] = deque()
        self._encoded: list[EncodedText] = []
        self._rows: list[list[np.ndarray | None]] = []
        self._missing: list[int] = []
        self._predictions: list[ClassPrediction | None] = [None] * len(texts)
        self._undecided = len(texts)

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the answer any more: the client left, or the job has failed."""
        return self.answer.done()

    @property
    def texts_left(self) -> int:
        """Texts that are not encoded yet."""
        return len(self.texts) - len(self._encoded)

    @property
    def finished(self) -> bool:
        """Whether every text has its prediction."""
        return not self._undecided

    def next_texts(self, count: int) -> Sequence[str]:
        """The next texts to encode."""
        start = len(self._encoded)
        return self.texts[start : start + count]

    def add(self, encoded: Sequence[EncodedText]) -> None:
        """Take in what the pipeline made of :meth:`next_texts`."""
        for text in encoded:
            number = len(self._encoded)
            self._encoded.append(text)
            self._rows.append([None] * len(text.windows))
            self._missing.append(len(text.windows))
            self.waiting.extend(Slot(self, number, place, window) for place, window in enumerate(text.windows))

    def put(self, slot: Slot, logits: np.ndarray) -> None:
        """Take in the logits of one window, *shape* ``(labels,)``; the last one of a text decides it."""
        assert self.pipeline is not None
        rows = self._rows[slot.text]
        rows[slot.window] = logits
        self._missing[slot.text] -= 1
        if not self._missing[slot.text]:
            self._predictions[slot.text] = self.pipeline.decide(self._encoded[slot.text], np.stack(rows))  # type: ignore[arg-type]
            self._rows[slot.text] = []
            self._undecided -= 1

    def predictions(self) -> list[ClassPrediction]:
        """The predictions of a finished job."""
        return [prediction for prediction in self._predictions if prediction is not None]

    def entries(self) -> list[ServedPrediction]:
        """The predictions of a finished job as they are recorded."""
        now = datetime.now(UTC)
        return [
            ServedPrediction(prediction=prediction, text=text, user=self.user, at=now)
            for prediction, text in zip(self.predictions(), self.texts, strict=True)
        ]
