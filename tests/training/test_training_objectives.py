"""Losses are sums over what a whole optimiser step counts, however the step is cut into batches."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from training_examples import (
    some_rows,
    some_tagged_rows,
    tiny_classifier,
    tiny_tagger,
    weights_of,
    without_dropout,
)

from enfold import Trainer, TrainingArguments
from enfold.errors import InputError
from enfold.training import LabelObjective, PackingCollator
from enfold.training.objectives import total_loss


def trained(tmp_path, model, rows, *, batch, accumulation, trainer=Trainer, **settings):
    args = TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        train_sampling_strategy="sequential",
        num_train_epochs=2,
        learning_rate=1e-2,
        save_strategy="no",
        disable_tqdm=True,
    )
    output = trainer(model, args, train_dataset=rows, **settings).train()
    return weights_of(model), output


class MeanOfItsOwn(Trainer):
    """The usual override: a mean over the batch it is given."""

    def compute_loss(self, model, inputs, return_outputs=False):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = torch.nn.functional.cross_entropy(outputs.logits.view(-1, outputs.logits.shape[-1]), labels.view(-1))
        return (loss, outputs) if return_outputs else loss


def divided_by_items(outputs, labels, num_items_in_batch=None):
    logits = outputs.logits.view(-1, outputs.logits.shape[-1])
    return torch.nn.functional.cross_entropy(logits, labels.view(-1), reduction="sum") / num_items_in_batch


@pytest.mark.parametrize(
    "settings",
    [{}, {"trainer": MeanOfItsOwn}, {"compute_loss_func": divided_by_items}],
    ids=["the model's loss", "compute_loss overridden", "compute_loss_func"],
)
@pytest.mark.parametrize(
    ("make", "rows"),
    [(tiny_classifier, some_rows(24)), (tiny_tagger, some_tagged_rows(24))],
    ids=["texts", "tokens"],
)
def test_accumulating_one_times_eight_equals_four_times_two(tmp_path, make, rows, settings):
    whole, at_once = trained(tmp_path, make(**without_dropout()), rows, batch=8, accumulation=1, **settings)
    for batch, accumulation in [(1, 8), (4, 2), (2, 4)]:
        parts, in_parts = trained(
            tmp_path, make(**without_dropout()), rows, batch=batch, accumulation=accumulation, **settings
        )
        assert in_parts.training_loss == pytest.approx(at_once.training_loss, rel=1e-5)
        for name, value in whole.items():
            torch.testing.assert_close(parts[name], value, rtol=2e-3, atol=2e-5, msg=name)


def test_counts_differ_in_that_test():
    """Else a mean of means would have passed it."""
    objective, collate = LabelObjective(), PackingCollator()
    rows = some_tagged_rows(8)
    counts = [objective.count(collate(rows[start : start + 4]))["labels"] for start in (0, 4)]
    assert counts[0] != counts[1]


def test_the_sum_over_the_count_is_the_model_s_own_loss():
    for make, rows in [(tiny_classifier, some_rows(6)), (tiny_tagger, some_tagged_rows(6))]:
        model, batch = make().eval(), PackingCollator()(rows)
        sums, _ = LabelObjective()(model, batch)
        torch.testing.assert_close(total_loss(sums, LabelObjective().count(batch)), model(**batch).loss)


@pytest.mark.parametrize(
    ("labels", "outputs"),
    [([0.25, -1.5, 2.0], 1), ([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]], 3)],
    ids=["regression", "several labels"],
)
def test_regression_and_several_labels(labels, outputs):
    model = tiny_classifier(num_labels=outputs).eval()
    batch = PackingCollator()([{**row, "labels": label} for row, label in zip(some_rows(3), labels, strict=True)])
    sums, _ = LabelObjective()(model, batch)
    torch.testing.assert_close(total_loss(sums, LabelObjective().count(batch)), model(**batch).loss)


def test_label_smoothing_is_that_of_the_definition():
    model, batch = tiny_classifier(num_labels=3).eval(), PackingCollator()(some_rows(5))
    sums, outputs = LabelObjective(label_smoothing=0.2)(model, batch)
    logs = outputs.logits.log_softmax(-1)
    expected = -(0.8 * logs.gather(1, batch["labels"][:, None]).sum() + 0.2 * logs.mean(-1).sum())
    torch.testing.assert_close(sums["labels"], expected)


def test_parts_with_counts_of_their_own_are_divided_each_by_its_own():
    sums = {"labels": torch.tensor(6.0), "next_sentence_label": torch.tensor(4.0)}
    assert total_loss(sums, Counter(labels=3, next_sentence_label=2)).item() == 4.0
    assert total_loss({"labels": torch.tensor(0.0)}, Counter()).item() == 0.0


def test_a_label_at_padding_is_computed_as_the_door_does():
    model = tiny_tagger().eval()
    batch = {
        "input_ids": torch.tensor([[2, 11, 12, 3, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 0, 0]]),
        "labels": torch.tensor([[-100, 1, 0, -100, 1, -100]]),
    }
    sums, _ = LabelObjective()(model, batch)
    torch.testing.assert_close(total_loss(sums, LabelObjective().count(batch)), model(**batch).loss)


def test_a_label_the_model_does_not_have_is_named():
    with pytest.raises(InputError, match="labels hold 5, but the model has 2 classes, 0 to 1; load it with num_labels"):
        LabelObjective()(tiny_classifier(), PackingCollator()([{"input_ids": [2, 3], "labels": 5}]))


def test_a_batch_without_labels_is_refused():
    with pytest.raises(InputError, match="a batch has no labels to learn from; it has: input_ids, layout"):
        LabelObjective().count(PackingCollator()([{"input_ids": [2, 3]}]))


def test_replaced_tokens_are_judged_one_by_one():
    from enfold import ElectraConfig, ElectraForPreTraining

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = ElectraForPreTraining(ElectraConfig(vocab_size=60, embedding_size=16, **sizes)).eval()
    rows = [{"input_ids": [2, 5, 6, 3], "labels": [0, 1, 0, 0]}, {"input_ids": [2, 3], "labels": [1, 0]}]
    batch, objective = PackingCollator()(rows), LabelObjective()
    sums, _ = objective(model, batch)
    assert sums["labels"].item() / objective.count(batch)["labels"] == pytest.approx(model(**batch).loss.item())
