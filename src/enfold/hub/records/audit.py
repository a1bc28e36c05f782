"""Who did what to what."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import AuditEntry

__all__ = ["note"]


def note(session: Session, principal: Principal, action: str, subject: str, **details: Any) -> None:
    """Add a line to the audit log, in the transaction of what it tells of.

    Args:
        session: the writing transaction.
        principal: who did it.
        action: what, such as ``repository.create``.
        subject: to what, by name.
        **details: what else matters; never a secret.
    """
    actor = principal.name or principal.kind
    session.add(AuditEntry(actor=actor, action=action, subject=subject, details=details))
