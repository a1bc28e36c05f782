"""``enfold hub mirror …``: who may read what the upstream hub keeps from others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enfold.errors import require

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from enfold.hub.records.schema import Account

_Root = Annotated[Path, typer.Option("--root", help="Folder of the hub.", show_default=False)]
_Database = Annotated[
    str | None,
    typer.Option("--database", envvar="ENFOLD_HUB_DATABASE", help="postgresql://… instead of the file in the root."),
]
_Repository = Annotated[
    str, typer.Argument(metavar="REPO", help="owner/name of a model upstream, datasets/owner/name, spaces/….")
]


def register(hub: typer.Typer) -> None:
    """Add the commands of this file to the group ``hub``."""
    group = typer.Typer(help="Private and gated repositories of the upstream hub.", no_args_is_help=True)
    group.command("allow")(allow)
    group.command("forbid")(forbid)
    group.command("list")(list_)
    hub.add_typer(group, name="mirror")


def allow(
    repository: _Repository,
    reader: Annotated[list[str], typer.Option(help="User or organisation of this hub; repeat for more.")],
    root: _Root,
    database: _Database = None,
) -> None:
    """Mirror a private or gated repository for these readers; the token of `serve` must open it upstream."""
    from enfold.hub.records.addresses import typed_name

    with _writing(root, database) as session:
        from enfold.hub.records import Principal, audit, mirror_readers

        kind, name = typed_name(repository)
        mirror_readers.allow(session, kind, name, [_account(session, each) for each in reader])
        audit.note(session, Principal.job("command line"), "mirror.allow", f"{kind} {name}", readers=reader)
    typer.echo(f"{kind} {name} is mirrored for {', '.join(reader)}")


def forbid(
    repository: _Repository,
    root: _Root,
    reader: Annotated[
        list[str] | None, typer.Option(help="User or organisation; repeat for more. Everybody if none is named.")
    ] = None,
    database: _Database = None,
) -> None:
    """Take that back, at once; what is kept of the repository stays, for admins of the hub alone."""
    from enfold.hub.records.addresses import typed_name

    with _writing(root, database) as session:
        from enfold.hub.records import Principal, audit, mirror_readers

        kind, name = typed_name(repository)
        count = mirror_readers.forbid(session, kind, name, [_account(session, each) for each in reader or ()])
        audit.note(session, Principal.job("command line"), "mirror.forbid", f"{kind} {name}", readers=reader or [])
    typer.echo(f"{count} readers of the {kind} {name} fewer")


def list_(root: _Root, database: _Database = None) -> None:
    """List the repositories that are mirrored for some: type, name, readers."""
    with _writing(root, database) as session:
        from enfold.hub.records import mirror_readers

        for kind, name, readers in mirror_readers.listed(session):
            typer.echo("\t".join([kind, name, " ".join(readers)]))


def _account(session: Session, name: str) -> Account:
    from enfold.hub.records.accounts import find_account
    from enfold.hub.records.errors import NotKnown

    found = find_account(session, name)
    if found is None or found.kind == "model" or found.mirrored:
        raise NotKnown(f"there is no user or organisation {name!r} here")
    return found


@contextmanager
def _writing(root: Path, database: str | None) -> Iterator[Session]:
    for module in ("sqlalchemy", "fastapi"):
        require(module, extra="hub", purpose="a hub of one's own")
    from enfold.hub.records import HubRoot, Records

    records = Records(database or HubRoot.open(root, make=False).database)
    try:
        with records.write() as session:
            yield session
    finally:
        records.close()
