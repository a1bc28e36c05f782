"""Going on from a checkpoint exactly: what is kept of a run, and what must be the same to go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enfold.errors import CheckpointError
from enfold.training import checkpoints
from enfold.training.checkpoints import Position
from enfold.training.meter import Meter
from enfold.training.state import TrainerState

if TYPE_CHECKING:
    from enfold.training.trainer import Trainer

# Settings that decide which weights come out. How long, how often and what is reported may change.
_TRAJECTORY = (
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "bf16",
    "data_seed",
    "dataloader_drop_last",
    "gradient_accumulation_steps",
    "label_smoothing_factor",
    "learning_rate",
    "lr_scheduler_type",
    "max_grad_norm",
    "max_tokens_per_batch",
    "optim",
    "per_device_train_batch_size",
    "seed",
    "train_sampling_strategy",
    "warmup_steps",
    "weight_decay",
)


@dataclass
class Start:
    """Where a run begins."""

    position: Position = field(default_factory=Position)
    meter: Meter = field(default_factory=Meter)
    stopped: bool = False
    """A callback had already stopped it for good."""
    checkpoint: Path | None = None


def what_to_keep(trainer: Trainer, meter: Meter, position: Position) -> dict[str, Any]:
    """The content of ``resume.json``."""
    return {
        "position": list(position),
        "stopped": trainer.control.should_training_stop and trainer.state.global_step < trainer.state.max_steps,
        "schedule": trainer.lr_scheduler.state_dict(),
        "meter": meter.state(),
        "settings": _settings(trainer),
    }


def go_on_from(trainer: Trainer, asked: str | bool | None) -> Start:
    """Put model, optimiser, schedule, state, callbacks and random generators back.

    Args:
        trainer: with a model, an optimiser, a schedule and a freshly planned state.
        asked: a checkpoint's path, or ``True`` for the latest in ``output_dir``, if there is one.

    Raises:
        CheckpointError: there is no such checkpoint, it is broken, or of another model, data set or settings.
    """
    found = checkpoints.get_last_checkpoint(trainer.args.output_dir or "") if asked is True else asked
    if not found:
        return Start()
    folder = Path(found)
    if not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint {folder}")
    resume = checkpoints.read_resume(folder)
    before, now = resume["settings"], _settings(trainer)
    differing = [f"{name} was {was!r} and is {now.get(name)!r}" for name, was in before.items() if now.get(name) != was]
    if differing:
        raise CheckpointError(
            f"cannot go on exactly from {folder}: {'; '.join(differing)}; set that back, or choose another output_dir"
        )
    checkpoints.load_weights(trainer.model, folder)
    checkpoints.load_optimiser(trainer.optimizer, folder)
    trainer.lr_scheduler.load_state_dict(resume["schedule"])
    trainer.state = _state(trainer, folder)
    trainer.callback_handler.restore(trainer.state.stateful_callbacks)
    checkpoints.restore_randomness(folder)
    return Start(Position(*resume["position"]), Meter(**resume["meter"]), resume["stopped"], folder)


def _state(trainer: Trainer, folder: Path) -> TrainerState:
    """The state that was kept, with the plan of this run."""
    planned = trainer.state
    state = TrainerState.load_from_json(folder / "trainer_state.json")
    for name in ("max_steps", "num_train_epochs", "logging_steps", "eval_steps", "save_steps"):
        setattr(state, name, getattr(planned, name))
    if state.best_model_checkpoint is not None:
        moved = Path(trainer.args.output_dir or "") / Path(state.best_model_checkpoint).name
        state.best_model_checkpoint = str(moved) if moved.is_dir() else None
    return state


def _settings(trainer: Trainer) -> dict[str, Any]:
    return {name: getattr(trainer.args, name) for name in _TRAJECTORY} | {"training rows": len(trainer.train_dataset)}
