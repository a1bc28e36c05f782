"""Repositories, their refs, what search and listings read of them, and who may read a gated one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from enfold.hub.records.schema.columns import AccountKey, Base, Number, RepositoryKey, now

__all__ = [
    "AccessRequest",
    "Download",
    "LandedCommit",
    "Mirror",
    "MirrorReader",
    "RefMove",
    "RefRecord",
    "Rename",
    "Repository",
    "RepositoryTag",
]


class Repository(Base):
    """A model, a data set or a space.

    ``uid`` is random and never used again; the folder of its git objects is named by it. ``full_name`` is
    ``ns/name``, or ``name`` for a canonical model. What is ``mirrored`` is written by the upstream hub alone; see
    `Mirror`. Columns from ``sha`` on are derived from the head of ``main`` and
    may be rebuilt.
    """

    __tablename__ = "repositories"

    id: Mapped[Number]
    uid: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    account_id: Mapped[AccountKey]
    name: Mapped[str]
    full_name: Mapped[str]
    folded: Mapped[str]
    creator_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="SET NULL"), index=True)
    private: Mapped[bool] = mapped_column(default=False)
    gated: Mapped[str | None]
    gate_fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    discussions_disabled: Mapped[bool] = mapped_column(default=False)
    mirrored: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    disabled: Mapped[bool] = mapped_column(default=False)
    description: Mapped[str | None]
    sdk: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    downloads: Mapped[int] = mapped_column(default=0)
    downloads_all_time: Mapped[int] = mapped_column(default=0)
    likes: Mapped[int] = mapped_column(default=0)
    trending: Mapped[float] = mapped_column(default=0.0)
    last_discussion: Mapped[int] = mapped_column(default=0)
    used_storage: Mapped[int] = mapped_column(default=0)
    sha: Mapped[str | None]
    card: Mapped[dict[str, Any] | None]
    config: Mapped[dict[str, Any] | None]
    safetensors: Mapped[dict[str, Any] | None]
    gguf: Mapped[dict[str, Any] | None]
    pipeline_tag: Mapped[str | None]
    library_name: Mapped[str | None]
    parameters: Mapped[int | None]
    tags: Mapped[list[Any]] = mapped_column(default=list)

    __table_args__ = (
        sa.UniqueConstraint("type", "folded"),
        sa.Index("ix_repositories_account", "account_id", "type"),
        *(
            sa.Index(f"ix_repositories_by_{column}", "type", "private", column, "id")
            for column in ("created_at", "updated_at", "downloads", "likes", "trending")
        ),
    )


class RepositoryTag(Base):
    """A tag that listings filter by, as the head's card and files give it."""

    __tablename__ = "repository_tags"

    tag: Mapped[str] = mapped_column(primary_key=True)
    repository_id: Mapped[RepositoryKey] = mapped_column(primary_key=True, index=True)


class Rename(Base):
    """A name that a repository had; requests for it are sent on to the new one."""

    __tablename__ = "renames"

    type: Mapped[str] = mapped_column(primary_key=True)
    folded: Mapped[str] = mapped_column(primary_key=True)
    repository_id: Mapped[RepositoryKey] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class RefRecord(Base):
    """Where a ref points: ``target`` is the object, ``commit`` what it is when a tag object is taken off."""

    __tablename__ = "refs"

    repository_id: Mapped[RepositoryKey] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str]
    commit: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class RefMove(Base):
    """One move of a ref, for history and webhooks; ``old`` or ``new`` is null when it was made or deleted."""

    __tablename__ = "ref_moves"

    id: Mapped[Number]
    repository_id: Mapped[RepositoryKey]
    name: Mapped[str]
    old: Mapped[str | None]
    new: Mapped[str | None]
    actor_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="SET NULL"))
    reason: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (sa.Index("ix_ref_moves_repository", "repository_id", "id"), {"sqlite_autoincrement": True})


class LandedCommit(Base):
    """A commit that was acknowledged, by a digest of what was asked: a repeated request is answered with it."""

    __tablename__ = "landed_commits"

    repository_id: Mapped[RepositoryKey] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    commit: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=now, index=True)


class AccessRequest(Base):
    """A user's wish to read a gated repository: ``pending``, ``accepted`` or ``rejected``."""

    __tablename__ = "access_requests"

    id: Mapped[Number]
    uid: Mapped[str] = mapped_column(unique=True)
    repository_id: Mapped[RepositoryKey]
    user_id: Mapped[AccountKey] = mapped_column(index=True)
    status: Mapped[str]
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    asked: Mapped[bool] = mapped_column(default=True)
    requested_at: Mapped[datetime] = mapped_column(default=now)
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="SET NULL"))
    reason: Mapped[str | None]

    __table_args__ = (sa.UniqueConstraint("repository_id", "user_id"),)


class Download(Base):
    """Downloads of a repository on one day."""

    __tablename__ = "downloads"

    repository_id: Mapped[RepositoryKey] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    count: Mapped[int]


class Mirror(Base):
    """A repository that follows one of the upstream hub, whose name there is ``upstream``.

    ``fetched_at`` is when it was last found to be as there, or made so; ``failed_at`` when that was last tried in vain
    since, and then ``state["fault"]`` says why.
    """

    __tablename__ = "mirrors"

    repository_id: Mapped[RepositoryKey] = mapped_column(primary_key=True)
    upstream: Mapped[str]
    state: Mapped[dict[str, Any]] = mapped_column(default=dict)
    fetched_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]


class MirrorReader(Base):
    """A user or an organisation that may read a private or gated repository of the upstream hub here.

    It is listed by its name (``folded``) before anything of it is fetched.
    """

    __tablename__ = "mirror_readers"

    type: Mapped[str] = mapped_column(primary_key=True)
    folded: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[AccountKey] = mapped_column(primary_key=True, index=True)
    full_name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
