"""`Seq2SeqTrainer`: a trainer that measures an encoder-decoder by what it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from enfold.errors import SettingsError
from enfold.generation.config import GenerationConfig, field_names
from enfold.generation.settings import own_config
from enfold.training.arguments import TrainingArguments, accepts_other_spellings
from enfold.training.inference import PredictionOutput
from enfold.training.objectives import Batch
from enfold.training.trainer import Trainer

__all__ = ["Seq2SeqTrainer", "Seq2SeqTrainingArguments"]


@accepts_other_spellings
@dataclass
class Seq2SeqTrainingArguments(TrainingArguments):
    """:class:`TrainingArguments`, and how an evaluation writes.

    Raises:
        SettingsError: all faults at once, each with the argument's name, its value and the way out.
    """

    predict_with_generate: bool = False
    """Metrics and predictions are of what the model writes, instead of its scores for the right words."""
    generation_max_length: int | None = None
    """Tokens it writes at most, the start token counted; else as ``generation_config`` says."""
    generation_num_beams: int | None = None
    generation_config: GenerationConfig | Mapping[str, Any] | str | Path | None = None
    """How it writes: a config, its values, or a folder that has one. The model keeps it, beside what it says itself."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.generation_config, (str, Path)):
            self.generation_config = GenerationConfig.from_pretrained(self.generation_config)
        elif isinstance(self.generation_config, Mapping):
            self.generation_config = GenerationConfig.from_dict(self.generation_config)

    def _wrong_values(self) -> list[str]:
        faults = super()._wrong_values()
        for name, least in (("generation_max_length", 2), ("generation_num_beams", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                faults.append(f"{name}={value} must be at least {least}")
        return faults

    def to_dict(self) -> dict[str, Any]:
        """All settings, ready for JSON."""
        config = self.generation_config
        return super().to_dict() | {"generation_config": getattr(config, "to_dict", lambda: config)()}


class Seq2SeqTrainer(Trainer):
    """:class:`Trainer` for encoder-decoders; with ``predict_with_generate`` it measures what the model writes.

    ``compute_metrics`` then gets token ids: (rows, length) with the start token first, padded with -100. Use it for
    BLEU or ROUGE, after ``tokenizer.batch_decode`` of the ids that are not negative. The loss is that of the labels,
    as without.

    Args:
        model: the model; or give ``model_init``.
        args: the settings.
        given, named: further arguments of :class:`Trainer`.

    Raises:
        SettingsError: other settings, or ``predict_with_generate`` with a model that has no encoder to write from.
    """

    args: Seq2SeqTrainingArguments

    def __init__(self, model: Any = None, args: TrainingArguments | None = None, *given: Any, **named: Any) -> None:
        args = args or Seq2SeqTrainingArguments()
        if not isinstance(args, Seq2SeqTrainingArguments):
            raise SettingsError(f"Seq2SeqTrainer needs Seq2SeqTrainingArguments; args are {type(args).__name__}")
        self._options: dict[str, Any] = {}
        super().__init__(model, args, *given, **named)
        if args.predict_with_generate and not self.pairs:
            raise SettingsError(
                f"predict_with_generate needs an encoder-decoder; {type(self.model).__name__} reads and writes one "
                "row, so evaluate its loss, or call model.generate with prompts of your own"
            )
        self._give_generation_config()

    def _prepare_model(self) -> None:
        super()._prepare_model()
        self._give_generation_config()  # model_init may have made another model

    def _give_generation_config(self) -> None:
        given: Any = self.args.generation_config
        if given is not None:  # the model's own ids, such as the one a decoder starts with, stay unless they are set
            own = own_config(self.model) or GenerationConfig()
            options = {name: value for name, value in given.to_dict().items() if name in field_names()}
            self.model.generation_config = own.updated(**options)  # type: ignore[assignment]

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
        **gen_kwargs: Any,
    ) -> dict[str, float]:
        """Loss and metrics, as :meth:`Trainer.evaluate`; ``gen_kwargs`` are options of ``model.generate``."""
        with self._with_options(gen_kwargs):
            return super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)

    def predict(
        self,
        test_dataset: Any,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "test",
        **gen_kwargs: Any,
    ) -> PredictionOutput:
        """Predictions for every row, as :meth:`Trainer.predict`; ``gen_kwargs`` are options of ``model.generate``."""
        with self._with_options(gen_kwargs):
            return super().predict(test_dataset, ignore_keys, metric_key_prefix)

    @contextmanager
    def _with_options(self, options: dict[str, Any]) -> Iterator[None]:
        before, self._options = self._options, {**self._options, **options}
        try:
            yield
        finally:
            self._options = before

    def writer(self) -> Callable[[Batch], list[list[int]]] | None:
        """What writes for a batch, where metrics are of that."""
        if not self.args.predict_with_generate:
            return None
        options = {name: value for name, value in self._options.items() if value is not None}
        if options.keys().isdisjoint(("max_length", "max_new_tokens")) and self.args.generation_max_length is not None:
            options["max_length"] = self.args.generation_max_length
        if self.args.generation_num_beams is not None:
            options.setdefault("num_beams", self.args.generation_num_beams)
        return lambda batch: written_by(self.model, batch, options)


def written_by(model: Any, batch: Batch, options: Mapping[str, Any]) -> list[list[int]]:
    """What a model writes for each row of a batch, packed or padded: the start token and what follows it.

    Args:
        model: an encoder-decoder with ``generate``.
        batch: its sources; labels are not looked at.
        options: of ``model.generate``.
    """
    ids, layout = batch["input_ids"], batch.get("layout")
    if layout is None:
        mask = batch.get("attention_mask")
    else:
        lengths = layout.q_lengths.to(ids.device)[:, None]
        mask = torch.arange(int(layout.q_lengths.max()), device=ids.device) < lengths
        ids, mask = ids.new_zeros(mask.shape).masked_scatter(mask, ids), mask.long()
    written: Tensor = model.generate(input_ids=ids, attention_mask=mask, **options)
    return written.tolist()
