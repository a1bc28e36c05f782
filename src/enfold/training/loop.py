"""The training loop, whole: forward, loss, backward, clip, step, schedule, log, evaluate, save."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from torch import Tensor

from enfold.errors import EnfoldError
from enfold.training.checkpoints import Position
from enfold.training.meter import Meter
from enfold.training.objectives import Batch, rows_of, tokens_of, total_loss
from enfold.training.optimisers import clip_gradients
from enfold.training.precision import autocast

if TYPE_CHECKING:
    from enfold.training.trainer import Trainer


def run_epochs(trainer: Trainer, start: Position, meter: Meter) -> None:
    """Train from ``start`` until the last step, or until a callback stops it."""
    args, state, model, objective = trainer.args, trainer.state, trainer.model, trainer.objective
    optimiser, schedule = trainer.optimizer, trainer.lr_scheduler
    trained = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    model.train()
    for epoch in range(start.epoch, state.num_train_epochs):
        trainer.tell("on_epoch_begin")
        done = start.step if epoch == start.epoch else 0
        steps = trainer.batches.steps(epoch, args.gradient_accumulation_steps)
        for step, micro_batches in enumerate(
            grouped(trainer.load(epoch, done), args.gradient_accumulation_steps), done
        ):
            if state.global_step >= state.max_steps:
                break
            trainer.tell("on_step_begin")
            counts = sum((objective.count(batch) for batch in micro_batches), Counter[str]())
            step_loss = 0.0
            for number, batch in enumerate(micro_batches, 1):
                with autocast(args.device, args.bf16):
                    sums, _ = objective(model, to_device(batch, args.device))
                    loss = total_loss(sums, counts)
                step_loss += loss.item()
                stop_unless_finite(step_loss, "loss", trainer, epoch, step)
                loss.backward()
                if number < len(micro_batches):
                    trainer.tell("on_substep_end")
            norm = clip_gradients(trained, args.max_grad_norm) if args.max_grad_norm else None
            stop_unless_finite(norm or 0.0, "gradient norm", trainer, epoch, step)
            trainer.tell("on_pre_optimizer_step")
            optimiser.step()
            trainer.tell("on_optimizer_step")
            rate = optimiser.param_groups[0]["lr"]
            schedule.step()
            optimiser.zero_grad()
            tokens = sum(map(tokens_of, micro_batches))
            meter.add(loss=step_loss, rate=float(rate), norm=norm, tokens=tokens, rows=sum(map(rows_of, micro_batches)))
            state.global_step += 1
            state.epoch = epoch + (step + 1) / steps
            state.num_input_tokens_seen += tokens
            trainer.tell("on_step_end")
            trainer.report_evaluate_save(meter, Position(epoch, step + 1))
            if trainer.control.should_epoch_stop or trainer.control.should_training_stop:
                break
        trainer.tell("on_epoch_end")
        trainer.report_evaluate_save(meter, Position(epoch + 1, 0))
        if trainer.control.should_training_stop or state.global_step >= state.max_steps:
            return


def grouped(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """As many batches as one optimiser step accumulates; the last group may be smaller."""
    source = iter(batches)
    while group := list(islice(source, size)):
        yield group


def to_device(batch: Batch, device: Any) -> Batch:
    """Move everything that can be moved."""
    if device.type == "cpu":
        return batch
    return {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else _moved(value, device)
        for name, value in batch.items()
    }


def _moved(value: Any, device: Any) -> Any:
    return value.to(device) if hasattr(value, "to") else value


def stop_unless_finite(value: float, what: str, trainer: Trainer, epoch: int, step: int) -> None:
    """Stop before a number that is not finite reaches the weights.

    Raises:
        EnfoldError: it names the step, the rows of the data set and what helps.
    """
    if math.isfinite(value):
        return
    size = trainer.args.gradient_accumulation_steps
    rows = [row for batch in trainer.batches.batches(epoch)[step * size : (step + 1) * size] for row in batch]
    shown = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
    raise EnfoldError(
        f"the {what} became {value} at step {trainer.state.global_step + 1} (epoch {trainer.state.epoch:.2f}, "
        f"learning rate {trainer.optimizer.param_groups[0]['lr']:.3g}, training rows {shown}); the weights are still "
        "those of the step before; a lower learning_rate or a longer warm-up helps, or look at these rows"
    )
