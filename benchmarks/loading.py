"""Reading a model of 440 MB: how long it takes, and how much memory above what the process had before.

    python benchmarks/loading.py [--runs 5]

A bert-base shape with random weights is written once, as safetensors, and once more in int8, as ``quantise`` and
``save_pretrained`` write it. Each run is a process of its own, the systems taking turns: it imports the model class,
notes its resident memory, reads the model, and answers one text, so that all weights are really there. *Above before*
is the highest resident size since then, less what there was; *of the process* is the highest of all, with libraries.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

SYSTEMS = {
    "transformers": "float32",
    "enfold": "float32",
    "enfold, int8 as it is read": "float32",
    "enfold, int8 folder": "int8",
}
"""What is run, and the weights in the folder that it reads."""


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def one(system: str, folder: str) -> dict[str, float]:
    import torch

    if system.startswith("enfold"):
        from enfold import BertForSequenceClassification as Model
    else:
        from transformers import BertForSequenceClassification as Model
        from transformers import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
    before = resident_mb()
    Path("/proc/self/clear_refs").write_text("5")  # the highest resident size begins anew
    began = time.perf_counter()
    options = {"format": "int8"} if system == "enfold, int8 as it is read" else {}
    model = Model.from_pretrained(folder, **options)
    read = time.perf_counter() - began
    with torch.no_grad():
        model.eval()(torch.arange(100, 132)[None])
    answered = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    highest = next(int(line.split()[1]) / 1000 * 1.024 for line in status.splitlines() if line.startswith("VmHWM"))
    return {"read": read, "answered": answered, "memory": highest - before, "process": highest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("SYSTEM", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(*arguments.one)))
        return
    measured: dict[str, list[dict[str, float]]] = {system: [] for system in SYSTEMS}
    with tempfile.TemporaryDirectory() as folder:
        from enfold import BertConfig, BertForSequenceClassification, quantise

        model = BertForSequenceClassification(BertConfig())
        model.save_pretrained(Path(folder) / "float32")
        quantise(model).save_pretrained(Path(folder) / "int8")
        del model
        sizes = {
            format: sum(file.stat().st_size for file in (Path(folder) / format).glob("*.safetensors")) / 1e6
            for format in ("float32", "int8")
        }
        for number in range(arguments.runs + 1):
            for system in SYSTEMS if number % 2 else reversed(SYSTEMS):
                command = [sys.executable, __file__, "--one", system, str(Path(folder) / SYSTEMS[system])]
                child = subprocess.run(command, capture_output=True, text=True, check=True)
                if number:  # the first round brings the file into the system's cache
                    measured[system].append(json.loads(child.stdout.splitlines()[-1]))
    print(f"Python {platform.python_version()}, torch {version('torch')}, transformers {version('transformers')}")
    files = ", ".join(f"{format} {size:.0f} MB" for format, size in sizes.items())
    print(f"files of {files}; {arguments.runs} runs, medians (lowest to highest)\n")
    print(
        "| system | read, s | to the first answer, s | memory above before, MB | of transformers | of the process, MB |"
    )
    print("|---|---|---|---|---|---|")
    base = statistics.median(run["memory"] for run in measured["transformers"])
    for system, runs in measured.items():
        cells = []
        for name, digits in (("read", 2), ("answered", 2), ("memory", 0), ("process", 0)):
            values = [run[name] for run in runs]
            cells.append(
                f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
            )
        cells.insert(3, f"{statistics.median(run['memory'] for run in runs) / base:.2f}x")
        print(f"| {system} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
