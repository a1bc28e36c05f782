"""``enfold ner``, ``ask`` and ``translate``: ``enfold predict`` for three tasks, under the names people look for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enfold.cli.loop import HERE, ProjectFolder
from enfold.cli.predict import predict

_Texts = Annotated[
    list[str],
    typer.Argument(
        help="Texts; or one file: a table (CSV, TSV, JSONL, Parquet), or one text (.txt); or - for lines from standard "
        "input."
    ),
]
_Column = Annotated[str | None, typer.Option(help="Column of the file that holds the text.")]
_Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write: .csv, .jsonl, .parquet.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(ner)
    app.command()(ask)
    app.command()(translate)


def ner(
    texts: _Texts,
    model: Annotated[str, typer.Option(help="A token-classification model.")],
    column: _Column = None,
    aggregation: Annotated[
        str | None, typer.Option(help="How tokens become entities: none, simple, first, average or max.")
    ] = None,
    output: _Output = None,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Cut long texts instead of reading on by windows.")
    ] = False,
    project: ProjectFolder = HERE,
) -> None:
    """Find what is named in texts: people, places, and whatever else the model knows."""
    predict(
        texts,
        task="token-classification",
        model=model,
        column=column,
        aggregation=aggregation,
        output=output,
        truncate=truncate,
        project=project,
    )


def ask(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    texts: _Texts,
    model: Annotated[str, typer.Option(help="A question-answering model.")],
    column: _Column = None,
    top_k: Annotated[int | None, typer.Option(help="How many answers to each text, the best first.")] = None,
    no_answer: Annotated[bool, typer.Option("--no-answer", help="Let the answer be that there is none.")] = False,
    output: _Output = None,
    project: ProjectFolder = HERE,
) -> None:
    """Answer a question from texts: each answer is a stretch of its text."""
    predict(
        texts,
        task="question-answering",
        model=model,
        column=column,
        question=question,
        top_k=top_k,
        no_answer=no_answer,
        output=output,
        project=project,
    )


def translate(
    texts: _Texts,
    model: Annotated[str, typer.Option(help="A translation model.")],
    source: Annotated[str, typer.Option("--from", help="The language of the texts: a code or an English name.")],
    target: Annotated[str, typer.Option("--to", help="The language they are translated to.")],
    column: _Column = None,
    beams: Annotated[int | None, typer.Option(min=1, help="Sequences that beam search keeps; 1 is none.")] = None,
    output: _Output = None,
    project: ProjectFolder = HERE,
) -> None:
    """Translate texts from one language to another, sentence by sentence."""
    predict(
        texts,
        task="translation",
        model=model,
        column=column,
        source=source,
        target=target,
        beams=beams,
        output=output,
        project=project,
    )
