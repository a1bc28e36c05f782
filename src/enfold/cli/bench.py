"""``enfold bench``: how quick a model is here, by format, on one's own texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from enfold.benchmarking import Measured, Plan


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(bench)


def bench(
    model: Annotated[str, typer.Argument(help="A model reference: a folder, a Hub id, pypi:…, a short name.")],
    texts: Annotated[
        Path | None, typer.Option(help="A table (column text) or a file of lines (.txt); else invented texts.")
    ] = None,
    format: Annotated[
        list[str] | None,
        typer.Option(help="Of the weights, once for each: float32, bfloat16, int8, int4; by default all that fit."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="What is asked of the model; by default what its head does.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Texts that are read at most.")] = 64,
    runs: Annotated[int, typer.Option(min=1, help="Runs over all texts that count.")] = 3,
    new_tokens: Annotated[int, typer.Option(min=1, help="Tokens written for each text, by a model that writes.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="All figures as one JSON object.")] = False,
) -> None:
    """Measure a model on this machine: tokens a second, latency, memory, and where the time goes."""
    from enfold.benchmarking import measure, plan_for

    own = _texts(texts, limit)
    plan = plan_for(model, task, format or ())
    found = [measure(plan, one, own, runs=runs, new_tokens=new_tokens) for one in plan.formats]
    if as_json:
        print(json.dumps({"model": model, "task": plan.task, "formats": [one.to_dict() for one in found]}))
        return
    _print_speed(plan, found)
    _print_parts(found)


def _texts(file: Path | None, limit: int) -> list[str]:
    """The user's own, without empty ones, or invented ones."""
    if file is None:
        from enfold.benchmarking import invented_texts

        return invented_texts(limit)
    from enfold.errors import DataError

    if not file.is_file():
        raise DataError(f"no file {file}")
    found: list[str] = []
    if file.suffix.lower() == ".txt":
        try:
            found = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"invalid UTF-8 at byte {error.start} of {file}: save it as UTF-8") from error
    else:
        from enfold.data import iter_texts

        for batch in iter_texts(file, None):
            found += batch
            if len(found) >= 2 * limit:  # some may be empty
                break
    found = [text for text in found if text.strip()][:limit]
    if not found:
        raise DataError(f"{file} holds no text")
    return found


def _print_speed(plan: Plan, found: list[Measured]) -> None:
    first = found[0]
    written = f", {first.new_tokens:,} written" if plan.writes else ""
    print(f"{plan.model}: {plan.task}, {first.texts} texts, {first.tokens:,} tokens read{written}")
    versions = ", ".join(f"{name} {version}" for name, version in first.versions.items())
    print(f"{first.threads} threads, {len(first.seconds)} runs, medians (lowest to highest); {versions}\n")
    last = "of memory" if plan.writes else "of the limit"
    counted = "new tokens/s" if plan.writes else "tokens/s"
    print(f"{'format':<10}{counted:>30}{'p50 ms':>9}{'p99 ms':>9}{'load s':>8}{'peak MB':>9}{'GFLOP/s':>9}{last:>20}")
    for one in found:
        low, middle, high = one.rates
        rate = f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"
        if one.gigabytes is not None:
            share = f"{100 * one.gigabytes / one.reading:.0f} % of {one.reading:.0f} GB/s"
        else:
            share = f"{100 * one.gflops / one.limit:.0f} % of {one.limit:.0f}" if one.limit else "not measured"
        print(
            f"{one.format:<10}{rate:>30}{one.latency(50):>9.1f}{one.latency(99):>9.1f}{one.load_seconds:>8.1f}"
            f"{one.memory_mb:>9,.0f}{one.gflops:>9.1f}{share:>20}"
        )


def _print_parts(found: list[Measured]) -> None:
    from enfold.benchmarking.parts import KINDS

    print("\nWhere the time goes, per cent of one run\n")
    print(f"{'format':<10}" + "".join(f"{kind:>12}" for kind in KINDS))
    for one in found:
        print(f"{one.format:<10}" + "".join(f"{100 * one.parts[kind]:>12.1f}" for kind in KINDS))
