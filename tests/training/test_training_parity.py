"""The same data, settings and weights through `transformers`' Trainer and ours give the same model."""

from __future__ import annotations

import pytest
import torch
from training_examples import (
    padded,
    some_rows,
    some_tagged_rows,
    tiny_classifier,
    tiny_config,
    tiny_tagger,
    without_dropout,
)

from enfold import Trainer, TrainingArguments


@pytest.mark.parametrize(("task", "accumulation"), [("texts", 1), ("tokens", 1), ("texts", 2)])
def test_weights_losses_and_norms_equal_those_of_transformers(tmp_path, task, accumulation):
    import transformers

    ours = (tiny_classifier if task == "texts" else tiny_tagger)(**without_dropout())
    rows = some_rows(40) if task == "texts" else some_tagged_rows(40)
    theirs_class = (
        transformers.BertForSequenceClassification if task == "texts" else transformers.BertForTokenClassification
    )
    theirs = theirs_class(transformers.BertConfig(**tiny_config(**without_dropout()).to_dict()))
    theirs.load_state_dict(ours.state_dict())

    settings = {
        "output_dir": str(tmp_path),
        "num_train_epochs": 2,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": accumulation,
        "train_sampling_strategy": "sequential",
        "learning_rate": 3e-3,
        "weight_decay": 0.1,
        "warmup_steps": 0.2,
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
    }
    trainer = Trainer(ours, TrainingArguments(**settings), train_dataset=rows, eval_dataset=rows)
    trainer.train()
    evaluated = trainer.evaluate()["eval_loss"]

    length = 24
    stacked = padded(rows, length)
    if task == "tokens":
        for row in stacked:
            row["labels"] = row["labels"] + [-100] * (length - len(row["labels"]))
    reference = transformers.Trainer(
        theirs,
        transformers.TrainingArguments(**settings, report_to="none"),
        data_collator=transformers.default_data_collator,
        train_dataset=stacked,
        eval_dataset=stacked,
        callbacks=[],
    )
    # BERT's loss there is a mean that takes no count, yet the trainer believes it was divided by one: without this
    # word, two batches accumulated would count twice. For unlike counts (tokens) no word makes it right.
    reference.loss_is_scaled_for_ga = False
    reference.remove_callback(transformers.PrinterCallback)
    reference.train()

    told = [entry for entry in trainer.state.log_history if "loss" in entry]
    expected = [entry for entry in reference.state.log_history if "loss" in entry]
    assert len(told) == len(expected) == trainer.state.global_step
    for mine, other in zip(told, expected, strict=True):
        for name in ("loss", "grad_norm", "learning_rate", "epoch"):
            assert mine[name] == pytest.approx(other[name], rel=2e-3, abs=1e-8), (name, mine["step"])
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=5e-3, atol=1e-4, msg=name)
    if task == "texts":
        assert evaluated == pytest.approx(reference.evaluate()["eval_loss"], rel=1e-3)
