"""TensorBoard event files, written by tensorboardX."""

from __future__ import annotations

from typing import Any

from enfold.errors import require
from enfold.training.callbacks import TrainerCallback


def event_name(name: str) -> str:
    """``eval_loss`` becomes ``eval/loss``; what has no other prefix goes under ``train/``."""
    for split in ("eval", "test"):
        if name.startswith(f"{split}_"):
            return f"{split}/{name[len(split) + 1 :]}"
    return f"train/{name}"


class TensorBoardCallback(TrainerCallback):
    """Every number that is logged, as a scalar at its step.

    A resumed run writes beside the first one's file; what that one reported after the checkpoint is hidden.

    Raises:
        MissingExtra: tensorboardX is not installed.
    """

    def __init__(self) -> None:
        self._writer_class = require(
            "tensorboardX", extra="tensorboard", purpose="report_to='tensorboard'"
        ).SummaryWriter
        self._writer: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Open the event file."""
        resumed = state.global_step > 0
        self._writer = self._writer_class(
            logdir=args.events_dir,
            purge_step=state.global_step + 1 if resumed else None,
            filename_suffix=f".from-{state.global_step}" if resumed else "",  # names go by the second
        )
        if not resumed:
            self._writer.add_text("args", f"```json\n{args.to_json_string()}\n```")

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Write the numbers."""
        if self._writer is None:
            return
        for name, value in kwargs["logs"].items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(event_name(name), value, state.global_step)
        self._writer.flush()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
