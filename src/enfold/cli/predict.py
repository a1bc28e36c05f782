"""``enfold predict``: what a model says of texts from the command line, from files and from standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from enfold.cli.loop import HERE, ProjectFolder
from enfold.errors import DataError, InputError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_TASK = "text-classification"


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(predict)


def predict(
    texts: Annotated[
        list[str],
        typer.Argument(
            help="Texts; or one file: a table (CSV, TSV, JSONL, Parquet), or one text (.txt); or - for lines from "
            "standard input."
        ),
    ],
    task: Annotated[str, typer.Option(help="What to do with the texts, such as token-classification.")] = _TASK,
    model: Annotated[str | None, typer.Option(help="A model reference; by default the model in service.")] = None,
    column: Annotated[str | None, typer.Option(help="Column of the file that holds the text.")] = None,
    question: Annotated[str | None, typer.Option(help="What to ask of each text, for question-answering.")] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            help="A label, sentence, reply or document to choose from, once for each; or one file of them; for "
            "semantic-search also the folder of an index."
        ),
    ] = None,
    slot: Annotated[
        list[str] | None,
        typer.Option(help="A slot of dialogue-state-tracking as NAME=QUESTION, once for each; texts are the turns."),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help="How many answers, tokens or documents; else the task's own number.")
    ] = None,
    aggregation: Annotated[
        str | None,
        typer.Option(help="How tokens become entities: none, simple, first, average or max."),
    ] = None,
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="Judge every candidate by itself, for zero-shot-classification.")
    ] = False,
    no_answer: Annotated[
        bool, typer.Option("--no-answer", help="Let question-answering find that there is no answer.")
    ] = False,
    source: Annotated[
        str | None, typer.Option("--from", help="The language of the texts, for translation: a code or a name.")
    ] = None,
    target: Annotated[str | None, typer.Option("--to", help="The language they are translated to.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens that are written at most.")] = None,
    beams: Annotated[int | None, typer.Option(min=1, help="Sequences that beam search keeps; 1 is none.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .csv, .jsonl, .parquet.")
    ] = None,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Cut long texts instead of reading on by windows.")
    ] = False,
    project: ProjectFolder = HERE,
) -> None:
    """Ask a model about texts. A file goes in and out as a stream, in order."""
    from enfold.cli.predict_tasks import TaskOptions, answers, line_of, row_of
    from enfold.pipelines.tasks import task_named

    name = task_named(task).name
    options = TaskOptions(
        question=question,
        candidates=_candidates(candidate or []),
        slots=tuple(slot or ()),
        top_k=top_k,
        aggregation=aggregation,
        multi_label=multi_label,
        no_answer=no_answer,
        truncate=truncate,
        source=source,
        target=target,
        max_new_tokens=max_new_tokens,
        beams=beams,
    )
    if name == "chat":
        raise InputError("a conversation needs turns: enfold chat MODEL holds one")
    settings = options.settings(name)
    read = _texts(texts, column, project)
    rows = answers(_pipeline(name, model, project, settings), name, read, options)
    if output is not None:
        _write((row_of(*row) for row in rows), output)
        _remember(output, project)
        return
    typed = texts != ["-"] and not (len(texts) == 1 and _is_table(texts[0]))  # a person reads the answer
    for text, prediction in rows:
        shown = line_of(text, prediction) if typed else json.dumps(row_of(text, prediction), ensure_ascii=False)
        print(shown, flush=True)


def _is_table(argument: str) -> bool:
    return Path(argument.strip()).suffix.lower() in TABLE_SUFFIXES and "\n" not in argument and len(argument) < 4096


def _is_text(argument: str) -> bool:
    """Whether it names a file that is there and is one text; anything else is a text itself."""
    return (
        argument.lower().endswith(".txt") and "\n" not in argument and len(argument) < 4096 and Path(argument).is_file()
    )


def _whole(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"invalid UTF-8 at byte {error.start} of {file}: save it as UTF-8") from error


def _texts(arguments: list[str], column: str | None, project: Path) -> Iterator[str]:
    if len(arguments) == 1 and _is_table(arguments[0]):
        from enfold.data import iter_texts

        file = Path(arguments[0])
        if not file.is_file():
            raise DataError(f"no file {file}")
        return (text for batch in iter_texts(file, _column(file, column, project)) for text in batch)
    if len(arguments) == 1 and _is_text(arguments[0]):
        return iter([_whole(Path(arguments[0]))])
    if column is not None:
        raise InputError(f"--column {column} names a column of a file, and no file was given")
    if arguments == ["-"]:
        return (line.rstrip("\r\n") for line in sys.stdin)
    return iter(arguments)


def _candidates(given: list[str]) -> tuple[str, ...]:
    """The candidates as typed, or those of one file."""
    if len(given) == 1 and _is_table(given[0]) and Path(given[0]).is_file():
        from enfold.data import iter_texts

        return tuple(text for batch in iter_texts(Path(given[0]), None) for text in batch)
    return tuple(given)


def _column(file: Path, column: str | None, project: Path) -> str | None:
    """The column asked for, else the project's if the file has it, else whichever looks like text."""
    from enfold.data import iter_tables
    from enfold.project import FILE_NAME, read_settings

    if column is None and (project / FILE_NAME).is_file():
        wanted = read_settings(project / FILE_NAME).data.text
        names = next(iter(iter_tables(file))).columns
        return wanted if wanted in names else None
    return column


def _pipeline(task: str, model: str | None, project: Path, settings: dict[str, Any]) -> Any:
    if model is not None:
        from enfold.pipelines import pipeline

        return pipeline(task, model, **settings)
    if task != _TASK:
        raise InputError(f"--task {task} needs --model: the model in service is for {_TASK}")
    from enfold.project import Project

    return Project.open(project).pipeline()


def _write(rows: Iterable[dict[str, Any]], output: Path) -> None:
    from enfold.data import TableWriter

    count = 0
    with TableWriter(output) as writer:
        for row in rows:
            writer.write([row])
            count += 1
    print(f"{count} predictions written to {output}", file=sys.stderr)


def _remember(output: Path, project: Path) -> None:
    """Let the project know of a file that holds texts, so that one user's can be forgotten there too."""
    from enfold.project import FILE_NAME, Project

    if (project / FILE_NAME).is_file():
        Project.open(project).note_output(output)
