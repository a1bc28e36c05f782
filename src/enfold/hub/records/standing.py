"""Who a ticket stands for: the user and the token it names, as they are now, not as they were when it was made."""

from __future__ import annotations

import secrets

from sqlalchemy.orm import Session

from enfold.hub.records.accounts import principal_for
from enfold.hub.records.inserting import insert_if_absent
from enfold.hub.records.principals import ANONYMOUS, Principal
from enfold.hub.records.records import Records
from enfold.hub.records.schema import Account, Setting, Token, now
from enfold.hub.records.tokens import TokenFault

__all__ = ["principal_now", "secret_key"]


def principal_now(session: Session, user_id: int | None, token_id: int | None) -> Principal:
    """The principal of a user and the token they came with; anonymous for None.

    Raises:
        TokenFault: the user is gone or suspended, or the token is gone, revoked or expired.
    """
    if user_id is None:
        return ANONYMOUS
    account = session.get(Account, user_id)
    token = None if token_id is None else session.get(Token, token_id)
    if account is None or account.suspended_at is not None:
        raise TokenFault("the account behind this is gone or suspended")
    if token_id is not None and (
        token is None
        or token.user_id != user_id
        or token.revoked_at is not None
        or (token.expires_at is not None and token.expires_at <= now())
    ):
        raise TokenFault("the token behind this was revoked, or has expired")
    return principal_for(session, account, token)


def secret_key(records: Records, name: str, length: int) -> bytes:
    """A secret of this hub that all its workers share; made when it is first asked for."""
    with records.read() as session:
        kept = session.get(Setting, name)
    if kept is None:
        with records.write() as session:
            insert_if_absent(session, Setting, name=name, value={"secret": secrets.token_hex(length)})
            kept = session.get_one(Setting, name)
    return bytes.fromhex(kept.value["secret"])
