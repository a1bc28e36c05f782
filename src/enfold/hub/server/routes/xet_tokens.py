"""Xet tokens: with one, a client sends chunks of large files for a repository, or fetches them.

A token is good for one repository, one user and one place. The place is part of the address of the store,
``/cas/<store>-<generation>-<pseudonym of the user>``, because clients keep what they know of a store under its
address: after a clean-up, in a restored store and for another user they begin afresh.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from enfold.hub.records import xet_tokens
from enfold.hub.server.access import Access, ApiDownload, ApiRead, check
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.origins import base_url
from enfold.hub.server.permits import check_may_contribute
from enfold.hub.server.signing import XetPermit
from enfold.hub.server.state import HubState, State

__all__ = ["router"]

router = APIRouter(tags=["xet"], route_class=BoundedRoute)

CreatePr = Annotated[bool, Query(description="The files are for a new pull request, which needs no right to write.")]


@router.get("/api/{kind:kind}/{repo:repo}/xet-write-token/{revision:piece}", summary="A token to send files with")
def to_write(
    request: Request, revision: str, access: ApiRead, state: State, create_pr: CreatePr = False
) -> JSONResponse:
    """For those who may write, and for those who may open a pull request if it is for one."""
    for_own_request = create_pr or revision.startswith("refs/pr/")
    if for_own_request:
        check_may_contribute(access.principal, access.repository)
    else:
        check(access.principal, "write", access.repository)
    return _token(request, state, access, "discuss" if for_own_request else "write")


@router.get("/api/{kind:kind}/{repo:repo}/xet-read-token/{revision:piece}", summary="A token to fetch files with")
def to_read(request: Request, revision: str, access: ApiDownload, state: State) -> JSONResponse:
    """For those who may download; also for nobody in particular from a public repository."""
    return _token(request, state, access, "download")


def _token(request: Request, state: HubState, access: Access, action: str) -> JSONResponse:
    principal = access.principal
    expires = int(time.time()) + state.settings.xet_token_seconds
    if action != "download":  # before the generation is read: whoever raises it then sees how long to wait
        xet_tokens.note_end(state.records, expires, spare=state.settings.xet_token_seconds // 60)
    place = f"{state.root.store}-{state.root.generation}-{state.signer.pseudonym(principal.account_id)}"
    permit = XetPermit(action, place, access.repository.id, principal.account_id, principal.token_id, expires)
    token, address = state.signer.xet_token(permit), f"{base_url(request)}/cas/{place}"
    body: dict[str, Any] = {"accessToken": token, "exp": expires, "casUrl": address}
    headers = {
        "X-Xet-Access-Token": token,
        "X-Xet-Token-Expiration": str(expires),
        "X-Xet-Cas-Url": address,
        "Cache-Control": "no-store",
    }
    return JSONResponse(body, headers=headers)
