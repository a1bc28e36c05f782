"""Accounts: users, organisations and the names of canonical models, which share one namespace; tokens and sign-in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from enfold.hub.records.schema.columns import AccountKey, Base, Number, now

__all__ = ["Account", "DeviceLogin", "Follow", "Membership", "OneTimeLink", "Token", "TokenGrant", "WebSession"]


class Account(Base):
    """A name that repositories live under: a user, an organisation (``org``), or a canonical model (``model``).

    ``mirrored`` are those that came with a repository of the upstream hub, and are nobody's here.
    """

    __tablename__ = "accounts"

    id: Mapped[Number]
    uid: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    name: Mapped[str]
    folded: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str]
    email: Mapped[str | None]
    avatar_url: Mapped[str | None]
    password_hash: Mapped[str | None]
    is_admin: Mapped[bool] = mapped_column(default=False)
    mirrored: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    suspended_at: Mapped[datetime | None]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Membership(Base):
    """What a user may do in an organisation: ``read``, ``contributor``, ``write`` or ``admin``."""

    __tablename__ = "memberships"

    organization_id: Mapped[AccountKey] = mapped_column(primary_key=True)
    user_id: Mapped[AccountKey] = mapped_column(primary_key=True, index=True)
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Token(Base):
    """An access token: its digest only. ``role`` is ``read``, ``write`` or ``fineGrained``."""

    __tablename__ = "tokens"

    id: Mapped[Number]
    user_id: Mapped[AccountKey] = mapped_column(index=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (sa.UniqueConstraint("user_id", "name"),)


class TokenGrant(Base):
    """One line of a fine-grained token: a right (``read``, ``write``, ``admin``) on an account or a repository."""

    __tablename__ = "token_grants"

    id: Mapped[Number]
    token_id: Mapped[int] = mapped_column(sa.ForeignKey("tokens.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    repository_id: Mapped[int | None] = mapped_column(sa.ForeignKey("repositories.id", ondelete="CASCADE"), index=True)
    right: Mapped[str]


class WebSession(Base):
    """A signed-in browser: the digest of its cookie."""

    __tablename__ = "web_sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[AccountKey] = mapped_column(index=True)
    csrf: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class OneTimeLink(Base):
    """A link that works once: ``setup`` of the first admin, ``password`` of a user, ``invitation`` of a new one."""

    __tablename__ = "one_time_links"

    digest: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class DeviceLogin(Base):
    """A device that waits for its user to say yes in a browser (RFC 8628); both codes as digests."""

    __tablename__ = "device_logins"

    device_digest: Mapped[str] = mapped_column(primary_key=True)
    user_code_digest: Mapped[str] = mapped_column(unique=True)
    client: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(default="pending")
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    polled_at: Mapped[datetime | None]


class Follow(Base):
    """A user who follows an account."""

    __tablename__ = "follows"

    follower_id: Mapped[AccountKey] = mapped_column(primary_key=True)
    followed_id: Mapped[AccountKey] = mapped_column(primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
