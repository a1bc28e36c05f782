"""`Trainer`: data, model, settings and callbacks around the loop."""

from __future__ import annotations

import inspect
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from enfold.errors import InputError, SettingsError
from enfold.files import write_json
from enfold.training import checkpoints
from enfold.training.arguments import TrainingArguments
from enfold.training.callbacks import CallbackList, DefaultFlowCallback, TrainerCallback, metric_of
from enfold.training.checkpoints import Position
from enfold.training.collators import Collator
from enfold.training.datasets import arguments_of, label_columns, learns_pairs
from enfold.training.inference import EvalPrediction, Measured, PredictionOutput, measure
from enfold.training.loaders import collator_for, eval_batches, make_loader, train_batches
from enfold.training.loop import run_epochs, to_device
from enfold.training.meter import Meter
from enfold.training.objectives import (
    Batch,
    LabelObjective,
    MeanObjective,
    Objective,
    loss_function,
    own_loss,
    total_loss,
)
from enfold.training.optimisers import make_optimiser
from enfold.training.precision import autocast, warn_of_slow_bfloat16
from enfold.training.progress import ProgressCallback
from enfold.training.randomness import set_seed
from enfold.training.resuming import go_on_from, what_to_keep
from enfold.training.sampling import EpochBatches
from enfold.training.schedules import get_scheduler
from enfold.training.state import TrainerControl, TrainerState
from enfold.training.tensorboard import TensorBoardCallback


class TrainOutput(NamedTuple):
    """What :meth:`Trainer.train` gives."""

    global_step: int
    training_loss: float
    metrics: dict[str, float]


class Trainer:
    """Train, evaluate and predict, with the arguments and methods `transformers` users know.

    Batches are packed, never padded, for models that take a ``layout``; a ``data_collator`` of your own is used as is.
    Override :meth:`compute_loss` for a loss of your own: it gives the mean over its batch.

    Args:
        model: the model; or give ``model_init``.
        args: the settings.
        data_collator: from rows to a batch.
        train_dataset: a torch ``Dataset``, a list of dicts, or a ``datasets.Dataset``.
        eval_dataset: the same, or a dict of several by name.
        processing_class: the tokenizer; saved with the model, and used where padding is needed.
        model_init: makes the model when training begins.
        compute_loss_func: ``(outputs, labels, num_items_in_batch=…)`` to a loss.
        compute_metrics: from :class:`EvalPrediction` to numbers by name.
        callbacks: further callbacks, instances or classes.
        optimizers: an optimiser and a schedule of your own, either may be ``None``.
        preprocess_logits_for_metrics: ``(logits, labels)`` to what is kept of them, batch by batch.
        objective: own: what to minimise, as sums and counts; see :mod:`enfold.training.objectives`.
        tokenizer: the former name of ``processing_class``.

    Raises:
        InputError: there is neither a model nor ``model_init``.
        SettingsError: settings that this model or these data sets do not allow.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        args: TrainingArguments | None = None,
        data_collator: Collator | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        model_init: Callable[[], nn.Module] | None = None,
        compute_loss_func: Callable[..., Tensor] | None = None,
        compute_metrics: Callable[[EvalPrediction], Mapping[str, float]] | None = None,
        callbacks: Sequence[TrainerCallback | type[TrainerCallback]] | None = None,
        optimizers: tuple[torch.optim.Optimizer | None, Any] = (None, None),
        preprocess_logits_for_metrics: Callable[[Any, Any], Any] | None = None,
        *,
        objective: Objective | None = None,
        tokenizer: Any = None,
    ) -> None:
        if tokenizer is not None:
            warnings.warn("tokenizer is now processing_class", FutureWarning, stacklevel=2)
        self.args = args or TrainingArguments()
        self._seed()
        if (model is None) == (model_init is None):
            raise InputError("Trainer needs a model or model_init, one of the two")
        self.model_init = model_init
        self.model = model if model is not None else model_init()  # type: ignore[misc]
        self.processing_class = processing_class if processing_class is not None else tokenizer
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.compute_metrics = compute_metrics
        self.preprocess_logits_for_metrics = preprocess_logits_for_metrics
        self.label_names = self.args.label_names or label_columns(self.model)
        self.pairs = learns_pairs(self.model)
        self.data_collator = data_collator or collator_for(self.model, self.processing_class)
        self._given = optimizers
        self.optimizer: Any = optimizers[0]
        self.lr_scheduler: Any = optimizers[1]
        self._own_objective = objective or self._choose_objective(compute_loss_func)
        overridden = type(self).compute_loss is not Trainer.compute_loss
        self.objective = MeanObjective(self._overridden_loss, self.label_names) if overridden else self._own_objective
        if self.args.eval_strategy != "no" and eval_dataset is None:
            raise SettingsError(f"eval_strategy={self.args.eval_strategy!r} needs an eval_dataset")
        self.state, self.control = TrainerState(), TrainerControl()
        own = [TensorBoardCallback] if "tensorboard" in (self.args.report_to or []) else []
        shown = [] if self.args.disable_tqdm else [ProgressCallback]
        self.callback_handler = CallbackList([DefaultFlowCallback, *own, *(callbacks or []), *shown])
        self._train_dataloader: DataLoader[Any] | None = None
        self._resumed_from: Path | None = None
        self._share()
        self.tell("on_init_end")

    # What is trained on, and how

    def _choose_objective(self, compute_loss_func: Callable[..., Tensor] | None) -> Objective:
        if compute_loss_func is not None:
            return MeanObjective(loss_function(compute_loss_func), self.label_names)
        by_label = type(self.model).forward.__module__.startswith("enfold.") and "end_positions" not in self.label_names
        if by_label:
            problem_type = getattr(getattr(self.model, "config", None), "problem_type", None)
            return LabelObjective(
                problem_type=problem_type,
                label_smoothing=self.args.label_smoothing_factor,
                next_token=getattr(self.model, "shifts_labels", False),
            )
        if self.args.label_smoothing_factor:
            raise SettingsError(
                "label_smoothing_factor needs a head that compares labels with logits; this one has its own loss"
            )
        return MeanObjective(own_loss, self.label_names)

    def compute_loss(
        self, model: nn.Module, inputs: Batch, return_outputs: bool = False, num_items_in_batch: int | None = None
    ) -> Any:
        """The mean loss of a batch; override it for a loss of your own.

        Args:
            model: the model.
            inputs: the batch, on the model's device.
            return_outputs: give ``(loss, outputs)``.
            num_items_in_batch: how many labels the batch counts.
        """
        sums, outputs = self._own_objective(model, inputs)
        loss = total_loss(sums, self._own_objective.count(inputs))
        return (loss, outputs) if return_outputs else loss

    def _overridden_loss(self, model: nn.Module, batch: Batch, count: int) -> tuple[Tensor, Any]:
        known = inspect.signature(self.compute_loss).parameters
        takes_count = "num_items_in_batch" in known or any(item.kind is item.VAR_KEYWORD for item in known.values())
        extra = {"num_items_in_batch": count} if takes_count else {}
        given: tuple[Tensor, Any] = self.compute_loss(model, dict(batch), return_outputs=True, **extra)
        return given

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The training batches, in the order that ``batches`` is set to."""
        self.batches = train_batches(self.train_dataset, self.args, pairs=self.pairs)
        return self._loader(self.train_dataset, self.batches, "train_dataset")

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """The batches of an evaluation."""
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        return self._loader(dataset, eval_batches(dataset, self.args, pairs=self.pairs), "eval_dataset")

    def _loader(self, dataset: Any, batches: EpochBatches, what: str) -> DataLoader[Any]:
        read = getattr(self.data_collator, "columns", ())
        columns = {*arguments_of(self.model), *self.label_names, "label", "label_ids", *read}
        return make_loader(dataset, batches, self.data_collator, self.args, columns=columns, what=what)

    def load(self, epoch: int, done: int) -> Iterator[Batch]:
        """The batches of an epoch after its ``done`` first steps; the loop calls it."""
        self.batches.go_to(epoch, done * self.args.gradient_accumulation_steps)
        assert self._train_dataloader is not None
        batches = iter(self._train_dataloader)
        if self._resumed_from is not None:  # what callbacks drew at the beginning of the epoch was drawn before
            checkpoints.restore_randomness(self._resumed_from)
            self._resumed_from = None
        return batches

    # Training

    def train(self, resume_from_checkpoint: str | bool | None = None) -> TrainOutput:
        """Train to the last step.

        Args:
            resume_from_checkpoint: a checkpoint to go on from, exactly; ``True`` for the latest one in ``output_dir``,
                or from the beginning where there is none yet.

        Raises:
            CheckpointError: the checkpoint is broken, or belongs to another model, data set or settings.
            EnfoldError: the loss is no longer finite, or the disk is full.
            InputError: there are no training data, or they do not fit the model.
        """
        args = self.args
        self._seed()
        if self.model_init is not None:
            self.model = self.model_init()
        self._prepare_model()
        if args.bf16:
            warn_of_slow_bfloat16(args.device)
        checkpoints.clear_left_overs(args.output_dir or "")
        self._train_dataloader = self.get_train_dataloader()
        self.state, self.control = TrainerState(train_batch_size=args.train_batch_size), TrainerControl()
        self.state.num_train_epochs, self.state.max_steps = self._plan()
        self.state.compute_steps(args, self.state.max_steps)
        self.create_optimizer_and_scheduler(self.state.max_steps)
        start = go_on_from(self, resume_from_checkpoint)
        self._resumed_from = start.checkpoint if start.position.step else None
        self._share()
        try:
            self.tell("on_train_begin")
            if args.eval_on_start and self.state.global_step == 0:
                self.evaluate()
            if not start.stopped:
                run_epochs(self, start.position, start.meter)
            output = self._finish(start.meter)
            self.tell("on_train_end")
        finally:
            for callback in self.callback_handler.callbacks:
                getattr(callback, "close", lambda: None)()
        return output

    def _plan(self) -> tuple[int, int]:
        """Epochs and optimiser steps."""
        accumulation = self.args.gradient_accumulation_steps
        if self.args.max_steps > 0:
            epochs = steps = 0
            while steps < self.args.max_steps:
                steps += max(1, self.batches.steps(epochs, accumulation))
                epochs += 1
            return epochs, self.args.max_steps
        epochs = math.ceil(self.args.num_train_epochs)
        steps_by_epoch = [self.batches.steps(epoch, accumulation) for epoch in range(epochs)]
        left_out = epochs - self.args.num_train_epochs
        return epochs, sum(steps_by_epoch) - (math.floor(left_out * steps_by_epoch[-1]) if epochs else 0)

    def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
        """Make what was not given; override it for others."""
        self.optimizer = self._given[0] or make_optimiser(self.model, self.args)
        self.lr_scheduler = self._given[1] or get_scheduler(
            self.args.lr_scheduler_type,
            self.optimizer,
            self.args.get_warmup_steps(num_training_steps),
            num_training_steps,
            self.args.lr_scheduler_kwargs,  # type: ignore[arg-type]
        )

    def report_evaluate_save(self, meter: Meter, position: Position) -> None:
        """Do what the callbacks asked for at the end of a step or an epoch; the loop calls it."""
        if self.control.should_log and meter.steps_since_report:
            self.log(meter.report())
        with meter.resting():
            if self.control.should_evaluate:
                is_best = self._note_best(self.evaluate())
                if self.args.save_strategy == "best":
                    self.control.should_save = is_best
            if self.control.should_save:
                self._save_checkpoint(meter, position)
                self.tell("on_save")
        self.control.should_log = self.control.should_evaluate = self.control.should_save = False

    def _note_best(self, metrics: dict[str, float]) -> bool:
        if self.args.metric_for_best_model is None:
            return False
        value, best = metric_of(self.args, metrics), self.state.best_metric
        better = best is None or (value > best if self.args.greater_is_better else value < best)
        if better:
            self.state.best_metric, self.state.best_global_step = value, self.state.global_step
        return better

    def _save_checkpoint(self, meter: Meter, position: Position) -> None:
        root = Path(self.args.output_dir or "")
        folder = root / f"checkpoint-{self.state.global_step}"
        best = root / f"checkpoint-{self.state.best_global_step}"
        if self.state.best_global_step is not None and (best == folder or best.is_dir()):
            self.state.best_model_checkpoint = str(best)
        self.state.stateful_callbacks = {**self.callback_handler.states(), "TrainerControl": self.control.state()}
        checkpoints.save_checkpoint(
            folder,
            model=self.model,
            processing_class=self.processing_class,
            state=self.state,
            optimiser=None if self.args.save_only_model else self.optimizer,
            resume=what_to_keep(self, meter, position),
        )
        if self.args.save_total_limit is not None:
            checkpoints.drop_old_checkpoints(
                root, keep=self.args.save_total_limit, best=self.state.best_model_checkpoint
            )

    def _finish(self, meter: Meter) -> TrainOutput:
        loss = meter.loss / max(1, self.state.global_step)
        metrics = {**meter.totals(), "total_flos": 0.0, "train_loss": loss}
        self.log(metrics)
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint is not None:
            checkpoints.load_weights(self.model, Path(self.state.best_model_checkpoint))
        return TrainOutput(self.state.global_step, loss, metrics)

    # Measuring

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Loss and metrics on a data set; on each of several, by name.

        Args:
            eval_dataset: another than the trainer's own.
            ignore_keys: outputs of the model to leave out.
            metric_key_prefix: what the names of the metrics begin with.
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if isinstance(dataset, Mapping):
            metrics: dict[str, float] = {}
            for name, part in dataset.items():
                metrics |= self.evaluate(part, ignore_keys, f"{metric_key_prefix}_{name}")
            return metrics
        loss_only = self.args.prediction_loss_only or self.compute_metrics is None
        _, metrics = self._measure(dataset, metric_key_prefix, ignore_keys, loss_only=loss_only)
        self.log(metrics)
        self.tell("on_evaluate", metrics=metrics)
        return metrics

    def predict(
        self, test_dataset: Any, ignore_keys: list[str] | None = None, metric_key_prefix: str = "test"
    ) -> PredictionOutput:
        """Predictions for every row, in the data set's order; labels and metrics too where it has labels."""
        measured, metrics = self._measure(test_dataset, metric_key_prefix, ignore_keys, loss_only=False)
        self.tell("on_predict", metrics=metrics)
        return PredictionOutput(measured.predictions, measured.label_ids, metrics)

    def writer(self) -> Callable[[Batch], list[list[int]]] | None:
        """What writes for a batch, where metrics are of what a model writes; here they are of its scores."""
        return None

    def _measure(
        self, dataset: Any, prefix: str, ignore_keys: list[str] | None, *, loss_only: bool
    ) -> tuple[Measured, dict[str, float]]:
        self._prepare_model()
        loader = self.get_eval_dataloader(dataset)
        self.callback_handler.shared["eval_dataloader"] = loader
        numbers = loader.batch_sampler.batches(0)  # type: ignore[union-attr]
        began = time.perf_counter()
        with autocast(self.args.device, self.args.bf16):
            measured = measure(
                self.model,
                ((rows, to_device(batch, self.args.device)) for rows, batch in zip(numbers, loader, strict=True)),
                self.objective,
                label_names=self.label_names,
                loss_only=loss_only,
                ignore=ignore_keys or [],
                preprocess=self.preprocess_logits_for_metrics,
                write=self.writer(),
                after_batch=lambda: self.tell("on_prediction_step"),
            )
        seconds = max(1e-9, time.perf_counter() - began)
        metrics: dict[str, float] = {} if measured.loss is None else {"loss": measured.loss}
        if self.compute_metrics is not None and measured.label_ids is not None:
            computed = self.compute_metrics(EvalPrediction(measured.predictions, measured.label_ids))
            metrics |= {name: getattr(value, "item", lambda value=value: value)() for name, value in computed.items()}
        metrics |= measured.speed(seconds, len(numbers))
        named = {
            name if name.startswith(f"{prefix}_") else f"{prefix}_{name}": value for name, value in metrics.items()
        }
        return measured, named

    # Keeping

    def save_model(self, output_dir: str | Path | None = None) -> None:
        """Write the model, its tokenizer and the settings into a folder, ``output_dir`` of the settings by default."""
        folder = Path(output_dir or self.args.output_dir or "")
        folder.mkdir(parents=True, exist_ok=True)
        checkpoints.save_weights(self.model, folder)
        if self.processing_class is not None and hasattr(self.processing_class, "save_pretrained"):
            self.processing_class.save_pretrained(folder)
        write_json(folder / "training_args.json", self.args.to_dict())

    def save_state(self) -> None:
        """Write ``trainer_state.json`` into ``output_dir``."""
        self.state.save_to_json(Path(self.args.output_dir or "") / "trainer_state.json")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Report numbers to the history and to every callback."""
        logs["epoch"] = self.state.epoch
        if self.args.include_num_input_tokens_seen != "no":
            logs["num_input_tokens_seen"] = self.state.num_input_tokens_seen
        self.state.log_history.append({**logs, "step": self.state.global_step})
        self.tell("on_log", logs=logs)

    # Callbacks

    def add_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        """Add a callback, an instance or a class."""
        self.callback_handler.add(callback)

    def pop_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> TrainerCallback | None:
        """Take a callback out and give it."""
        return self.callback_handler.pop(callback)

    def remove_callback(self, callback: TrainerCallback | type[TrainerCallback]) -> None:
        """Take a callback out."""
        self.callback_handler.pop(callback)

    def tell(self, event: str, **given: Any) -> None:
        """Tell the callbacks of an event."""
        self.control = self.callback_handler.call(event, self.args, self.state, self.control, **given)

    # Ground

    def _share(self) -> None:
        self.callback_handler.shared |= {
            "model": self.model,
            "processing_class": self.processing_class,
            "optimizer": self.optimizer,
            "lr_scheduler": self.lr_scheduler,
            "train_dataloader": self._train_dataloader,
            "eval_dataloader": self.callback_handler.shared.get("eval_dataloader"),
        }

    def _prepare_model(self) -> None:
        self.model.to(self.args.device)
        if self.args.activation_checkpointing:
            enable = getattr(self.model, "gradient_checkpointing_enable", None)
            if enable is None:
                raise SettingsError(f"activation_checkpointing: {type(self.model).__name__} cannot do it")
            enable()

    def _seed(self) -> None:
        set_seed(self.args.seed, deterministic=self.args.full_determinism)
