"""The settings of a training run, under the names `transformers` 5 gives them."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch

from enfold.errors import SettingsError, near
from enfold.training.argument_names import translate
from enfold.training.precision import why_not_bfloat16
from enfold.training.schedules import SCHEDULES

_CHOICES: dict[str, tuple[str, ...]] = {
    "eval_strategy": ("no", "steps", "epoch"),
    "include_num_input_tokens_seen": ("no", "non_padding"),
    "logging_strategy": ("no", "steps", "epoch"),
    "lr_scheduler_type": tuple(SCHEDULES),
    "optim": ("adamw_torch_fused", "adamw_torch"),
    "save_strategy": ("no", "steps", "epoch", "best"),
    "train_sampling_strategy": ("random", "sequential", "group_by_length"),
}
_AT_LEAST: dict[str, float] = {
    "adam_epsilon": 0,
    "dataloader_num_workers": 0,
    "eval_delay": 0,
    "gradient_accumulation_steps": 1,
    "learning_rate": 0,
    "max_grad_norm": 0,
    "max_tokens_per_batch": 1,
    "num_train_epochs": 0,
    "per_device_eval_batch_size": 1,
    "per_device_train_batch_size": 1,
    "save_total_limit": 1,
    "warmup_steps": 0,
    "weight_decay": 0,
}
_BELOW_ONE = ("adam_beta1", "adam_beta2", "label_smoothing_factor")
_REPORTERS = ("tensorboard",)

Class = TypeVar("Class", bound=type)


def accepts_other_spellings(cls: Class) -> Class:
    """Let the generated ``__init__`` take every name `transformers` knows, and refuse all faults at once."""
    generated: Callable[..., None] = cls.__init__  # type: ignore[misc]
    honoured = [field.name for field in fields(cls)]

    @functools.wraps(generated)
    def initialise(self: Any, *positional: Any, **given: Any) -> None:
        understood, faults = translate(given, honoured)
        if faults:
            raise SettingsError(f"{cls.__name__}: " + "; ".join(faults))
        generated(self, *positional, **understood)

    cls.__init__ = initialise  # type: ignore[misc]
    return cls


@accepts_other_spellings
@dataclass
class TrainingArguments:
    """How to train. Names and defaults are those of `transformers` 5 where the meaning is the same.

    Version 4 spellings (``evaluation_strategy``, ``warmup_ratio``, ``group_by_length``, ``no_cuda``…) are
    accepted with a word about the new one. An argument of `transformers` that is not honoured is refused by
    name when it is set to anything but its default; an unknown one is refused with a near suggestion.

    Raises:
        SettingsError: all faults at once, each with the argument's name, its value and the way out.
    """

    output_dir: str | None = None
    """Where checkpoints go; ``trainer_output`` when not given."""

    # How long, and how much at a time
    per_device_train_batch_size: int = 8
    num_train_epochs: float = 3.0
    max_steps: int = -1
    """Optimiser steps; overrides ``num_train_epochs`` when positive."""
    max_tokens_per_batch: int | None = None
    """Own: batches of texts of like length up to this many tokens, instead of a fixed number of texts."""
    gradient_accumulation_steps: int = 1
    train_sampling_strategy: str = "random"
    """``random``, ``sequential`` or ``group_by_length``."""
    length_column_name: str = "length"
    dataloader_drop_last: bool = False
    dataloader_num_workers: int = 0
    dataloader_pin_memory: bool = True
    dataloader_persistent_workers: bool = False
    dataloader_prefetch_factor: int | None = None

    # The optimiser
    learning_rate: float = 5e-5
    lr_scheduler_type: str = "linear"
    lr_scheduler_kwargs: dict[str, Any] | str | None = None
    warmup_steps: float = 0
    """Steps; below 1 it is a share of all steps."""
    optim: str = "adamw_torch_fused"
    weight_decay: float = 0.0
    """Not applied to biases and norms."""
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm; 0 turns it off."""
    label_smoothing_factor: float = 0.0

    # Arithmetic
    bf16: bool = False
    activation_checkpointing: bool | None = None
    use_cpu: bool = False
    seed: int = 42
    data_seed: int | None = None
    full_determinism: bool = False

    # Reporting
    logging_strategy: str = "steps"
    logging_steps: float = 500
    logging_first_step: bool = False
    logging_dir: str | None = None
    """TensorBoard events; else ``$TENSORBOARD_LOGGING_DIR``, else ``runs`` in ``output_dir``."""
    include_num_input_tokens_seen: str | bool = "no"
    disable_tqdm: bool | None = None
    """No progress at all, neither bar nor lines."""
    report_to: str | list[str] | None = "none"

    # Evaluation
    eval_strategy: str = "no"
    eval_steps: float | None = None
    eval_delay: float = 0
    eval_on_start: bool = False
    per_device_eval_batch_size: int = 8
    prediction_loss_only: bool = False
    metric_for_best_model: str | None = None
    greater_is_better: bool | None = None

    # Checkpoints
    save_strategy: str = "steps"
    save_steps: float = 500
    save_total_limit: int | None = None
    save_only_model: bool = False
    load_best_model_at_end: bool = False
    resume_from_checkpoint: str | None = None
    """For scripts, as in `transformers`; :meth:`Trainer.train` takes its own argument."""

    # Data
    remove_unused_columns: bool = True
    label_names: list[str] | None = None

    def __post_init__(self) -> None:
        for name in _CHOICES:  # enums of `transformers` are taken by their value
            setattr(self, name, getattr(getattr(self, name), "value", getattr(self, name)))
        self.output_dir = str(Path(self.output_dir or "trainer_output").expanduser())
        if isinstance(self.include_num_input_tokens_seen, bool):
            self.include_num_input_tokens_seen = "non_padding" if self.include_num_input_tokens_seen else "no"
        if isinstance(self.lr_scheduler_kwargs, str):
            self.lr_scheduler_kwargs = json.loads(self.lr_scheduler_kwargs)
        self.activation_checkpointing = bool(self.activation_checkpointing)
        self.report_to = self._reporters()
        if self.eval_strategy == "steps" and not self.eval_steps:
            self.eval_steps = self.logging_steps
        if self.load_best_model_at_end and self.metric_for_best_model is None:
            self.metric_for_best_model = "loss"
        if self.greater_is_better is None and self.metric_for_best_model is not None:
            self.greater_is_better = not self.metric_for_best_model.endswith("loss")
        faults = [*self._wrong_values(), *self._contradictions()]
        if faults:
            raise SettingsError(f"{type(self).__name__}: " + "; ".join(faults))

    def _reporters(self) -> list[str]:
        asked = [self.report_to] if isinstance(self.report_to, str) else list(self.report_to or [])
        if asked == ["all"]:
            return list(_REPORTERS)
        return [name for name in asked if name != "none"]

    def _wrong_values(self) -> list[str]:
        faults = []
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                known = ", ".join(choices)
                faults.append(f"{name}={value!r} is not one of {known}{near(str(value), choices)}")
        for name, least in _AT_LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                faults.append(f"{name}={value} must be at least {least:g}")
        for name in _BELOW_ONE:
            value = getattr(self, name)
            if not 0 <= value < 1:
                faults.append(f"{name}={value} must be at least 0 and below 1")
        for name in ("logging_steps", "eval_steps", "save_steps"):
            value = getattr(self, name)
            if value is not None and (not value > 0 or (value > 1 and value != int(value))):
                faults.append(f"{name}={value} must be a whole number of steps, or a share of all steps below 1")
        for name in self.report_to or []:
            if name not in _REPORTERS:
                faults.append(f"report_to={name!r} is not supported; there is: none, {', '.join(_REPORTERS)}")
        return faults

    def _contradictions(self) -> list[str]:
        faults = []
        if self.bf16 and (reason := why_not_bfloat16(self.device)):
            faults.append(f"bf16=True: {reason}; leave it out to train in float32")
        if self.load_best_model_at_end and self.eval_strategy == "no":
            faults.append("load_best_model_at_end needs an eval_strategy: 'steps' or 'epoch'")
        elif self.load_best_model_at_end and self.save_strategy != "best":
            if self.save_strategy != self.eval_strategy:
                faults.append(
                    f"load_best_model_at_end needs save_strategy and eval_strategy to agree, or save_strategy='best': "
                    f"{self.save_strategy!r} and {self.eval_strategy!r}"
                )
            elif self.save_strategy == "steps" and not _multiple(self.save_steps, self.eval_steps or 1):
                faults.append(
                    f"load_best_model_at_end needs save_steps to be a multiple of eval_steps: "
                    f"{self.save_steps:g} and {self.eval_steps:g}"
                )
        if self.save_strategy == "best" and self.eval_strategy == "no":
            faults.append("save_strategy='best' needs an eval_strategy: 'steps' or 'epoch'")
        if self.save_strategy == "best" and self.metric_for_best_model is None:
            faults.append("save_strategy='best' needs metric_for_best_model")
        if self.max_tokens_per_batch is not None and self.train_sampling_strategy == "sequential":
            faults.append(
                "max_tokens_per_batch puts texts of like length together; "
                "train_sampling_strategy='sequential' cannot hold"
            )
        if self.max_tokens_per_batch is not None and self.dataloader_drop_last:
            faults.append("dataloader_drop_last and max_tokens_per_batch: no batch of a token budget is a full one")
        if self.dataloader_num_workers == 0 and self.dataloader_prefetch_factor is not None:
            faults.append("dataloader_prefetch_factor needs dataloader_num_workers above 0")
        if self.dataloader_num_workers == 0 and self.dataloader_persistent_workers:
            faults.append("dataloader_persistent_workers needs dataloader_num_workers above 0")
        return faults

    @property
    def device(self) -> torch.device:
        """The accelerator that is there, else the CPU; the CPU when ``use_cpu`` says so."""
        if not self.use_cpu and torch.accelerator.is_available():
            accelerator = torch.accelerator.current_accelerator()
            if accelerator is not None:
                return accelerator
        return torch.device("cpu")

    @property
    def gradient_checkpointing(self) -> bool:
        """The former name of ``activation_checkpointing``, to read."""
        return bool(self.activation_checkpointing)

    @property
    def train_batch_size(self) -> int:
        """Texts in a batch."""
        return self.per_device_train_batch_size

    @property
    def eval_batch_size(self) -> int:
        """Texts in a batch of an evaluation."""
        return self.per_device_eval_batch_size

    @property
    def events_dir(self) -> str:
        """Where TensorBoard events are written."""
        return (
            self.logging_dir or os.environ.get("TENSORBOARD_LOGGING_DIR") or str(Path(self.output_dir or "") / "runs")
        )

    def get_warmup_steps(self, num_training_steps: int) -> int:
        """``warmup_steps`` in steps, also where it was given as a share."""
        share = self.warmup_steps < 1
        return math.ceil(num_training_steps * self.warmup_steps) if share else int(self.warmup_steps)

    def to_dict(self) -> dict[str, Any]:
        """All settings, ready for JSON."""
        return asdict(self)

    def to_json_string(self) -> str:
        """All settings as JSON text."""
        return json.dumps(self.to_dict(), indent=2)


def _multiple(whole: float, part: float) -> bool:
    """Whether ``whole`` is a multiple of ``part``; of two shares, as exact as their decimals."""
    if (whole < 1) != (part < 1):
        return False
    return round(whole * 1_000_000) % round(part * 1_000_000) == 0
