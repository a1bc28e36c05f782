"""The training stage: from prepared rows to a fine-tuned model folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

from enfold.files import write_json
from enfold.hub import Located
from enfold.models import AutoModelForSequenceClassification
from enfold.project.settings import Settings
from enfold.text import Tokenizer
from enfold.training import EarlyStoppingCallback, Trainer, TrainingArguments, get_last_checkpoint, set_seed
from enfold.values import LabelSet

PACKAGES = ("training", "models", "layers", "text", "project/train.py")


def train(result: Path, scratch: Path, *, settings: Settings, base: Located, table: pl.DataFrame) -> None:
    """Fine-tune the base model; what an interrupted run left in ``scratch`` is continued exactly.

    Args:
        result: gets ``model/`` (weights and tokenizer), ``history.json`` and ``tensorboard/``.
        scratch: gets the checkpoints.
        settings: of the project.
        base: the pretrained model.
        table: prepared rows with ``text``, ``label`` and ``split``.
    """
    labels = LabelSet(tuple(settings.data.labels))
    tokenizer = Tokenizer.from_pretrained(base.path)
    set_seed(settings.training.seed)
    model = AutoModelForSequenceClassification.from_pretrained(base.path, labels=labels)
    context = min(settings.model.max_length or tokenizer.model_max_length, model.config.max_position_embeddings)
    trainer = Trainer(
        model=model,
        args=_arguments(settings, scratch),
        train_dataset=_examples(table, "train", tokenizer, labels, context),
        eval_dataset=_examples(table, "validation", tokenizer, labels, context),
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=settings.training.patience)],
    )
    trainer.train(resume_from_checkpoint=scratch.is_dir() and get_last_checkpoint(scratch) is not None)
    model.save_pretrained(result / "model")
    tokenizer.save_pretrained(result / "model")
    write_json(result / "history.json", trainer.state.log_history)
    if (scratch / "tensorboard").is_dir():
        shutil.copytree(scratch / "tensorboard", result / "tensorboard")


def _examples(
    table: pl.DataFrame, split: str, tokenizer: Tokenizer, labels: LabelSet, context: int
) -> list[dict[str, object]]:
    rows = table.filter(pl.col("split") == split).sort("id")
    encodings = tokenizer.encode_batch(rows["text"].to_list(), max_length=context)
    numbers = labels.encode(rows["label"].to_list())
    return [
        {"input_ids": list(encoding.ids), "token_type_ids": list(encoding.type_ids), "labels": number}
        for encoding, number in zip(encodings, numbers, strict=True)
    ]


def _arguments(settings: Settings, scratch: Path) -> TrainingArguments:
    training = settings.training
    return TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=training.epochs,
        learning_rate=training.learning_rate,
        max_tokens_per_batch=training.batch_tokens,
        warmup_steps=training.warmup,
        weight_decay=training.weight_decay,
        bf16=training.precision == "bfloat16",
        seed=training.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        greater_is_better=False,
        logging_strategy="steps",
        logging_steps=10,
        logging_dir=str(scratch / "tensorboard"),
        report_to="tensorboard",
    )
