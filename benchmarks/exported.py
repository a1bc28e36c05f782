"""How long a fresh process needs to its first prediction of a bert-base, with what was exported and without.

    python benchmarks/exported.py [--runs 9] [--folder FOLDER]

The model is a BERT of bert-base's sizes with random weights and the tokenizer of `minilm`, made in FOLDER (a scratch
folder unless given; models of an earlier run are used again). Each figure is a whole process, from its start to its
end, the interpreter's own start included; memory is the most that was resident. Rows take turns, after one round that
does not count. The last row is the least that ONNX Runtime and the tokenizer need by themselves.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

OURS = """
from enfold import pipeline
ask = pipeline("text-classification", {folder!r}, runtime={runtime!r})
print(ask("What a wonderful little restaurant!")[0].label)
"""
TRANSFORMERS = """
from transformers import pipeline
ask = pipeline("text-classification", {folder!r})
print(ask("What a wonderful little restaurant!")[0]["label"])
"""
BARE = """
import numpy, onnxruntime, tokenizers
tokenizer = tokenizers.Tokenizer.from_file({folder!r} + "/tokenizer.json")
session = onnxruntime.InferenceSession({folder!r} + "/model.onnx")
encoding = tokenizer.encode("What a wonderful little restaurant!")
ids, mask, types = (numpy.array([row]) for row in (encoding.ids, encoding.attention_mask, encoding.type_ids))
print(session.run(None, {{"input_ids": ids, "attention_mask": mask, "token_type_ids": types}})[0].argmax())
"""


def make(folder: Path) -> dict[str, Path]:
    """The model and its exported forms."""
    made = {name: folder / name for name in ("torch", "onnx-float32", "onnx-int8")}
    if not (made["torch"] / "config.json").is_file():
        import torch

        from enfold import BertConfig, BertForSequenceClassification, Tokenizer

        torch.manual_seed(1)
        model = BertForSequenceClassification(BertConfig(num_labels=3))
        model.save_pretrained(made["torch"])
        Tokenizer.from_pretrained("minilm", model_max_length=512).save_pretrained(made["torch"])
    for format in ("float32", "int8"):
        if not (made[f"onnx-{format}"] / "export.json").is_file():
            from enfold.export import export_model

            export_model(made["torch"], made[f"onnx-{format}"], format=format)
    return made


def measured(program: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds, and MB resident at most."""
    started = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(child.pid, 0)
    taken = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"this failed:\n{program}")
    return taken, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only-make", action="store_true", help="write the models into FOLDER and measure nothing")
    given = parser.parse_args()
    if given.only_make:
        make(given.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        # In a process of its own: what this one holds would count as its children's at the moment they begin.
        subprocess.run([sys.executable, __file__, "--only-make", "--folder", str(folder)], check=True)
        made = make(folder)
        # Without compiled modules every start would compile the sources again, which no installed package does.
        environment = dict(os.environ) | {"PYTHONPYCACHEPREFIX": str(Path(scratch) / "compiled")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        rows = {
            "enfold, ONNX int8": OURS.format(folder=str(made["onnx-int8"]), runtime="onnx"),
            "enfold, ONNX float32": OURS.format(folder=str(made["onnx-float32"]), runtime="onnx"),
            "enfold, torch float32": OURS.format(folder=str(made["torch"]), runtime="torch"),
            "transformers, torch float32": TRANSFORMERS.format(folder=str(made["torch"])),
            "onnxruntime and tokenizers alone, int8": BARE.format(folder=str(made["onnx-int8"])),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
        for number in range(given.runs + 1):
            for name, program in rows.items():
                one = measured(program, environment)
                if number:
                    found[name].append(one)
    libraries = ("torch", "transformers", "onnxruntime", "tokenizers")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {metadata.version(name)}" for name in libraries))
    print(f"{given.runs} runs, {os.cpu_count()} cores\n")
    print("| fresh process to the first prediction | median s | fastest | slowest | resident MB |")
    print("|---|---|---|---|---|")
    for name, taken in found.items():
        seconds = [one for one, _ in taken]
        cells = (statistics.median(seconds), min(seconds), max(seconds))
        memory = statistics.median(size for _, size in taken)
        print(f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + f" | {memory:.0f} |")


if __name__ == "__main__":
    main()
