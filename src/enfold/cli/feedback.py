"""``enfold feedback``: what users said of the predictions."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command group of this file."""
    app.add_typer(group)


group = typer.Typer(name="feedback", help="What users said of the predictions: list, export, forget.", no_args_is_help=True)
