"""Uploading files from a browser: one commit, in which each file is kept as the repository's attributes say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from enfold.hub.pages.browsing import Opened, open_repository
from enfold.hub.pages.forms import check_key, check_origin, text
from enfold.hub.pages.landing import Target, changeable, wanted
from enfold.hub.pages.page import REFUSALS, PageRoute, SignedInHere, told
from enfold.hub.records import links
from enfold.hub.server.commits import Draft
from enfold.hub.server.errors import HubError
from enfold.hub.server.safety import refuse_large
from enfold.hub.store import check_path
from enfold.hub.store.attributes import Rules

__all__ = ["router"]

_MOST_BYTES = 500_000_000
_MOST_FILES = 100
_PIECE = 1 << 20


class _UploadRoute(PageRoute):
    """A page's route whose body is files; its own bound is checked before any of it is read."""

    def plain_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, without the bound of other forms."""
        return APIRoute.get_route_handler(self)


router = APIRouter(include_in_schema=False, route_class=_UploadRoute)


def _target(page: SignedInHere, place: str, revision: str) -> Target:
    return changeable(page, open_repository(page, place), revision)


_Target = Annotated[Target, Depends(_target)]


@router.get("/{place:place}/upload/{revision:piece}")
@router.get("/{place:place}/upload/{revision:piece}/{path:pieces}")
def upload_page(target: _Target, path: str = "") -> Response:
    """The form to upload files with."""
    return _page(target, path.strip("/"), None)


@router.post("/{place:place}/upload/{revision:piece}")
@router.post("/{place:place}/upload/{revision:piece}/{path:pieces}")
async def upload(request: Request, target: _Target, path: str = "") -> Response:
    """Commit the files of a form to a branch, or open a pull request with them."""
    check_origin(request)
    declared = request.headers.get("content-length", "")
    if not declared.isdigit():
        raise HubError(411, "An upload has to say how long it is.")
    if int(declared) > _MOST_BYTES:
        message = f"These files have {int(declared):,} bytes together, and a browser may send {_MOST_BYTES:,} at once."
        raise HubError(413, f"{message} Use hf upload for larger ones.", headers={"Connection": "close"})
    async with request.form(max_files=_MOST_FILES, max_fields=20) as form:
        check_key(form, target.opened.page)
        files = [each for each in form.getlist("files") if isinstance(each, UploadFile) and each.filename]
        folder = text(form, "folder").strip("/")
        try:
            if not files:
                raise HubError(422, "Choose at least one file.")
            address = await run_in_threadpool(_send, target, form, folder, files)
        except REFUSALS as fault:
            return await run_in_threadpool(_page, target, folder, told(fault))
    return target.opened.page.go(address)


def _send(target: Target, form: FormData, folder: str, files: Sequence[UploadFile]) -> str:
    """The address of what the files became."""
    opened = target.opened
    state, repository = opened.page.state, opened.repository
    rules = Rules(opened.store, opened.store.commit(opened.commit_of(target.ref)).tree)
    with Draft(state, repository) as draft:
        names = []
        for file in files:
            name = f"{folder}/{file.filename}" if folder else str(file.filename)
            path, size = check_path(name), file.size or 0
            names.append(name)
            if rules.is_large(path) or size > state.settings.max_regular_bytes:
                draft.put_large(path, _keep_large(opened, file.file, size), size)
            else:
                draft.put(path, file.file.read())
        message, ask = wanted(form, target, f"Upload {names[0] if len(names) == 1 else f'{len(names)} files'}")
        return target.send(draft, message, ask=ask)


def _keep_large(opened: Opened, file: BinaryIO, size: int) -> str:
    """Keep a large file and let the repository use it; its sha256."""
    state = opened.page.state
    if size > state.settings.max_file_bytes:
        raise HubError(413, f"the file has {size} bytes, and at most {state.settings.max_file_bytes} are taken")
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    with state.large_files.begin_upload(sha256, size) as upload:
        while piece := file.read(_PIECE):
            upload.write(piece)
        kept = upload.commit()
    refuse_large(state, kept)
    with state.records.write() as session:
        links.put_arrived(session, kept, state.blobs)
        links.link(session, opened.repository, [sha256], by_id=opened.principal.account_id)
    return sha256


def _page(target: Target, folder: str, fault: str | None) -> Response:
    return target.opened.page.render(
        "upload.html.j2",
        status=200 if fault is None else 422,
        opened=target.opened,
        tab="files",
        target=target,
        revision=target.revision,
        folder=folder,
        most=_MOST_BYTES,
        fault=fault,
    )
