"""Who asks, and may they: what routes take as arguments instead of deciding it themselves.

    def tree(access: ApiRead, …)        access.repository is there and may be read by access.principal
    def commit(access: ApiWrite, …)     … and written

A repository that the caller may not know of is answered like one that is not there; whether there is a redirect from
an older name is asked after that. A cookie opens nothing here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Path
from starlette.requests import Request

from enfold.hub.records import ANONYMOUS, Principal
from enfold.hub.records.permissions import Action, may
from enfold.hub.records.repositories import locate_repository
from enfold.hub.records.schema import Repository
from enfold.hub.server.errors import (
    Moved,
    bad_credentials,
    disabled_repository,
    forbidden,
    gated_repository,
    mirrored_repository,
    repository_not_found,
    sign_in_needed,
)
from enfold.hub.server.mirror.warning_layer import warn
from enfold.hub.server.origins import base_url
from enfold.hub.server.paths import KINDS, RepositoryAddress, renamed
from enfold.hub.server.state import HubState, State

__all__ = [
    "Access",
    "ApiAdmin",
    "ApiDiscuss",
    "ApiDownload",
    "ApiRead",
    "ApiWrite",
    "Caller",
    "SignedIn",
    "WebDownload",
    "WebRead",
    "WebWrite",
    "bring",
    "check",
    "find",
    "moved_to",
]


@dataclass(frozen=True, slots=True)
class Access:
    """A repository that is there, and a caller who may do to it what the route does."""

    repository: Repository
    principal: Principal


def _secret(request: Request) -> str | None:
    """The token of a request: a bearer token, or the password of Basic, whatever the user's name."""
    header = request.headers.get("authorization")
    if not header:
        return None
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            _, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            password = ""
        return password
    raise bad_credentials(f"the authorization scheme {scheme[:20]!r} is not taken; send a bearer token")


def _caller(request: Request, state: State) -> Principal:
    secret = _secret(request)
    principal = ANONYMOUS if secret is None else state.records.bearer(secret)
    request.state.principal = principal
    return principal


Caller = Annotated[Principal, Depends(_caller)]
"""Who asks; anonymous when no token came. A token that lets nobody in is refused (401)."""


async def _signed_in(principal: Caller) -> Principal:
    if principal.is_anonymous:
        raise sign_in_needed()
    return principal


SignedIn = Annotated[Principal, Depends(_signed_in)]
"""A caller with a token; 401 without."""

_KIND = Path(description="models, datasets or spaces", json_schema_extra={"enum": list(KINDS)})
_REPO = Path(description="ns/name, or the name of a model without namespace")
_PLACE = Path(description="ns/name, with datasets/ or spaces/ before it for those")


async def _api_address(kind: Annotated[str, _KIND], repo: Annotated[str, _REPO]) -> RepositoryAddress:
    return RepositoryAddress(KINDS[kind], repo)


async def _web_address(place: Annotated[str, _PLACE]) -> RepositoryAddress:
    return RepositoryAddress.of_place(place)


def find(state: HubState, principal: Principal, type: str, full_name: str) -> tuple[Repository, bool]:
    """The repository of that name, if the caller may know of it, and whether it has another name now.

    Raises:
        HubError: it is not there, or the caller may not know.
    """
    with state.records.read() as session:
        repository, moved = locate_repository(session, type, full_name)
    if repository is None or not may(principal, "read", repository):
        raise repository_not_found(anonymous=principal.is_anonymous)
    return repository, moved


def bring(request: Request, state: HubState, principal: Principal, address: RepositoryAddress) -> Principal:
    """Where this hub mirrors another: have a repository here, as new as it should be, before it is looked for.

    Returns:
        The caller, who may be a listed reader of what came just now.

    Raises:
        Moved: it has another name there.
        HubError: it is not here, and the other hub does not answer.
    """
    if state.mirror is None:
        return principal
    found = state.mirror.bring(principal, address.type, address.full_name)
    if found.other_name is not None:
        raise moved_to(request, found.other_name)
    if found.warning is not None:
        warn(request, found.warning)
    return principal if found.opened is None else replace(principal, mirrored=principal.mirrored | {found.opened})


def moved_to(request: Request, full_name: str) -> Moved:
    """The answer that sends a client to the same address of a repository under its other name."""
    query = request.scope["query_string"].decode("latin-1")
    location = base_url(request) + renamed(request.scope["path"], full_name)
    return Moved(f"{location}?{query}" if query else location)


def check(principal: Principal, action: Action, repository: Repository) -> None:
    """Refuse an action on a repository that the caller may know of.

    Raises:
        HubError: they may not; it says what is missing.
    """
    if repository.disabled and action != "admin" and not principal.is_admin:
        raise disabled_repository()
    if may(principal, action, repository):
        return
    if action == "read":
        raise repository_not_found(anonymous=principal.is_anonymous)
    if action == "download":
        raise gated_repository(repository.type, repository.full_name, anonymous=principal.is_anonymous)
    if principal.is_anonymous:
        raise sign_in_needed(f"changing {repository.full_name}")
    if repository.mirrored and action == "write":
        raise mirrored_repository(repository.full_name)
    if not principal.may_write_anything:
        raise forbidden("this token may only read; make one with the right to write")
    what = {"write": "write to", "admin": "administer", "discuss": "discuss"}[action]
    raise forbidden(f"you may not {what} {repository.type} {repository.full_name}, or your token may not")


def _access(address_of: Callable[..., Any], action: Action) -> Any:
    # `address_of` is known only here, so it cannot stand in an annotation, which is read elsewhere.
    def found(
        request: Request, principal: Caller, state: State, address: RepositoryAddress = Depends(address_of)
    ) -> Access:
        if action in ("read", "download"):
            principal = bring(request, state, principal, address)
        repository, moved = find(state, principal, address.type, address.full_name)
        if moved:
            raise moved_to(request, repository.full_name)
        check(principal, action, repository)
        return Access(repository, principal)

    return Depends(found)


ApiRead = Annotated[Access, _access(_api_address, "read")]
ApiDownload = Annotated[Access, _access(_api_address, "download")]
ApiDiscuss = Annotated[Access, _access(_api_address, "discuss")]
ApiWrite = Annotated[Access, _access(_api_address, "write")]
ApiAdmin = Annotated[Access, _access(_api_address, "admin")]
WebRead = Annotated[Access, _access(_web_address, "read")]
WebDownload = Annotated[Access, _access(_web_address, "download")]
WebWrite = Annotated[Access, _access(_web_address, "write")]
