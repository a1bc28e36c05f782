"""What each format, and each rival's int8, costs on real texts: the second table of ``encoders.py``.

    python benchmarks/encoders.py --accuracy FOLDER [--work SCRATCH] [--limit 200]

Two models are fine-tuned here, once, in float32, on each of two data sets: `minilm`, and a small bert with new weights
(4 blocks, width 256), which learns from these texts alone. Every system then opens the same folder and answers the
same test texts. Calibrated rows are compressed with 100 of the training texts. *Changed* counts texts whose label is
not that of `transformers` in float32.

FOLDER holds ``sst2`` (``train.tsv`` and ``test.tsv``: text and label) and ``imdb-5k`` (``train.jsonl.gz`` and
``test.jsonl.gz``). What is in SCRATCH, models and answers, is not made again: an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from peers_encoders import CLASSIFY, OURS, installed, open_system, package_of

REFERENCE = "transformers sorted float32"
SYSTEMS = (*(name for name in CLASSIFY if " in order" not in name and " batch 1 " not in name), *OURS)
MODELS = ("minilm", "small bert")
LONGEST = {"sst2": 128, "imdb-5k": 256}
EPOCHS = {"minilm": 2, "small bert": 4}
RATES = {"minilm": 5e-5, "small bert": 3e-4}
BATCH = 32

Rows = list[tuple[str, int]]


# ---- texts and models -------------------------------------------------------------------------------------------


def read(folder: Path, data: str, half: str, limit: int | None) -> Rows:
    """Texts and labels; those of imdb are cut to 1,200 characters, about as much as its models read."""
    if data == "sst2":
        lines = (folder / data / f"{half}.tsv").read_text(encoding="utf-8").splitlines()
        rows = [(text, int(label)) for text, _, label in (line.rpartition("\t") for line in lines)]
    else:
        with gzip.open(folder / data / f"{half}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [(row["text"][:1200], int(row["label"])) for row in map(json.loads, file)]
        rows = rows[:2000]
    return rows[:limit]


def fine_tune(model: str, data: str, folder: Path, target: Path, limit: int | None) -> None:
    """Train, and leave the model with its tokenizer and the texts for calibration in a folder."""
    from enfold import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        BertConfig,
        BertForSequenceClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(0)
    rows = read(folder, data, "train", limit)
    tokenizer = AutoTokenizer.from_pretrained("minilm", model_max_length=LONGEST[data])
    network: Any
    if model == "minilm":
        network = AutoModelForSequenceClassification.from_pretrained("minilm", num_labels=2)
    else:
        shape = BertConfig(
            num_hidden_layers=4, hidden_size=256, num_attention_heads=4, intermediate_size=1024, num_labels=2
        )
        network = BertForSequenceClassification(shape)
    encoded = tokenizer([text for text, _ in rows], truncation=True, max_length=LONGEST[data])
    columns = ("input_ids", "token_type_ids", "attention_mask")
    examples = [
        dict(zip(columns, parts, strict=True)) | {"labels": label}
        for *parts, (_, label) in zip(*(encoded[name] for name in columns), rows, strict=True)
    ]
    unfinished = target.with_name(target.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    settings = TrainingArguments(
        output_dir=str(unfinished / "run"),
        per_device_train_batch_size=BATCH,
        num_train_epochs=EPOCHS[model],
        learning_rate=RATES[model],
        warmup_steps=0.1,
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    Trainer(network, settings, train_dataset=examples).train()
    network.eval().save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    step = max(1, len(rows) // 100)
    (unfinished / "calibration.json").write_text(json.dumps([text for text, _ in rows[::step]][:100]))
    unfinished.rename(target)


def answer(system: str, data: str, folder: Path, model: Path, limit: int | None, threads: int, out: Path) -> None:
    """The probabilities a system gives the test texts, as an array in a file."""
    texts = [text for text, _ in read(folder, data, "test", limit)]
    ask = open_system(system, "classify", str(model), str(out.parent), BATCH, threads, longest=LONGEST[data])
    found = ask(texts)
    with out.with_suffix(".part").open("wb") as file:
        np.save(file, found)
    out.with_suffix(".part").rename(out)


# ---- all of them, and the table ---------------------------------------------------------------------------------


def accuracy_table(folder: Path, systems: list[str], threads: int, limit: int | None, work: Path) -> None:
    """Make what is missing, each in a process of its own, and print the table."""
    for data in LONGEST:
        if not (folder / data).is_dir():
            sys.exit(f"{folder} has no folder {data}")
    systems = [name for name in SYSTEMS if name in systems or name == REFERENCE]
    common = ["--threads", str(threads), *(["--limit", str(limit)] if limit else [])]
    for data in LONGEST:
        labels = np.array([label for _, label in read(folder, data, "test", limit)])
        for model in MODELS:
            place = work / "accuracy" / f"{model.replace(' ', '-')}-{data}-{limit or 'all'}"
            trained = place / "model"
            if not trained.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                why = _child(["--train", model, data, str(folder), str(trained), *common], threads)
                if why:
                    sys.exit(f"{model} on {data} was not trained: {why}")
            print(f"\n### {model} on {data}, {len(labels)} test texts\n")
            print("| system | accuracy, % | of float32, points | changed |")
            print("|---|---|---|---|")
            wanted: np.ndarray | None = None
            for system in [REFERENCE, *(name for name in systems if name != REFERENCE)]:
                if not installed(package_of(system)):
                    print(f"| {system} | not installed | - | - |", flush=True)
                    continue
                out = place / f"{system.replace(' ', '-')}.npy"
                if not out.is_file():
                    why = _child(["--answer", system, data, str(folder), str(trained), str(out), *common], threads)
                    if why:
                        print(f"| {system} | failed: {why.replace('|', '/')} | - | - |", flush=True)
                        continue
                found = np.load(out).argmax(-1)
                wanted = found if wanted is None else wanted
                right, base = (found == labels).mean(), (wanted == labels).mean()
                changed = int((found != wanted).sum())
                print(f"| {system} | {100 * right:.2f} | {100 * (right - base):+.2f} | {changed} |", flush=True)


def _child(arguments: list[str], threads: int) -> str:
    """Run this script; why it failed, or nothing."""
    environment = dict(os.environ) | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    child = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if not child.returncode:
        return ""
    return child.stderr.strip().splitlines()[-1] if child.stderr.strip() else "it ended without a word"


def main() -> None:
    """One piece of the work, as the table asks for it."""
    parser = argparse.ArgumentParser(description="the pieces of encoders.py --accuracy")
    parser.add_argument("--train", nargs=4, metavar=("MODEL", "DATA", "FOLDER", "TARGET"))
    parser.add_argument("--answer", nargs=5, metavar=("SYSTEM", "DATA", "FOLDER", "MODEL", "OUT"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    if given.train:
        model, data, folder, target = given.train
        fine_tune(model, data, Path(folder), Path(target), given.limit)
    elif given.answer:
        system, data, folder, model, out = given.answer
        answer(system, data, Path(folder), Path(model), given.limit, given.threads, Path(out))
    else:
        parser.error("this is run by encoders.py --accuracy FOLDER")


if __name__ == "__main__":
    main()
