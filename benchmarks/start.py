"""How long it takes until Enfold is there: imports, `enfold --help`, a first prediction, beside those of transformers.

    python benchmarks/start.py [--runs 15]

First predictions are of a bert-base shape with random weights, read from a folder, in float32; *int8* is the folder
that ``quantise`` and ``save_pretrained`` made of it. Each figure is a whole process, the interpreter's own start
included, which is given in a row of its own. The runs go round by round through all rows, after one that does not
count, so that a slow moment falls on all of them.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

ENFOLD = str(Path(sys.executable).with_name("enfold"))
ROWS = {
    "python, nothing imported": [sys.executable, "-c", "pass"],
    "import enfold": [sys.executable, "-c", "import enfold"],
    "enfold --help": [ENFOLD, "--help"],
    "import transformers": [sys.executable, "-c", "import transformers"],
    "transformers --help": [str(Path(sys.executable).with_name("transformers")), "--help"],
    "enfold: a model class imported": [sys.executable, "-c", "from enfold import AutoModelForSequenceClassification"],
    "transformers: a model class imported": [
        sys.executable,
        "-c",
        "from transformers import AutoModelForSequenceClassification, BertForSequenceClassification",
    ],
}
PREDICTION = """
from {library} import pipeline
ask = pipeline("text-classification", {folder!r})
print(ask("What a wonderful little restaurant!")[0])
"""
BESIDE = {
    "import enfold": "import transformers",
    "enfold --help": "transformers --help",
    "enfold: a model class imported": "transformers: a model class imported",
    "enfold: first bert-base prediction": "transformers: first bert-base prediction",
    "enfold: the same, int8": "transformers: first bert-base prediction",
}
"""Which row each of ours is compared with."""


def with_predictions(folder: Path) -> dict[str, list[str]]:
    """All rows; the models are made in a process of its own, as this one needs no torch."""
    subprocess.run([sys.executable, __file__, "--make", str(folder)], check=True)

    def asking(library: str, name: str) -> list[str]:
        return [sys.executable, "-c", PREDICTION.format(library=library, folder=str(folder / name))]

    return ROWS | {
        "enfold: first bert-base prediction": asking("enfold", "float32"),
        "enfold: the same, int8": asking("enfold", "int8"),
        "transformers: first bert-base prediction": asking("transformers", "float32"),
    }


def make(folder: Path) -> None:
    import torch

    from enfold import BertConfig, BertForSequenceClassification, Tokenizer, quantise

    torch.manual_seed(1)
    model = BertForSequenceClassification(BertConfig(num_labels=3))
    model.save_pretrained(folder / "float32")
    quantise(model).save_pretrained(folder / "int8")
    for name in ("float32", "int8"):
        Tokenizer.from_pretrained("minilm", model_max_length=512).save_pretrained(folder / name)


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--make", type=Path, metavar="FOLDER", help="only write the models into FOLDER")
    given = parser.parse_args()
    if given.make:
        make(given.make)
        return
    runs = given.runs
    with tempfile.TemporaryDirectory() as scratch:
        rows = with_predictions(Path(scratch))
        measured: dict[str, list[float]] = {name: [] for name in rows}
        for number in range(runs + 1):
            for name, command in rows.items():
                taken = seconds(command)
                if number:
                    measured[name].append(taken)
    bare = statistics.median(measured["python, nothing imported"])
    print(f"Python {platform.python_version()}, transformers {metadata.version('transformers')}, {runs} runs\n")
    print(f"| {'whole process':<41} | median ms | less the interpreter | fastest | slowest | the other's, times |")
    print("|---|---|---|---|---|---|")
    for name, taken in measured.items():
        median = statistics.median(taken)
        cells = (median, median - bare, min(taken), max(taken))
        other = f"{statistics.median(measured[BESIDE[name]]) / median:.2f}x" if name in BESIDE else "-"
        print(f"| {name:<41} | " + " | ".join(f"{1000 * cell:.0f}" for cell in cells) + f" | {other} |")


if __name__ == "__main__":
    main()
