"""What an account is to others: how many of its repositories they see, who likes and follows."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.likes import readable
from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import Account, Discussion, Follow, Like, Membership, Repository

__all__ = ["Profile", "profile_of", "repositories_of"]


@dataclass(frozen=True, slots=True)
class Profile:
    """Counts around an account, as one caller sees them."""

    repositories: dict[str, int]
    """By type."""
    likes: int
    discussions: int
    followers: int
    following: int
    members: int


def profile_of(session: Session, principal: Principal, account: Account) -> Profile:
    """The counts of an account; repositories that ``principal`` may not read do not count."""
    mine = (Repository.account_id == account.id) & readable(principal)
    by_type = session.execute(sa.select(Repository.type, sa.func.count()).where(mine).group_by(Repository.type))

    def count(condition: sa.ColumnElement[bool]) -> int:
        return session.scalar(sa.select(sa.func.count()).where(condition)) or 0

    readable_ones = sa.select(Repository.id).where(readable(principal))
    return Profile(
        repositories={str(type): number for type, number in by_type},
        likes=count((Like.user_id == account.id) & Like.repository_id.in_(readable_ones)),
        discussions=count((Discussion.author_id == account.id) & Discussion.repository_id.in_(readable_ones)),
        followers=count(Follow.followed_id == account.id),
        following=count(Follow.follower_id == account.id),
        members=count(Membership.organization_id == account.id),
    )


def repositories_of(
    session: Session, principal: Principal, account_id: int, *, after: int = 0, limit: int
) -> list[Repository]:
    """An account's repositories that ``principal`` may read, oldest first, from behind the number ``after``."""
    return list(
        session.scalars(
            sa.select(Repository)
            .where(Repository.account_id == account_id, Repository.id > after, readable(principal))
            .order_by(Repository.id)
            .limit(limit)
        )
    )
