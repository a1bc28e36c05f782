"""What weight formats cost a model that writes: perplexity in float32, bfloat16, int8 and int4.

    python benchmarks/formats.py FOLDER [--model smollm2] [--tokens 4096]

FOLDER is ``lm-text`` (English books, gzipped); without it, ``lm-text`` below ``$ENFOLD_DATA``. The text is read in
blocks of 512 tokens from a chapter in the middle of the first book; int8 with texts is calibrated on what stands behind
it. Megabytes are those of the tensors as they would be saved.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

BLOCK = 512
WAYS = ("float32", "bfloat16", "int8", "int8 with texts", "int4")


def load(reference: str, way: str, sample: list[int]) -> Any:
    from enfold import AutoModelForCausalLM
    from enfold.models.quantised import quantise_model

    if way in ("float32", "bfloat16"):
        return AutoModelForCausalLM.from_pretrained(reference, dtype=way)
    if way == "int8 with texts":
        return quantise_model(AutoModelForCausalLM.from_pretrained(reference, dtype="float32"), "int8", [sample])
    return AutoModelForCausalLM.from_pretrained(reference, format=way)


@torch.inference_mode()
def perplexity(model: Any, blocks: list[list[int]]) -> float:
    total, count = 0.0, 0
    for block in blocks:
        ids = torch.tensor([block])
        logits = model(ids).logits[0, :-1].float()
        total += float(F.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += len(block) - 1
    return math.exp(total / count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = os.environ.get("ENFOLD_DATA")
    parser.add_argument("folder", nargs="?", default=str(Path(data) / "lm-text") if data else "")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--tokens", type=int, default=8 * BLOCK)
    arguments = parser.parse_args()
    books = sorted(Path(arguments.folder or "nowhere").glob("*-en*.gz"))
    if not books:
        sys.exit(f"give the folder lm-text, or set ENFOLD_DATA; no English book lies in {arguments.folder or 'it'}")

    from enfold import AutoTokenizer

    with gzip.open(books[0], "rt", encoding="utf-8") as file:
        text = file.read()
    ids = list(AutoTokenizer.from_pretrained(arguments.model)(text)["input_ids"])
    begin = (len(ids) - arguments.tokens - BLOCK) // 2
    blocks = [ids[at : at + BLOCK] for at in range(begin, begin + arguments.tokens, BLOCK)]
    sample = ids[begin + arguments.tokens : begin + arguments.tokens + BLOCK]
    print(
        f"{arguments.model}, {arguments.tokens} tokens, torch {version('torch')}, {torch.get_num_threads()} threads\n"
    )
    print("| weights | megabytes | perplexity | of float32 | seconds to load |")
    print("|---|---|---|---|---|")
    first = 0.0
    for way in WAYS:
        began = time.perf_counter()
        model = load(arguments.model, way, sample)
        seconds = time.perf_counter() - began
        size = sum(own.numel() * own.element_size() for own in model.tensors_to_write().values()) / 1e6
        found = perplexity(model, blocks)
        first = first or found
        print(f"| {way} | {size:,.0f} | {found:.2f} | {100 * (found / first - 1):+.2f} % | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
