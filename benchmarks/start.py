"""How long it takes until Enfold is there: `import enfold`, `enfold --help`, beside the same of transformers.

    python benchmarks/start.py [--runs 15]

Each figure is a whole process, the interpreter's own start included, which is given in a row of its own. The runs go
round by round through all rows, after one that does not count, so that a slow moment falls on all of them.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
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


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    measured: dict[str, list[float]] = {name: [] for name in ROWS}
    for number in range(runs + 1):
        for name, command in ROWS.items():
            taken = seconds(command)
            if number:
                measured[name].append(taken)
    bare = statistics.median(measured["python, nothing imported"])
    print(f"Python {platform.python_version()}, transformers {metadata.version('transformers')}, {runs} runs\n")
    print(f"| {'whole process':<38} | median ms | less the interpreter | fastest | slowest |")
    print("|---|---|---|---|---|")
    for name, taken in measured.items():
        median = statistics.median(taken)
        cells = (median, median - bare, min(taken), max(taken))
        print(f"| {name:<38} | " + " | ".join(f"{1000 * cell:.0f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
