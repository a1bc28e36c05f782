"""Likes of repositories, and who follows whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.permissions import readable_private
from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import Account, Follow, Like, Repository, now

__all__ = ["follow", "followed_by", "followers_of", "like", "likers_of", "likes_of", "readable", "unfollow", "unlike"]


def readable(principal: Principal) -> sa.ColumnElement[bool]:
    """Which repositories ``principal`` may read, as a condition on `Repository`."""
    private = readable_private(principal)
    public = Repository.private == sa.false()
    return public if private is None else sa.or_(public, private)


def like(session: Session, repository: Repository, user_id: int) -> None:
    """Like a repository; once is all that counts."""
    if insert_if_absent(session, Like, user_id=user_id, repository_id=repository.id, created_at=now()):
        _count(session, repository, 1)


def unlike(session: Session, repository: Repository, user_id: int) -> None:
    """Take a like back, if there is one."""
    if _deleted(session, sa.delete(Like).where(Like.user_id == user_id, Like.repository_id == repository.id)):
        _count(session, repository, -1)


def likers_of(session: Session, repository: Repository, *, after: int = 0, limit: int) -> Sequence[Account]:
    """Who likes a repository, by number, from behind the number ``after``."""
    return session.scalars(
        sa.select(Account)
        .join(Like, Like.user_id == Account.id)
        .where(Like.repository_id == repository.id, Account.id > after)
        .order_by(Account.id)
        .limit(limit)
    ).all()


def likes_of(
    session: Session, user_id: int, principal: Principal, *, after: int = 0, limit: int
) -> list[tuple[Like, Repository]]:
    """What a user likes, as far as ``principal`` may read it."""
    rows = session.execute(
        sa.select(Like, Repository)
        .join(Repository, Repository.id == Like.repository_id)
        .where(Like.user_id == user_id, Repository.id > after, readable(principal))
        .order_by(Repository.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def follow(session: Session, follower_id: int, followed: Account) -> None:
    """Follow an account."""
    insert_if_absent(session, Follow, follower_id=follower_id, followed_id=followed.id, created_at=now())


def unfollow(session: Session, follower_id: int, followed: Account) -> None:
    """Follow an account no longer."""
    _deleted(session, sa.delete(Follow).where(Follow.follower_id == follower_id, Follow.followed_id == followed.id))


def followers_of(session: Session, account_id: int, *, after: int = 0, limit: int) -> Sequence[Account]:
    """Who follows an account, by number, from behind the number ``after``."""
    return _accounts(session, Follow.follower_id, Follow.followed_id == account_id, after, limit)


def followed_by(session: Session, account_id: int, *, after: int = 0, limit: int) -> Sequence[Account]:
    """The users that a user follows."""
    return _accounts(
        session, Follow.followed_id, Follow.follower_id == account_id, after, limit, Account.kind == "user"
    )


def _accounts(
    session: Session, column: Any, condition: sa.ColumnElement[bool], after: int, limit: int, *more: Any
) -> Sequence[Account]:
    chosen = sa.select(Account).join(Follow, column == Account.id).where(condition, Account.id > after, *more)
    return session.scalars(chosen.order_by(Account.id).limit(limit)).all()


def _count(session: Session, repository: Repository, by: int) -> None:
    session.execute(
        sa.update(Repository)
        .where(Repository.id == repository.id)
        .values(likes=Repository.likes + by)
        .execution_options(synchronize_session=False)
    )


def _deleted(session: Session, statement: Any) -> bool:
    return cast("sa.CursorResult[Any]", session.execute(statement)).rowcount > 0
