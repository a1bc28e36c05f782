"""The one JSON shape every error of an HTTP application has, whatever raised it.

    {"error": {"code": "unknown_label", "message": "no label 'spma'; …", "field": "label"}}

``code`` is stable and for programs, ``message`` is for people and gives the way out, ``field`` names the part
of the request that is wrong. Several faults are all listed in ``faults``; the outer ones are the first's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

__all__ = ["ErrorBody", "Fault", "Problem", "described", "error_response", "install_error_shape"]

_log = logging.getLogger(__name__)


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    code: str = Field(description="Stable name of the error, for programs.", examples=["text_too_long"])
    message: str = Field(description="What is wrong, and the way out, for people.")
    field: str | None = Field(None, description="The part of the request that is wrong.", examples=["texts.3"])


class ErrorDetail(Fault):
    """What went wrong."""

    faults: list[Fault] | None = Field(None, description="All faults, when the request has more than one.")


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class Problem(HTTPException):
    """Raise it to answer with an error.

    Args:
        status: HTTP status.
        code: stable name of the error.
        message: what is wrong and the way out.
        field: the part of the request that is wrong.
        retry_after: seconds after which trying again makes sense; becomes the header ``Retry-After``.
        faults: all faults, when there are several.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        sent = dict(headers or {})
        if retry_after is not None:
            sent["Retry-After"] = str(retry_after)
        super().__init__(status, detail=message, headers=sent or None)
        self.code = code
        self.field = field
        self.faults = faults

    def response(self) -> Response:
        """The answer this problem is."""
        return error_response(
            self.status_code, self.code, self.detail, field=self.field, headers=self.headers, faults=self.faults
        )


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
    faults: Sequence[Fault] = (),
) -> Response:
    """An answer in the error shape; for middleware, which is outside the application's exception handlers."""
    detail = ErrorDetail(code=code, message=message, field=field, faults=list(faults) if len(faults) > 1 else None)
    body = ErrorBody(error=detail).model_dump(exclude_none=True)
    return JSONResponse(body, status_code=status, headers=dict(headers) if headers else None)


def install_error_shape(app: FastAPI) -> None:
    """Give every error of ``app`` the one shape: its own, the router's, validation's and the unforeseen."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(Exception, _on_exception)


def described(**causes: tuple[str, str]) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of a route, one keyword a status: ``described(s404=("not_found", "No such thing."))``.

    Args:
        **causes: the status behind an ``s``, with a code the answer may have and what it means.
    """
    return {
        int(name.removeprefix("s")): {
            "model": ErrorBody,
            "description": meaning,
            "content": {"application/json": {"example": {"error": {"code": code, "message": meaning}}}},
        }
        for name, (code, meaning) in causes.items()
    }


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error.__cause__, UnicodeDecodeError):
        return error_response(400, "invalid_utf8", f"the body is not UTF-8: byte {error.__cause__.start} is wrong")
    if isinstance(error.__cause__, RecursionError):
        return error_response(400, "invalid_json", "the body is nested too deeply")
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        return error_response(404, "not_found", f"nothing is at {path}; see /docs")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        message = f"{path} does not take {request.method}; it takes {allowed}"
        return error_response(405, "method_not_allowed", message, headers=error.headers)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
    return error_response(error.status_code, code, str(error.detail), headers=error.headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [_fault(item) for item in error.errors()]
    first = faults[0]
    status = 400 if first.code == "invalid_json" else 422
    return error_response(status, first.code, first.message, field=first.field, faults=faults)


async def _on_exception(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_response(500, "internal_error", "the server failed at this request; its log says why")


def _fault(item: Mapping[str, Any]) -> Fault:
    """One of pydantic's errors, in the words of a request: where it is, without FastAPI's ``body`` in front."""
    where = ".".join(str(part) for part in item["loc"][1:]) if item["loc"] else ""
    if item["type"] == "json_invalid":
        reason = item.get("ctx", {}).get("error", item["msg"])
        return Fault(
            code="invalid_json",
            message=f"the body is not JSON: {reason.removesuffix(' at')} at character {where or 0}",
            field=None,
        )
    if item["type"] == "string_unicode":
        message = f"{where} holds half of a surrogate pair, which is no character"
        return Fault(code="invalid_text", message=message, field=where or None)
    if not where and item["type"] == "missing":
        return Fault(code="empty_body", message="the body is empty: send a JSON object", field=None)
    if not where and item["type"] in ("model_attributes_type", "model_type", "dict_type"):
        return Fault(code="invalid_body", message="the body must be a JSON object", field=None)
    code, reason = {
        "missing": ("missing_field", "is missing"),
        "extra_forbidden": ("unknown_field", "is no field of this request"),
        "value_error": ("invalid_field", str(item.get("ctx", {}).get("error", ""))),
    }.get(item["type"], ("invalid_field", f"is wrong: {item['msg']}"))
    return Fault(code=code, message=f"{where} {reason}".strip(), field=where or None)
