"""The recipes beside `transformers`: entity F1 of the same fine-tuning, and the loss curve of the same small GPT.

    python benchmarks/recipe_parity.py FOLDER

FOLDER holds ``ner-wnut17``, ``ner-weibo-zh`` and ``lm-text``; without it, ``$ENFOLD_DATA``. Every run starts from one
folder that holds the model and its tokenizer, with the same rows, settings and optimiser in both systems; only their
random numbers differ (dropout, the new head, the order of rows), so entity F1 is compared over three seeds. The GPT has
no dropout and reads its blocks in order, so its curve is compared step by step.

Results are kept as JSON lines, one a run, with commit, command, versions and machine; runs that are there for this
commit are not repeated. ``--table`` only prints what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples")]

SYSTEMS = ("transformers", "enfold")
DATA = {"ner-wnut17": False, "ner-weibo-zh": True}
"""Whether tokens are characters."""
GPT_SETTINGS = {
    "per_device_train_batch_size": 8,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.05,
    "weight_decay": 0.1,
    "train_sampling_strategy": "sequential",
}


def library(system: str) -> Any:
    """The names of either, which are the same."""
    return __import__(system)


def settings(seed: int, **given: Any) -> dict[str, Any]:
    return given | {
        "seed": seed,
        "output_dir": tempfile.mkdtemp(),
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
    }


# ---- one run, in a process of its own ---------------------------------------------------------------------------


def one_ner(system: str, data: str, seed: int, folder: str, limit: int | None) -> dict[str, Any]:
    """Fine-tune once; the entities of the test part are read from the logits alike for both."""
    import ner
    import numpy as np

    from enfold import set_seed
    from enfold.evaluation import entity_scores
    from enfold.values import TagScheme, spans_of

    train, test, labels = ner.read_folder(Path(folder) / data, DATA[data], limit)
    set_seed(0)  # one starting point for all seeds and both systems
    start = tempfile.mkdtemp()
    model, tokenizer = ner.starting_point("minilm", labels, train[0] if DATA[data] else None)
    model.save_pretrained(start)
    tokenizer.save_pretrained(start)
    rows, test_rows = (ner.rows_of(tokenizer, *part, labels) for part in (train, test))

    own = library(system)
    own.set_seed(seed)
    model = own.AutoModelForTokenClassification.from_pretrained(start)
    own.set_seed(seed)
    collator = None
    if system == "transformers":
        own.logging.set_verbosity_error()
        collator = own.DataCollatorForTokenClassification(own.AutoTokenizer.from_pretrained(start))
    arguments = own.TrainingArguments(**settings(seed, **ner.SETTINGS))
    trainer = own.Trainer(model, arguments, data_collator=collator, train_dataset=rows)
    began = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - began
    logits = trainer.predict(test_rows).predictions

    scheme, found = TagScheme.of(labels), []
    for text, row, scores, one in zip(test[0], test_rows, logits, tokenizer.encode_batch(test[0]), strict=True):
        places = [place for place, label in enumerate(row["labels"]) if label != -100]
        tags = [labels.names[number] for number in np.argmax(scores[places], axis=-1)] if places else []
        # An entity goes from its first word's first character to the last character of its last word.
        words = {word: one.offsets[place] for place, word in reversed(list(enumerate(one.word_ids)))}
        ends = {word: one.offsets[place][1] for place, word in enumerate(one.word_ids)}
        offsets = [(words[one.word_ids[place]][0], ends[one.word_ids[place]]) for place in places]
        found.append(spans_of(tags, offsets, text, scheme))
    scores = entity_scores(test[1], found)
    return {"f1": scores.micro.f1, "seconds": seconds, "rows": len(rows), "settings": ner.SETTINGS}


def one_gpt(system: str, seed: int, folder: str, steps: int, limit: int | None) -> dict[str, Any]:
    """Train the small GPT without dropout from weights that depend on the seed alone; the loss of each step."""
    import language_model

    from enfold import set_seed
    from enfold.text import train_tokenizer
    from enfold.training import chunk_into_blocks

    texts = [text[:limit] for text in language_model.read_books(Path(folder) / "lm-text", "*-en.txt.gz")[0]]
    tokenizer = train_tokenizer(texts, "bpe", 4096)
    encoded = [list(one.ids) for one in tokenizer.encode_batch(texts)]
    blocks = chunk_into_blocks(encoded, 128, end=tokenizer.eos_token_id, keep_rest=False)
    # Nothing stands before a block's first token; `transformers` counts it all the same, unless it is left out here.
    rows = [{"input_ids": row["input_ids"], "labels": [-100, *row["input_ids"][1:]]} for row in blocks]
    set_seed(seed)
    start = tempfile.mkdtemp()
    rates = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    language_model.new_model(tokenizer, context=128, **rates).save_pretrained(start)

    own = library(system)
    model = own.AutoModelForCausalLM.from_pretrained(start)
    arguments = own.TrainingArguments(**settings(seed, **GPT_SETTINGS, max_steps=steps, logging_steps=1))
    trainer = own.Trainer(model, arguments, train_dataset=rows)
    began = time.perf_counter()
    trainer.train()
    curve = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"curve": curve, "seconds": time.perf_counter() - began, "rows": len(rows), "settings": GPT_SETTINGS}


# ---- all runs, and the tables -----------------------------------------------------------------------------------


def kept(results: Path, this: str, limit: int | None) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []
    return [row for row in rows if row["commit"] == this and row["limit"] == limit]


def run_all(arguments: argparse.Namespace, this: str) -> None:
    from finetune import machine

    versions = {name: version(name) for name in ("torch", "transformers", "tokenizers")}
    versions["python"] = platform.python_version()
    done = {
        (row["system"], row["task"], row["seed"], row["steps"])
        for row in kept(arguments.results, this, arguments.limit)
    }
    for task in arguments.tasks:
        steps = arguments.steps if task == "gpt" else None
        for seed in range(1 if task == "gpt" else arguments.seeds):
            for system in SYSTEMS if seed % 2 == 0 else SYSTEMS[::-1]:
                if (system, task, seed, steps) in done:
                    continue
                command = [sys.executable, str(Path(__file__).resolve()), arguments.folder]
                command += ["--one", system, task, str(seed), "--steps", str(arguments.steps)]
                command += ["--limit", str(arguments.limit)] if arguments.limit else []
                print(f"{task}, seed {seed}, {system} …", end=" ", flush=True)
                child = subprocess.run(command, capture_output=True, text=True, check=False)
                if child.returncode:
                    sys.exit(f"failed:\n{child.stderr}")
                row = {"system": system, "task": task, "seed": seed, "steps": steps, "limit": arguments.limit}
                row |= {"commit": this, **json.loads(child.stdout.splitlines()[-1])}
                # A folder of this machine says nothing to a reader.
                row["command"] = " ".join("FOLDER" if Path(word).is_absolute() else word for word in sys.argv)
                row |= {"versions": versions, "machine": machine()}
                row["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                arguments.results.parent.mkdir(parents=True, exist_ok=True)
                with arguments.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(f"F1 {row['f1']:.4f}" if "f1" in row else f"loss {row['curve'][-1]:.4f}")


def print_tables(rows: list[dict[str, Any]], this: str) -> None:
    print(f"\ncommit {this}\n\n| data | system | entity F1 (lowest to highest) | difference | seconds |")
    print("|---|---|---|---|---|")
    for task in DATA:
        theirs = [100 * row["f1"] for row in rows if (row["task"], row["system"]) == (task, "transformers")]
        for system in SYSTEMS:
            mine = [row for row in rows if (row["task"], row["system"]) == (task, system)]
            if mine:
                f1 = [100 * row["f1"] for row in mine]
                gap = statistics.mean(f1) - statistics.mean(theirs) if theirs and system == "enfold" else None
                seconds = statistics.median(row["seconds"] for row in mine)
                spread = f"{min(f1):.2f} to {max(f1):.2f}, {len(f1)} seeds"
                print(
                    f"| {task} | {system} | {statistics.mean(f1):.2f} ({spread}) | "
                    f"{'-' if gap is None else f'{gap:+.2f} points'} | {seconds:,.0f} |"
                )
    curves = {row["system"]: row["curve"] for row in rows if row["task"] == "gpt"}
    if len(curves) == len(SYSTEMS) and len({len(curve) for curve in curves.values()}) == 1:
        theirs, ours = (curves[system] for system in SYSTEMS)
        print("\n| step | transformers | enfold |\n|---|---|---|")
        for step in sorted({*range(0, len(ours), max(1, len(ours) // 10)), len(ours) - 1}):
            print(f"| {step + 1} | {theirs[step]:.4f} | {ours[step]:.4f} |")
        gap = max(abs(mine - other) / other for mine, other in zip(ours, theirs, strict=True))
        print(f"\nlargest relative difference over {len(ours)} steps: {gap:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=os.environ.get("ENFOLD_DATA"))
    parser.add_argument("--tasks", nargs="+", choices=[*DATA, "gpt"], default=[*DATA, "gpt"])
    parser.add_argument("--seeds", type=int, default=3, help="of entities (%(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="of the GPT (%(default)s)")
    parser.add_argument(
        "--limit", type=int, help="so many sentences, or characters a book, to try the benchmark itself"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results" / "recipe_parity.jsonl")
    parser.add_argument("--table", action="store_true", help="print what is there; run nothing")
    parser.add_argument("--one", nargs=3, metavar=("SYSTEM", "TASK", "SEED"), help="one run, as JSON on the last line")
    arguments = parser.parse_args()
    if not arguments.table and not Path(arguments.folder or "").is_dir():
        sys.exit(f"give the FOLDER of the data sets, or set ENFOLD_DATA; {arguments.folder} is not there")
    if arguments.one:
        system, task, seed = arguments.one
        if task == "gpt":
            made = one_gpt(system, int(seed), arguments.folder, arguments.steps, arguments.limit)
        else:
            made = one_ner(system, task, int(seed), arguments.folder, arguments.limit)
        print(json.dumps(made))
        return
    from finetune import commit

    this = commit()
    if not arguments.table:
        run_all(arguments, this)
    print_tables(kept(arguments.results, this, arguments.limit), this)


if __name__ == "__main__":
    main()
