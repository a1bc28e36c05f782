"""Learning rate by step: warm-up, then decay.

Each schedule is a function of the step that gives a factor of the peak rate; the ``get_…`` functions put one
on an optimiser, with the arguments `transformers` users know.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from enfold.errors import SettingsError


def _with_warmup(optimizer: Optimizer, warmup: float, after: Callable[[int], float], last_epoch: int) -> LambdaLR:
    """Rise in a straight line from 0 over ``warmup`` steps, then follow ``after``."""

    def factor(step: int) -> float:
        return step / max(1.0, warmup) if step < warmup else after(step)

    return LambdaLR(optimizer, factor, last_epoch)


def _progress(step: int, warmup: float, total: int) -> float:
    """The share of the way from the end of the warm-up to the last step."""
    return (step - warmup) / max(1, total - warmup)


def get_constant_schedule(optimizer: Optimizer, last_epoch: int = -1) -> LambdaLR:
    """The same rate throughout."""
    return _with_warmup(optimizer, 0, lambda step: 1.0, last_epoch)


def get_constant_schedule_with_warmup(optimizer: Optimizer, num_warmup_steps: int, last_epoch: int = -1) -> LambdaLR:
    """Warm-up, then the same rate throughout."""
    return _with_warmup(optimizer, num_warmup_steps, lambda step: 1.0, last_epoch)


def get_linear_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, last_epoch: int = -1
) -> LambdaLR:
    """Warm-up, then a straight line down to 0 at the last step: what BERT was fine-tuned with.

    Devlin et al., BERT (2019), appendix A.2.
    """

    def after(step: int) -> float:
        return max(0.0, (num_training_steps - step) / max(1, num_training_steps - num_warmup_steps))

    return _with_warmup(optimizer, num_warmup_steps, after, last_epoch)


def get_cosine_schedule_with_warmup(
    optimizer: Optimizer,
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
) -> LambdaLR:
    """Warm-up, then a cosine; half a cycle falls from the peak to 0.

    Loshchilov and Hutter, SGDR (2017), equation 5.
    """

    def after(step: int) -> float:
        angle = 2.0 * math.pi * num_cycles * _progress(step, num_warmup_steps, num_training_steps)
        return max(0.0, 0.5 * (1.0 + math.cos(angle)))

    return _with_warmup(optimizer, num_warmup_steps, after, last_epoch)


def get_cosine_with_hard_restarts_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, num_cycles: int = 1, last_epoch: int = -1
) -> LambdaLR:
    """Warm-up, then ``num_cycles`` falls from the peak to 0, each starting again at the peak (SGDR)."""

    def after(step: int) -> float:
        progress = _progress(step, num_warmup_steps, num_training_steps)
        return 0.0 if progress >= 1.0 else max(0.0, 0.5 * (1.0 + math.cos(math.pi * (num_cycles * progress % 1.0))))

    return _with_warmup(optimizer, num_warmup_steps, after, last_epoch)


def get_polynomial_decay_schedule_with_warmup(
    optimizer: Optimizer,
    num_warmup_steps: int,
    num_training_steps: int,
    lr_end: float = 1e-7,
    power: float = 1.0,
    last_epoch: int = -1,
) -> LambdaLR:
    """Warm-up, then a power of the remaining share, from the peak to ``lr_end``.

    Raises:
        SettingsError: ``lr_end`` is not below the peak rate.
    """
    peak = optimizer.defaults["lr"]
    if not peak > lr_end:
        raise SettingsError(f"lr_end={lr_end} must be below the learning rate, {peak}")

    def after(step: int) -> float:
        if step > num_training_steps:
            return lr_end / peak
        remaining = 1.0 - _progress(step, num_warmup_steps, num_training_steps)
        return ((peak - lr_end) * remaining**power + lr_end) / peak

    return _with_warmup(optimizer, num_warmup_steps, after, last_epoch)


def get_inverse_sqrt_schedule(
    optimizer: Optimizer, num_warmup_steps: int, timescale: int | None = None, last_epoch: int = -1
) -> LambdaLR:
    """Warm-up, then the inverse square root of the step (Vaswani et al., Attention Is All You Need, section 5.3)."""
    scale = timescale or num_warmup_steps or 10_000

    def after(step: int) -> float:
        return 1.0 / math.sqrt((step + scale - num_warmup_steps) / scale)

    return _with_warmup(optimizer, num_warmup_steps, after, last_epoch)


SCHEDULES: dict[str, Callable[..., LambdaLR]] = {
    "linear": get_linear_schedule_with_warmup,
    "cosine": get_cosine_schedule_with_warmup,
    "cosine_with_restarts": get_cosine_with_hard_restarts_schedule_with_warmup,
    "polynomial": get_polynomial_decay_schedule_with_warmup,
    "constant": get_constant_schedule,
    "constant_with_warmup": get_constant_schedule_with_warmup,
    "inverse_sqrt": get_inverse_sqrt_schedule,
}
"""Schedules by the name ``lr_scheduler_type`` gives them."""


def get_scheduler(
    name: str,
    optimizer: Optimizer,
    num_warmup_steps: int | None = None,
    num_training_steps: int | None = None,
    scheduler_specific_kwargs: dict[str, Any] | None = None,
) -> LambdaLR:
    """A schedule by name.

    Raises:
        SettingsError: an unknown name, or arguments that the schedule does not have.
    """
    name = getattr(name, "value", name)
    if name not in SCHEDULES:
        raise SettingsError(f"lr_scheduler_type={name!r} is not one of {', '.join(SCHEDULES)}")
    make = SCHEDULES[name]
    known = make.__code__.co_varnames[: make.__code__.co_argcount]
    values = {"num_warmup_steps": num_warmup_steps, "num_training_steps": num_training_steps}
    wanted = {key: value for key, value in values.items() if key in known}
    missing = [key for key, value in wanted.items() if value is None]
    if missing:
        raise SettingsError(f"the {name} schedule needs {' and '.join(missing)}")
    extra = scheduler_specific_kwargs or {}
    unknown = [key for key in extra if key not in known or key in ("optimizer", *values)]
    if unknown:
        own = [key for key in known if key not in ("optimizer", "last_epoch", *values)]
        raise SettingsError(
            f"lr_scheduler_kwargs: the {name} schedule has no {', '.join(map(repr, unknown))}; "
            f"it has: {', '.join(own) or 'none'}"
        )
    return make(optimizer, **wanted, **extra)
