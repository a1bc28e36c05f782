"""Signing a program in from another machine: ``hf auth login`` without a token (RFC 8628)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import JSONResponse

from enfold.hub.records import device_logins
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.errors import HubError
from enfold.hub.server.origins import base_url
from enfold.hub.server.state import State

__all__ = ["router"]

router = APIRouter(tags=["identity"], route_class=BoundedRoute)

_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_EXPLAINED = {
    "authorization_pending": "the user has not answered yet",
    "slow_down": "the device asks too often",
    "expired_token": "the code has expired; begin again",
    "access_denied": "the user has refused",
    "invalid_grant": "there is no such code, or its token was fetched already",
}


@router.post("/oauth/device", summary="Begin to sign a device in")
def begin(request: Request, state: State, client_id: Annotated[str, Form(max_length=200)]) -> dict[str, Any]:
    """Answers a code for the device, and one that its user enters in a browser."""
    try:
        with state.records.write() as session:
            device_code, user_code = device_logins.begin(session, client_id)
    except device_logins.TooMany as error:
        raise HubError(429, str(error), headers={"Retry-After": "60"}) from None
    page = f"{base_url(request)}/login/device"
    return {
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?code={user_code}",
        "interval": device_logins.INTERVAL,
        "expires_in": int(device_logins.LIFETIME.total_seconds()),
    }


@router.post("/oauth/token", summary="Ask for the token of a device")
def token(
    state: State,
    grant_type: Annotated[str, Form(max_length=200)],
    device_code: Annotated[str, Form(max_length=200)] = "",
) -> JSONResponse:
    """The token, once, when the user has said yes; else 400 and why not. Tokens cannot be refreshed."""
    if grant_type != _DEVICE_CODE:
        return _fault(
            "unsupported_grant_type", f"this hub takes {_DEVICE_CODE}; sign in again when a token has expired"
        )
    with state.records.write() as session:
        secret, fault = device_logins.fetch(session, device_code)
    if fault is not None:
        return _fault(fault, _EXPLAINED[fault])
    return JSONResponse(
        {
            "access_token": secret,
            "token_type": "bearer",
            "expires_in": int(device_logins.TOKEN_LIFETIME.total_seconds()),
        },
        headers={"Cache-Control": "no-store"},
    )


def _fault(code: str, explained: str) -> JSONResponse:
    return JSONResponse(
        {"error": code, "error_description": explained}, status_code=400, headers={"Cache-Control": "no-store"}
    )
