"""Forms that only our own pages can send: the origin of each is checked, and the key that its page was given."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.datastructures import FormData
from starlette.requests import Request

from enfold.hub.pages.page import Here, Page
from enfold.hub.server.errors import HubError
from enfold.hub.server.origins import base_url

__all__ = ["Form", "check_key", "check_origin", "text"]

_MOST_FIELDS = 500


async def _sent(request: Request, page: Here) -> FormData:
    check_origin(request)
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    check_key(form, page)
    return form


Form = Annotated[FormData, Depends(_sent)]
"""The fields of a form that was sent from a page of this hub; anything else is refused (403)."""


def text(form: FormData, name: str, *, longest: int = 1000) -> str:
    """A field of one line, without space around it; empty when it was not sent.

    Raises:
        HubError: it is too long (422).
    """
    value = form.get(name, "")
    found = value.strip() if isinstance(value, str) else ""
    if len(found) > longest:
        raise HubError(422, f"{name} has {len(found)} characters; at most {longest} are allowed")
    return found


def check_key(form: FormData, page: Page) -> None:
    """Refuse a form without the key that its page was given (403)."""
    given = form.get("form_key")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), page.form_key.encode()):
        raise HubError(403, "This form is out of date. Go back, load the page again, and send it once more.")


def check_origin(request: Request) -> None:
    """Refuse a form that was sent from another address than the hub's own (403)."""
    origin = request.headers.get("origin")
    ours = base_url(request)
    if origin is None:
        # Every browser of today sends it with a form; the kind of site is what a proxy may have left instead.
        if request.headers.get("sec-fetch-site") == "same-origin":
            return
        raise HubError(403, "The form was sent without the address of the page it stood on.")
    # Beside the public address, the one that this very request went to: a browser cannot be made to lie about that.
    direct = f"{request.scope['scheme']}://{request.headers.get('host', '')}"
    if urlsplit(origin)[:2] not in (urlsplit(ours)[:2], urlsplit(direct)[:2]):
        raise HubError(403, f"The form was sent from another address than the hub's own, which is {ours}.")
