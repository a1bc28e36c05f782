"""``enfold feedback``: what users said of the predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enfold.cli.loop import HERE, ProjectFolder

group = typer.Typer(name="feedback", help="What users said of the predictions.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the command group of this file."""
    app.add_typer(group)


@group.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    user: Annotated[str | None, typer.Option(help="Only what this user said.")] = None,
    project: ProjectFolder = HERE,
) -> None:
    """Show the newest judgements."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from enfold.cli.printing import one_line
    from enfold.project import Project

    with Project.open(project).feedback() as store:
        counts, judgements = store.counts(), store.recent(limit, user=user)
    table = Table("when", "user", "predicted", "said", "text", box=None, header_style="bold")
    for one in judgements:
        said = {"right": "right", "wrong": "wrong", "label": f"is {one.label}"}[one.kind]
        cells = (f"{one.at:%Y-%m-%d %H:%M}", one.user or "", one.predicted, said, one.text)
        table.add_row(*(escape(one_line(cell, 60)) for cell in cells))
    console = Console()
    if judgements:
        console.print(table)
    console.print(
        f"{counts.judgements} judgements on {counts.judged} of {counts.predictions} predictions", highlight=False
    )


@group.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write: .csv, .jsonl or .parquet.")],
    unjudged: Annotated[bool, typer.Option("--unjudged", help="Also predictions that nobody judged.")] = False,
    for_spreadsheets: Annotated[
        bool, typer.Option("--for-spreadsheets", help="Mark cells that a spreadsheet would take for a formula.")
    ] = False,
    project: ProjectFolder = HERE,
) -> None:
    """Write the judgements to a file."""
    from enfold.project import Project

    opened = Project.open(project)
    with opened.feedback() as store:
        rows = store.export(file, unjudged=unjudged, for_spreadsheets=for_spreadsheets)
    opened.note_output(file)
    print(f"{rows} rows written to {file}")


@group.command()
def forget(
    user: Annotated[str, typer.Argument(help="The user whose texts are removed.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: ProjectFolder = HERE,
) -> None:
    """Remove a user's texts from the database and from every file the project made."""
    from enfold.project import Project

    opened = Project.open(project)
    if not yes:
        typer.confirm(f"remove everything of user {user!r} for good?", abort=True)
    done = opened.forget(user)
    print(f"{done.database.predictions} predictions and {done.database.judgements} judgements removed for good")
    for found in done.files:
        rows = f", {found.rows} rows" if found.rows else ""
        print(f"{found.action}: {found.path}{rows}")
    if done.database.still_held:
        print(f"{len(done.database.still_held)} of the texts were sent by other users too, and stay with them")
    if done.trained:
        print(f"trained on these texts: {', '.join(done.trained)}" + (" (one is in service)" if done.served else ""))
        print("to be rid of what they learnt, train without it: enfold run")
