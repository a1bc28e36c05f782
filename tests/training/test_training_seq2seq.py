"""`Seq2SeqTrainer`: measured by what a model writes; token budgets of both sides; going on exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_examples import tiny_classifier, weights_of
from writing_examples import END, Padding, some_pairs, tiny_bart, tiny_gpt2

from enfold import DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments, Trainer, TrainingArguments
from enfold.errors import SettingsError
from enfold.generation import GenerationConfig
from enfold.training.datasets import lengths_of
from enfold.training.inference import EvalPrediction
from enfold.training.loaders import collator_for, train_batches


def settings(folder, **changes):
    return Seq2SeqTrainingArguments(
        **{
            "output_dir": str(folder),
            "num_train_epochs": 2,
            "per_device_train_batch_size": 4,
            "learning_rate": 5e-3,
            "logging_steps": 1,
            "save_strategy": "no",
            "disable_tqdm": True,
            **changes,
        }
    )


def exact_match(result: EvalPrediction) -> dict[str, float]:
    pairs = zip(result.predictions, result.label_ids, strict=True)
    return {"exact": float(np.mean([same(written[1:], labels) for written, labels in pairs]))}


def same(written, labels) -> bool:
    end = [int(one) for one in written if one >= 0]
    return end[: end.index(END) + 1 if END in end else len(end)] == [int(one) for one in labels if one >= 0]


def test_a_model_learns_to_write_and_is_measured_by_what_it_writes(tmp_path):
    rows = some_pairs(4)
    trainer = Seq2SeqTrainer(
        tiny_bart(init_std=0.1),
        settings(
            tmp_path, num_train_epochs=50, predict_with_generate=True, generation_max_length=12, generation_num_beams=2
        ),
        train_dataset=rows,
        eval_dataset=rows,
        compute_metrics=exact_match,
    )
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    assert (before["eval_exact"], after["eval_exact"]) == (0.0, 1.0)
    assert after["eval_loss"] < before["eval_loss"]


@pytest.mark.parametrize("how", ["packed", "padded"])
def test_predictions_are_what_generate_writes_for_each_row_alone(tmp_path, how):
    model, rows = tiny_bart(init_std=0.3).eval(), some_pairs(7)
    trainer = Seq2SeqTrainer(
        model,
        settings(tmp_path, predict_with_generate=True, per_device_eval_batch_size=3),
        data_collator=None if how == "packed" else DataCollatorForSeq2Seq(Padding()),
    )
    told = trainer.predict(rows, max_new_tokens=6, num_beams=3)
    assert told.metrics["test_loss"] > 0
    for row, written in zip(rows, told.predictions, strict=True):
        alone = model.generate(torch.tensor([row["input_ids"]]), max_new_tokens=6, num_beams=3)[0].tolist()
        assert [one for one in written.tolist() if one >= 0][: len(alone)] == alone
    assert [[one for one in row if one >= 0] for row in told.label_ids.tolist()] == [row["labels"] for row in rows]


def test_sources_without_labels_are_written_for(tmp_path):
    rows = [{"input_ids": row["input_ids"]} for row in some_pairs(3)]
    told = Seq2SeqTrainer(tiny_bart(), settings(tmp_path, predict_with_generate=True)).predict(
        rows, max_length=4, min_length=4
    )
    assert told.predictions.shape == (3, 4)
    assert told.label_ids is None
    assert "test_loss" not in told.metrics


def test_without_generation_predictions_are_scores_of_the_labels(tmp_path):
    rows = some_pairs(5)
    told = Seq2SeqTrainer(tiny_bart(), settings(tmp_path)).predict(rows)
    assert told.predictions.shape[:2] == told.label_ids.shape == (5, max(len(row["labels"]) for row in rows))


def test_options_of_a_call_win_over_those_of_the_settings_and_hold_for_it_only(tmp_path):
    trainer = Seq2SeqTrainer(
        tiny_bart(), settings(tmp_path, predict_with_generate=True, generation_max_length=9, generation_num_beams=2)
    )
    calls = ({"max_length": 5, "min_length": 5}, {"min_length": 9})
    assert [trainer.predict(some_pairs(2), **options).predictions.shape[1] for options in calls] == [5, 9]


def test_several_evaluation_sets_are_written_for_with_the_same_options(tmp_path):
    trainer = Seq2SeqTrainer(
        tiny_bart(),
        settings(tmp_path, predict_with_generate=True),
        eval_dataset={"one": some_pairs(2), "two": some_pairs(2, seed=1)},
        compute_metrics=lambda told: {"width": told.predictions.shape[1]},
    )
    metrics = trainer.evaluate(max_length=5, min_length=5)
    assert (metrics["eval_one_width"], metrics["eval_two_width"]) == (5, 5)


@pytest.mark.parametrize("kind", ["object", "values", "folder"])
def test_a_generation_config_goes_to_the_model_and_is_saved_with_it(tmp_path, kind):
    config = GenerationConfig(max_new_tokens=3, num_beams=2)
    config.save_pretrained(tmp_path / "config")
    given = {"object": config, "values": config.to_dict(), "folder": str(tmp_path / "config")}[kind]
    args = settings(tmp_path, predict_with_generate=True, generation_config=given)
    trainer = Seq2SeqTrainer(args=args, model_init=tiny_bart, train_dataset=some_pairs(4))
    trainer.train()
    assert trainer.predict(some_pairs(2)).predictions.shape == (2, 4)
    trainer.save_model(tmp_path / "model")
    assert GenerationConfig.from_pretrained(tmp_path / "model" / "generation_config.json").num_beams == 2
    assert args.to_dict()["generation_config"] == config.to_dict()


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(
        SettingsError, match="Seq2SeqTrainingArguments: generation_max_length=1 must be at least 2; gen"
    ):
        settings(tmp_path, generation_max_length=1, generation_num_beams=0)
    with pytest.raises(SettingsError, match="Seq2SeqTrainingArguments: there is no argument 'predict_with_generat'"):
        settings(tmp_path, predict_with_generat=True)
    with pytest.warns(FutureWarning, match="sortish_sampler is now train_sampling_strategy='group_by_length'"):
        assert settings(tmp_path, sortish_sampler=True).train_sampling_strategy == "group_by_length"
    with pytest.raises(SettingsError, match="Seq2SeqTrainer needs Seq2SeqTrainingArguments; args are TrainingArgum"):
        Seq2SeqTrainer(tiny_bart(), TrainingArguments(str(tmp_path)))
    for model in (tiny_gpt2(), tiny_classifier()):
        with pytest.raises(SettingsError, match=f"needs an encoder-decoder; {type(model).__name__} reads and writes"):
            Seq2SeqTrainer(model, settings(tmp_path, predict_with_generate=True))


def test_a_token_budget_counts_both_sides(tmp_path):
    rows = [{"input_ids": [5] * read, "labels": [6] * written} for read, written in [(3, 5), (6, 2), (1, 7), (4, 4)]]
    assert lengths_of(rows, "length", pairs=True) == [8, 8, 8, 8]
    assert lengths_of(rows, "length") == [3, 6, 1, 4]
    batches = train_batches(rows, settings(tmp_path, max_tokens_per_batch=16), pairs=True).batches(0)
    assert sorted(map(len, batches)) == [2, 2]


def test_padding_of_labels_is_not_counted_in_a_table(tmp_path):
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_dict(
        {"input_ids": [[5, 6, 1]], "attention_mask": [[1, 1, 0]], "labels": [[7, -100, -100]]}
    )
    assert lengths_of(table, "length", pairs=True) == [3]


@pytest.mark.parametrize("how", ["packed", "padded"])
def test_tokens_seen_are_those_of_both_sides(tmp_path, how):
    rows = some_pairs(8)
    trainer = Seq2SeqTrainer(
        tiny_bart(),
        settings(tmp_path, num_train_epochs=1),
        data_collator=None if how == "packed" else DataCollatorForSeq2Seq(Padding(), tiny_bart()),
        train_dataset=rows,
    )
    trainer.train()
    assert trainer.state.num_input_tokens_seen == sum(len(row["input_ids"]) + len(row["labels"]) for row in rows)


def test_packed_and_padded_pairs_teach_the_same(tmp_path):
    models = []
    for collator in (None, DataCollatorForSeq2Seq(Padding(), tiny_bart())):
        trainer = Seq2SeqTrainer(tiny_bart(), settings(tmp_path), data_collator=collator, train_dataset=some_pairs(12))
        trainer.train()
        models.append(weights_of(trainer.model))
    for name, value in models[0].items():
        torch.testing.assert_close(value, models[1][name], rtol=1e-3, atol=2e-4, msg=name)


def test_a_run_on_pairs_goes_on_exactly(tmp_path):
    def trainer(seed, folder, **changes):
        args = settings(
            folder, num_train_epochs=3, max_tokens_per_batch=40, label_smoothing_factor=0.1, save_steps=3, **changes
        )
        return Seq2SeqTrainer(tiny_bart(seed, dropout=0.2), args, train_dataset=some_pairs(20))

    whole = trainer(0, tmp_path, save_strategy="steps")
    steps = whole.train().global_step
    assert steps > 6
    resumed = trainer(5, tmp_path / "again")
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    for name, value in weights_of(whole.model).items():
        assert torch.equal(value, weights_of(resumed.model)[name]), name


def test_the_default_batches_of_each_kind_of_model():
    pairs, texts = collator_for(tiny_bart(), None), collator_for(tiny_gpt2(), None)
    assert (pairs.pairs, pairs.own_labels) == (True, False)
    assert (texts.pairs, texts.own_labels) == (False, True)
    plain = collator_for(tiny_classifier(), None)
    assert (plain.pairs, plain.own_labels) == (False, False)


def test_a_causal_model_is_evaluated_on_texts_without_labels(tmp_path):
    args = TrainingArguments(str(tmp_path), per_device_eval_batch_size=2, disable_tqdm=True)
    rows = [{"input_ids": [5, 6, 7]}, {"input_ids": [8, 9]}, {"input_ids": [4, 5, 6, 7, 8]}]
    model = tiny_gpt2().eval()
    loss = Trainer(model, args, eval_dataset=rows).evaluate()["eval_loss"]
    sums = [
        model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        for ids in (torch.tensor([row["input_ids"]]) for row in rows)
    ]
    assert loss == pytest.approx(sum(sums) / 7, rel=1e-5)


def test_a_bias_that_is_not_trained_begins_at_zero():
    assert not tiny_bart().final_logits_bias.any()


@pytest.mark.parametrize("family", ["fixed tables that files leave out", "names that files keep"])
def test_a_run_goes_on_where_files_have_not_the_names_of_the_model(tmp_path, family):
    import enfold

    if family == "names that files keep":
        sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        config = enfold.GPTNeoXConfig(vocab_size=40, max_position_embeddings=40, **sizes)
        make, rows = enfold.GPTNeoXForCausalLM, [{"input_ids": row["input_ids"]} for row in some_pairs(8)]
    else:
        config = enfold.MarianConfig(**{**tiny_bart().config.to_dict(), "model_type": "marian", "max_length": None})
        make, rows = enfold.MarianMTModel, some_pairs(8)
    ends = []
    for resumed in (False, True):
        args = TrainingArguments(str(tmp_path), num_train_epochs=2, save_steps=1, disable_tqdm=True)
        torch.manual_seed(int(resumed))
        trainer = Trainer(make(config), args, train_dataset=rows)
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1") if resumed else None)
        ends.append(weights_of(trainer.model))
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
