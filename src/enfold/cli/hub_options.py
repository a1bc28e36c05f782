"""What the commands of the hub share: the options that say which hub, and the packages they need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enfold.errors import require

__all__ = ["BlobsUrl", "DatabaseUrl", "Root", "need_hub"]

Root = Annotated[Path, typer.Option("--root", help="Folder of the hub.", show_default=False)]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database", envvar="ENFOLD_HUB_DATABASE", help="postgresql://… instead of the file in the root."),
]
BlobsUrl = Annotated[str | None, typer.Option("--blobs", help="s3://… for large content instead of the root.")]


def need_hub() -> None:
    """Ask for the packages of a hub where they are missing.

    Raises:
        MissingExtra: one is; the message names the extra that brings it.
    """
    for module in ("sqlalchemy", "fastapi", "granian", "yaml"):
        require(module, extra="hub", purpose="a hub of one's own")
