"""What a person sees of training: plain lines, a bar on a terminal, TensorBoard events."""

from __future__ import annotations

import io
import re
import sys

import pytest
from rich.console import Console
from training_examples import some_rows, tiny_classifier

from enfold import Trainer, TrainingArguments
from enfold.errors import MissingExtra
from enfold.training import ProgressCallback
from enfold.training.progress import describe, duration
from enfold.training.tensorboard import event_name


def train(folder, *, console=None, resume=None, **changes):
    args = TrainingArguments(
        **{
            "output_dir": str(folder),
            "num_train_epochs": 1,
            "logging_steps": 2,
            "save_strategy": "no",
            "eval_strategy": "epoch",
            "disable_tqdm": True,
            **changes,
        }
    )
    callbacks = [ProgressCallback(console)] if console else []
    data = some_rows(32)
    trainer = Trainer(tiny_classifier(), args, train_dataset=data, eval_dataset=data[:8], callbacks=callbacks)
    trainer.train(resume)
    return trainer


def test_plain_lines_where_there_is_no_terminal(tmp_path):
    console = Console(file=io.StringIO(), force_terminal=False)
    train(tmp_path, console=console)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "training: 4 steps"
    assert re.fullmatch(
        r"step 2/4 · epoch 0\.50 · loss 0\.\d+ · grad norm [\d.]+ · learning rate 3\.75e-05 · [\d,]+ tokens/s "
        r"· 0:0\d left",
        lines[1],
    )
    assert lines[3].startswith("step 4/4 · epoch 1.00 · eval loss ")


def test_a_bar_on_a_terminal(tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True, width=150)
    train(tmp_path, console=console)
    shown = console.file.getvalue()
    assert "4/4" in shown
    assert "tokens/s" in shown
    assert "\x1b[?25h" in shown, "the cursor is shown again"


def test_the_terminal_is_given_back_after_an_error(tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True, width=150)
    data = some_rows(8)

    def broken(prediction):
        raise RuntimeError("broken")

    trainer = Trainer(
        tiny_classifier(),
        TrainingArguments(output_dir=str(tmp_path), eval_strategy="epoch", disable_tqdm=True),
        train_dataset=data,
        eval_dataset=data,
        compute_metrics=broken,
        callbacks=[ProgressCallback(console)],
    )
    with pytest.raises(RuntimeError, match="broken"):
        trainer.train()
    assert "\x1b[?25h" in console.file.getvalue()


def test_nothing_is_shown_where_that_is_asked(tmp_path, capsys):
    train(tmp_path)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_numbers_in_words():
    assert duration(59.6) == "1:00"
    assert duration(3725) == "1:02:05"
    assert describe({"eval_loss": 0.25, "eval_runtime": 1.0, "tokens_per_second": 1234.5, "epoch": 1.0}) == (
        "eval loss 0.25 · 1,234 tokens/s"
    )


class TestTensorBoard:
    def scalars(self, folder):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder))
        events.Reload()
        return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}

    def test_what_is_logged_is_in_the_events(self, tmp_path):
        trainer = train(tmp_path, report_to="tensorboard")
        found = self.scalars(tmp_path / "runs")
        expected = [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
        assert [step for step, _ in found["train/loss"]] == [2, 4]
        assert [value for _, value in found["train/loss"]] == pytest.approx([value for _, value in expected], rel=1e-6)
        assert {"train/learning_rate", "train/tokens_per_second", "train/grad_norm", "eval/loss"} <= set(found)

    def test_a_resumed_run_hides_what_came_after_its_checkpoint(self, tmp_path):
        train(tmp_path, report_to="tensorboard", save_strategy="steps", save_steps=2, logging_steps=1)
        train(
            tmp_path,
            report_to="tensorboard",
            save_strategy="steps",
            save_steps=2,
            logging_steps=1,
            resume=str(tmp_path / "checkpoint-2"),
        )
        assert [step for step, _ in self.scalars(tmp_path / "runs")["train/loss"]] == [1, 2, 3, 4]

    def test_the_folder_can_be_named(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "by environment"))
        assert TrainingArguments().events_dir == str(tmp_path / "by environment")
        assert TrainingArguments(logging_dir="here").events_dir == "here"

    def test_names_of_events(self):
        assert event_name("eval_loss") == "eval/loss"
        assert event_name("train_loss") == "train/train_loss"
        assert event_name("learning_rate") == "train/learning_rate"

    def test_a_missing_extra_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorboardX", None)
        with pytest.raises(
            MissingExtra, match=r"report_to='tensorboard' needs tensorboardX: pip install 'enfold\[tensor"
        ):
            train(tmp_path, report_to="tensorboard")
