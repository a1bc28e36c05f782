"""Addresses, decoded once: an ASGI layer, and the convertors that routes name their pieces with.

Clients escape every piece of an address: the revision ``refs/pr/1`` comes as ``refs%2Fpr%2F1``. A server's ``path`` is
unescaped as a whole, in which ``refs/pr/1/a/b`` has lost its pieces. The layer puts the escaped form in its place; the
framework's router matches that, and the convertors of this module unescape what a piece matched:

    {kind:kind}        models, datasets or spaces
    {repo:repo}        ns/name, or name for a canonical model; ns%2Fname is the same
    {place:place}      the same with datasets/ or spaces/ before it, as file and web addresses have it
    {revision:piece}   one piece: a branch, a tag, refs%2Fpr%2F1, a commit
    {path:pieces}      the rest, whose slashes may be escaped or not
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor

from enfold.hub.records.names import AFTER_REPOSITORY
from enfold.hub.records.repositories import RepositoryType
from enfold.hub.server.errors import HubError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["KINDS", "PathLayer", "RepositoryAddress", "escaped", "renamed"]

KINDS: dict[str, RepositoryType] = {"models": "model", "datasets": "dataset", "spaces": "space"}
"""Repository types, by the word that addresses have for them."""

_KIND = "|".join(KINDS)
_AFTER = "|".join(re.escape(word) for word in sorted(AFTER_REPOSITORY))
_REPOSITORY = rf"[^/]+(?:/(?!(?:{_AFTER})(?:/|$))[^/]+)?"
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_API = re.compile(rf"(/api/(?:{_KIND})/)({_REPOSITORY})(.*)", re.DOTALL)
_WEB = re.compile(rf"(/(?:(?:datasets|spaces)/)?)({_REPOSITORY})(.*)", re.DOTALL)


class PathLayer:
    """Put the escaped path where the router looks; refuse addresses that are no escaped UTF-8 (422)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        raw = scope.get("raw_path")
        path = _path(raw.partition(b"?")[0]) if raw is not None else quote(scope["path"])
        if path is None:
            problem = HubError(422, "the address is not UTF-8 with its special characters percent-encoded")
            await problem.response()(scope, receive, send)
            return
        scope["path"] = path  # in place: the layers around this one read which route was taken from the same scope
        await self._app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class RepositoryAddress:
    """A repository as an address names it, which may not be there."""

    type: RepositoryType
    full_name: str

    @classmethod
    def of_place(cls, place: str) -> RepositoryAddress:
        """Read ``datasets/ns/name``; the ending ``.git`` is git's."""
        first, _, rest = place.partition("/")
        if rest and first in KINDS and first != "models":
            return cls(KINDS[first], rest.removesuffix(".git"))
        return cls("model", place.removesuffix(".git"))

    @property
    def place(self) -> str:
        """The repository in web addresses, without a slash before it."""
        return self.full_name if self.type == "model" else f"{self.type}s/{self.full_name}"


def escaped(text: str, *, safe: str = "") -> str:
    """A text as one piece of an address."""
    return quote(text, safe=safe)


def renamed(path: str, full_name: str) -> str:
    """The address ``path`` (escaped) with another repository name in it."""
    match = _API.fullmatch(path) or _WEB.fullmatch(path)
    assert match is not None, path
    before, name, after = match.groups()
    return f"{before}{full_name}{'.git' if name.endswith('.git') else ''}{after}"


def _path(raw: bytes) -> str | None:
    """The escaped path, or None when it is not escaped UTF-8."""
    try:
        path = raw.decode("ascii")
    except UnicodeDecodeError:  # some clients send letters as they are
        path = quote(raw, safe="/%!$&'()*+,;=:@~")
    if _BROKEN_ESCAPE.search(path):
        return None
    try:
        unquote(path, errors="strict")
    except UnicodeDecodeError:
        return None
    return path


class _Piece(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


class _Pieces(_Piece):
    regex = ".*"


class _Kind(_Piece):
    regex = _KIND


class _Repository(_Piece):
    regex = _REPOSITORY

    def to_string(self, value: str) -> str:
        return quote(value)


class _Place(_Repository):
    regex = rf"(?:(?:datasets|spaces)/)?{_REPOSITORY}"


for _name, _convertor in (
    ("piece", _Piece),
    ("pieces", _Pieces),
    ("kind", _Kind),
    ("repo", _Repository),
    ("place", _Place),
):
    register_url_convertor(_name, cast("Convertor[str]", _convertor()))
