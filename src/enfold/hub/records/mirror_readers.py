"""Private and gated repositories of the upstream hub: mirrored only if listed, with those who may read them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.errors import NotKnown
from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.names import check_repository_name, fold, split_id
from enfold.hub.records.schema import Account, MirrorReader, now

__all__ = ["allow", "forbid", "listed", "reader_ids"]


def allow(session: Session, type: str, full_name: str, readers: Sequence[Account]) -> None:
    """Let users and the members of organisations read a repository that the upstream hub keeps from others.

    Raises:
        InvalidName: no repository can be called so.
    """
    check_repository_name(split_id(full_name)[1])
    for reader in readers:
        row = {"type": type, "folded": fold(full_name), "full_name": full_name, "account_id": reader.id}
        insert_if_absent(session, MirrorReader, **row, created_at=now())


def forbid(session: Session, type: str, full_name: str, readers: Sequence[Account] = ()) -> int:
    """Take that back, for some or for all; how many it was.

    Raises:
        NotKnown: nobody of them was listed.
    """
    chosen = (MirrorReader.type == type) & (MirrorReader.folded == fold(full_name))
    if readers:
        chosen = chosen & MirrorReader.account_id.in_([each.id for each in readers])
    rows = list(session.scalars(sa.select(MirrorReader).where(chosen)))
    for row in rows:
        session.delete(row)
    if not rows:
        raise NotKnown(f"no such reader of the {type} {full_name} is listed; `enfold hub mirror list` shows who is")
    return len(rows)


def listed(session: Session) -> list[tuple[str, str, list[str]]]:
    """Type and name of each repository that is listed, and the names of its readers."""
    rows = session.execute(
        sa.select(MirrorReader.type, MirrorReader.folded, MirrorReader.full_name, Account.name)
        .join(Account, Account.id == MirrorReader.account_id)
        .order_by(MirrorReader.type, MirrorReader.folded, Account.folded)
    )
    found: dict[tuple[str, str], tuple[str, str, list[str]]] = {}
    for type, folded, full_name, reader in rows:
        found.setdefault((type, folded), (type, full_name, []))[2].append(reader)
    return list(found.values())


def reader_ids(session: Session, type: str, full_name: str) -> frozenset[int]:
    """The accounts that are listed as readers of a repository."""
    mine = (MirrorReader.type == type) & (MirrorReader.folded == fold(full_name))
    return frozenset(session.scalars(sa.select(MirrorReader.account_id).where(mine)))
