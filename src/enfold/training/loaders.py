"""From a data set to batches: which rows, in which order, collated how."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from enfold.training.arguments import TrainingArguments
from enfold.training.collators import (
    Collator,
    DataCollatorForSeq2Seq,
    DataCollatorWithPadding,
    default_data_collator,
)
from enfold.training.datasets import arguments_of, check_rows, learns_pairs, lengths_of, without_unused_columns
from enfold.training.packing import KeepColumns, PackingCollator
from enfold.training.sampling import EpochBatches


def collator_for(model: nn.Module, processing_class: Any) -> Collator:
    """Packing where the model takes a ``layout``; else padding where the tokenizer can, else stacking."""
    pairs = learns_pairs(model)
    padding: Collator = default_data_collator
    if processing_class is not None and hasattr(processing_class, "pad"):
        padding = (
            DataCollatorForSeq2Seq(processing_class, model) if pairs else DataCollatorWithPadding(processing_class)
        )
    if "layout" not in arguments_of(model):
        return padding
    return PackingCollator(padding, pairs=pairs, own_labels=getattr(model, "shifts_labels", False))


def train_batches(dataset: Any, args: TrainingArguments, *, pairs: bool = False) -> EpochBatches:
    """The batches of every epoch, by the settings; ``pairs`` counts the tokens of both sides of a row."""
    check_rows(dataset, "train_dataset")
    by_length = args.max_tokens_per_batch is not None or args.train_sampling_strategy == "group_by_length"
    return EpochBatches(
        len(dataset),
        lengths=lengths_of(dataset, args.length_column_name, pairs=pairs) if by_length else None,
        batch_size=args.per_device_train_batch_size,
        max_tokens=args.max_tokens_per_batch,
        strategy=args.train_sampling_strategy,
        drop_last=args.dataloader_drop_last,
        seed=args.seed if args.data_seed is None else args.data_seed,
    )


def eval_batches(dataset: Any, args: TrainingArguments, *, pairs: bool = False) -> EpochBatches:
    """The batches of an evaluation: by length and token budget where training is, else in order."""
    check_rows(dataset, "eval_dataset")
    budget = args.max_tokens_per_batch
    return EpochBatches(
        len(dataset),
        lengths=lengths_of(dataset, args.length_column_name, pairs=pairs) if budget else None,
        batch_size=args.per_device_eval_batch_size,
        max_tokens=budget,
        strategy="sequential",
    )


def make_loader(
    dataset: Any, batches: EpochBatches, collator: Collator, args: TrainingArguments, *, columns: set[str], what: str
) -> DataLoader[Any]:
    """A torch ``DataLoader`` over these batches.

    Args:
        dataset: the data set.
        batches: which rows make up which batch.
        collator: from rows to a batch.
        args: the settings.
        columns: what the model takes; others are left out unless the settings keep them.
        what: what the data set is for, as messages name it.
    """
    if args.remove_unused_columns:
        dataset = without_unused_columns(dataset, columns, what)
        collator = KeepColumns(collator, columns)
    workers = args.dataloader_num_workers
    return DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=collator,
        num_workers=workers,
        pin_memory=args.dataloader_pin_memory and args.device.type == "cuda",
        persistent_workers=args.dataloader_persistent_workers and workers > 0,
        prefetch_factor=args.dataloader_prefetch_factor,
        # A generator of its own, so that iterating never draws from the one dropout uses.
        generator=torch.Generator().manual_seed(args.seed),
    )
