"""Repositories in the records: making, finding, renaming, deleting them. Their bytes are the store's."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, cast, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records import links, search
from enfold.hub.records.accounts import find_account, new_uid
from enfold.hub.records.errors import NameTaken, NotKnown
from enfold.hub.records.names import check_account_name, check_repository_name, fold, split_id
from enfold.hub.records.schema import Account, Rename, Repository, now

__all__ = [
    "REPOSITORY_TYPES",
    "RepositoryType",
    "create_repository",
    "delete_repository",
    "find_repository",
    "locate_repository",
    "move_repository",
]

RepositoryType = Literal["model", "dataset", "space"]
REPOSITORY_TYPES: tuple[RepositoryType, ...] = get_args(RepositoryType)


def create_repository(
    session: Session,
    type: RepositoryType,
    full_name: str,
    *,
    uid: str | None = None,
    creator_id: int | None = None,
    private: bool = False,
    sdk: str | None = None,
    taken_by_routes: Collection[str] = (),
) -> Repository:
    """Make a repository without refs.

    Args:
        type: what is in it.
        full_name: ``ns/name``, or ``name`` for a canonical model, whose name takes the place of an account.
        uid: its random id, when its folder was made before.
        creator_id: the user who makes it.
        private: whether only its account's people see it.
        sdk: of a space.
        taken_by_routes: the first pieces of the server's addresses.

    Raises:
        InvalidName, NameTaken: the name cannot be used.
        NotKnown: there is no such account.
    """
    owner, name = _place(session, type, full_name, taken_by_routes)
    made = Repository(
        uid=uid or new_uid(),
        type=type,
        account_id=owner.id,
        name=name,
        full_name=name if owner.kind == "model" else f"{owner.name}/{name}",
        folded=fold(full_name),
        creator_id=creator_id,
        private=private,
        sdk=sdk,
    )
    # A name that somebody left behind belongs to whoever takes it now.
    session.execute(sa.delete(Rename).where(Rename.type == type, Rename.folded == made.folded))
    session.add(made)
    session.flush()
    search.put(session, made)
    return made


def find_repository(session: Session, type: str, full_name: str) -> Repository | None:
    """The repository that has this name now, whatever its case."""
    chosen = sa.select(Repository).where(Repository.type == type, Repository.folded == fold(full_name))
    return session.scalars(chosen).one_or_none()


def locate_repository(session: Session, type: str, full_name: str) -> tuple[Repository | None, bool]:
    """The repository that has this name or had it before, and whether it has another name now."""
    found = find_repository(session, type, full_name)
    if found is not None:
        return found, False
    renamed = session.get(Rename, (type, fold(full_name)))
    return (None, False) if renamed is None else (session.get(Repository, renamed.repository_id), True)


def move_repository(
    session: Session, repository: Repository, full_name: str, *, taken_by_routes: Collection[str] = ()
) -> None:
    """Give a repository another name or another account; its old address is sent on to the new one.

    Raises:
        InvalidName, NameTaken: the name cannot be used.
        NotKnown: there is no such account.
    """
    owner, name = _place(session, cast("RepositoryType", repository.type), full_name, taken_by_routes, repository)
    before, folded = repository.folded, fold(full_name)
    session.execute(sa.delete(Rename).where(Rename.type == repository.type, Rename.folded.in_([before, folded])))
    if before != folded:
        session.add(Rename(type=repository.type, folded=before, repository_id=repository.id))
    left = session.get_one(Account, repository.account_id)
    repository.account_id = owner.id
    repository.name = name
    repository.full_name = name if owner.kind == "model" else f"{owner.name}/{name}"
    repository.folded = folded
    repository.updated_at = now()
    session.flush()
    if left.kind == "model" and left.id != owner.id:
        session.delete(left)
    search.put(session, repository)


def delete_repository(session: Session, repository: Repository) -> None:
    """Forget a repository and everything that belongs to it alone; its bytes are removed after the transaction."""
    owner = session.get_one(Account, repository.account_id)
    links.name_large_files(session, repository)
    session.execute(sa.delete(Repository).where(Repository.id == repository.id))
    if owner.kind == "model":
        session.execute(sa.delete(Account).where(Account.id == owner.id))


def _place(
    session: Session,
    type: RepositoryType,
    full_name: str,
    taken_by_routes: Collection[str],
    moving: Repository | None = None,
) -> tuple[Account, str]:
    """The account and the name of a repository to be, which is made for a canonical model."""
    namespace, name = split_id(full_name)
    check_repository_name(name)
    there = find_repository(session, type, full_name)
    if there is not None and there is not moving:
        raise NameTaken(f"A {type} repository called {there.full_name} already exists")
    if namespace is not None:
        owner = find_account(session, namespace)
        if owner is None or owner.kind == "model":
            raise NotKnown(f"there is no user or organisation {namespace!r}")
        return owner, name
    check_account_name(name, taken_by_routes=taken_by_routes)
    owner = find_account(session, name)
    if owner is not None and (moving is None or owner.id != moving.account_id):
        raise NameTaken(f"the name {name!r} is taken by a user, an organisation or another repository")
    if owner is None:
        owner = Account(uid=new_uid(), kind="model", name=name, folded=fold(name), full_name=name)
        session.add(owner)
        session.flush()
    return owner, name
