"""`Trainer`: learns, measures, calls back, stops, keeps the best."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from training_examples import (
    accuracy,
    padded,
    some_rows,
    some_tagged_rows,
    tiny_classifier,
    tiny_tagger,
    weights_of,
)

from enfold import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from enfold.errors import EnfoldError, InputError, SettingsError
from enfold.training import default_data_collator, get_linear_schedule_with_warmup
from enfold.training.callbacks import EVENTS
from enfold.training.optimisers import clip_gradients, decayed_parameters, make_optimiser


@pytest.fixture
def settings(tmp_path):
    def make(**changes: Any) -> TrainingArguments:
        return TrainingArguments(
            **{
                "output_dir": str(tmp_path / "out"),
                "num_train_epochs": 1,
                "learning_rate": 5e-3,
                "save_strategy": "no",
                "disable_tqdm": True,
                **changes,
            }
        )

    return make


class Recorder(TrainerCallback):
    """Writes down every event."""

    def __init__(self):
        self.events = []
        self.given = {}


def _record(event):
    def respond(self, args, state, control, **kwargs):
        self.events.append(event)
        self.given[event] = kwargs

    return respond


for _event in EVENTS:
    setattr(Recorder, _event, _record(_event))


class TestLearning:
    @pytest.mark.parametrize("budget", [None, 150], ids=["fixed size", "token budget"])
    def test_it_learns_what_can_be_learned(self, settings, budget):
        trainer = Trainer(
            tiny_classifier(),
            settings(num_train_epochs=10, max_tokens_per_batch=budget),
            train_dataset=some_rows(96),
            eval_dataset=some_rows(60, seed=9),
            compute_metrics=accuracy,
        )
        before = trainer.evaluate()["eval_accuracy"]
        output = trainer.train()
        after = trainer.evaluate()["eval_accuracy"]
        assert before < 0.7
        assert after > 0.9
        assert output.global_step == trainer.state.global_step
        assert output.metrics["train_tokens_per_second"] > 0

    def test_a_packed_and_a_padded_run_learn_the_same(self, settings):
        rows = some_rows(40)
        changes = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        models = [tiny_classifier(**changes), tiny_classifier(**changes)]
        Trainer(models[0], settings(), train_dataset=rows).train()
        Trainer(models[1], settings(), default_data_collator, train_dataset=padded(rows, 24)).train()
        for name, value in weights_of(models[0]).items():
            torch.testing.assert_close(value, weights_of(models[1])[name], rtol=1e-3, atol=1e-4, msg=name)

    def test_max_steps_outranks_epochs(self, settings):
        trainer = Trainer(tiny_classifier(), settings(max_steps=7, num_train_epochs=1), train_dataset=some_rows(24))
        assert trainer.train().global_step == 7
        assert trainer.state.epoch == pytest.approx(7 / 3)

    def test_half_an_epoch(self, settings):
        trainer = Trainer(tiny_classifier(), settings(num_train_epochs=1.5), train_dataset=some_rows(32))
        assert trainer.train().global_step == 6

    def test_seeds_make_a_run_what_it_is(self, settings):
        def run(**changes):
            model = tiny_classifier()
            torch.rand(np.random.randint(1, 9))  # what was drawn before does not matter
            Trainer(model, settings(**changes), train_dataset=some_rows(24)).train()
            return model.classifier.weight

        assert torch.equal(run(), run())
        assert not torch.equal(run(), run(seed=1))
        assert not torch.equal(run(), run(data_seed=1))

    def test_a_model_made_by_model_init(self, settings):
        trainer = Trainer(model_init=lambda: tiny_classifier(3), args=settings(), train_dataset=some_rows(8))
        trainer.train()
        assert not torch.equal(trainer.model.classifier.weight, tiny_classifier(3).classifier.weight)

    def test_an_optimiser_and_a_schedule_of_one_s_own(self, settings):
        model = tiny_classifier()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        schedule = get_linear_schedule_with_warmup(optimiser, 0, 3)
        trainer = Trainer(model, settings(), train_dataset=some_rows(24), optimizers=(optimiser, schedule))
        trainer.train()
        assert trainer.optimizer is optimiser
        assert optimiser.param_groups[0]["lr"] == 0

    def test_a_module_of_one_s_own_computes_its_own_loss(self, settings):
        class Mean(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.words = torch.nn.Embedding(60, 2)

            def forward(self, input_ids, labels=None):
                logits = self.words(input_ids).mean(1)
                return torch.nn.functional.cross_entropy(logits, labels), logits

        rows = [{"input_ids": row["input_ids"][:4], "labels": row["labels"]} for row in some_rows(40)]
        trainer = Trainer(Mean(), settings(num_train_epochs=5), train_dataset=rows, eval_dataset=rows)
        before = trainer.evaluate()["eval_loss"]
        trainer.train()
        assert trainer.evaluate()["eval_loss"] < before

    def test_gradient_checkpointing_changes_nothing_but_memory(self, settings):
        models = [tiny_classifier(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0) for _ in range(2)]
        Trainer(models[0], settings(), train_dataset=some_rows(24)).train()
        Trainer(models[1], settings(activation_checkpointing=True), train_dataset=some_rows(24)).train()
        torch.testing.assert_close(models[0].classifier.weight, models[1].classifier.weight)

    def test_gradient_checkpointing_of_a_module_that_cannot_is_refused(self, settings):
        trainer = Trainer(torch.nn.Linear(2, 2), settings(activation_checkpointing=True), train_dataset=some_rows(4))
        with pytest.raises(SettingsError, match="activation_checkpointing: Linear cannot do it"):
            trainer.train()

    def test_bfloat16_learns_where_the_machine_has_it(self, settings):
        from enfold.training.precision import why_not_bfloat16

        if reason := why_not_bfloat16("cpu"):
            pytest.skip(reason)
        model = tiny_classifier()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Trainer(model, settings(bf16=True, use_cpu=True), train_dataset=some_rows(16)).train()
        told = [str(entry.message) for entry in caught if "bf16=True" in str(entry.message)]
        assert all("so training takes longer; leave it out unless memory is what matters" in word for word in told)
        assert model.classifier.weight.dtype == torch.float32


class TestData:
    def test_a_datasets_dataset_is_read_without_its_unused_columns(self, settings):
        import datasets

        rows = [{**row, "text": "never read", "label": row.pop("labels")} for row in some_rows(16)]
        data = datasets.Dataset.from_list(rows)
        trainer = Trainer(tiny_classifier(), settings(max_tokens_per_batch=60), train_dataset=data, eval_dataset=data)
        assert trainer.train().global_step > 2
        assert "eval_loss" in trainer.evaluate()

    def test_a_torch_dataset(self, settings):
        class Rows(torch.utils.data.Dataset):
            rows = some_rows(16)

            def __len__(self):
                return len(self.rows)

            def __getitem__(self, index):
                row = self.rows[index]
                return {"input_ids": torch.tensor(row["input_ids"]), "labels": torch.tensor(row["labels"])}

        assert Trainer(tiny_classifier(), settings(), train_dataset=Rows()).train().global_step == 2

    def test_batches_can_be_made_in_workers(self, settings):
        models = [tiny_classifier(), tiny_classifier()]
        Trainer(models[0], settings(), train_dataset=some_rows(16)).train()
        Trainer(models[1], settings(dataloader_num_workers=1), train_dataset=some_rows(16)).train()
        assert torch.equal(models[0].classifier.weight, models[1].classifier.weight)

    def test_columns_the_model_does_not_take_are_left_out_of_any_data_set(self, settings):
        rows = [{**row, "text": "x", "offsets": [(0, 1)]} for row in some_rows(8)]
        Trainer(tiny_classifier(), settings(), train_dataset=rows).train()

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (None, "Trainer was given no train_dataset"),
            ([], "train_dataset has no rows"),
            (iter(()), "train_dataset is a tuple_iterator without a length"),
        ],
    )
    def test_no_data_is_said(self, settings, data, message):
        with pytest.raises(InputError, match=message):
            Trainer(tiny_classifier(), settings(), train_dataset=data).train()

    def test_a_data_set_that_was_not_tokenised_is_said(self, settings):
        import datasets

        data = datasets.Dataset.from_list([{"text": "a"}])
        with pytest.raises(InputError, match="train_dataset has no column that the model takes; it has: text"):
            Trainer(tiny_classifier(), settings(), train_dataset=data).train()

    def test_batches_by_length_need_lengths(self, settings):
        with pytest.raises(InputError, match="row 0 has no input_ids, so its length is unknown"):
            Trainer(tiny_classifier(), settings(max_tokens_per_batch=9), train_dataset=[{"labels": 0}]).train()

    def test_a_model_is_needed_or_a_way_to_make_one(self):
        with pytest.raises(InputError, match="Trainer needs a model or model_init, one of the two"):
            Trainer()

    def test_the_former_name_of_the_tokenizer(self, settings):
        with pytest.warns(FutureWarning, match="tokenizer is now processing_class"):
            assert Trainer(tiny_classifier(), settings(), tokenizer="t").processing_class == "t"


class TestMeasuring:
    def test_predictions_come_in_the_order_of_the_data_however_they_are_batched(self, settings):
        model, rows = tiny_classifier(), some_rows(30)
        in_order = Trainer(model, settings(per_device_eval_batch_size=7)).predict(rows)
        by_length = Trainer(model, settings(max_tokens_per_batch=50)).predict(rows)
        assert in_order.predictions.shape == (30, 2)
        np.testing.assert_allclose(in_order.predictions, by_length.predictions, atol=1e-6)
        assert in_order.label_ids.tolist() == [row["labels"] for row in rows]
        assert in_order.metrics["test_loss"] == pytest.approx(by_length.metrics["test_loss"], rel=1e-5)

    def test_the_loss_is_the_mean_over_all_rows(self, settings):
        model, rows = tiny_classifier().eval(), some_rows(10)
        losses = [
            model(input_ids=torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]])).loss.item()
            for row in rows
        ]
        trainer = Trainer(model, settings(per_device_eval_batch_size=4), eval_dataset=rows)
        assert trainer.evaluate()["eval_loss"] == pytest.approx(np.mean(losses), rel=1e-5)

    def test_predictions_of_tokens_are_padded_to_the_longest_row(self, settings):
        model, rows = tiny_tagger(), some_tagged_rows(9)
        output = Trainer(model, settings(per_device_eval_batch_size=4)).predict(rows)
        longest = max(len(row["input_ids"]) for row in rows)
        assert output.predictions.shape == (9, longest, 2)
        for row, logits, labels in zip(rows, output.predictions, output.label_ids, strict=True):
            length = len(row["input_ids"])
            assert labels[:length].tolist() == row["labels"]
            assert (labels[length:] == -100).all()
            assert (logits[length:] == -100).all()

    def test_rows_without_labels_are_predicted(self, settings):
        rows = [{"input_ids": row["input_ids"]} for row in some_rows(3)]
        output = Trainer(tiny_classifier(), settings()).predict(rows)
        assert output.label_ids is None
        assert "test_loss" not in output.metrics

    def test_several_evaluation_sets_by_name(self, settings):
        trainer = Trainer(tiny_classifier(), settings(), eval_dataset={"near": some_rows(4), "far": some_rows(4, 1)})
        assert {"eval_near_loss", "eval_far_loss"} <= set(trainer.evaluate())

    def test_logits_can_be_cut_down_batch_by_batch(self, settings):
        trainer = Trainer(
            tiny_tagger(), settings(), preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1)
        )
        rows = some_tagged_rows(5)
        assert trainer.predict(rows).predictions.shape == (5, max(len(row["input_ids"]) for row in rows))

    def test_the_model_s_mode_is_put_back(self, settings):
        trainer = Trainer(tiny_classifier().train(), settings(), eval_dataset=some_rows(3))
        trainer.evaluate()
        assert trainer.model.training

    def test_evaluating_by_a_strategy_needs_data(self, settings):
        with pytest.raises(SettingsError, match="eval_strategy='epoch' needs an eval_dataset"):
            Trainer(tiny_classifier(), settings(eval_strategy="epoch"))


class TestCallbacks:
    def test_events_come_in_the_order_of_transformers(self, settings):
        recorder = Recorder()
        args = settings(
            gradient_accumulation_steps=2, eval_strategy="epoch", save_strategy="epoch", logging_strategy="epoch"
        )
        data = some_rows(16)
        trainer = Trainer(tiny_classifier(), args, train_dataset=data, eval_dataset=data[:4], callbacks=[recorder])
        trainer.train()
        trainer.predict(data[:2])
        assert recorder.events == [
            "on_init_end",
            "on_train_begin",
            "on_epoch_begin",
            "on_step_begin",
            "on_substep_end",
            "on_pre_optimizer_step",
            "on_optimizer_step",
            "on_step_end",
            "on_epoch_end",
            "on_log",
            "on_prediction_step",
            "on_log",
            "on_evaluate",
            "on_save",
            "on_log",
            "on_train_end",
            "on_prediction_step",
            "on_predict",
        ]
        assert {"model", "optimizer", "lr_scheduler", "processing_class", "train_dataloader"} <= set(
            recorder.given["on_step_end"]
        )
        assert "eval_loss" in recorder.given["on_evaluate"]["metrics"]

    def test_a_callback_steers_by_the_control_it_returns(self, settings):
        class StopAfterTwo(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                control.should_training_stop = state.global_step == 2
                return control

        trainer = Trainer(tiny_classifier(), settings(), train_dataset=some_rows(40), callbacks=[StopAfterTwo])
        assert trainer.train().global_step == 2
        trainer.remove_callback(StopAfterTwo)
        assert trainer.train().global_step == 5
        trainer.add_callback(StopAfterTwo())
        assert isinstance(trainer.pop_callback(StopAfterTwo), StopAfterTwo)

    def test_a_callback_written_for_transformers_works(self, settings):
        import transformers

        class Theirs(transformers.TrainerCallback):
            seen = 0

            def on_log(self, args, state, control, logs=None, **kwargs):
                Theirs.seen += "loss" in logs

        Trainer(tiny_classifier(), settings(logging_steps=1), train_dataset=some_rows(16), callbacks=[Theirs]).train()
        assert Theirs.seen == 2

    def test_what_is_logged(self, settings):
        trainer = Trainer(
            tiny_classifier(),
            settings(logging_steps=1, lr_scheduler_type="constant", include_num_input_tokens_seen=True),
            train_dataset=some_rows(16),
        )
        trainer.train()
        first = trainer.state.log_history[0]
        assert {"loss", "grad_norm", "learning_rate", "tokens_per_second", "epoch", "step"} <= set(first)
        assert (first["step"], first["epoch"], first["learning_rate"]) == (1, 0.5, 5e-3)
        assert trainer.state.num_input_tokens_seen == sum(len(row["input_ids"]) for row in some_rows(16))

    def test_intervals_below_one_are_a_share_of_all_steps(self, settings):
        trainer = Trainer(tiny_classifier(), settings(logging_steps=0.5), train_dataset=some_rows(64))
        trainer.train()
        assert [entry["step"] for entry in trainer.state.log_history if "loss" in entry] == [4, 8]


class TestTheBestModel:
    def settings(self, settings, **changes):
        return settings(
            num_train_epochs=6,
            eval_strategy="epoch",
            save_strategy="epoch",
            load_best_model_at_end=True,
            metric_for_best_model="score",
            **changes,
        )

    def scores(self, *values):
        left = iter(values)
        return lambda prediction: {"score": next(left)}

    def test_it_is_kept_and_loaded_at_the_end(self, settings, tmp_path):
        data = some_rows(16)
        trainer = Trainer(
            tiny_classifier(),
            self.settings(settings, save_total_limit=1),
            train_dataset=data,
            eval_dataset=data,
            compute_metrics=self.scores(0.1, 0.9, 0.3, 0.4, 0.5, 0.6),
        )
        trainer.train()
        assert trainer.state.best_metric == 0.9
        assert trainer.state.best_model_checkpoint == str(tmp_path / "out" / "checkpoint-4")
        from safetensors.torch import load_file

        best = load_file(tmp_path / "out" / "checkpoint-4" / "model.safetensors")
        assert torch.equal(trainer.model.classifier.weight, best["classifier.weight"])
        kept = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert kept == ["checkpoint-12", "checkpoint-4"]

    def test_training_stops_early(self, settings):
        data = some_rows(16)
        trainer = Trainer(
            tiny_classifier(),
            self.settings(settings),
            train_dataset=data,
            eval_dataset=data,
            compute_metrics=self.scores(0.1, 0.9, 0.3, 0.91, 0.2, 0.3),
            callbacks=[EarlyStoppingCallback(early_stopping_patience=2, early_stopping_threshold=0.05)],
        )
        assert trainer.train().global_step == 8

    def test_only_better_ones_are_saved_where_that_is_asked(self, settings, tmp_path):
        data = some_rows(16)
        trainer = Trainer(
            tiny_classifier(),
            settings(num_train_epochs=4, eval_strategy="epoch", save_strategy="best", metric_for_best_model="score"),
            train_dataset=data,
            eval_dataset=data,
            compute_metrics=self.scores(0.5, 0.4, 0.6, 0.1),
        )
        trainer.train()
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["checkpoint-2", "checkpoint-6"]

    def test_a_metric_that_is_never_given_is_named(self, settings):
        data = some_rows(8)
        trainer = Trainer(tiny_classifier(), self.settings(settings), train_dataset=data, eval_dataset=data)
        with pytest.raises(SettingsError, match="metric_for_best_model='score': the evaluation gave no 'eval_score'"):
            trainer.train()

    def test_stopping_early_needs_a_metric(self, settings):
        trainer = Trainer(tiny_classifier(), settings(), train_dataset=some_rows(8), callbacks=[EarlyStoppingCallback])
        with pytest.raises(
            SettingsError, match="EarlyStoppingCallback needs metric_for_best_model and an eval_strategy"
        ):
            trainer.train()


class TestTheOptimiser:
    def test_biases_and_norms_do_not_decay_as_in_transformers(self, settings):
        import transformers

        model = tiny_classifier()
        theirs = transformers.BertForSequenceClassification(transformers.BertConfig(**model.config.to_dict()))
        expected = transformers.Trainer.get_decay_parameter_names(None, theirs)
        assert decayed_parameters(model) == set(expected)
        optimiser = make_optimiser(model, settings(weight_decay=0.1))
        assert [group["weight_decay"] for group in optimiser.param_groups] == [0.1, 0.0]
        assert sum(len(group["params"]) for group in optimiser.param_groups) == len(list(model.parameters()))

    def test_gradients_are_clipped_to_the_norm(self):
        parameters = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(1))]
        parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([4.0])
        assert clip_gradients(parameters, 10.0) == pytest.approx(5.0)
        assert parameters[1].grad.item() == 4.0
        assert clip_gradients(parameters, 1.0) == pytest.approx(5.0)
        assert parameters[1].grad.item() == pytest.approx(0.8, rel=1e-4)


class TestNumbersThatAreNotFinite:
    def test_a_loss_stops_the_training_and_names_the_rows(self, settings):
        model = tiny_classifier()
        with torch.no_grad():
            model.base_model.embeddings.word_embeddings.weight[9] = float("nan")
        rows = some_rows(16)
        rows[11] = {"input_ids": [2, 9, 3], "labels": 0}
        before = weights_of(model)["classifier.weight"]
        trainer = Trainer(model, settings(train_sampling_strategy="sequential", learning_rate=0.0), train_dataset=rows)
        with pytest.raises(
            EnfoldError,
            match=r"the loss became nan at step 2 \(epoch 0.50, learning rate 0, training rows 8, 9, 10, 11, 12, 13, "
            r"14, 15\); the weights are still those of the step before",
        ):
            trainer.train()
        assert torch.equal(model.classifier.weight, before)

    def test_gradients_stop_it_too(self, settings):
        model = tiny_classifier()
        model.classifier.weight.register_hook(lambda gradient: gradient * float("inf"))
        with pytest.raises(EnfoldError, match="the gradient norm became (inf|nan) at step 1"):
            Trainer(model, settings(), train_dataset=some_rows(8)).train()


class TestKeeping:
    def test_a_saved_model_is_a_model_folder(self, settings, tmp_path):
        from enfold import BertForSequenceClassification

        trainer = Trainer(tiny_classifier(), settings(), train_dataset=some_rows(8))
        trainer.train()
        trainer.save_model(tmp_path / "model")
        trainer.save_state()
        again = BertForSequenceClassification.from_pretrained(tmp_path / "model")
        assert torch.equal(again.classifier.weight, trainer.model.classifier.weight)
        assert (tmp_path / "model" / "training_args.json").is_file()
        assert (tmp_path / "out" / "trainer_state.json").is_file()
