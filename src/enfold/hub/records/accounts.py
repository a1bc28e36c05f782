"""Users and organisations: making them, finding them, and what a token's bearer is."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Sequence
from typing import Any, cast, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.errors import SettingsError, near
from enfold.hub.records.errors import InvalidName, NameTaken, NotKnown
from enfold.hub.records.names import check_account_name, fold
from enfold.hub.records.principals import Grant, Principal, Role
from enfold.hub.records.schema import AccessRequest, Account, Membership, MirrorReader, Repository, Token, TokenGrant

__all__ = [
    "account",
    "add_member",
    "change_profile",
    "create_organization",
    "create_user",
    "find_account",
    "members_of",
    "new_uid",
    "organizations_of",
    "principal_for",
    "user",
]


def new_uid() -> str:
    """A random id of 24 hexadecimal digits, as answers show them; never used again."""
    return secrets.token_hex(12)


def create_user(
    session: Session,
    name: str,
    *,
    full_name: str | None = None,
    email: str | None = None,
    is_admin: bool = False,
    taken_by_routes: Collection[str] = (),
) -> Account:
    """Make a user.

    Raises:
        InvalidName, NameTaken: the name cannot be used.
    """
    return _create(
        session, "user", name, full_name, taken_by_routes=taken_by_routes, email=_checked(email), is_admin=is_admin
    )


def create_organization(
    session: Session,
    name: str,
    *,
    full_name: str | None = None,
    members: Sequence[tuple[Account, Role]] = (),
    taken_by_routes: Collection[str] = (),
) -> Account:
    """Make an organisation with its first members.

    Raises:
        InvalidName, NameTaken: the name cannot be used.
    """
    made = _create(session, "org", name, full_name, taken_by_routes=taken_by_routes)
    for member, role in members:
        add_member(session, made, member, role)
    return made


def add_member(session: Session, organization: Account, member: Account, role: Role = "write") -> None:
    """Let a user into an organisation, or change their role.

    Raises:
        NotKnown: one is not an organisation, or the other not a user.
        SettingsError: there is no such role.
    """
    roles = list(get_args(Role))
    if role not in roles:
        raise SettingsError(f"no role {role!r} in an organisation; there are: {', '.join(roles)}{near(role, roles)}")
    if organization.kind != "org":
        raise NotKnown(f"{organization.name!r} is no organisation")
    if member.kind != "user":
        raise NotKnown(f"{member.name!r} is no user, and only users can be members")
    found = session.get(Membership, (organization.id, member.id))
    if found is None:
        session.add(Membership(organization_id=organization.id, user_id=member.id, role=role))
    else:
        found.role = role


def change_profile(user: Account, *, full_name: str, email: str) -> None:
    """Change how a user is called and the address in their commits; an empty one takes it away.

    Raises:
        InvalidName: the address is none.
    """
    user.email = _checked(email or None)
    user.full_name = full_name or user.name


def find_account(session: Session, name: str) -> Account | None:
    """The account of that name, whatever its case."""
    return session.scalars(sa.select(Account).where(Account.folded == fold(name))).one_or_none()


def account(session: Session, name: str, *kinds: str) -> Account:
    """The account of that name, of one of ``kinds`` (``user``, ``org``, ``model``; any when none is given).

    Raises:
        NotKnown: there is none.
    """
    found = find_account(session, name)
    if found is None or (kinds and found.kind not in kinds):
        what = {"user": "user", "org": "organisation"}.get(kinds[0], "account") if len(kinds) == 1 else "account"
        raise NotKnown(f"there is no {what} {name!r}{near(name, _names(session, kinds))}")
    return found


def user(session: Session, name: str) -> Account:
    """The user of that name.

    Raises:
        NotKnown: there is none.
    """
    return account(session, name, "user")


def organizations_of(session: Session, user_id: int) -> list[tuple[Account, Role]]:
    """The organisations a user is in, with the role there, by name."""
    rows = session.execute(
        sa.select(Account, Membership.role)
        .join(Membership, Membership.organization_id == Account.id)
        .where(Membership.user_id == user_id)
        .order_by(Account.folded)
    )
    return [(organization, cast("Role", role)) for organization, role in rows]


def members_of(session: Session, organization_id: int) -> list[tuple[Account, Role]]:
    """The members of an organisation, with their roles, by name."""
    rows = session.execute(
        sa.select(Account, Membership.role)
        .join(Membership, Membership.user_id == Account.id)
        .where(Membership.organization_id == organization_id)
        .order_by(Account.folded)
    )
    return [(member, cast("Role", role)) for member, role in rows]


def principal_for(session: Session, bearer: Account, token: Token | None = None) -> Principal:
    """What a user may do: with a token what it allows, without one (a signed-in browser) all of it."""
    roles: dict[int, Role] = {bearer.id: "admin"}
    for organization_id, role in session.execute(
        sa.select(Membership.organization_id, Membership.role).where(Membership.user_id == bearer.id)
    ):
        roles[organization_id] = cast("Role", role)
    accepted = session.scalars(
        sa.select(AccessRequest.repository_id).where(
            AccessRequest.user_id == bearer.id, AccessRequest.status == "accepted"
        )
    )
    listed = session.scalars(
        sa.select(Repository.id)
        .join(MirrorReader, sa.and_(MirrorReader.type == Repository.type, MirrorReader.folded == Repository.folded))
        .where(Repository.mirrored, MirrorReader.account_id.in_(sorted(roles)))
    )
    grants: list[Grant] = []
    if token is not None and token.role == "fineGrained":
        rows = session.scalars(sa.select(TokenGrant).where(TokenGrant.token_id == token.id))
        grants = [Grant(row.right, row.account_id, row.repository_id) for row in rows]  # type: ignore[arg-type]
    return Principal(
        kind="user",
        name=bearer.name,
        account_id=bearer.id,
        is_admin=bearer.is_admin,
        roles=roles,
        accepted=frozenset(accepted),
        mirrored=frozenset(listed),
        token_id=None if token is None else token.id,
        token_name="" if token is None else token.name,
        scope="write" if token is None else token.role,  # type: ignore[arg-type]
        grants=tuple(grants),
    )


def _create(
    session: Session, kind: str, name: str, full_name: str | None, *, taken_by_routes: Collection[str], **more: Any
) -> Account:
    check_account_name(name, taken_by_routes=taken_by_routes)
    if find_account(session, name) is not None:
        raise NameTaken(f"the name {name!r} is taken; users, organisations and models without namespace share names")
    made = Account(uid=new_uid(), kind=kind, name=name, folded=fold(name), full_name=full_name or name, **more)
    session.add(made)
    session.flush()
    return made


def _names(session: Session, kinds: tuple[str, ...]) -> list[str]:
    chosen = sa.select(Account.name).order_by(Account.id.desc()).limit(1000)
    return list(session.scalars(chosen.where(Account.kind.in_(kinds)) if kinds else chosen))


_MAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")


def _checked(email: str | None) -> str | None:
    if email is not None and not _MAIL.fullmatch(email):
        raise InvalidName(f"{email!r} is no e-mail address")
    return email
