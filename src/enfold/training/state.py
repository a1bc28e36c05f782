"""Where a training run stands, and what it is asked to do next; the same fields as in `transformers`."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enfold.files import read_json, write_json

if TYPE_CHECKING:
    from enfold.training.arguments import TrainingArguments


@dataclass
class TrainerState:
    """What ``trainer_state.json`` holds."""

    epoch: float = 0.0
    """Epochs done, with the share of the present one."""
    global_step: int = 0
    """Optimiser steps done."""
    max_steps: int = 0
    logging_steps: float = 500
    eval_steps: float = 500
    save_steps: float = 500
    train_batch_size: int | None = None
    num_train_epochs: int = 0
    num_input_tokens_seen: int = 0
    """Real tokens, padding never counted."""
    total_flos: float = 0
    log_history: list[dict[str, float]] = field(default_factory=list)
    best_metric: float | None = None
    best_global_step: int | None = None
    best_model_checkpoint: str | None = None
    is_local_process_zero: bool = True
    is_world_process_zero: bool = True
    is_hyper_param_search: bool = False
    trial_name: str | None = None
    trial_params: dict[str, Any] | None = None
    stateful_callbacks: dict[str, Any] = field(default_factory=dict)

    def compute_steps(self, args: TrainingArguments, max_steps: int) -> None:
        """Turn intervals given as a share of all steps into steps."""
        for name in ("logging_steps", "eval_steps", "save_steps"):
            interval = getattr(args, name)
            if interval is not None:
                setattr(self, name, math.ceil(max_steps * interval) if interval < 1 else int(interval))

    def save_to_json(self, json_path: str | Path) -> None:
        """Write the state."""
        write_json(json_path, dataclasses.asdict(self))

    @classmethod
    def load_from_json(cls, json_path: str | Path) -> TrainerState:
        """Read a state that was written."""
        return cls(**read_json(json_path))


@dataclass
class TrainerControl:
    """The switches a callback may turn; the loop reads them after each event."""

    should_training_stop: bool = False
    should_epoch_stop: bool = False
    should_save: bool = False
    should_evaluate: bool = False
    should_log: bool = False

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"args": dataclasses.asdict(self), "attributes": {}}
