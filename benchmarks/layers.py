"""The model alone against transformers' model: one training step, and answers a second, in this process by turns.

    python benchmarks/layers.py            # about three minutes on two cores

The shape is MiniLM's (6 layers, 384 wide, 12 heads), with random weights. Real tokens per second: padding counts for
neither. Medians of several turns, and the spread between the fastest and the slowest.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import transformers
from rich.console import Console
from rich.table import Table

import enfold
from enfold.layers.linear import int8_product
from enfold.models import pack
from enfold.models.quantised import quantise_model

SHAPE = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}


def lengths_of(kind: str) -> list[int]:
    generator = torch.Generator().manual_seed(0)
    low, high, rows = {"short": (5, 60, 64), "near 20": (15, 26, 200), "long": (200, 257, 16), "even": (256, 257, 16)}[
        kind
    ]
    return torch.randint(low, high, (rows,), generator=generator).tolist()


def padded(lengths: list[int]) -> dict[str, torch.Tensor]:
    ids = torch.randint(1, 30000, (len(lengths), max(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def trained(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> Callable[[], None]:
    labels = torch.zeros(batch["input_ids"].shape[0], dtype=torch.long)

    def step() -> None:
        model.train()
        model(**batch, labels=labels).loss.backward()
        model.zero_grad()

    return step


def answered(model: torch.nn.Module, inputs: dict) -> Callable[[], None]:
    @torch.inference_mode()
    def call() -> None:
        model.eval()(**inputs)

    return call


def by_turns(systems: dict[str, Callable[[], None]], turns: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for turn in range(turns + 1):
        for name, call in systems.items():
            start = time.perf_counter()
            call()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    turns = parser.parse_args().turns
    torch.manual_seed(0)
    theirs = transformers.BertForSequenceClassification(transformers.BertConfig(**SHAPE))
    ours = enfold.BertForSequenceClassification(enfold.BertConfig(**SHAPE))
    small = quantise_model(ours)
    table = Table(
        title=f"torch {torch.__version__}, transformers {transformers.__version__}, int8: {int8_product('cpu').name}"
    )
    for column in ("work", "system", "tokens/s", "spread", "ratio"):
        table.add_column(column)
    for kind in ("even", "long", "short", "near 20"):
        lengths = lengths_of(kind)
        batch = padded(lengths)
        packed = pack([ids[:n].tolist() for ids, n in zip(batch["input_ids"], lengths, strict=True)])
        inputs = {"input_ids": packed.input_ids, "layout": packed.layout}
        work = {
            f"training, {kind}": {"transformers": trained(theirs, batch), "enfold": trained(ours, batch)},
            f"answers, {kind}": {
                "transformers": answered(theirs, batch),
                "enfold": answered(ours, inputs),
                "enfold int8": answered(small, inputs),
            },
        }
        for name, systems in work.items():
            seconds = by_turns(systems, turns)
            rate = {system: [sum(lengths) / own for own in times] for system, times in seconds.items()}
            base = statistics.median(rate["transformers"])
            for system, own in rate.items():
                middle = statistics.median(own)
                spread = f"{min(own):.0f} to {max(own):.0f}"
                table.add_row(name, system, f"{middle:.0f}", spread, f"{middle / base:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
