"""``enfold predict``: labels for texts from the command line, from files and from standard input."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enfold.cli.loop import HERE, ProjectFolder
from enfold.cli.printing import one_line
from enfold.errors import DataError, InputError

if TYPE_CHECKING:
    from enfold.pipelines import TextClassificationPipeline
    from enfold.values import ClassPrediction

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(predict)


def predict(
    texts: Annotated[
        list[str],
        typer.Argument(help="Texts; or one file (CSV, TSV, JSONL, Parquet); or - for lines from standard input."),
    ],
    model: Annotated[str | None, typer.Option(help="A model reference; by default the model in service.")] = None,
    column: Annotated[str | None, typer.Option(help="Column of the file that holds the text.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .csv, .jsonl, .parquet.")
    ] = None,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Cut long texts instead of reading on by windows.")
    ] = False,
    project: ProjectFolder = HERE,
) -> None:
    """Label texts. A file goes in and out as a stream, in order."""
    source = _texts(texts, column, project)
    rows = _predictions(_pipeline(model, project), source, truncate)
    if output is not None:
        _write(rows, output)
        _remember(output, project)
        return
    typed = texts != ["-"] and not (len(texts) == 1 and _is_table(texts[0]))
    for text, prediction in rows:
        print(_line(text, prediction) if typed else json.dumps(_row(text, prediction), ensure_ascii=False), flush=True)


def _is_table(argument: str) -> bool:
    return Path(argument.strip()).suffix.lower() in TABLE_SUFFIXES and "\n" not in argument and len(argument) < 4096


def _texts(arguments: list[str], column: str | None, project: Path) -> Iterator[str]:
    if len(arguments) == 1 and _is_table(arguments[0]):
        from enfold.data import iter_texts

        file = Path(arguments[0])
        if not file.is_file():
            raise DataError(f"no file {file}")
        return (text for batch in iter_texts(file, _column(file, column, project)) for text in batch)
    if column is not None:
        raise InputError(f"--column {column} names a column of a file, and no file was given")
    if arguments == ["-"]:
        return (line.rstrip("\r\n") for line in sys.stdin)
    return iter(arguments)


def _column(file: Path, column: str | None, project: Path) -> str | None:
    """The column asked for, else the project's if the file has it, else whichever looks like text."""
    from enfold.data import iter_tables
    from enfold.project import FILE_NAME, read_settings

    if column is None and (project / FILE_NAME).is_file():
        wanted = read_settings(project / FILE_NAME).data.text
        names = next(iter(iter_tables(file))).columns
        return wanted if wanted in names else None
    return column


def _pipeline(model: str | None, project: Path) -> TextClassificationPipeline:
    if model is not None:
        from enfold.pipelines import pipeline

        return pipeline("text-classification", model)
    from enfold.project import Project

    return Project.open(project).pipeline()


def _predictions(
    pipeline: TextClassificationPipeline, texts: Iterable[str], truncate: bool
) -> Iterator[tuple[str, ClassPrediction]]:
    """Pair each prediction with its text; the pipeline reads some texts ahead."""
    waiting: deque[str] = deque()

    def passing() -> Iterator[str]:
        for text in texts:
            waiting.append(text)
            yield text

    for prediction in pipeline.stream(passing(), truncation=truncate):
        yield waiting.popleft(), prediction


def _write(rows: Iterable[tuple[str, ClassPrediction]], output: Path) -> None:
    from enfold.data import TableWriter

    count = 0
    with TableWriter(output) as writer:
        for text, prediction in rows:
            writer.write([_row(text, prediction)])
            count += 1
    print(f"{count} predictions written to {output}", file=sys.stderr)


def _remember(output: Path, project: Path) -> None:
    """Let the project know of a file that holds texts, so that one user's can be forgotten there too."""
    from enfold.project import FILE_NAME, Project

    if (project / FILE_NAME).is_file():
        Project.open(project).note_output(output)


def _row(text: str, prediction: ClassPrediction) -> dict[str, Any]:
    scores = {f"score_{label}": score for label, score in prediction.scores.items()}
    fields = {"label": prediction.label, "score": prediction.score, **scores}
    return {"text": text, **fields, "tokens": prediction.tokens, "windows": prediction.windows, "cut": prediction.cut}


def _line(text: str, prediction: ClassPrediction) -> str:
    return f"{prediction.label}  {prediction.score:.4f}  {one_line(text, 80)}"
