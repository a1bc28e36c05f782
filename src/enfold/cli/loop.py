"""``enfold init``, ``run``, ``improve``, ``promote``, ``rollback``: the loop itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProjectFolder = Annotated[Path, typer.Option("--project", "-p", help="Folder of the project.")]
HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(init)
    app.command()(run)
    app.command()(improve)
    app.command()(promote)
    app.command()(rollback)


def init(
    file: Annotated[
        str, typer.Argument(help="Labelled text: CSV, TSV, JSONL, Parquet, a folder by class, or a reference.")
    ],
    text: Annotated[str | None, typer.Option(help="Column that holds the text.")] = None,
    label: Annotated[str | None, typer.Option(help="Column that holds the label.")] = None,
    project: ProjectFolder = HERE,
) -> None:
    """Look at a file of labelled text and write enfold.toml."""
    from enfold.project import Project

    Project.init(file, folder=project, text=text, label=label)


def run(
    publish: Annotated[
        str | None, typer.Option(metavar="REPO", help="Push the model to this repository of the hub, owner/name.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make that repository private if it is new.")] = False,
    project: ProjectFolder = HERE,
) -> None:
    """Prepare, train, evaluate, compress, report; a second run does only what changed."""
    from enfold.errors import SettingsError
    from enfold.project import Project

    if private and publish is None:
        raise SettingsError("--private says how --publish makes a repository; name one with --publish REPO")

    Project.open(project).run(publish=publish, private=private)


def improve(
    review: Annotated[bool, typer.Option("--review", help="Decide, but leave the promotion to a person.")] = False,
    project: ProjectFolder = HERE,
) -> None:
    """Retrain with the corrections; promote the result only if it is measurably better."""
    from enfold.project import Project

    Project.open(project).improve(review=review)


def promote(
    revision: Annotated[str, typer.Argument(help="Revision of a model in the folder models/.")],
    project: ProjectFolder = HERE,
) -> None:
    """Put a model in service by hand, as after `improve --review`."""
    from enfold.project import Project

    Project.open(project).promote(revision)


def rollback(project: ProjectFolder = HERE) -> None:
    """Put the model back that was in service before."""
    from enfold.project import Project

    Project.open(project).rollback()
