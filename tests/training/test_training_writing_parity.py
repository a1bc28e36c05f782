"""GPT-2 and BART trained here and by `transformers`: the same loss, the same gradients, the same curve."""

from __future__ import annotations

import pytest
import torch
from writing_examples import (
    PAD,
    Padding,
    some_pairs,
    some_texts,
    tiny_bart,
    tiny_bart_config,
    tiny_gpt2,
    tiny_gpt2_config,
)

from enfold import DataCollatorForLanguageModeling, DataCollatorForSeq2Seq, Trainer, TrainingArguments

ROWS = {"gpt2": some_texts(8), "bart": some_pairs(8)}


def ours_and_theirs(kind, **changes):
    import transformers

    ours = (tiny_gpt2 if kind == "gpt2" else tiny_bart)(**changes)
    config = (tiny_gpt2_config if kind == "gpt2" else tiny_bart_config)(**changes).to_dict()
    if kind == "gpt2":
        theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**config))
    else:
        theirs = transformers.BartForConditionalGeneration(transformers.BartConfig(**config))
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def padded(kind, rows):
    if kind == "gpt2":
        return DataCollatorForLanguageModeling(Padding(), mlm=False)(rows)
    return DataCollatorForSeq2Seq(Padding())(rows)


def arguments(folder, **changes):
    return {
        "output_dir": str(folder),
        "train_sampling_strategy": "sequential",
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        **changes,
    }


SPLITS = {
    "eight at once": (8, 1),
    "two fours": (4, 2),
    "three uneven parts": (3, 3),
    "eight of one": (1, 8),
}


@pytest.mark.parametrize("how", ["packed", "padded"])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", ["gpt2", "bart"])
def test_loss_and_gradients_of_a_step_are_those_of_the_whole_batch(tmp_path, kind, split, how):
    ours, theirs = ours_and_theirs(kind)
    expected = theirs(**padded(kind, ROWS[kind])).loss
    expected.backward()
    before = {name: value.detach().clone() for name, value in ours.named_parameters()}

    size, accumulation = SPLITS[split]
    trainer = Trainer(
        ours,
        TrainingArguments(
            **arguments(
                tmp_path,
                max_steps=1,
                per_device_train_batch_size=size,
                gradient_accumulation_steps=accumulation,
                max_grad_norm=0,
            )
        ),
        data_collator=None if how == "packed" else lambda rows: padded(kind, rows),
        train_dataset=ROWS[kind],
        optimizers=(torch.optim.SGD(ours.parameters(), lr=1.0), None),  # a step then goes by the gradient
    )
    output = trainer.train()

    assert output.training_loss == pytest.approx(expected.item(), rel=1e-5)
    gradients = dict(theirs.named_parameters())
    for name, value in ours.named_parameters():
        torch.testing.assert_close(before[name] - value, gradients[name].grad, rtol=1e-3, atol=2e-6, msg=name)


@pytest.mark.parametrize(
    ("kind", "accumulation", "smoothing"), [("gpt2", 1, 0.0), ("gpt2", 2, 0.0), ("gpt2", 1, 0.1), ("bart", 1, 0.1)]
)
def test_curves_equal_those_of_transformers(tmp_path, kind, accumulation, smoothing):
    import transformers

    ours, theirs = ours_and_theirs(kind)
    rows = ROWS[kind] * 3
    settings = arguments(
        tmp_path,
        num_train_epochs=2,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=accumulation,
        learning_rate=3e-3,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        weight_decay=0.1,
        label_smoothing_factor=smoothing,
    )
    trainer = Trainer(ours, TrainingArguments(**settings), train_dataset=rows, eval_dataset=rows)
    trainer.train()

    def collate(given):
        batch = padded(kind, given)
        if kind == "gpt2":
            # Nothing stands before a row's first token, so it is never learned; but theirs counts it, and divides by
            # one a row too many, unless it is left out here.
            batch["labels"][:, 0] = -100
            return batch
        return batch | {"decoder_input_ids": theirs.prepare_decoder_input_ids_from_labels(labels=batch["labels"])}

    reference = transformers.Trainer(
        theirs,
        transformers.TrainingArguments(**settings, report_to="none"),
        data_collator=collate,
        train_dataset=rows,
        eval_dataset=rows,
        callbacks=[],
    )
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


def test_an_end_token_that_is_also_padding_is_learned(tmp_path):
    """With padding told by its id, as theirs is, the end of a text would have no loss at all."""
    model = tiny_gpt2(pad_token_id=2)
    rows = [{"input_ids": [5, 6, 7, 2]}] * 16
    settings = arguments(tmp_path, num_train_epochs=20, per_device_train_batch_size=4, learning_rate=1e-2)
    for collator in (None, DataCollatorForLanguageModeling(Padding(pad=2), mlm=False)):
        Trainer(model, TrainingArguments(**settings), data_collator=collator, train_dataset=rows).train()
        written = model.eval().generate(torch.tensor([[5, 6]]), max_new_tokens=6, eos_token_id=2, pad_token_id=PAD)
        assert written.tolist() == [[5, 6, 7, 2]]
        model = tiny_gpt2(1, pad_token_id=2)
