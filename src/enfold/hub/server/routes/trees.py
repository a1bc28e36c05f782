"""What is in a repository at a revision: folders by page, and chosen paths."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from enfold.hub.server.access import Access, ApiRead
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.errors import HubError, entry_not_found
from enfold.hub.server.pagination import next_page
from enfold.hub.server.revisions import resolve
from enfold.hub.server.state import HubState, State
from enfold.hub.server.tree_cursors import read_cursor, write_cursor
from enfold.hub.server.tree_items import describe_entries
from enfold.hub.store import MissingPath, trees

__all__ = ["router"]

router = APIRouter(tags=["content"], route_class=BoundedRoute)

_PAGE = 1000
_EXPANDED_PAGE = 100
_MOST_PATHS = 1000

Recursive = Annotated[bool, Query(description="What is in the folders too.")]
Expand = Annotated[bool, Query(description="Add the last commit of each path.")]
Limit = Annotated[int | None, Query(ge=1, description="Size of a page.")]
Cursor = Annotated[str | None, Query(max_length=8000)]


@router.get("/api/{kind:kind}/{repo:repo}/tree/{revision:piece}", summary="The files and folders at the root")
def root(
    revision: str,
    request: Request,
    response: Response,
    access: ApiRead,
    state: State,
    recursive: Recursive = False,
    expand: Expand = False,
    limit: Limit = None,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """In git's order; `Link` names the next page. All pages are of the commit that the first one was of."""
    return _page(request, response, state, access, revision, "", recursive, expand, limit, cursor)


@router.get("/api/{kind:kind}/{repo:repo}/tree/{revision:piece}/{path:pieces}", summary="The contents of a folder")
def folder(
    revision: str,
    path: str,
    request: Request,
    response: Response,
    access: ApiRead,
    state: State,
    recursive: Recursive = False,
    expand: Expand = False,
    limit: Limit = None,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """The same of a folder, with whole paths from the root."""
    return _page(request, response, state, access, revision, path, recursive, expand, limit, cursor)


@router.post(
    "/api/{kind:kind}/{repo:repo}/paths-info/{revision:piece}",
    summary="What stands at some paths",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": ["paths"],
                        "properties": {
                            "paths": {"type": "array", "items": {"type": "string"}, "maxItems": _MOST_PATHS},
                            "expand": {"type": "boolean"},
                        },
                    }
                }
            },
        }
    },
)
async def paths_info(revision: str, request: Request, access: ApiRead, state: State) -> list[dict[str, Any]]:
    """A form or JSON with `paths` and `expand`. Paths at which nothing stands are left out."""
    paths, expand = _asked(await request.body(), request.headers.get("content-type", ""))
    if len(paths) > _MOST_PATHS:
        raise HubError(413, f"{len(paths)} paths are too many: at most {_MOST_PATHS} are answered at once")
    return await run_in_threadpool(_infos, state, access, revision, paths, expand)


def _page(
    request: Request,
    response: Response,
    state: HubState,
    access: Access,
    revision: str,
    path: str,
    recursive: bool,
    expand: bool,
    limit: int | None,
    cursor: str | None,
) -> list[dict[str, Any]]:
    repository = access.repository
    store = state.objects(repository)
    most = _EXPANDED_PAGE if expand else _PAGE
    size = min(limit or most, most)
    commit, after = read_cursor(cursor) if cursor else (None, None)
    with state.records.read() as session:
        commit = resolve(state, session, repository, commit or revision).commit
        where = path.strip("/").encode("utf-8", "surrogateescape")
        try:
            walked = trees.walk(
                store, store.commit(commit).tree, where, recursive=recursive, start_after=after, limit=size + 1
            )
            entries = list(walked)
        except MissingPath:
            raise entry_not_found(commit) from None
        if len(entries) > size:
            next_page(request, response, write_cursor(commit, entries[size - 1].path))
        response.headers["X-Repo-Commit"] = commit
        return describe_entries(state, session, repository, commit, entries[:size], last_commits=expand)


def _infos(state: HubState, access: Access, revision: str, paths: list[str], expand: bool) -> list[dict[str, Any]]:
    repository = access.repository
    store = state.objects(repository)
    with state.records.read() as session:
        commit = resolve(state, session, repository, revision).commit
        tree = store.commit(commit).tree
        wanted = dict.fromkeys(path.strip("/").encode("utf-8", "surrogateescape") for path in paths)
        found = [entry for path in wanted if path and (entry := trees.find_entry(store, tree, path)) is not None]
        return describe_entries(state, session, repository, commit, found, last_commits=expand)


def _asked(body: bytes, media_type: str) -> tuple[list[str], bool]:
    """The paths and ``expand``, from a form or from JSON."""
    if media_type.partition(";")[0].strip() == "application/json":
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise HubError(400, f"the body is not JSON: {error}") from None
        paths = asked.get("paths") if isinstance(asked, dict) else None
        paths = [paths] if isinstance(paths, str) else paths
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise HubError(422, "paths must be a list of paths")
        return paths, asked.get("expand") is True
    try:
        fields = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except ValueError as error:
        raise HubError(400, f"the body is not a form in UTF-8: {error}") from None
    paths = [value for name, value in fields if name == "paths"]
    expand = any(name == "expand" and value.lower() in ("true", "1") for name, value in fields)
    return paths, expand
