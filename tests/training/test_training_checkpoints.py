"""Checkpoints: exact, atomic, without pickle, and refused where they do not fit."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_examples import accuracy, some_rows, tiny_classifier, weights_of

from enfold import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from enfold.errors import CheckpointError, EnfoldError
from enfold.training import get_last_checkpoint, set_seed
from enfold.training.checkpoints import checkpoints_in, clear_left_overs
from enfold.training.randomness import load_random_states, save_random_states


def make_trainer(folder: Path, seed: int = 0, callbacks: Any = (), rows: int = 60, **changes: Any) -> Trainer:
    args = TrainingArguments(
        **{
            "output_dir": str(folder),
            "num_train_epochs": 3,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 2,
            "learning_rate": 1e-2,
            "weight_decay": 0.01,
            "warmup_steps": 0.2,
            "logging_steps": 3,
            "save_steps": 5,
            "disable_tqdm": True,
            **changes,
        }
    )
    data = some_rows(rows)
    return Trainer(
        tiny_classifier(seed),
        args,
        train_dataset=data,
        eval_dataset=data[:12],
        compute_metrics=accuracy,
        callbacks=list(callbacks),
    )


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


STYLES = {
    "steps": {},
    "epochs": {"save_strategy": "epoch", "eval_strategy": "epoch"},
    "token budget": {"max_tokens_per_batch": 50},
    "by length": {"train_sampling_strategy": "group_by_length", "eval_strategy": "steps", "eval_steps": 5},
    "plain optimiser": {"optim": "adamw_torch", "lr_scheduler_type": "cosine"},
}


class TestGoingOn:
    @pytest.mark.parametrize("style", STYLES)
    def test_from_every_checkpoint_the_end_is_the_same_bit_for_bit(self, tmp_path, style):
        whole = make_trainer(tmp_path / "whole", **{"save_steps": 10, **STYLES[style]})
        expected = whole.train()
        assert len(checkpoints_in(tmp_path / "whole")) >= 3
        for checkpoint in checkpoints_in(tmp_path / "whole"):
            resumed = make_trainer(tmp_path / "again", seed=5, **{"save_strategy": "no", **STYLES[style]})
            random.random(), np.random.rand(), torch.rand(3)
            output = resumed.train(resume_from_checkpoint=str(checkpoint))
            assert same(weights_of(whole.model), weights_of(resumed.model)), checkpoint.name
            assert (output.global_step, output.training_loss) == (expected.global_step, expected.training_loss)
            told = [entry["loss"] for entry in resumed.state.log_history if "loss" in entry]
            assert told == [entry["loss"] for entry in whole.state.log_history if "loss" in entry]

    def test_true_takes_the_latest_and_begins_where_there_is_none(self, tmp_path):
        first = make_trainer(tmp_path)
        first.train(resume_from_checkpoint=True)
        assert get_last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-24")
        again = make_trainer(tmp_path, seed=5)
        assert again.train(resume_from_checkpoint=True).global_step == 24
        assert same(weights_of(first.model), weights_of(again.model))

    def test_a_run_that_was_stopped_early_stays_stopped(self, tmp_path):
        def trainer(folder, seed=0):
            return make_trainer(
                folder,
                seed,
                callbacks=[EarlyStoppingCallback(early_stopping_threshold=2.0)],
                eval_strategy="epoch",
                save_strategy="epoch",
                load_best_model_at_end=True,
            )

        whole = trainer(tmp_path / "whole")
        whole.train()
        assert whole.state.global_step == 16
        resumed = trainer(tmp_path / "again", seed=5)
        resumed.train(str(tmp_path / "whole" / "checkpoint-16"))
        assert resumed.state.global_step == 16
        shutil.copytree(tmp_path / "whole" / "checkpoint-8", tmp_path / "third" / "checkpoint-8")
        counted = trainer(tmp_path / "third", seed=5)
        counted.train(True)
        assert counted.state.global_step == 16
        assert same(weights_of(whole.model), weights_of(counted.model))

    def test_more_epochs_may_be_added(self, tmp_path):
        make_trainer(tmp_path, num_train_epochs=1).train()
        more = make_trainer(tmp_path, num_train_epochs=2)
        assert more.train(True).global_step == 16

    def test_a_callback_s_memory_comes_back(self, tmp_path):
        class Counting(TrainerCallback):
            seen = 0

            def on_step_end(self, args, state, control, **kwargs):
                self.seen += 1

            def state(self):
                return {"args": {}, "attributes": {"seen": self.seen}}

        make_trainer(tmp_path, callbacks=[Counting()], num_train_epochs=1).train()
        again = Counting()
        make_trainer(tmp_path, callbacks=[again], num_train_epochs=1).train(str(tmp_path / "checkpoint-5"))
        assert again.seen == 8

    def test_dropout_goes_on_where_it_was_even_if_callbacks_draw_numbers(self, tmp_path):
        class Drawing(TrainerCallback):
            def on_epoch_begin(self, args, state, control, **kwargs):
                torch.rand(7)

        whole = make_trainer(tmp_path, callbacks=[Drawing], num_train_epochs=2)
        whole.train()
        resumed = make_trainer(tmp_path, seed=5, callbacks=[Drawing], num_train_epochs=2)
        resumed.train(str(tmp_path / "checkpoint-10"))
        assert same(weights_of(whole.model), weights_of(resumed.model))


class TestWhatIsRefused:
    @pytest.fixture
    def finished(self, tmp_path):
        make_trainer(tmp_path, num_train_epochs=1).train()
        return tmp_path

    def test_other_settings_or_data_are_named(self, finished):
        changed = make_trainer(finished, learning_rate=2e-2, seed=0, rows=50)
        with pytest.raises(CheckpointError) as raised:
            changed.train(True)
        assert "learning_rate was 0.01 and is 0.02" in str(raised.value)
        assert "training rows was 60 and is 50" in str(raised.value)
        assert "set that back, or choose another output_dir" in str(raised.value)

    def test_a_folder_that_is_no_checkpoint(self, finished):
        with pytest.raises(CheckpointError, match="there is no checkpoint nowhere"):
            make_trainer(finished).train("nowhere")
        (finished / "empty").mkdir()
        with pytest.raises(CheckpointError, match="empty: it is no checkpoint; there is no resume.json"):
            make_trainer(finished).train(str(finished / "empty"))

    def test_a_checkpoint_of_the_model_only(self, tmp_path):
        make_trainer(tmp_path, save_only_model=True).train()
        with pytest.raises(CheckpointError, match="it holds a model only; there is no resume.json"):
            make_trainer(tmp_path).train(True)

    @pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors"])
    def test_a_file_cut_short_is_named(self, finished, name):
        path = Path(get_last_checkpoint(finished)) / name
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(CheckpointError, match=rf"{name} does not fit"):
            make_trainer(finished, num_train_epochs=1).train(True)

    def test_an_optimiser_that_only_pickle_could_keep(self, tmp_path):
        model = tiny_classifier()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        optimiser.param_groups[0]["note"] = object()
        trainer = make_trainer(tmp_path)
        trainer.model, trainer._given = model, (optimiser, None)
        with pytest.raises(CheckpointError, match="the state of SGD cannot be written without pickle"):
            trainer.train()


class TestTheFolder:
    def test_it_holds_no_pickle(self, tmp_path):
        make_trainer(tmp_path, num_train_epochs=1).train()
        files = {path.name for path in (tmp_path / "checkpoint-8").iterdir()}
        assert files == {
            "config.json",
            "model.safetensors",
            "optimizer.safetensors",
            "random.safetensors",
            "resume.json",
            "trainer_state.json",
        }

    def test_transformers_reads_the_state(self, tmp_path):
        import transformers

        make_trainer(tmp_path, num_train_epochs=1).train()
        state = transformers.TrainerState.load_from_json(str(tmp_path / "checkpoint-8" / "trainer_state.json"))
        assert state.global_step == 8
        assert state.log_history[0]["step"] == 3

    def test_only_so_many_are_kept_the_best_among_them(self, tmp_path):
        left = iter([0.9, 0.1, 0.2, 0.3, 0.4])
        trainer = make_trainer(
            tmp_path,
            save_total_limit=2,
            eval_strategy="steps",
            eval_steps=5,
            load_best_model_at_end=True,
            metric_for_best_model="score",
        )
        trainer.compute_metrics = lambda prediction: {"score": next(left)}
        trainer.train()
        assert [path.name for path in checkpoints_in(tmp_path)] == ["checkpoint-5", "checkpoint-24"]

    def test_left_overs_of_a_kill_are_put_right(self, tmp_path):
        for name in (
            ".checkpoint-5.abc123.tmp",
            ".checkpoint-6.abc123.old",
            ".checkpoint-7.abc123.old",
            "checkpoint-7",
        ):
            (tmp_path / name).mkdir()
        (tmp_path / "notes.tmp").write_text("mine")
        clear_left_overs(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-6", "checkpoint-7", "notes.tmp"]

    @pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs a limit on file sizes")
    def test_a_disk_that_is_full_is_one_clear_error_and_earlier_checkpoints_stay(self, tmp_path):
        import resource

        class FillTheDisk(TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                if state.global_step == 7:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        trainer = make_trainer(tmp_path, callbacks=[FillTheDisk])
        try:
            with pytest.raises(EnfoldError) as raised:
                trainer.train()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "checkpoint-10" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-5"]
        whole = make_trainer(tmp_path / "whole")
        whole.train()
        resumed = make_trainer(tmp_path, seed=5)
        resumed.train(True)
        assert same(weights_of(whole.model), weights_of(resumed.model))


class TestRandomness:
    def test_every_generator_comes_back(self, tmp_path):
        set_seed(7)
        random.gauss(0, 1), np.random.randn(3)
        save_random_states(tmp_path / "random.safetensors")
        drawn = (random.random(), random.gauss(0, 1), np.random.randn(3).tolist(), torch.rand(3).tolist())
        load_random_states(tmp_path / "random.safetensors")
        assert (random.random(), random.gauss(0, 1), np.random.randn(3).tolist(), torch.rand(3).tolist()) == drawn

    def test_a_seed_is_a_seed_for_all(self):
        set_seed(3)
        drawn = (random.random(), float(np.random.rand()), float(torch.rand(1)))
        set_seed(3)
        assert (random.random(), float(np.random.rand()), float(torch.rand(1))) == drawn


def test_the_position_is_written_in_plain_words(tmp_path):
    make_trainer(tmp_path, num_train_epochs=1).train()
    resume = json.loads((tmp_path / "checkpoint-5" / "resume.json").read_text())
    assert resume["position"] == [0, 5]
    assert resume["settings"]["training rows"] == 60
