"""What training counts as it goes: loss, steps, tokens and time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Meter:
    """Sums since training began and since the last report."""

    loss: float = 0.0
    """Sum over all steps, those before a resume included."""
    loss_since_report: float = 0.0
    steps_since_report: int = 0
    grad_norm: float | None = None
    rate: float = 0.0
    steps: int = 0
    """Of this process, like everything below."""
    rows: int = 0
    tokens: int = 0
    began: float = field(default_factory=time.perf_counter)
    rested: float = 0.0
    """Seconds spent evaluating and saving; rates leave them out."""

    def add(self, *, loss: float, rate: float, norm: float | None, tokens: int, rows: int) -> None:
        """Count one optimiser step."""
        self.loss += loss
        self.loss_since_report += loss
        self.steps_since_report += 1
        self.grad_norm, self.rate = norm, rate
        self.steps += 1
        self.rows += rows
        self.tokens += tokens

    @property
    def seconds(self) -> float:
        """Time spent learning."""
        return max(1e-9, time.perf_counter() - self.began - self.rested)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Leave what is done inside out of the rates."""
        began = time.perf_counter()
        yield
        self.rested += time.perf_counter() - began

    def report(self) -> dict[str, float]:
        """Mean loss since the last report, gradient norm, learning rate, real tokens a second."""
        logs = {"loss": self.loss_since_report / max(1, self.steps_since_report)}
        if self.grad_norm is not None:
            logs["grad_norm"] = self.grad_norm
        logs |= {"learning_rate": self.rate, "tokens_per_second": self.tokens / self.seconds}
        self.loss_since_report, self.steps_since_report = 0.0, 0
        return logs

    def totals(self) -> dict[str, float]:
        """The rates of the whole run, under the names `transformers` gives them."""
        return {
            "train_runtime": round(time.perf_counter() - self.began, 4),
            "train_samples_per_second": round(self.rows / self.seconds, 3),
            "train_steps_per_second": round(self.steps / self.seconds, 3),
            "train_tokens_per_second": round(self.tokens / self.seconds, 3),
        }

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            name: getattr(self, name)
            for name in ("loss", "loss_since_report", "steps_since_report", "grad_norm", "rate")
        }
