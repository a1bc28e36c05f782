"""Who the caller is, and whether they may read or write a repository."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from enfold.hub.records import accounts
from enfold.hub.records.schema import Account, Token
from enfold.hub.server.access import ApiDownload, ApiWrite, SignedIn
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.origins import base_url
from enfold.hub.server.pagination import moment
from enfold.hub.server.state import State

__all__ = ["router"]

router = APIRouter(tags=["identity"], route_class=BoundedRoute)


@router.get("/api/whoami-v2", summary="The user behind the token")
def whoami(request: Request, caller: SignedIn, state: State) -> dict[str, Any]:
    """The user, their organisations, and the token they came with."""
    base = base_url(request)
    with state.records.read() as session:
        user = session.get_one(Account, caller.account_id)
        token = None if caller.token_id is None else session.get(Token, caller.token_id)
        organizations = accounts.organizations_of(session, user.id)
    found: dict[str, Any] = {
        "type": "user",
        "id": user.uid,
        "name": user.name,
        "fullname": user.full_name,
        "email": user.email,
        "emailVerified": user.email is not None,
        "isPro": False,
        "canPay": False,
        "avatarUrl": user.avatar_url or f"{base}/avatars/{user.name}.svg",
        "orgs": [
            {
                "type": "org",
                "id": organization.uid,
                "name": organization.name,
                "fullname": organization.full_name,
                "roleInOrg": role,
                "isEnterprise": False,
                "avatarUrl": organization.avatar_url or f"{base}/avatars/{organization.name}.svg",
            }
            for organization, role in organizations
        ],
    }
    if token is not None:
        shown = {"displayName": token.name, "role": token.role, "createdAt": moment(token.created_at)}
        found["auth"] = {"type": "access_token", "accessToken": shown}
    return found


@router.get("/api/{kind:kind}/{repo:repo}/auth-check", summary="Whether the caller may get the files")
def may_download(access: ApiDownload) -> JSONResponse:
    """200 when they may; else what getting them would answer."""
    return JSONResponse({"success": True})


@router.get("/api/{kind:kind}/{repo:repo}/auth-check/write", summary="Whether the caller may write")
def may_write(access: ApiWrite) -> JSONResponse:
    """200 when they may; else what writing would answer."""
    return JSONResponse({"success": True})
