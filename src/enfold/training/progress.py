"""How far training is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from enfold.training.callbacks import TrainerCallback


def duration(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def describe(logs: dict[str, Any]) -> str:
    """The numbers worth a person's glance, in one line."""
    hidden = ("epoch", "step", "total_flos", "num_input_tokens_seen")
    parts = []
    for name, value in logs.items():
        if name == "tokens_per_second":
            parts.append(f"{value:,.0f} tokens/s")
        elif name not in hidden and not name.endswith(("_per_second", "_runtime")):
            parts.append(f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else f"{name} {value}")
    return " · ".join(parts)


class ProgressCallback(TrainerCallback):
    """Steps, loss, tokens a second and the time left, on standard error.

    Args:
        console: where to write; its ``is_terminal`` decides between a bar and lines.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._began = 0.0
        self._first_step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Show the bar, or say what begins."""
        self._began, self._first_step = time.monotonic(), state.global_step
        if not self.console.is_terminal:
            self._print(f"training: {state.max_steps - state.global_step} steps")
            return
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task = self._bar.add_task("training", total=state.max_steps, completed=state.global_step, numbers="")
        self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Show the numbers."""
        numbers = describe(kwargs["logs"])
        if self._bar is not None:
            if "loss" in kwargs["logs"]:
                self._bar.update(self._task, numbers=numbers)
            else:
                self._bar.console.print(numbers, highlight=False)
            return
        place = f"step {state.global_step}/{state.max_steps} · epoch {state.epoch:.2f} · " if state.max_steps else ""
        done = state.global_step - self._first_step
        left = ""
        if "loss" in kwargs["logs"] and done:
            rest = (time.monotonic() - self._began) / done * (state.max_steps - state.global_step)
            left = f" · {duration(rest)} left"
        self._print(f"{place}{numbers}{left}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
