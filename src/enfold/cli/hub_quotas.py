"""``enfold hub quota …``: how much an account may keep. And sizes as people write them, for other commands too."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from enfold.cli.hub_options import DatabaseUrl, Root, need_hub
from enfold.errors import SettingsError

__all__ = ["read_size", "register"]

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}


def register(hub: typer.Typer) -> None:
    """Add the group to the commands of the hub."""
    group = typer.Typer(help="How much an account may keep.", no_args_is_help=True)
    group.command("set")(quota_set)
    group.command("list")(quota_list)
    hub.add_typer(group, name="quota")


def read_size(option: str, text: str) -> int:
    """A number of bytes, such as ``500M`` or ``2T``, in powers of a thousand.

    Raises:
        SettingsError: it is none; ``option`` names where it stands.
    """
    match = re.fullmatch(r"([0-9]{1,15})([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise SettingsError(f"{option} {text!r} must be a number of bytes, such as 500M, 20G or 2T")
    return int(match[1]) * _UNITS[match[2]]


def quota_set(
    name: Annotated[str, typer.Argument(help="A user or an organisation.")],
    root: Root,
    total: Annotated[str, typer.Option(help="Large files of all its repositories: 500M, 20G, 2T, or none.")] = "none",
    file: Annotated[str, typer.Option(help="One large file, likewise.")] = "none",
    database: DatabaseUrl = None,
) -> None:
    """Limit the large files that an account may keep; what it has already stays."""
    need_hub()
    limits = [
        None if text == "none" else read_size(f"--{option}", text)
        for option, text in (("total", total), ("file", file))
    ]
    from enfold.hub.records import HubRoot, Principal, Records, accounts, audit
    from enfold.hub.records.schema import Quota

    records = Records(database or HubRoot.open(root, make=False).database)
    try:
        with records.write() as session:
            owner = accounts.account(session, name, "user", "org")
            quota = session.get(Quota, owner.id) or Quota(account_id=owner.id)
            quota.bytes, quota.file_bytes = limits
            session.add(quota)
            audit.note(session, Principal.job("command line"), "quota.set", name, total=limits[0], file=limits[1])
    finally:
        records.close()
    typer.echo(f"{name} may keep {_shown(limits[0])}, and {_shown(limits[1])} a file")


def quota_list(root: Root, database: DatabaseUrl = None) -> None:
    """List accounts that have large files or a limit: name, bytes in use, limit of all, limit of a file."""
    need_hub()
    import sqlalchemy as sa

    from enfold.hub.records import HubRoot, Records
    from enfold.hub.records.schema import Account, Quota, Repository

    used = sa.func.coalesce(sa.func.sum(Repository.used_storage), 0)
    chosen = (
        sa.select(Account.name, used, Quota.bytes, Quota.file_bytes)
        .outerjoin(Repository, Repository.account_id == Account.id)
        .outerjoin(Quota, Quota.account_id == Account.id)
        .group_by(Account.id, Account.name, Quota.account_id, Quota.bytes, Quota.file_bytes)
        .having(sa.or_(used > 0, Quota.account_id.is_not(None)))
        .order_by(Account.name)
    )
    records = Records(database or HubRoot.open(root, make=False).database)
    try:
        with records.read() as session:
            for name, in_use, total, file in session.execute(chosen):
                typer.echo(
                    "\t".join([name, str(in_use), *("none" if each is None else str(each) for each in (total, file))])
                )
    finally:
        records.close()


def _shown(limit: int | None) -> str:
    return "as much as there is room for" if limit is None else f"{limit} bytes"
