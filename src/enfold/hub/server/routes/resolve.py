"""The files themselves, at the addresses that every client downloads from."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from enfold.hub.records.xet_names import xet_hashes
from enfold.hub.server.access import Access, WebDownload
from enfold.hub.server.contents import content_from_upstream, open_content
from enfold.hub.server.errors import entry_not_found
from enfold.hub.server.origins import base_url
from enfold.hub.server.paths import escaped
from enfold.hub.server.revisions import resolve
from enfold.hub.server.safety import check_content
from enfold.hub.server.sending import answer_with
from enfold.hub.server.state import HubState, State
from enfold.hub.store import trees

__all__ = ["router"]

router = APIRouter(tags=["files"])

_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": {}}},
    206: {"description": "The part of it that `Range` asks for.", "content": {"application/octet-stream": {}}},
    304: {"description": "The client has it: `If-None-Match` names its etag."},
    416: {"description": "The range lies behind the end."},
}


@router.head("/{place:place}/resolve/{revision:piece}/{path:pieces}", include_in_schema=False)
@router.get(
    "/{place:place}/resolve/{revision:piece}/{path:pieces}",
    response_class=Response,
    responses=_FILE,
    summary="A file",
)
def resolve_file(request: Request, revision: str, path: str, access: WebDownload, state: State) -> Response:
    """Whole or in part. `X-Repo-Commit` is the commit of the revision, also where there is no such file."""
    return _file(request, state, access, revision, path, raw=False)


@router.head("/{place:place}/raw/{revision:piece}/{path:pieces}", include_in_schema=False)
@router.get(
    "/{place:place}/raw/{revision:piece}/{path:pieces}",
    response_class=Response,
    responses=_FILE,
    summary="A file as it is in git",
)
def raw_file(request: Request, revision: str, path: str, access: WebDownload, state: State) -> Response:
    """The same, but of a large file the pointer that stands for it."""
    return _file(request, state, access, revision, path, raw=True)


def _file(request: Request, state: HubState, access: Access, revision: str, path: str, *, raw: bool) -> Response:
    repository = access.repository
    store = state.objects(repository)
    with state.records.read() as session:
        commit = resolve(state, session, repository, revision).commit
        entry = trees.find_entry(store, store.commit(commit).tree, path.encode("utf-8", "surrogateescape"))
        if entry is None or entry.mode >> 12 not in (0o10, 0o12):  # a file or a symbolic link, which is not followed
            raise entry_not_found(commit)
        content = open_content(state, session, repository, entry.oid, raw=raw)
        xet = xet_hashes(session, repository, [content.etag]) if content is not None and content.is_large else {}
    if content is None:
        content = content_from_upstream(state, repository, entry.oid, only_head=request.method == "HEAD")
    if content is None:
        raise entry_not_found(commit, "Entry not found: the large file was never uploaded to this repository")
    if content.arriving is None:
        check_content(state, access.principal, repository, content)
    headers = {"X-Repo-Commit": commit}
    if content.is_large:
        headers["X-Linked-ETag"] = f'"{content.etag}"'
        headers["X-Linked-Size"] = str(content.size)
    if content.etag in xet:
        kind, name = f"{repository.type}s", escaped(repository.full_name, safe="/")
        token = f"{base_url(request)}/api/{kind}/{name}/xet-read-token/{commit}"
        headers["X-Xet-Hash"] = xet[content.etag]
        headers["Link"] = f'<{token}>; rel="xet-auth"'
    answer = answer_with(request, content, path.rpartition("/")[2], headers)
    if request.method == "GET" and answer.status_code in (200, 206) and "x-hf-download-counter" in request.headers:
        caller = access.principal.account_id
        address = request.client.host if request.client else ""
        state.downloads.note(address if caller is None else f"account {caller}", repository.id)
    return answer
