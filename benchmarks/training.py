"""Fine-tuning a bert-base shape on texts as long as film reviews, beside `transformers`' Trainer: real tokens a second.

    python benchmarks/training.py [--texts 48] [--epochs 3] [--systems …]

The same random weights, texts, optimiser and texts a batch (8, the Trainer's default). Lengths are log-normal around
230 tokens, 512 at most. *Default* is what a reader of the documentation gets: ``DataCollatorWithPadding``, no order.
*Tuned* adds what the Trainer has to offer on a processor: texts of like length together (``group_by_length``), and
bfloat16 in a row of its own. Each system is a process of its own; the first epoch does not count, and of the others
there are median and spread. Padding is counted for neither. What fine-tuning learns is the matter of ``finetune.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

BATCH, LONGEST, MEDIAN = 8, 512, 230
SYSTEMS: dict[str, dict[str, Any]] = {
    "transformers": {},
    "transformers tuned": {"train_sampling_strategy": "group_by_length"},
    "transformers tuned bfloat16": {"train_sampling_strategy": "group_by_length", "bf16": True},
    "enfold": {},
    "enfold token budget": {"budget": True},
    "enfold token budget bfloat16": {"budget": True, "bf16": True},
}


def texts(count: int) -> list[dict[str, Any]]:
    """Invented ids with a label each."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.exp(torch.randn(count, generator=generator) * 0.6) * MEDIAN
    rows = []
    for number, length in enumerate(drawn.clamp(16, LONGEST).long().tolist()):
        ids = torch.randint(1000, 30000, (length,), generator=generator).tolist()
        rows.append({"input_ids": ids, "attention_mask": [1] * length, "labels": number % 2})
    return rows


def epochs_watched(base: type) -> Any:
    """A callback that measures each epoch, on either library's callback class."""

    class Watch(base):  # type: ignore[misc, valid-type]
        seconds: list[float]

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.seconds = []

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.seconds.append(time.perf_counter() - self.began)

    return Watch()


def one(system: str, folder: str, count: int, epochs: int) -> dict[str, Any]:
    """Train, and return real tokens a second of each epoch but the first."""
    rows = texts(count)
    tokens = sum(len(row["input_ids"]) for row in rows)
    settings = dict(SYSTEMS[system])
    if settings.pop("budget", False):
        settings["max_tokens_per_batch"] = round(BATCH * tokens / count)
    settings |= {"per_device_train_batch_size": BATCH, "num_train_epochs": epochs, "output_dir": tempfile.mkdtemp()}
    settings |= {"save_strategy": "no", "disable_tqdm": True, "use_cpu": True, "seed": 0, "logging_strategy": "no"}
    collator: Any = None
    if system.startswith("transformers"):
        import transformers
        from tokenizers import Tokenizer, models
        from transformers import AutoModelForSequenceClassification as Auto
        from transformers import DataCollatorWithPadding, PreTrainedTokenizerFast, Trainer, TrainerCallback
        from transformers import TrainingArguments as Arguments

        transformers.logging.set_verbosity_error()
        transformers.set_seed(0)
        engine = Tokenizer(models.WordLevel({"[PAD]": 0}, unk_token="[PAD]"))
        collator = DataCollatorWithPadding(PreTrainedTokenizerFast(tokenizer_object=engine, pad_token="[PAD]"))
    else:
        from enfold import AutoModelForSequenceClassification as Auto
        from enfold import Trainer, TrainerCallback, set_seed
        from enfold import TrainingArguments as Arguments

        set_seed(0)
    watch = epochs_watched(TrainerCallback)
    model = Auto.from_pretrained(folder)
    trainer = Trainer(model, Arguments(**settings), data_collator=collator, train_dataset=rows, callbacks=[watch])
    output = trainer.train()
    return {"speeds": [tokens / seconds for seconds in watch.seconds[1:]], "loss": output.training_loss}


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=3, help="the first does not count")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--one", nargs=2, metavar=("SYSTEM", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(*arguments.one, arguments.texts, arguments.epochs)))
        return
    from enfold import BertConfig, BertForSequenceClassification

    measured: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        BertForSequenceClassification(BertConfig(num_labels=2)).save_pretrained(folder)
        for system in arguments.systems:
            command = [sys.executable, str(Path(__file__).resolve()), "--one", system, folder]
            command += ["--texts", str(arguments.texts), "--epochs", str(arguments.epochs)]
            child = subprocess.run(command, capture_output=True, text=True, check=False)
            if child.returncode:
                sys.exit(f"{system} failed:\n{child.stderr}")
            measured[system] = json.loads(child.stdout.splitlines()[-1])
            print(f"{system}: {measured[system]}", file=sys.stderr)
    theirs = {name: statistics.median(own["speeds"]) for name, own in measured.items() if "transformers" in name}
    print("| system | real tokens/s (spread) | of the Trainer's default | of the best tuned |")
    print("|---|---|---|---|")
    for system, own in measured.items():
        speed, default = statistics.median(own["speeds"]), theirs.get("transformers")
        best = max((speed for name, speed in theirs.items() if "tuned" in name), default=None)
        ratios = [f"{speed / other:.2f}x" if other else "-" for other in (default, best)]
        spread = f"{min(own['speeds']):,.0f} to {max(own['speeds']):,.0f}"
        print(f"| {system} | {speed:,.0f} ({spread}) | {' | '.join(ratios)} |")
    print(
        f"\ntorch {version('torch')}, transformers {version('transformers')}; {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
