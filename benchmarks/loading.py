"""Reading a model of 440 MB: how long it takes, and how much memory above what the process had before.

    python benchmarks/loading.py [--runs 5]

A bert-base shape with random weights is written once, as safetensors. Each run is a process of its own, the systems
taking turns: it imports the model class, notes its resident memory, reads the model, and answers one text, so that all
weights are really there. Memory is the highest resident size since then, less what there was.
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

SYSTEMS = ("transformers", "enfold")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def one(system: str, folder: str) -> dict[str, float]:
    import torch

    if system == "enfold":
        from enfold import BertForSequenceClassification as Model
    else:
        from transformers import BertForSequenceClassification as Model
        from transformers import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
    before = resident_mb()
    Path("/proc/self/clear_refs").write_text("5")  # the highest resident size begins anew
    began = time.perf_counter()
    model = Model.from_pretrained(folder)
    read = time.perf_counter() - began
    with torch.no_grad():
        model.eval()(torch.arange(100, 132)[None])
    answered = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    highest = next(int(line.split()[1]) / 1000 * 1.024 for line in status.splitlines() if line.startswith("VmHWM"))
    return {"read": read, "answered": answered, "memory": highest - before}


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
        from enfold import BertConfig, BertForSequenceClassification

        BertForSequenceClassification(BertConfig()).save_pretrained(folder)
        size = (Path(folder) / "model.safetensors").stat().st_size / 1e6
        for number in range(arguments.runs + 1):
            for system in SYSTEMS if number % 2 else SYSTEMS[::-1]:
                command = [sys.executable, __file__, "--one", system, folder]
                child = subprocess.run(command, capture_output=True, text=True, check=True)
                if number:  # the first round brings the file into the system's cache
                    measured[system].append(json.loads(child.stdout.splitlines()[-1]))
    print(f"Python {platform.python_version()}, torch {version('torch')}, transformers {version('transformers')}")
    print(f"a file of {size:.0f} MB, {arguments.runs} runs, medians (lowest to highest)\n")
    print("| system | read, s | to the first answer, s | highest memory above before, MB | of the file |")
    print("|---|---|---|---|---|")
    for system, runs in measured.items():
        cells = []
        for name, digits in (("read", 2), ("answered", 2), ("memory", 0)):
            values = [run[name] for run in runs]
            cells.append(
                f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
            )
        share = statistics.median(run["memory"] for run in runs) / size
        print(f"| {system} | {' | '.join(cells)} | {share:.2f} |")


if __name__ == "__main__":
    main()
