"""What people say and keep: discussions and pull requests with their events, likes, collections."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from enfold.hub.records.schema.columns import AccountKey, Base, Number, RepositoryKey, now

__all__ = ["Collection", "CollectionItem", "Discussion", "DiscussionEvent", "Like"]


class Discussion(Base):
    """A discussion or a pull request; both are numbered in one row from 1. A pull request's ref is ``refs/pr/N``."""

    __tablename__ = "discussions"

    repository_id: Mapped[RepositoryKey] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    title: Mapped[str]
    status: Mapped[str]
    is_pull_request: Mapped[bool]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="SET NULL"), index=True)
    base: Mapped[str | None]
    merge_commit: Mapped[str | None]
    locked: Mapped[bool] = mapped_column(default=False)
    comments: Mapped[int] = mapped_column(sa.Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class DiscussionEvent(Base):
    """One thing that happened in a discussion: ``comment``, ``status-change``, ``commit``, ``title-change``."""

    __tablename__ = "discussion_events"

    id: Mapped[Number]
    uid: Mapped[str] = mapped_column(unique=True)
    repository_id: Mapped[int]
    number: Mapped[int] = mapped_column(sa.Integer)
    kind: Mapped[str]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="SET NULL"))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["repository_id", "number"],
            ["discussions.repository_id", "discussions.number"],
            ondelete="CASCADE",
            name="fk_discussion_events_discussion",
        ),
        sa.Index("ix_discussion_events_discussion", "repository_id", "number", "id"),
        {"sqlite_autoincrement": True},
    )


class Like(Base):
    """A user who likes a repository."""

    __tablename__ = "likes"

    user_id: Mapped[AccountKey] = mapped_column(primary_key=True)
    repository_id: Mapped[RepositoryKey] = mapped_column(primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Collection(Base):
    """A list of repositories under a title; ``slug`` is ``title-uid`` without the namespace."""

    __tablename__ = "collections"

    id: Mapped[Number]
    uid: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[AccountKey] = mapped_column(index=True)
    slug: Mapped[str]
    title: Mapped[str]
    description: Mapped[str | None]
    private: Mapped[bool] = mapped_column(default=False)
    theme: Mapped[str] = mapped_column(default="indigo")
    position: Mapped[int] = mapped_column(sa.Integer, default=0)
    upvotes: Mapped[int] = mapped_column(sa.Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (sa.UniqueConstraint("account_id", "slug"),)


class CollectionItem(Base):
    """One repository (or, by ``reference``, another thing) in a collection."""

    __tablename__ = "collection_items"

    id: Mapped[Number]
    uid: Mapped[str] = mapped_column(unique=True)
    collection_id: Mapped[int] = mapped_column(sa.ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    repository_id: Mapped[int | None] = mapped_column(sa.ForeignKey("repositories.id", ondelete="CASCADE"), index=True)
    reference: Mapped[dict[str, Any]] = mapped_column(default=dict)
    note: Mapped[str | None]
    position: Mapped[int] = mapped_column(sa.Integer)
    created_at: Mapped[datetime] = mapped_column(default=now)
