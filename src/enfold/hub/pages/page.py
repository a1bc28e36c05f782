"""What every page is made with: who looks at it, in which language, and how errors and headers become a page.

A page is opened by the cookie of a signed-in browser and by nothing else; no other part of the hub takes the cookie.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from jinja2 import Environment
from markupsafe import Markup
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from enfold.errors import EnfoldError, InputError, SettingsError
from enfold.hub.pages import assets
from enfold.hub.pages.language import Language, chosen_language, translated
from enfold.hub.records import ANONYMOUS, Principal, RecordsError, sessions
from enfold.hub.records.accounts import principal_for
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.errors import HubError, Moved
from enfold.hub.server.origins import base_url
from enfold.hub.server.state import HubState, State
from enfold.hub.store import GitError
from enfold.web.pages import environment

__all__ = ["REFUSALS", "Here", "Page", "PageRoute", "SignedInHere", "cookie_name", "safe_path", "told"]

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: forms would then be sent with the origin "null", and their origin is checked.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}
REFUSALS = (HubError, InputError, SettingsError, RecordsError, GitError)
"""What is told on the page of a form. Failures of the hub itself are not: their texts are for its log."""
_YEAR = 365 * 86_400
_SAID = {
    "saved": "Saved.",
    "made": "It was made.",
    "deleted": "It was deleted.",
    "revoked": "The token was revoked.",
    "password": "The password was changed. Other browsers were signed out.",
    "signed-out": "You are signed out.",
}
"""What a page may say after a form was sent, by the word in its address."""


@dataclass
class Page:
    """One request for a page: who looks, and what the answer is written with."""

    request: Request
    state: HubState
    principal: Principal
    language: Language
    session: str | None
    """The digest of the session's secret."""
    _form_key: str
    _cookies: dict[str, tuple[str, int | None]] = field(default_factory=dict)

    @property
    def form_key(self) -> str:
        """What a form on this page has to carry: the session's, or for nobody in particular one by cookie."""
        if self._form_key:
            return self._form_key
        kept = self.request.cookies.get(cookie_name(self.request, "form"), "")
        if len(kept) < 32:
            kept = secrets.token_urlsafe(24)
            self.keep("form", kept, None)
            self.request.cookies[cookie_name(self.request, "form")] = kept
        return hashlib.sha256(b"form " + kept.encode()).hexdigest()

    @property
    def form_field(self) -> Markup:
        """The hidden field that every form has."""
        return Markup('<input type="hidden" name="form_key" value="{}">').format(self.form_key)

    def keep(self, name: str, value: str, seconds: int | None) -> None:
        """Give the browser a cookie with the answer; an empty one takes it away."""
        self._cookies[cookie_name(self.request, name)] = (value, seconds)

    def say(self, text: str, **values: Any) -> str:
        """A text of the pages in the reader's language."""
        return translated(self.language, text, **values)

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """The page that a template makes."""
        made = _templates().get_template(template)
        text = made.render(
            page=self,
            t=self.say,
            viewer=self.principal,
            said=_SAID.get(self.request.query_params.get("said", "")),
            assets=assets.ADDRESSES,
            piece=lambda text: quote(text, safe=""),
            pieces=lambda text: quote(text, safe="/"),
            **values,
        )
        return self.finish(HTMLResponse(text, status_code=status))

    def go(self, path: str, *, said: str | None = None) -> Response:
        """Send the browser to another page of this hub."""
        where = f"{path}?{urlencode({'said': said})}" if said else path
        return self.finish(RedirectResponse(where, status_code=303))

    def finish(self, response: Response) -> Response:
        """Put the cookies on an answer."""
        secure = is_secure(self.request)
        for name, (value, seconds) in self._cookies.items():
            age = 0 if not value else seconds
            response.set_cookie(name, value, max_age=age, path="/", secure=secure, httponly=True, samesite="lax")
        return response

    def language_address(self, language: str) -> str:
        """The address of this page in another language."""
        query = [
            (name, value) for name, value in self.request.query_params.multi_items() if name not in ("lang", "said")
        ]
        return f"{self.request.scope['path']}?{urlencode([*query, ('lang', language)])}"

    def address_with(self, **changed: Any) -> str:
        """The address of this page with other values in its query; None takes one out."""
        query = dict(self.request.query_params)
        query.pop("said", None)
        query.update({name: str(value) for name, value in changed.items() if value is not None})
        for name in [name for name, value in changed.items() if value is None]:
            query.pop(name, None)
        path = str(self.request.scope["path"])
        return f"{path}?{urlencode(query)}" if query else path

    @property
    def base(self) -> str:
        """The hub's own address."""
        return base_url(self.request)


@cache
def _templates() -> Environment:
    made = environment("enfold.hub.pages")
    made.filters["short"] = _short
    return made


def _short(value: float) -> str:
    """A large number in few letters: ``110_000_000`` is ``110M``."""
    for unit in ("", "K", "M", "B"):
        if value < 1000 or unit == "B":
            break
        value /= 1000
    return f"{value:.3g}{unit}"


def is_secure(request: Request) -> bool:
    """Whether the browser speaks to the hub by https."""
    return base_url(request).startswith("https://")


def cookie_name(request: Request, name: str) -> str:
    """A cookie's name; under https with the prefix that keeps other hosts of the domain from setting it."""
    return f"__Host-enfold_{name}" if is_secure(request) else f"enfold_{name}"


def told(fault: Exception) -> str:
    """What was wrong with a form, in words for its page."""
    if isinstance(fault, ValidationError):
        first = fault.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(fault.detail) if isinstance(fault, HubError) else str(fault)


def safe_path(text: str) -> str:
    """An address of this hub that came from outside, or the first page when it is none."""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable():
        return "/"
    return text


def _page(request: Request, state: State) -> Page:
    secret = request.cookies.get(cookie_name(request, "session"))
    principal, digest, key = ANONYMOUS, None, ""
    if secret:
        with state.records.read() as session:
            found = sessions.find(session, secret)
            if found is not None:
                principal, digest, key = principal_for(session, found[1]), found[0].digest, found[0].csrf
    request.state.principal = principal
    asked = request.query_params.get("lang", "")
    kept = request.cookies.get(cookie_name(request, "language"), "")
    language = chosen_language(asked, kept, request.headers.get("accept-language", ""))
    page = Page(request, state, principal, language, digest, key)
    if asked and asked == language:
        page.keep("language", language, _YEAR)
    return page


Here = Annotated[Page, Depends(_page)]
"""The page that is asked for, as an argument of a route."""


async def _signed_in(page: Here) -> Page:
    if page.principal.is_anonymous:
        raise HubError(401, "Sign in to see this page.")
    return page


SignedInHere = Annotated[Page, Depends(_signed_in)]
"""The same for a signed-in browser; others are sent to sign in."""


class PageRoute(BoundedRoute):
    """A route that answers with a page, also when something is wrong, and with the headers that pages have."""

    def plain_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, on a body with a bound."""
        return super().get_route_handler()

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors as pages."""
        handle = self.plain_handler()

        async def shown(request: Request) -> Response:
            try:
                response = await handle(request)
            except (HTTPException, EnfoldError, RequestValidationError, Moved) as error:
                response = await _error_page(request, error)
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            response.headers.setdefault("Cache-Control", "private, no-store")
            return response

        return shown


async def _error_page(request: Request, error: Exception) -> Response:
    """What the API would answer to an error, as a page."""
    handlers = request.app.exception_handlers
    answer: Response = await next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)(request, error)
    if answer.status_code < 400:
        return answer
    message = json.loads(bytes(answer.body))["error"]
    status, code = answer.status_code, answer.headers.get("x-error-code")
    page = await run_in_threadpool(_page, request, request.app.state.hub)
    anonymous = page.principal.is_anonymous
    if status == 401 and code != "RepoNotFound" and request.method == "GET" and anonymous:
        return page.go(f"/login?{urlencode({'next': page.address_with()})}")
    if code == "RepoNotFound" or status == 404:
        # What is missing and what the reader may not know of look the same.
        status = 404
        message = (
            "There is nothing at this address, or you may not see it." if code in (None, "RepoNotFound") else message
        )
    return page.render("error.html.j2", status=status, message=message, anonymous=anonymous)
