"""Fine-tuning side by side with `transformers`' Trainer: test accuracy, and real tokens a second.

    python benchmarks/finetune.py --imdb FOLDER

The same texts, base model, precision, optimiser, optimiser steps and texts a batch; three seeds. `transformers` runs as
its documentation advises: ``DataCollatorWithPadding`` (each batch padded to its own longest text) and its default
optimiser. Each run is a process of its own, one at a time, the systems taking turns to go first. Real tokens are those
of the training texts, padding never counted, and counted alike for both. Seconds are from ``on_train_begin`` to
``on_train_end``.

Results are kept as JSON lines, one a run, with commit, command, counts, versions and machine; runs that are there for
this commit are not repeated, so an interrupted benchmark goes on. ``--table`` only prints what is there.

FOLDER holds ``train.jsonl.gz`` and ``test.jsonl.gz`` with ``text`` and ``label`` (0 or 1). Without ``--imdb`` it is
``$ENFOLD_DATA/imdb-5k``; where neither is there, imdb is left out.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BATCH = 16
SETTINGS = {
    "per_device_train_batch_size": BATCH,
    "per_device_eval_batch_size": 32,
    "num_train_epochs": 1,
    "learning_rate": 1e-4,
    "warmup_steps": 0.1,
    "weight_decay": 0.01,
    "logging_steps": 50,
    "save_strategy": "no",
    "disable_tqdm": True,
    "use_cpu": True,
}
SYSTEMS = {
    "transformers float32": {},
    "enfold float32": {},
    "enfold float32, token budget": {},
    "transformers bfloat16": {"bf16": True},
    "enfold bfloat16": {"bf16": True},
    "enfold bfloat16, token budget": {"bf16": True},
}
DATA = {"sms-spam": 128, "imdb": 256}  # the longest text, in tokens


# ---- one run, in a process of its own ---------------------------------------------------------------------------


def read_sms() -> tuple[list[Any], list[Any]]:
    """4 of 5 messages to train on, the rest to test, always the same ones."""
    from enfold.hub import locate

    with locate("sms-spam", kind="data").path.open(encoding="utf-8") as file:
        rows = [(row["text"], int(row["spam"])) for row in csv.DictReader(file)]
    random.Random(0).shuffle(rows)
    split = len(rows) * 4 // 5
    return rows[:split], rows[split:]


def read_imdb(folder: str) -> tuple[list[Any], list[Any]]:
    """The first 2,000 reviews of each half; their order is shuffled and both classes are equally frequent."""
    halves = []
    for half in ("train", "test"):
        with gzip.open(Path(folder) / f"{half}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file][:2000]
        halves.append([(row["text"], int(row["label"])) for row in rows])
    return halves[0], halves[1]


def tokenised(tokenizer: Any, rows: list[Any], longest: int) -> list[dict[str, Any]]:
    """Texts as both systems are given them: lists of ids, not padded."""
    encoded = tokenizer([text for text, _ in rows], truncation=True, max_length=longest)
    return [
        {"input_ids": ids, "token_type_ids": types, "attention_mask": mask, "labels": label}
        for ids, types, mask, (_, label) in zip(
            encoded["input_ids"], encoded["token_type_ids"], encoded["attention_mask"], rows, strict=True
        )
    ]


def stopwatch(base: type) -> Any:
    """A callback that measures training, on either system's callback class."""

    class Stopwatch(base):  # type: ignore[misc, valid-type]
        seconds = processor_seconds = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.began = time.perf_counter(), time.process_time()

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.seconds = time.perf_counter() - self.began[0]
            self.processor_seconds = time.process_time() - self.began[1]

    return Stopwatch()


def one_run(system: str, data: str, seed: int, limit: int | None, imdb: str) -> dict[str, Any]:
    """Fine-tune once and measure."""
    import numpy as np
    import torch
    import torch._dynamo  # both import it at the first optimiser step; not part of what is compared

    from enfold.hub import locate

    train_rows, test_rows = read_sms() if data == "sms-spam" else read_imdb(imdb)
    train_rows, test_rows = train_rows[:limit], test_rows[:limit]
    folder = str(locate("minilm").path)
    settings = {**SETTINGS, **SYSTEMS[system], "seed": seed, "output_dir": tempfile.mkdtemp()}
    if system.startswith("transformers"):
        import transformers
        from transformers import (
            AutoModelForSequenceClassification,
            AutoTokenizer,
            DataCollatorWithPadding,
            Trainer,
            TrainerCallback,
            TrainingArguments,
        )

        transformers.logging.set_verbosity_error()
        transformers.set_seed(seed)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        collator: Any = DataCollatorWithPadding(tokenizer)
    else:
        from enfold import (
            AutoModelForSequenceClassification,
            AutoTokenizer,
            Trainer,
            TrainerCallback,
            TrainingArguments,
            set_seed,
        )

        set_seed(seed)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        collator = None  # packed
    train, test = (tokenised(tokenizer, rows, DATA[data]) for rows in (train_rows, test_rows))
    real_tokens = sum(len(row["input_ids"]) for row in train)
    if system.endswith("token budget"):
        settings["max_tokens_per_batch"] = round(BATCH * real_tokens / len(train))
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    watch = stopwatch(TrainerCallback)
    trainer = Trainer(
        model, TrainingArguments(**settings), data_collator=collator, train_dataset=train, callbacks=[watch]
    )
    output = trainer.train()
    predicted = trainer.predict(test)
    accuracy = float((np.argmax(predicted.predictions, axis=-1) == predicted.label_ids).mean())
    return {
        "accuracy": accuracy,
        "seconds": watch.seconds,
        "processor_seconds": watch.processor_seconds,
        "tokens_per_second": real_tokens / watch.seconds,
        "training_loss": output.training_loss,
        "counts": {
            "train_texts": len(train),
            "test_texts": len(test),
            "steps": output.global_step,
            "real_tokens": real_tokens,
        },
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "threads": torch.get_num_threads(),
        "settings": {name: value for name, value in settings.items() if name != "output_dir"},
    }


# ---- all runs, and the table ------------------------------------------------------------------------------------


def commit() -> str:
    """The commit of the code that runs, with a mark where files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "--porcelain", "../src") else "")


def machine() -> dict[str, Any]:
    """What it ran on."""
    name = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return {"cpu": name, "cores": os.cpu_count(), "system": platform.platform(terse=True)}


def run_all(arguments: argparse.Namespace, results: Path, this: str) -> None:
    """Run what is not there yet, one process at a time."""
    packages = ("torch", "transformers", "tokenizers", "accelerate")
    versions = {name: version(name) for name in packages} | {"python": platform.python_version()}
    done = {(row["system"], row["data"], row["seed"]) for row in kept(results, this, arguments.limit)}
    for data in arguments.data:
        for seed in range(arguments.seeds):
            order = arguments.systems if seed % 2 == 0 else arguments.systems[::-1]
            for system in order:
                if (system, data, seed) in done:
                    continue
                command = [sys.executable, str(Path(__file__).resolve()), "--one", system, data, str(seed)]
                command += ["--imdb", arguments.imdb] if arguments.imdb else []
                command += ["--limit", str(arguments.limit)] if arguments.limit else []
                print(f"{data}, seed {seed}, {system} …", end=" ", flush=True)
                child = subprocess.run(command, capture_output=True, text=True, check=False)
                if child.returncode:
                    sys.exit(f"failed:\n{child.stderr}")
                measured = json.loads(child.stdout.splitlines()[-1])
                row = {
                    "system": system,
                    "data": data,
                    "seed": seed,
                    "limit": arguments.limit,
                    "commit": this,
                    **measured,
                }
                # A folder of this machine says nothing to a reader.
                command = " ".join("FOLDER" if Path(word).is_absolute() else word for word in sys.argv)
                row |= {"command": command, "versions": versions, "machine": machine()}
                row["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                results.parent.mkdir(parents=True, exist_ok=True)
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(f"accuracy {row['accuracy']:.4f}, {row['tokens_per_second']:,.0f} tokens/s")


def kept(results: Path, this: str, limit: int | None) -> list[dict[str, Any]]:
    """Runs of this commit."""
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []
    return [row for row in rows if row["commit"] == this and row["limit"] == limit]


def print_table(rows: list[dict[str, Any]], this: str) -> None:
    """Mean and spread over the seeds, beside `transformers` in the same precision."""
    if not rows:
        print(f"no results for commit {this}")
        return
    first = rows[0]
    print(f"\ncommit {this} · torch {first['versions']['torch']} · transformers {first['versions']['transformers']}")
    print(f"{first['machine']['cpu']}, {first['machine']['cores']} cores, {first['threads']} threads\n")
    print("| data | system | steps | test accuracy (lowest to highest) | difference | real tokens/s (spread) | ratio |")
    print("|---|---|---|---|---|---|---|")
    for data in DATA:
        for system in SYSTEMS:
            mine = [row for row in rows if (row["data"], row["system"]) == (data, system)]
            rival = "transformers bfloat16" if "bfloat16" in system else "transformers float32"
            theirs = [row for row in rows if (row["data"], row["system"]) == (data, rival)]
            if not mine:
                continue
            if theirs and mine[0]["counts"]["real_tokens"] != theirs[0]["counts"]["real_tokens"]:
                sys.exit(f"{data}: {system} was given other tokens than {rival}; the comparison is void")
            scores, speeds = [row["accuracy"] for row in mine], [row["tokens_per_second"] for row in mine]
            difference = ratio = "-"
            if theirs and rival != system:
                difference = (
                    f"{100 * (statistics.mean(scores) - statistics.mean(r['accuracy'] for r in theirs)):+.2f} points"
                )
                ratio = f"{statistics.median(speeds) / statistics.median(r['tokens_per_second'] for r in theirs):.2f}x"
            print(
                f"| {data} | {system} | {mine[0]['counts']['steps']} | {100 * statistics.mean(scores):.2f} % "
                f"({100 * min(scores):.2f} to {100 * max(scores):.2f}, {len(mine)} seeds) | {difference} | "
                f"{statistics.median(speeds):,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f}) | {ratio} |"
            )


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("ENFOLD_DATA")
    parser.add_argument("--imdb", default=str(Path(default) / "imdb-5k") if default else None, metavar="FOLDER")
    parser.add_argument("--data", nargs="+", choices=list(DATA), help="both where they are there")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--seeds", type=int, default=3, help="how many (%(default)s)")
    parser.add_argument("--limit", type=int, help="so many texts only, to try the benchmark itself")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "finetune.jsonl")
    parser.add_argument("--table", action="store_true", help="print what is there; run nothing")
    parser.add_argument("--one", nargs=3, metavar=("SYSTEM", "DATA", "SEED"), help="one run, as JSON on the last line")
    arguments = parser.parse_args()
    if arguments.one:
        system, data, seed = arguments.one
        print(json.dumps(one_run(system, data, int(seed), arguments.limit, arguments.imdb)))
        return
    arguments.data = arguments.data or [name for name in DATA if name != "imdb" or arguments.imdb]
    if "imdb" in arguments.data and not Path(arguments.imdb or "").is_dir():
        sys.exit(f"imdb needs --imdb FOLDER with train.jsonl.gz and test.jsonl.gz; {arguments.imdb} is not there")
    this = commit()
    if not arguments.table:
        run_all(arguments, arguments.results, this)
    print_table(kept(arguments.results, this, arguments.limit), this)


if __name__ == "__main__":
    main()
