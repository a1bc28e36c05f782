"""Who may do what to a repository. Every decision of the hub is made here.

A right needs two yeses: the user's (owner, role in the organisation, admin of the hub, or anyone for a public
repository) and the token's (a read token never writes; a fine-grained one reaches what its grants name). What a caller
may not read does not exist for them: ask :func:`may` before saying whether something is there. What is mirrored from
another hub is written by nobody here, and what that hub keeps from others is read by those who are listed for it.
"""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa

from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import Repository

__all__ = ["Action", "downloadable", "may", "may_create", "may_see_private_of", "readable_private", "role_in"]

Action = Literal["read", "download", "discuss", "write", "admin"]
"""``read``: know that it is there; ``download``: get its files, which a gate may keep back; ``discuss``: comment, open
discussions and pull requests; ``write``: change its content; ``admin``: settings, move, delete, who is let in."""

_RANK = {"read": 0, "contributor": 1, "write": 2, "admin": 3}


def may(principal: Principal, action: Action, repository: Repository) -> bool:
    """Whether ``principal`` may do ``action`` to ``repository``."""
    if principal.kind == "job":
        return True
    if action == "read":
        return not repository.private or _reads_private(principal, repository)
    if action == "download":
        return may(principal, "read", repository) and _passes_gate(principal, repository)
    if principal.is_anonymous or (action == "write" and repository.mirrored):
        return False
    if action == "discuss":
        return may(principal, "read", repository) and principal.may_write_anything
    return _user_may(principal, action, repository) and _token_may(principal, action, repository)


def may_create(principal: Principal, account_id: int) -> bool:
    """Whether ``principal`` may make a repository under an account."""
    if principal.kind == "job":
        return True
    if principal.is_anonymous or not (principal.is_admin or role_in(principal, account_id) not in (None, "read")):
        return False
    if principal.scope == "fineGrained":
        return any(grant.account_id == account_id and grant.right != "read" for grant in principal.grants)
    return principal.scope == "write"


def may_see_private_of(principal: Principal, account_id: int) -> bool:
    """Whether ``principal`` may see all private repositories of an account."""
    if principal.kind == "job":
        return True
    if not principal.is_admin and role_in(principal, account_id) is None:
        return False
    return principal.scope != "fineGrained" or any(grant.account_id == account_id for grant in principal.grants)


def role_in(principal: Principal, account_id: int) -> str | None:
    """The principal's role in an account: in their own they are admin."""
    return principal.roles.get(account_id)


def readable_private(principal: Principal) -> sa.ColumnElement[bool] | None:
    """Which private repositories ``principal`` may read, as a condition on `Repository`; None is: none.

    The same answer as ``may(principal, "read", …)`` for each of them.
    """
    if principal.is_anonymous:
        return None
    everywhere = principal.kind == "job" or principal.is_admin
    listed = Repository.id.in_(sorted(principal.mirrored))
    member = sa.true() if everywhere else sa.or_(Repository.account_id.in_(sorted(principal.roles)), listed)
    if principal.kind == "job" or principal.scope != "fineGrained":
        return member
    accounts = sorted({grant.account_id for grant in principal.grants if grant.account_id is not None})
    repositories = sorted({grant.repository_id for grant in principal.grants if grant.repository_id is not None})
    granted = sa.or_(Repository.account_id.in_(accounts), Repository.id.in_(repositories))
    return sa.and_(member, granted)


def downloadable(principal: Principal) -> sa.ColumnElement[bool]:
    """Which repositories ``principal`` may get files from, as a condition on `Repository`.

    The same answer as ``may(principal, "download", …)`` for each of them, and no repository that is disabled.
    """
    private = readable_private(principal)
    readable = ~Repository.private if private is None else sa.or_(~Repository.private, private)
    if principal.kind == "job":
        return sa.true()
    if principal.is_anonymous:
        return sa.and_(readable, Repository.gated.is_(None), ~Repository.disabled)
    accepted = Repository.id.in_(sorted(principal.accepted))
    listed = Repository.id.in_(sorted(principal.mirrored))
    member = sa.or_(Repository.account_id.in_(sorted(principal.roles)), accepted, listed)
    let_in = sa.true() if principal.is_admin else member
    if principal.scope == "fineGrained":
        accounts = sorted({grant.account_id for grant in principal.grants if grant.account_id is not None})
        repositories = sorted({grant.repository_id for grant in principal.grants if grant.repository_id is not None})
        granted = sa.or_(Repository.account_id.in_(accounts), Repository.id.in_(repositories))
        let_in = sa.and_(let_in, sa.or_(granted, sa.and_(accepted, ~Repository.private)))
    open_ones = sa.true() if principal.is_admin else ~Repository.disabled
    return sa.and_(readable, sa.or_(Repository.gated.is_(None), let_in), open_ones)


def _reads_private(principal: Principal, repository: Repository) -> bool:
    if principal.is_anonymous:
        return False
    member = (
        principal.is_admin
        or role_in(principal, repository.account_id) is not None
        or repository.id in principal.mirrored
    )
    return member and _token_may(principal, "read", repository)


def _passes_gate(principal: Principal, repository: Repository) -> bool:
    """A gate lets in the account's own people, admins of the hub, and those who asked and were accepted."""
    if repository.gated is None:
        return True
    if principal.is_anonymous or not _token_may(principal, "read", repository, gate=True):
        return False
    return (
        principal.is_admin
        or role_in(principal, repository.account_id) is not None
        or repository.id in principal.accepted
        or repository.id in principal.mirrored
    )


def _user_may(principal: Principal, action: Action, repository: Repository) -> bool:
    if principal.is_admin:
        return True
    role = role_in(principal, repository.account_id)
    if role is None:
        return False
    if role == "contributor" and repository.creator_id == principal.account_id:
        return True
    return _RANK[role] >= _RANK["admin" if action == "admin" else "write"]


def _token_may(principal: Principal, action: Action, repository: Repository, *, gate: bool = False) -> bool:
    if principal.scope != "fineGrained":
        return action == "read" or principal.scope == "write"
    if gate and repository.id in principal.accepted and not repository.private:
        return True  # a public gate opens for the user who was accepted, whatever their token was made for
    return any(
        _RANK[grant.right] >= _RANK[action]
        and (grant.account_id == repository.account_id or grant.repository_id == repository.id)
        for grant in principal.grants
    )
