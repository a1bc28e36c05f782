"""``enfold serve``: the model in service over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from enfold.cli.loop import HERE, ProjectFolder


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(serve)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; any but loopback needs an API key.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="ENFOLD_API_KEY", help="Key that requests must carry as a bearer token.")
    ] = None,
    project: ProjectFolder = HERE,
) -> None:
    """Serve the model over HTTP: it records its predictions and takes feedback."""
    from enfold.project import Project

    Project.open(project).serve(host=host, port=port, api_key=api_key)
