"""A training run that a test kills: started in a process of its own, it goes on from whatever it finds."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import torch
from training_examples import accuracy, some_rows, tiny_classifier

from enfold import Trainer, TrainerCallback, TrainingArguments


class KillsItself:
    """Stands where the tokenizer is; kills the process in the middle of writing its n-th checkpoint."""

    def __init__(self, at: int) -> None:
        self.left = at

    def save_pretrained(self, folder: Path) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


class Counts(TrainerCallback):
    """Counts optimiser steps where another process can see them."""

    def __init__(self, steps: Any) -> None:
        self.steps = steps

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.steps is not None:
            self.steps.value += 1


def run(folder: str, steps: Any = None, kill_in_save: int = 0) -> dict[str, torch.Tensor]:
    """Train, or go on training; the final weights are written to ``final.pt`` beside the checkpoints."""
    torch.set_num_threads(1)
    rows = some_rows(90)
    trainer = Trainer(
        tiny_classifier(),
        TrainingArguments(
            output_dir=folder,
            num_train_epochs=4,
            max_tokens_per_batch=60,
            gradient_accumulation_steps=2,
            learning_rate=1e-2,
            warmup_steps=0.1,
            logging_steps=2,
            eval_strategy="steps",
            eval_steps=4,
            save_steps=4,
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="accuracy",
            disable_tqdm=True,
        ),
        train_dataset=rows,
        eval_dataset=rows[:20],
        compute_metrics=accuracy,
        processing_class=KillsItself(kill_in_save) if kill_in_save else None,
        callbacks=[Counts(steps)],
    )
    trainer.train(resume_from_checkpoint=True)
    final = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    torch.save(final, Path(folder) / "final.pt")
    return final
