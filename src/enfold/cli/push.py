"""``enfold push`` and ``enfold pull``: a folder to a Hub, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(push)
    app.command()(pull)


def push(
    folder: Annotated[Path, typer.Argument(help="Folder to push; hidden files in it stay here.")],
    repository: Annotated[str, typer.Argument(metavar="REPO", help="The model repository, owner/name.")],
    revision: Annotated[str, typer.Option(help="Branch to push to; made if it is not there.")] = "main",
    message: Annotated[str, typer.Option("--message", "-m", help="Of the commit.")] = "Upload with Enfold",
    private: Annotated[bool, typer.Option("--private", help="Make the repository private if it is new.")] = False,
    hub: Annotated[str | None, typer.Option(help="Address of the hub; HF_ENDPOINT by default.")] = None,
) -> None:
    """Push a folder to a model repository as one commit; the token comes from HF_TOKEN or `hf auth login`."""
    from enfold.hub.pushing import files_of, push

    done = push(files_of(folder), repository, revision=revision, message=message, private=private, url=hub)
    if done.commit is None:
        print(f"{done.url} has all of it already")
    else:
        print(f"{done.files} files, {done.sent:,} bytes of large ones sent: {done.url}, commit {done.commit}")


def pull(
    repository: Annotated[str, typer.Argument(metavar="REPO", help="The model repository, owner/name.")],
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to write, which must not be there; by default the name here.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit.")] = None,
) -> None:
    """Fetch a model repository into a folder; files that could run code are left out. HF_ENDPOINT names the hub."""
    from enfold.hub.pulling import pull

    target, commit, count = pull(repository, folder, revision=revision)
    print(f"{count} files in {target}, commit {commit}")
