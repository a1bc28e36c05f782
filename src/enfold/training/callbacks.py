"""What may look into the training loop and steer it, under the event names of `transformers`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from enfold.errors import SettingsError
from enfold.training.state import TrainerControl, TrainerState

if TYPE_CHECKING:
    from enfold.training.arguments import TrainingArguments

EVENTS = (
    "on_init_end",
    "on_train_begin",
    "on_train_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_step_begin",
    "on_pre_optimizer_step",
    "on_optimizer_step",
    "on_substep_end",
    "on_step_end",
    "on_evaluate",
    "on_predict",
    "on_save",
    "on_log",
    "on_prediction_step",
)


class TrainerCallback:
    """Called at each event of training; override the events you need.

    Every event gets ``args``, ``state`` and ``control``, and by keyword ``model``, ``processing_class``,
    ``optimizer``, ``lr_scheduler``, ``train_dataloader`` and ``eval_dataloader``; ``on_log`` gets ``logs`` too,
    ``on_evaluate`` and ``on_predict`` get ``metrics``. To steer, set a switch of ``control`` and return it.

    A callback with something to remember over a kill defines ``state()``, which returns
    ``{"args": {…}, "attributes": {…}}``; an exact resume sets the attributes again.
    """

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """The trainer has been made."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Training begins, or goes on after a resume."""

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Training is over; the best model is back, where that was asked for."""

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """A pass over the data begins."""

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """A pass over the data is over."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """An optimiser step begins; it may take several batches."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Gradients are there and clipped; weights are still the old ones."""

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Weights are new; gradients are still there."""

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """One batch of several that are accumulated is done."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """An optimiser step is done."""

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """An evaluation is done; ``metrics`` are given."""

    def on_predict(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """A data set was predicted; ``metrics`` are given."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """A checkpoint is complete."""

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Something is reported; ``logs`` are given."""

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """One batch of an evaluation is done."""


class ExportableState:
    """A callback that a checkpoint remembers; here every callback that defines ``state()`` is."""


class DefaultFlowCallback(TrainerCallback):
    """When to log, evaluate, save and stop, from the settings."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Intervals in steps, and the end."""
        step = state.global_step
        may_evaluate = args.eval_strategy == "steps" and args.eval_delay <= step
        if (step == 1 and args.logging_first_step) or (
            args.logging_strategy == "steps" and step % state.logging_steps == 0
        ):
            control.should_log = True
        if may_evaluate and step % state.eval_steps == 0:
            control.should_evaluate = True
        if args.save_strategy == "steps" and step % state.save_steps == 0:
            control.should_save = True
        if step >= state.max_steps:
            control.should_training_stop = True
            control.should_evaluate = control.should_evaluate or may_evaluate
            control.should_save = control.should_save or args.save_strategy == "steps"
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Once a pass over the data."""
        if args.logging_strategy == "epoch":
            control.should_log = True
        if args.eval_strategy == "epoch" and args.eval_delay <= state.epoch:
            control.should_evaluate = True
        if args.save_strategy == "epoch":
            control.should_save = True
        return control


class EarlyStoppingCallback(TrainerCallback, ExportableState):
    """Stop when ``metric_for_best_model`` has not become better for ``early_stopping_patience`` evaluations.

    Args:
        early_stopping_patience: evaluations without improvement that are waited for.
        early_stopping_threshold: how much better counts as better.
    """

    def __init__(self, early_stopping_patience: int = 1, early_stopping_threshold: float = 0.0) -> None:
        self.early_stopping_patience = early_stopping_patience
        self.early_stopping_threshold = early_stopping_threshold
        self.early_stopping_patience_counter = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Check that there will be something to stop on.

        Raises:
            SettingsError: no metric is named or nothing is ever evaluated.
        """
        if args.metric_for_best_model is None or args.eval_strategy == "no":
            raise SettingsError(
                "EarlyStoppingCallback needs metric_for_best_model and an eval_strategy: "
                f"{args.metric_for_best_model!r} and {args.eval_strategy!r}"
            )
        if not args.load_best_model_at_end:
            warnings.warn(
                "EarlyStoppingCallback without load_best_model_at_end=True keeps the last model, not the best",
                stacklevel=2,
            )

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Count evaluations that brought nothing."""
        value = metric_of(args, kwargs["metrics"])
        gain = 0.0 if state.best_metric is None else value - state.best_metric
        if not args.greater_is_better:
            gain = -gain
        if state.best_metric is None or gain > self.early_stopping_threshold:
            self.early_stopping_patience_counter = 0
        else:
            self.early_stopping_patience_counter += 1
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True
        return control

    def state(self) -> dict[str, Any]:
        """The count, for a checkpoint."""
        return {
            "args": {
                "early_stopping_patience": self.early_stopping_patience,
                "early_stopping_threshold": self.early_stopping_threshold,
            },
            "attributes": {"early_stopping_patience_counter": self.early_stopping_patience_counter},
        }


def metric_of(args: TrainingArguments, metrics: dict[str, float]) -> float:
    """The metric that says which model is best.

    Raises:
        SettingsError: the evaluation did not give it.
    """
    name = str(args.metric_for_best_model)
    key = name if name.startswith("eval_") else f"eval_{name}"
    if key not in metrics:
        known = ", ".join(sorted(metrics))
        raise SettingsError(f"metric_for_best_model={name!r}: the evaluation gave no {key!r}; it gave: {known}")
    return metrics[key]


class CallbackList:
    """The callbacks of a trainer, called in order, and what all of them are given."""

    def __init__(self, callbacks: Sequence[TrainerCallback | type[TrainerCallback]]) -> None:
        self.callbacks: list[TrainerCallback] = []
        self.shared: dict[str, Any] = {}
        for callback in callbacks:
            self.add(callback)

    def add(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        """Add one at the end; a class is made into an instance."""
        self.callbacks.append(callback() if isinstance(callback, type) else callback)

    def pop(self, callback: TrainerCallback | type[TrainerCallback]) -> TrainerCallback | None:
        """Take out an instance, or the first of a class; ``None`` where there is none."""
        for candidate in self.callbacks:
            if candidate is callback or (isinstance(callback, type) and isinstance(candidate, callback)):
                self.callbacks.remove(candidate)
                return candidate
        return None

    def call(
        self, event: str, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> TrainerControl:
        """Tell everyone; what a callback returns is the control from then on."""
        for callback in self.callbacks:
            respond = getattr(callback, event, None)
            if respond is not None:
                control = respond(args, state, control, **self.shared, **given) or control
        return control

    def states(self) -> dict[str, Any]:
        """What the callbacks want a checkpoint to keep, by class name."""
        found: dict[str, Any] = {}
        for callback in self.callbacks:
            tell = getattr(callback, "state", None)
            if callable(tell):
                found.setdefault(type(callback).__name__, []).append(tell())
        return {name: states[0] if len(states) == 1 else states for name, states in found.items()}

    def restore(self, found: dict[str, Any]) -> None:
        """Set what a checkpoint kept."""
        for name, kept in found.items():
            mine = [callback for callback in self.callbacks if type(callback).__name__ == name]
            for callback, state in zip(mine, kept if isinstance(kept, list) else [kept], strict=False):
                for attribute, value in state.get("attributes", {}).items():
                    setattr(callback, attribute, value)
