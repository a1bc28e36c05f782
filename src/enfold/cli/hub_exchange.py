"""``enfold hub key``, ``export`` and ``import``: repositories from hub to hub as one signed file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enfold.errors import SettingsError, require

if TYPE_CHECKING:
    from enfold.hub.server.state import HubState

_Root = Annotated[Path, typer.Option("--root", help="Folder of the hub.", show_default=False)]
_Database = Annotated[
    str | None,
    typer.Option("--database", envvar="ENFOLD_HUB_DATABASE", help="postgresql://… instead of the file in the root."),
]
_Blobs = Annotated[str | None, typer.Option(help="s3://… for large content instead of the root.")]


def register(hub: typer.Typer) -> None:
    """Add the commands of this file to the group ``hub``."""
    hub.command("key")(show_key)
    hub.command("export")(export)
    hub.command("import")(import_)


def show_key(root: _Root) -> None:
    """Print the public key that exports of this hub are signed with; it is made when there is none."""
    _need()
    from enfold.hub.exchange.keys import kept_key, public_hex
    from enfold.hub.records import HubRoot

    typer.echo(public_hex(kept_key(HubRoot.open(root, make=False).path)))


def export(
    repositories: Annotated[
        list[str], typer.Argument(metavar="REPO...", help="owner/name of a model, datasets/owner/name, spaces/….")
    ],
    out: Annotated[Path, typer.Option(help="File to write, which must not be there.", show_default=False)],
    root: _Root,
    key: Annotated[Path | None, typer.Option(help="Key to sign with (PEM, ed25519); else the hub's own.")] = None,
    database: _Database = None,
    blobs: _Blobs = None,
) -> None:
    """Write repositories with branches, tags and large files to one signed file; the last line is the public key."""
    with _opened(root, database, blobs) as state:
        from enfold.hub.exchange.exporting import export_repositories
        from enfold.hub.exchange.keys import kept_key, public_hex, read_key

        signing = kept_key(state.root.path) if key is None else read_key(key)
        done = export_repositories(state, repositories, out, signing)
        typer.echo(f"{len(done.repositories)} repositories and {len(done.large)} large files are in {out}")
        typer.echo("signed with the key whose public half is:")
        typer.echo(public_hex(signing))


def import_(
    file: Annotated[Path, typer.Argument(help="File that `enfold hub export` wrote.")],
    root: _Root,
    trust: Annotated[str | None, typer.Option(help="Public key it must be signed with, 64 hex digits.")] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Take it from whoever made it.")] = False,
    database: _Database = None,
    blobs: _Blobs = None,
) -> None:
    """Make the repositories of an exported file, all or none, once its signature and every hash hold."""
    _need()
    if (trust is None) != unsigned:
        raise SettingsError("give --trust KEY, the public key of the hub it comes from, or --unsigned, and not both")
    from enfold.hub.exchange.keys import trusted_key

    trusted = None if trust is None else trusted_key(trust)
    with _opened(root, database, blobs) as state:
        from enfold.hub.exchange.importing import import_repositories

        done = import_repositories(state, file, trusted)
    for each in done.repositories:
        typer.echo(f"{each.type} {each.name}: {len(each.refs)} branches and tags, {len(each.large)} large files")


@contextmanager
def _opened(root: Path, database: str | None, blobs: str | None) -> Iterator[HubState]:
    """The hub in a folder that is one already; it may be serving meanwhile."""
    _need()
    from enfold.hub.records import HubRoot, Records
    from enfold.hub.server.settings import HubSettings
    from enfold.hub.server.state import HubState

    opened = HubRoot.open(root, make=False)
    settings = HubSettings(root=root, database=database, blobs=blobs)
    state = HubState(opened, settings, Records(database or opened.database))
    try:
        yield state
    finally:
        state.close()


def _need() -> None:
    for module in ("sqlalchemy", "fastapi", "cryptography"):
        require(module, extra="hub", purpose="an export of a hub")
