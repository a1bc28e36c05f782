"""How the hub fares, for its admins: what accounts keep and may keep, and the work that waits."""

from __future__ import annotations

import re

import sqlalchemy as sa
from fastapi import APIRouter
from starlette.responses import Response

from enfold.hub.pages.admin import AdminHere
from enfold.hub.pages.forms import Form, text
from enfold.hub.pages.page import REFUSALS, Page, PageRoute, told
from enfold.hub.records import accounts, audit
from enfold.hub.records.schema import Account, Job, Quota, Repository, Webhook, WebhookDelivery, now
from enfold.hub.server.errors import HubError

__all__ = ["router"]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_PER_PAGE = 100
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*(B|kB|MB|GB|TB)?", re.IGNORECASE)
_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_MOST = 2**62


@router.get("/admin/quotas")
def quotas_page(page: AdminHere, q: str = "", after: str = "") -> Response:
    """What each account keeps, and its quota."""
    return _quotas(page, q, after, None)


@router.post("/admin/quotas")
def change_quota(page: AdminHere, form: Form) -> Response:
    """Set an account's quota; an empty field is none."""
    name = text(form, "account", longest=100)
    try:
        limits = {each: _bytes_in(each, text(form, each, longest=30)) for each in ("bytes", "file_bytes")}
        with page.state.records.write() as session:
            account = accounts.account(session, name)
            found = session.get(Quota, account.id)
            if found is None:
                found = Quota(account_id=account.id)
                session.add(found)
            found.bytes, found.file_bytes = limits["bytes"], limits["file_bytes"]
            audit.note(session, page.principal, "quota.set", account.name, **limits)
    except REFUSALS as fault:
        return _quotas(page, "", "", told(fault))
    return page.go("/admin/quotas", said="saved")


@router.get("/admin/jobs")
def jobs_page(page: AdminHere, after: int = 0) -> Response:
    """The work that waits or has failed, the oldest first, and the messages that webhooks wait for."""
    with page.state.records.read() as session:
        found = list(session.scalars(sa.select(Job).where(Job.id > after).order_by(Job.id).limit(_PER_PAGE + 1)))
        counts = sa.select(Job.kind, Job.status, sa.func.count()).group_by(Job.kind, Job.status)
        kinds = session.execute(counts.order_by(Job.kind, Job.status)).all()
        waiting = session.execute(
            sa.select(WebhookDelivery, Webhook.url, Account.name)
            .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
            .join(Account, Account.id == Webhook.user_id)
            .where(WebhookDelivery.status != "delivered")
            .order_by(WebhookDelivery.id.desc())
            .limit(_PER_PAGE)
        ).all()
    rows = found[:_PER_PAGE]
    return page.render(
        "jobs.html.j2",
        tab="jobs",
        rows=rows,
        kinds=kinds,
        waiting=waiting,
        now=now(),
        after=rows[-1].id if len(found) > _PER_PAGE else None,
    )


def _bytes_in(name: str, given: str) -> int | None:
    """An amount of bytes as a person writes it; nothing is None."""
    if not given:
        return None
    match = _AMOUNT.fullmatch(given)
    amount = None if match is None else float(match[1]) * _UNITS[(match[2] or "B").lower()]
    if amount is None or amount > _MOST:
        raise HubError(422, f"{name}: {given!r} is no amount of bytes; write it like 500 MB or 2 TB")
    return round(amount)


def _written(amount: int | None) -> str:
    """An amount as `_bytes_in` reads it back to the byte; nothing for None."""
    if amount is None:
        return ""
    for unit, words in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if amount >= unit and amount % (unit // 1000) == 0:
            return f"{amount / unit:.3f}".rstrip("0").rstrip(".") + f" {words}"
    return f"{amount} B"


def _quotas(page: Page, q: str, after: str, fault: str | None) -> Response:
    used = (
        sa.select(Repository.account_id, sa.func.sum(Repository.used_storage).label("used"), sa.func.count().label("n"))
        .group_by(Repository.account_id)
        .subquery()
    )
    chosen = (
        sa.select(Account, Quota, sa.func.coalesce(used.c.used, 0), sa.func.coalesce(used.c.n, 0))
        .outerjoin(Quota, Quota.account_id == Account.id)
        .outerjoin(used, used.c.account_id == Account.id)
        .where(Account.folded > after.lower())
    )
    if q:
        chosen = chosen.where(Account.folded.contains(q.lower(), autoescape=True))
    with page.state.records.read() as session:
        found = session.execute(chosen.order_by(Account.folded).limit(_PER_PAGE + 1)).all()
    rows = found[:_PER_PAGE]
    return page.render(
        "quotas.html.j2",
        status=200 if fault is None else 422,
        tab="quotas",
        rows=rows,
        q=q,
        written=_written,
        after=rows[-1][0].folded if len(found) > _PER_PAGE else None,
        fault=fault,
    )
