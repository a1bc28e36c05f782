"""Lists of repositories: searched, filtered, sorted, by page."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from enfold.errors import SettingsError
from enfold.hub.records.listing import Listing, page_of
from enfold.hub.server.access import Caller
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.descriptions import check_expand, describe, expanded, siblings
from enfold.hub.server.errors import HubError
from enfold.hub.server.pagination import next_page
from enfold.hub.server.paths import KINDS
from enfold.hub.server.state import State

__all__ = ["router"]

router = APIRouter(tags=["listings"], route_class=BoundedRoute)

_PAGE = 1000
_FULL_PAGE = 100
_PARAMETERS = re.compile(r"(min|max):(\d+(?:\.\d+)?)([KMBT]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@router.get("/api/{kind:kind}", summary="Repositories, by page")
def list_repositories(
    kind: Annotated[str, Path(json_schema_extra={"enum": list(KINDS)})],
    request: Request,
    response: Response,
    caller: Caller,
    state: State,
    search: Annotated[list[str] | None, Query(description="Words to find in names and tags.")] = None,
    author: str | None = None,
    filter: Annotated[list[str] | None, Query(description="Tags, all of which must be there.")] = None,
    pipeline_tag: str | None = None,
    gated: bool | None = None,
    num_parameters: Annotated[str | None, Query(description="min:6B,max:128B")] = None,
    sort: str = "trendingScore",
    direction: Annotated[int, Query(description="-1 is the largest first.")] = -1,
    limit: Annotated[int | None, Query(ge=1, description="Size of a page.")] = None,
    full: bool = False,
    cardData: bool = False,
    config: bool = False,
    expand: Annotated[list[str] | None, Query(description="Answer only these members.")] = None,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> list[dict[str, Any]]:
    """What the caller may see; ``Link`` names the next page."""
    type = KINDS[kind]
    check_expand(type, expand or [])
    with_files = (full and type != "space") or "siblings" in (expand or [])
    most = _FULL_PAGE if with_files else _PAGE
    listing = Listing(
        type=type,
        search=" ".join(search or []),
        author=author,
        tags=[tag for tag in filter or [] if tag],
        pipeline_tag=pipeline_tag,
        gated=gated,
        parameters=_parameters(num_parameters),
        sort=sort,
        descending=direction < 0,
        limit=min(limit or most, most),
        cursor=cursor,
    )
    with state.records.read() as session:
        try:
            page = page_of(session, caller, listing)
        except SettingsError as error:
            raise HubError(400, str(error)) from None
    next_page(request, response, page.cursor)
    found = []
    for repository in page.repositories:
        item = expanded(repository, expand) if expand else describe(repository)
        if not expand and not (full or cardData):
            item.pop("cardData", None)
        if not expand and not (full or config):
            item.pop("config", None)
        if with_files and repository.sha:
            item["siblings"] = siblings(state, repository, repository.sha)
        found.append(item)
    return found


def _parameters(text: str | None) -> tuple[int | None, int | None]:
    found: dict[str, int] = {}
    for piece in (text or "").split(","):
        if not piece.strip():
            continue
        match = _PARAMETERS.fullmatch(piece.strip())
        if match is None:
            raise HubError(400, f"num_parameters={text!r} is not of the form min:6B,max:128B")
        end, number, unit = match.groups()
        found[end.lower()] = round(float(number) * _UNITS[unit.upper()])
    return found.get("min"), found.get("max")
