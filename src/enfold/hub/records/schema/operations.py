"""What running a hub needs: the audit log, webhooks, jobs, quotas and settings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from enfold.hub.records.schema.columns import AccountKey, Base, Number, now

__all__ = ["AuditEntry", "Job", "Quota", "Setting", "Webhook", "WebhookDelivery"]


class AuditEntry(Base):
    """Who did what to what; names are kept as they were, also when the account is gone. Never a secret."""

    __tablename__ = "audit"

    id: Mapped[Number]
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    actor: Mapped[str]
    address: Mapped[str | None]
    action: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Webhook(Base):
    """An address that is told of what happens to the repositories and accounts it watches."""

    __tablename__ = "webhooks"

    id: Mapped[Number]
    uid: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[AccountKey] = mapped_column(index=True)
    url: Mapped[str]
    watched: Mapped[list[Any]] = mapped_column(default=list)
    domains: Mapped[list[Any]] = mapped_column(default=list)
    secret: Mapped[str | None]
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)


class WebhookDelivery(Base):
    """One message to a webhook, until it was taken or given up."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[Number]
    webhook_id: Mapped[int] = mapped_column(sa.ForeignKey("webhooks.id", ondelete="CASCADE"), index=True)
    body: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(sa.Integer, default=0)
    status: Mapped[str] = mapped_column(default="waiting")
    due_at: Mapped[datetime] = mapped_column(default=now)
    answer: Mapped[int | None] = mapped_column(sa.Integer)

    __table_args__ = (sa.Index("ix_webhook_deliveries_due", "status", "due_at"),)


class Job(Base):
    """Work for later that any worker may take: scans, mirroring, clean-up. ``key`` keeps it from being queued twice."""

    __tablename__ = "jobs"

    id: Mapped[Number]
    kind: Mapped[str]
    key: Mapped[str]
    arguments: Mapped[dict[str, Any]] = mapped_column(default=dict)
    status: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(sa.Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(default=now)
    taken_until: Mapped[datetime | None]
    message: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (sa.UniqueConstraint("kind", "key"), sa.Index("ix_jobs_due", "status", "due_at"))


class Quota(Base):
    """How much an account may keep; null is no limit of its own."""

    __tablename__ = "quotas"

    account_id: Mapped[AccountKey] = mapped_column(primary_key=True)
    bytes: Mapped[int | None]
    file_bytes: Mapped[int | None]
    repositories: Mapped[int | None] = mapped_column(sa.Integer)


class Setting(Base):
    """A setting of the hub that an admin changes while it runs, or a secret it made for itself."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
