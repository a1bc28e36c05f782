"""Until when a client may hold a token to send files by Xet: what a clean-up has to wait for.

Who sends files relies on what it was told while its token was good. One moment is kept for all tokens, a little later
than the last of them ends, so that it need not be written with each.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.records import Records
from enfold.hub.records.schema import Setting

__all__ = ["last_end", "note_end"]

_NAME = "xet-tokens-end"


def note_end(records: Records, expires: int, *, spare: int) -> None:
    """Note that a token is given out which is good until ``expires`` (seconds since 1970).

    Args:
        records: the records.
        expires: its end.
        spare: seconds that are noted beyond it, so that the next tokens need not be noted.
    """
    with records.read() as session:
        if last_end(session) >= expires:
            return
    with records.write() as session:
        insert_if_absent(session, Setting, name=_NAME, value={"at": 0})
        kept = session.scalars(sa.select(Setting).where(Setting.name == _NAME).with_for_update()).one()
        kept.value = {"at": max(int(kept.value["at"]), expires + spare)}


def last_end(session: Session) -> int:
    """When the last token that was given out has ended (seconds since 1970); 0 when there was none."""
    kept = session.get(Setting, _NAME)
    return 0 if kept is None else int(kept.value["at"])
