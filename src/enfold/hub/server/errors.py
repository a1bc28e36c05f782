"""What is answered when something is wrong: the statuses, headers and texts that clients decide by.

The client's exception is chosen by ``X-Error-Code``, and for some by ``X-Error-Message``; the text is there again as
``{"error": …}`` for people and for other clients. A definite refusal is never a 5xx, which clients try again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from enfold.errors import EnfoldError, InputError, ServiceError
from enfold.hub.records.errors import InvalidName, NameTaken, NotKnown, OverQuota, RefMoved
from enfold.hub.records.tokens import TokenFault
from enfold.hub.store.git_errors import MalformedPath, MissingPath, PathConflict
from enfold.hub.store.spool import StorageFull
from enfold.web.error_shape import Problem

__all__ = [
    "BRANCH_MOVED",
    "ErrorAnswer",
    "HubError",
    "Moved",
    "bad_credentials",
    "disabled_repository",
    "entry_not_found",
    "forbidden",
    "gated_repository",
    "install_errors",
    "mirrored_repository",
    "repository_not_found",
    "revision_not_found",
    "sign_in_needed",
]

BRANCH_MOVED = "The branch was updated since you opened this page. Please refresh and try again."
"""What is said of a commit whose parent is not the head any more (412)."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LONGEST_HEADER = 1000
_log = logging.getLogger(__name__)


class ErrorAnswer(BaseModel):
    """The body of every answer that is not a success."""

    error: str = Field(description="What is wrong, and the way out.")


class HubError(HTTPException):
    """Raise it to answer with an error.

    Args:
        status: HTTP status.
        message: what is wrong and the way out.
        code: what clients tell kinds of errors apart by, such as ``RepoNotFound``.
        headers: more headers, such as ``X-Repo-Commit`` beside a missing file.
        body: more members of the JSON body.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        sent = {**(headers or {}), "X-Error-Message": _header(message)}
        if code is not None:
            sent["X-Error-Code"] = code
        super().__init__(status, detail=message, headers=sent)
        self.body = {"error": message, **(body or {})}

    def response(self) -> Response:
        """The answer this error is."""
        return JSONResponse(self.body, status_code=self.status_code, headers=self.headers)


class Moved(Exception):
    """The repository has another name now; the answer sends the client there.

    Args:
        location: the whole address.
    """

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def repository_not_found(*, anonymous: bool) -> HubError:
    """A repository that is missing, or that the caller may not know of: the answers are the same."""
    headers = {"WWW-Authenticate": 'Basic realm="hub"'} if anonymous else None
    return HubError(401 if anonymous else 404, "Repository not found", code="RepoNotFound", headers=headers)


def revision_not_found(revision: str) -> HubError:
    """A branch, tag or commit that this repository does not have."""
    return HubError(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


def entry_not_found(commit: str | None = None, message: str = "Entry not found") -> HubError:
    """A file that is not there at a commit; with the commit, the client remembers its absence."""
    return HubError(404, message, code="EntryNotFound", headers={"X-Repo-Commit": commit} if commit else None)


def gated_repository(type: str, full_name: str, *, anonymous: bool) -> HubError:
    """Files that only those who were let in may have."""
    way_out = ". You must have access to it and be authenticated to access it. Please log in."
    if not anonymous:
        way_out = " and you are not in the authorized list. Ask for access on the page of the repository."
    message = f"Access to {type} {full_name} is restricted{way_out}"
    headers = {"WWW-Authenticate": 'Basic realm="hub"'} if anonymous else None
    return HubError(401 if anonymous else 403, message, code="GatedRepo", headers=headers)


def disabled_repository() -> HubError:
    """A repository that an admin has closed."""
    return HubError(403, "Access to this resource is disabled.")


def bad_credentials(message: str) -> HubError:
    """A token that lets nobody in."""
    return HubError(401, message, headers={"WWW-Authenticate": 'Basic realm="hub"'})


def sign_in_needed(what: str = "this") -> HubError:
    """Something that needs a token."""
    message = f"Invalid username or password: {what} needs a token; make one and send it as a bearer token"
    return HubError(401, message, headers={"WWW-Authenticate": 'Basic realm="hub"'})


def forbidden(what: str) -> HubError:
    """Something that the caller may not do to a thing they may see."""
    return HubError(403, f"Forbidden: {what}")


def mirrored_repository(full_name: str) -> HubError:
    """A change to what follows a repository of another hub."""
    return forbidden(f"{full_name} follows another hub, and is changed there alone")


def install_errors(app: FastAPI) -> None:
    """Give every error of ``app`` the one shape: its own, the records', validation's and the unforeseen."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(Moved, _on_moved)
    app.add_exception_handler(EnfoldError, _on_enfold_error)
    app.add_exception_handler(TokenFault, _on_token_fault)
    app.add_exception_handler(UnicodeEncodeError, _on_text_that_is_none)
    app.add_exception_handler(DataError, _on_text_that_is_none)
    app.add_exception_handler(Exception, _on_exception)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, HubError):
        return error.response()
    if isinstance(error, Problem):
        return HubError(error.status_code, error.detail, headers=error.headers).response()
    if error.status_code == HTTPStatus.NOT_FOUND:
        return HubError(404, f"nothing is at {request.url.path}").response()
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"{request.url.path} does not take {request.method}"
        return HubError(405, message, headers=error.headers).response()
    return HubError(error.status_code, str(error.detail), headers=error.headers).response()


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [_fault(item) for item in error.errors()]
    status = 400 if any(item["type"] == "json_invalid" for item in error.errors()) else 422
    return HubError(status, "; ".join(dict.fromkeys(faults))).response()


async def _on_moved(request: Request, error: Exception) -> Response:
    assert isinstance(error, Moved)
    return RedirectResponse(error.location, status_code=307)


async def _on_token_fault(request: Request, error: Exception) -> Response:
    return bad_credentials(str(error)).response()


async def _on_enfold_error(request: Request, error: Exception) -> Response:
    """What the records and the store refuse, as the status it deserves."""
    if isinstance(error, RefMoved):
        return HubError(412, BRANCH_MOVED).response()
    if isinstance(error, OverQuota):
        return HubError(413, str(error)).response()
    if isinstance(error, NameTaken):
        return HubError(409, str(error)).response()
    if isinstance(error, InvalidName):
        return HubError(400, str(error)).response()
    if isinstance(error, NotKnown):
        return HubError(404, str(error)).response()
    if isinstance(error, MissingPath):
        return entry_not_found().response()
    if isinstance(error, InputError | MalformedPath | PathConflict):
        return HubError(422, str(error)).response()
    if isinstance(error, StorageFull):
        _log.error("%s %s: %s", request.method, request.url.path, error)
        return HubError(507, "the hub has no room for this; ask its admin to free some").response()
    _log.error("%s %s failed: %s", request.method, request.url.path, error)
    status = 503 if isinstance(error, ServiceError) else 500
    headers = {"Retry-After": "5"} if status == 503 else None
    return HubError(status, "the hub cannot do this now; its log says why", headers=headers).response()


async def _on_text_that_is_none(request: Request, error: Exception) -> Response:
    """JSON can spell texts that are none: half of a surrogate pair, or, for a database, NUL."""
    return HubError(422, "a text of the request holds half of a surrogate pair or NUL, which no text does").response()


async def _on_exception(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return HubError(500, "the hub failed at this request; its log says why").response()


def _fault(item: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"][1:]) or "the body"
    if item["type"] == "json_invalid":
        return f"the body is not JSON: {item.get('ctx', {}).get('error', item['msg'])}"
    if item["type"] == "missing":
        return f"{where} is missing"
    if item["type"] == "value_error":
        return f"{where}: {item.get('ctx', {}).get('error', item['msg'])}"
    return f"{where} is wrong: {item['msg']}"


def _header(message: str) -> str:
    """A message as a header can hold it: one line of Latin-1."""
    plain = _CONTROLS.sub(" ", message).encode("latin-1", "replace").decode("latin-1")
    return plain[:_LONGEST_HEADER].strip()
