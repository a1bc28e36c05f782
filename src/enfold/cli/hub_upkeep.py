"""``enfold hub verify | reindex | gc | backup | restore | upgrade``: keeping a hub in order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from enfold.cli.hub_options import BlobsUrl, DatabaseUrl, Root, need_hub

__all__ = ["register"]


def register(hub: typer.Typer) -> None:
    """Add these commands to the group of the hub."""
    for command in (verify, reindex, gc, backup, restore, upgrade):
        hub.command()(command)


def verify(root: Root, database: DatabaseUrl = None, blobs: BlobsUrl = None) -> None:
    """Read everything in the hub again; a line for each fault, and exit status 1 if there is one."""
    need_hub()
    from enfold.hub.upkeep.opening import opened
    from enfold.hub.upkeep.verifying import verify as faults_of

    with opened(root, database=database, blobs=blobs) as state:
        _report(faults_of(state), clean="all is well")


def reindex(root: Root, database: DatabaseUrl = None, blobs: BlobsUrl = None) -> None:
    """Make everything derived again, such as tags and the index of changed paths; the server must be stopped."""
    need_hub()
    from enfold.hub.upkeep.derived_rows import reindex as made_again
    from enfold.hub.upkeep.opening import opened

    with opened(root, database=database, blobs=blobs) as state:
        changed = 0
        for line in made_again(state):
            typer.echo(line)
            changed += 1
        typer.echo("everything was made again" if changed else "everything was made again, and nothing changed")


def gc(
    root: Root,
    database: DatabaseUrl = None,
    blobs: BlobsUrl = None,
    wait: Annotated[
        bool, typer.Option(help="Wait for tokens that are still good; otherwise begin, and end it at a later call.")
    ] = True,
) -> None:
    """Remove large content that no repository uses; the server may run meanwhile."""
    need_hub()
    import time
    from datetime import datetime

    from enfold.hub.upkeep.collecting import begin, seconds_to_wait, sweep
    from enfold.hub.upkeep.opening import opened

    with opened(root, database=database, blobs=blobs) as state:
        begun = begin(state)
        if seconds := seconds_to_wait(begun):
            until = f"{datetime.fromtimestamp(begun.wait_until):%H:%M:%S}"
            if not wait:
                typer.echo(f"tokens that were given out are good until {until}; run it again then")
                return
            typer.echo(f"waiting until {until} for tokens that were given out to end")
            time.sleep(seconds)
        done = sweep(state, begun)
    typer.echo(
        f"removed {done.files} files and {done.xorbs} xorbs, {done.bytes} bytes; "
        f"{done.repositories} folders and {done.uploads} uploads were left over"
    )


def backup(
    target: Annotated[Path, typer.Argument(help="A folder, to which only what is new is added, or a file .tar.")],
    root: Root,
    database: DatabaseUrl = None,
    blobs: BlobsUrl = None,
) -> None:
    """Copy the hub as it is at this moment; the server may run meanwhile."""
    need_hub()
    from enfold.hub.upkeep.backing_up import back_up
    from enfold.hub.upkeep.opening import opened

    with opened(root, database=database, blobs=blobs) as state:
        done = back_up(state, target)
    typer.echo(
        f"{target} holds {done.repositories} repositories, {done.blobs} blobs and {done.rows} records; "
        f"{done.new_bytes} bytes were copied"
    )


def restore(
    source: Annotated[Path, typer.Argument(help="The backup: a folder, or a file .tar.")],
    root: Root,
    database: DatabaseUrl = None,
    blobs: BlobsUrl = None,
) -> None:
    """Make a hub in an empty folder out of a backup, and verify it; exit status 1 if there is a fault."""
    need_hub()
    from enfold.hub.upkeep.restoring import restore as restored

    _report(restored(source, root, database=database, blobs=blobs), clean=f"{root} was restored, and all is well")


def upgrade(root: Root, database: DatabaseUrl = None) -> None:
    """Copy the records, and bring them to the format of this version; the server must be stopped."""
    need_hub()
    from enfold.hub.upkeep.upgrading import upgrade as upgraded

    copy = upgraded(root, database=database)
    typer.echo("there was nothing to do" if copy is None else f"done; the records as they were are in {copy}")


def _report(faults: Iterable[str], *, clean: str) -> None:
    count = 0
    for fault in faults:
        typer.echo(fault)
        count += 1
    if count:
        typer.echo(f"{count} faults were found", err=True)
        raise typer.Exit(1)
    typer.echo(clean)
