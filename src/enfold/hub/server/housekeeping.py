"""What a server does beside its requests, once at its start and then every hour: what was left behind goes.

Uploads that nobody went on with for a day, and the notes of which request led to which commit, which count for an hour.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from enfold.hub.records.schema import LandedCommit, now

if TYPE_CHECKING:
    from enfold.hub.server.state import HubState

__all__ = ["tidy"]

_KEPT = timedelta(days=1)


def tidy(state: HubState) -> None:
    """Remove it, as far as it is old enough."""
    state.root.remove_abandoned()
    oldest = now() - _KEPT
    with state.records.read() as session:
        some = session.scalar(sa.select(LandedCommit.digest).where(LandedCommit.at < oldest).limit(1))
    if some is not None:
        with state.records.write() as session:
            session.execute(sa.delete(LandedCommit).where(LandedCommit.at < oldest))
