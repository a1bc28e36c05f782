"""Webhooks: who wants to be told of what, and the messages that wait to be sent.

A message is written down before it is sent, and stays until it was taken or given up: no restart loses one. A receiver
may get one twice, when its answer was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.accounts import new_uid
from enfold.hub.records.schema import Webhook, WebhookDelivery, now

__all__ = [
    "claim",
    "create_webhook",
    "enabled",
    "find_webhook",
    "finish",
    "is_due",
    "put_off",
    "remove_old",
    "webhooks_of",
]

WAITS = (10, 60, 300, 1800, 7200, 21_600)
"""Seconds until a message that was not taken is sent again; after the last it is given up."""
_LEASE = timedelta(seconds=120)
_KEPT = timedelta(days=7)


def create_webhook(
    session: Session, user_id: int, url: str, *, watched: list[Any], domains: list[Any], secret: str | None
) -> Webhook:
    """Make a webhook."""
    made = Webhook(uid=new_uid(), user_id=user_id, url=url, watched=watched, domains=domains, secret=secret)
    session.add(made)
    session.flush()
    return made


def webhooks_of(session: Session, user_id: int) -> Sequence[Webhook]:
    """A user's webhooks, oldest first."""
    return session.scalars(sa.select(Webhook).where(Webhook.user_id == user_id).order_by(Webhook.id)).all()


def find_webhook(session: Session, user_id: int, uid: str) -> Webhook | None:
    """A webhook by its id, if it is this user's."""
    return session.scalars(sa.select(Webhook).where(Webhook.user_id == user_id, Webhook.uid == uid)).one_or_none()


def enabled(session: Session) -> Sequence[Webhook]:
    """All webhooks that are on."""
    return session.scalars(sa.select(Webhook).where(Webhook.disabled == sa.false()).order_by(Webhook.id)).all()


def is_due(session: Session) -> bool:
    """Whether there is a message to be sent now."""
    chosen = sa.select(WebhookDelivery.id).join(Webhook, Webhook.id == WebhookDelivery.webhook_id).where(_due())
    return session.scalars(chosen.limit(1)).first() is not None


def claim(session: Session, limit: int) -> list[tuple[WebhookDelivery, Webhook]]:
    """Take messages that are due; who does not report on one within two minutes loses it to another."""
    rows = session.execute(
        sa.select(WebhookDelivery, Webhook)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(_due())
        .order_by(WebhookDelivery.due_at, WebhookDelivery.id)
        .limit(limit)
    ).all()
    claimed = []
    for delivery, webhook in rows:
        attempts = delivery.attempts
        taken = cast(
            "sa.CursorResult[Any]",
            session.execute(
                sa.update(WebhookDelivery)
                .where(
                    WebhookDelivery.id == delivery.id,
                    WebhookDelivery.status == "waiting",
                    WebhookDelivery.attempts == attempts,
                )
                .values(due_at=now() + _LEASE, attempts=attempts + 1)
            ),
        )
        if taken.rowcount == 1:
            claimed.append((delivery, webhook))
    return claimed


def finish(session: Session, delivery_id: int, status: str, answer: int | None) -> None:
    """Note that a message was ``delivered``, or has ``failed`` for good; what it said is not kept."""
    _set(session, delivery_id, status=status, answer=answer, body={})


def put_off(session: Session, delivery_id: int, attempts: int, answer: int | None) -> bool:
    """Send a message again later; false when that was tried often enough, and it is given up."""
    if attempts > len(WAITS):
        finish(session, delivery_id, "failed", answer)
        return False
    _set(session, delivery_id, answer=answer, due_at=now() + timedelta(seconds=WAITS[attempts - 1]))
    return True


def remove_old(session: Session) -> None:
    """Forget messages that were sent or given up a week ago."""
    session.execute(
        sa.delete(WebhookDelivery).where(WebhookDelivery.status != "waiting", WebhookDelivery.due_at < now() - _KEPT)
    )


def _due() -> sa.ColumnElement[bool]:
    return sa.and_(WebhookDelivery.status == "waiting", WebhookDelivery.due_at <= now(), Webhook.disabled == sa.false())


def _set(session: Session, delivery_id: int, **values: Any) -> None:
    session.execute(sa.update(WebhookDelivery).where(WebhookDelivery.id == delivery_id).values(**values))
