"""From what happened to the messages that webhooks get: whom it concerns, what it says, and how it is signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from enfold.hub.records import Principal, webhooks
from enfold.hub.records.accounts import find_account, principal_for
from enfold.hub.records.happenings import Happening, happened, mark
from enfold.hub.records.names import fold, split_id
from enfold.hub.records.permissions import may, role_in
from enfold.hub.records.schema import Account, Repository, Webhook, WebhookDelivery
from enfold.hub.server.paths import RepositoryAddress
from enfold.hub.server.pull_requests import changes_of

__all__ = ["body_of", "queue_messages", "signed_headers"]

_VERSION = 3


def queue_messages(session: Session, base: str) -> int:
    """Write down a message for each webhook that what is new concerns; how many there were.

    A webhook is told what its owner may see at this moment, with all the rights they have, and nothing that happened
    before it was made.

    Args:
        session: a writing transaction.
        base: the hub's own address, for links; the one in the mark goes before it.
    """
    listening = [(each, _owner(session, each)) for each in webhooks.enabled(session)]
    base = mark(session).value.get("address") or base
    count = 0
    for happening in happened(session):
        for webhook, owner in listening:
            if owner is not None and _concerns(session, webhook, owner, happening):
                session.add(WebhookDelivery(webhook_id=webhook.id, body=_message(session, base, webhook, happening)))
                count += 1
    return count


def body_of(message: dict[str, Any]) -> bytes:
    """A message as it is sent."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def signed_headers(webhook: Webhook, delivery_id: int, body: bytes, timestamp: int) -> dict[str, str]:
    """The headers of a message.

    ``X-Webhook-Signature`` is ``sha256=`` and the HMAC-SHA256 under the webhook's secret, in hexadecimal, of
    the timestamp, a full stop, and the body. A receiver that compares it and refuses old timestamps cannot be sent
    anything by others, nor the same thing again. ``X-Webhook-Secret`` is the secret itself, which receivers written for
    the public hub compare.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "enfold-hub",
        "X-Webhook-Id": f"{webhook.uid}-{delivery_id}",
        "X-Webhook-Timestamp": str(timestamp),
    }
    if webhook.secret:
        signed = f"{timestamp}.".encode() + body
        headers["X-Webhook-Secret"] = webhook.secret
        headers["X-Webhook-Signature"] = (
            "sha256=" + hmac.new(webhook.secret.encode(), signed, hashlib.sha256).hexdigest()
        )
    return headers


def _owner(session: Session, webhook: Webhook) -> Principal | None:
    owner = session.get(Account, webhook.user_id)
    return None if owner is None or owner.suspended_at is not None else principal_for(session, owner)


def _concerns(session: Session, webhook: Webhook, owner: Principal, happening: Happening) -> bool:
    if happening.at < webhook.created_at or not _watches(webhook.watched, happening):
        return False
    if happening.domain not in {str(each).removesuffix("s") for each in webhook.domains}:
        return False
    if happening.repository is not None:
        return may(owner, "read", happening.repository)
    # Nothing is left that would say who could read it: its own people are told.
    namespace = split_id(happening.names[0])[0]
    account = None if namespace is None else find_account(session, namespace)
    return owner.is_admin or (account is not None and role_in(owner, account.id) is not None)


def _watches(watched: Iterable[Any], happening: Happening) -> bool:
    names = {fold(name) for name in happening.names}
    namespaces = {fold(split_id(name)[0] or "") for name in happening.names}
    return any(
        fold(each["name"]) in (namespaces if each["type"] in ("user", "org") else names)
        and each["type"] in ("user", "org", happening.type)
        for each in watched
    )


def _message(session: Session, base: str, webhook: Webhook, happening: Happening) -> dict[str, Any]:
    said: dict[str, Any] = {
        "event": {"action": happening.action, "scope": happening.scope},
        "repo": _repository(session, base, happening),
        "webhook": {"id": webhook.uid, "version": _VERSION},
    }
    if happening.action == "move" and happening.repository is not None:
        owner = session.get_one(Account, happening.repository.account_id)
        said["movedTo"] = {"name": happening.repository.full_name, "owner": {"id": owner.uid}}
    if happening.move is not None:
        move = happening.move
        said["updatedRefs"] = [{"ref": move.name, "oldSha": move.old, "newSha": move.new}]
    found = happening.discussion
    if found is not None and happening.repository is not None:
        page = f"{_page(base, happening.repository)}/discussions/{found.number}"
        said["discussion"] = {
            "id": f"{happening.repository.uid}-{found.number}",
            "num": found.number,
            "title": found.title,
            "status": found.status,
            "isPullRequest": found.is_pull_request,
            "author": {"id": _uid(session, found.author_id)},
            "url": {"web": page, "api": f"{_api(base, happening.repository)}/discussions/{found.number}"},
        }
        if found.is_pull_request:
            said["discussion"]["changes"] = changes_of(found)
        if happening.comment is not None:
            hidden = bool(happening.comment.data.get("hidden"))
            said["comment"] = {
                "id": happening.comment.uid,
                "author": {"id": _uid(session, happening.comment.author_id)},
                "hidden": hidden,
                "url": {"web": f"{page}#{happening.comment.uid}"},
            }
            if not hidden:
                said["comment"]["content"] = happening.comment.data["versions"][-1]["raw"]
    return said


def _repository(session: Session, base: str, happening: Happening) -> dict[str, Any]:
    name = happening.names[-1]  # a message about a move names what was moved
    found = happening.repository
    if found is None:
        address = RepositoryAddress(happening.type, name)  # type: ignore[arg-type]
        namespace = split_id(name)[0]
        account = find_account(session, namespace or name)
        return {
            "type": happening.type,
            "name": name,
            "id": happening.uid or "",
            "private": True,
            "owner": {"id": "" if account is None else account.uid},
            "url": {"web": f"{base}/{address.place}", "api": f"{base}/api/{happening.type}s/{name}"},
        }
    return {
        "type": found.type,
        "name": name,
        "id": found.uid,
        "private": found.private,
        "headSha": found.sha,
        "tags": found.tags,
        "owner": {"id": _uid(session, found.account_id)},
        "url": {"web": _page(base, found), "api": _api(base, found)},
    }


def _page(base: str, repository: Repository) -> str:
    return f"{base}/{RepositoryAddress(repository.type, repository.full_name).place}"  # type: ignore[arg-type]


def _api(base: str, repository: Repository) -> str:
    return f"{base}/api/{repository.type}s/{repository.full_name}"


def _uid(session: Session, account_id: int | None) -> str:
    account = None if account_id is None else session.get(Account, account_id)
    return "" if account is None else account.uid
