"""Large files as git-lfs and the client without Xet send and fetch them.

The batch call answers with signed addresses: each is good for one method, one file, one repository and one user, for
some hours, and carries no token. A file that this repository is not linked to is answered like one that nobody has,
even if it is stored: whoever sends it again is thereby linked to it.

Source: git-lfs, docs/api/batch.md and docs/api/locking.md; the parts are those of the hub's own client.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from enfold.hub.records import links
from enfold.hub.records.quotas import check_quota
from enfold.hub.records.schema import Repository
from enfold.hub.server.access import Access, WebRead, WebWrite, check
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.contents import large_content
from enfold.hub.server.errors import HubError
from enfold.hub.server.origins import base_url
from enfold.hub.server.permits import check_may_contribute, opened_address
from enfold.hub.server.receiving import feed, pieces
from enfold.hub.server.safety import check_content, refuse_large, withheld
from enfold.hub.server.sending import answer_with
from enfold.hub.server.signing import Permit
from enfold.hub.server.state import HubState, State
from enfold.hub.store import LargeFile

__all__ = ["router"]

router = APIRouter(tags=["large files"])
_bounded = APIRouter(route_class=BoundedRoute)

_MEDIA_TYPE = "application/vnd.git-lfs+json"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SECONDS = 6 * 3600
# A file in parts may take longer than that; what is not complete after a day is removed.
_PARTS_SECONDS = 24 * 3600
_PART_BYTES = 64 * 1024 * 1024
_MOST_PARTS = 4000

Ticket = Annotated[str, Query(description="The signature of the address.")]


class Wanted(BaseModel):
    """A large file by its sha256 and its bytes."""

    oid: str
    size: int


class BatchRequest(BaseModel):
    """What is to be sent or fetched, and how the client can."""

    operation: Literal["upload", "download"]
    objects: list[Wanted] = Field(max_length=1000)
    transfers: list[str] = ["basic"]
    hash_algo: str = "sha256"


class SentPart(BaseModel):
    """A part that was sent, with the etag that was answered for it."""

    part_number: int = Field(alias="partNumber")
    etag: str


class SentParts(BaseModel):
    """All parts of a file."""

    oid: str
    parts: list[SentPart]


@_bounded.post("/{place:place}/info/lfs/objects/batch", summary="Addresses to send large files to or fetch them from")
def batch(request: Request, body: BatchRequest, access: WebRead, state: State) -> JSONResponse:
    """Per file: addresses, nothing where it is here already, or an error."""
    uploading = body.operation == "upload"
    if uploading:
        check_may_contribute(access.principal, access.repository)
    else:
        check(access.principal, "download", access.repository)
    if body.hash_algo != "sha256":
        raise HubError(409, f"files are known by their sha256 here, not by {body.hash_algo[:40]}")
    most = state.settings.max_file_bytes
    with state.records.read() as session:
        wanted = [each.oid for each in body.objects if _SHA256.fullmatch(each.oid)]
        sizes = links.linked(session, access.repository, wanted)
        if state.mirror is not None and access.repository.mirrored and not uploading:
            # Whether the upstream hub has a file is asked when it is fetched.
            sizes = {**{each.oid: each.size for each in body.objects}, **sizes}
        if uploading:
            new = [each.size for each in body.objects if each.oid not in sizes]
            check_quota(session, access.repository, [size for size in new if 0 <= size <= most])
    kept_back = {} if uploading else withheld(state, access.principal, access.repository, sizes)
    addresses = _Addresses(state, access, f"{base_url(request)}/lfs")
    in_parts = "multipart" in body.transfers
    answers = []
    for each in body.objects:
        answer: dict[str, Any] = {"oid": each.oid, "size": each.size, "authenticated": True}
        fault = _fault(each, sizes.get(each.oid), uploading, most)
        if fault is None and each.oid in kept_back:
            fault = {"code": 403, "message": f"the file is in quarantine: {kept_back[each.oid].words}"}
        if fault is not None:
            answer = {"oid": each.oid, "size": each.size, "error": fault}
        elif not uploading:
            answer["actions"] = {"download": addresses.download(each)}
        elif each.oid not in sizes:
            parts = in_parts and each.size > state.settings.max_single_bytes
            send = addresses.parts(each) if parts else addresses.upload(each)
            answer["actions"] = {"upload": send, "verify": addresses.verify(each)}
        answers.append(answer)
    parted = any("chunk_size" in each.get("actions", {}).get("upload", {}).get("header", {}) for each in answers)
    return _answer({"transfer": "multipart" if parted else "basic", "objects": answers, "hash_algo": "sha256"})


@router.put("/lfs/objects/{oid:piece}", summary="Send a large file", response_class=Response)
async def receive(oid: str, ticket: Ticket, request: Request, state: State) -> Response:
    """The body is the file; its size and its sha256 are checked before anything of it can be seen."""
    permit, access = await run_in_threadpool(opened_address, state, ticket, method="PUT", subject=oid)
    _check_declared(request, permit.size)
    with await run_in_threadpool(state.large_files.begin_upload, oid, permit.size) as upload:
        await feed(pieces(request), upload.write, most=permit.size)
        file = await run_in_threadpool(upload.commit)
    await run_in_threadpool(_arrived, state, access, file)
    return Response()


@router.get("/lfs/objects/{oid:piece}", summary="Fetch a large file", response_class=Response)
def send(oid: str, ticket: Ticket, request: Request, state: State) -> Response:
    """The file, or a range of it."""
    permit, access = opened_address(state, ticket, method="GET", subject=oid)
    with state.records.read() as session:
        linked = links.is_linked(session, access.repository, oid)
        file = links.large_file(session, oid) if linked else None
    content = None if file is None else large_content(state, file)
    if content is None and state.mirror is not None and access.repository.mirrored:
        content = state.mirror.large(access.repository, oid, permit.size)
    if content is None:
        raise HubError(404, f"there is no large file {oid} here")
    if content.arriving is None:
        check_content(state, access.principal, access.repository, content)
    return answer_with(request, content, oid, {})


@_bounded.post("/lfs/objects/{oid:piece}/verify", summary="Ask whether a large file has arrived")
def verify(oid: str, ticket: Ticket, body: Wanted, state: State) -> JSONResponse:
    """200 when it is here and has these bytes."""
    permit, access = opened_address(state, ticket, method="POST", subject=oid)
    with state.records.read() as session:
        size = links.linked(session, access.repository, [oid]).get(oid)
    if body.oid != oid or body.size != permit.size or size != permit.size:
        raise HubError(404, f"the large file {oid} of {permit.size} bytes has not arrived; send it again")
    return _answer({})


@router.put("/lfs/uploads/{upload:piece}/{number:int}", summary="Send a part of a large file", response_class=Response)
async def receive_part(upload: str, number: int, ticket: Ticket, request: Request, state: State) -> Response:
    """The body is the part; the answer's ETag names it when the file is ended."""
    subject = f"{upload}/{number}"
    permit, _ = await run_in_threadpool(opened_address, state, ticket, method="PUT", subject=subject)
    _check_declared(request, permit.size)
    with await run_in_threadpool(state.large_files.part, upload, number) as part:
        await feed(pieces(request), part.write, most=permit.size)
        etag = await run_in_threadpool(part.commit)
    return Response(headers={"ETag": f'"{etag}"'})


@_bounded.post("/lfs/uploads/{upload:piece}", summary="End a large file that was sent in parts")
def complete(upload: str, ticket: Ticket, body: SentParts, state: State) -> JSONResponse:
    """Checks the sha256 of the whole; then the file is here."""
    permit, access = opened_address(state, ticket, method="POST", subject=f"{upload} {body.oid}")
    parts = [(each.part_number, each.etag.strip('"')) for each in body.parts]
    with state.records.read() as session:
        done = links.is_linked(session, access.repository, body.oid)
    if not done:  # a request that comes again, because its answer was lost, finds the file here
        file = state.large_files.complete(upload, parts)
        _check_size(file, permit)
        _arrived(state, access, file)
    return _answer({})


@_bounded.post("/{place:place}/info/lfs/locks/verify", summary="Locks, of which there are none")
def locks(access: WebWrite) -> JSONResponse:
    """Asked by git-lfs before a push."""
    return _answer({"ours": [], "theirs": []})


router.include_router(_bounded)


class _Addresses:
    """Makes the signed addresses of one answer."""

    def __init__(self, state: HubState, access: Access, base: str) -> None:
        self._state = state
        self._access = access
        self._base = base

    def upload(self, file: Wanted) -> dict[str, Any]:
        return self._signed("PUT", f"objects/{file.oid}", file.oid, file.size)

    def download(self, file: Wanted) -> dict[str, Any]:
        return self._signed("GET", f"objects/{file.oid}", file.oid, file.size)

    def verify(self, file: Wanted) -> dict[str, Any]:
        return self._signed("POST", f"objects/{file.oid}/verify", file.oid, file.size, seconds=_PARTS_SECONDS)

    def parts(self, file: Wanted) -> dict[str, Any]:
        size = max(min(_PART_BYTES, self._state.settings.max_single_bytes), -(-file.size // _MOST_PARTS))
        upload = self._state.large_files.begin_parts(file.oid, file.size, size)
        subject = f"{upload} {file.oid}"
        found = self._signed("POST", f"uploads/{upload}", subject, file.size, seconds=_PARTS_SECONDS)
        found["header"] = {"chunk_size": str(size)}
        for number in range(1, -(-file.size // size) + 1):
            length = min(size, file.size - (number - 1) * size)
            subject = f"{upload}/{number}"
            part = self._signed("PUT", f"uploads/{subject}", subject, length, seconds=_PARTS_SECONDS)
            found["header"][str(number)] = part["href"]
        return found

    def _signed(self, method: str, path: str, subject: str, size: int, *, seconds: int = _SECONDS) -> dict[str, Any]:
        principal = self._access.principal
        permit = Permit(
            method,
            subject,
            size,
            self._access.repository.id,
            principal.account_id,
            principal.token_id,
            int(time.time()) + seconds,
        )
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        return {
            "href": f"{self._base}/{path}?{self._state.signer.address(permit)}",
            "header": {},
            "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def _fault(file: Wanted, size: int | None, uploading: bool, most: int) -> dict[str, Any] | None:
    """What is wrong with a file of a batch."""
    if not _SHA256.fullmatch(file.oid) or file.size < 0:
        return {"code": 422, "message": "a large file has a sha256 of 64 lower-case hexadecimal digits and a size"}
    if uploading and file.size > most:
        return {"code": 422, "message": f"the file has {file.size} bytes, at most {most} are taken"}
    if size is None:
        return None if uploading else {"code": 404, "message": "this repository has no such large file"}
    if size != file.size:
        return {"code": 422, "message": f"the file of this sha256 has {size} bytes, not {file.size}"}
    return None


def _check_declared(request: Request, size: int) -> None:
    """Refuse a body of another length than announced before any of it is read."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) != size:
        message = f"{size} bytes were announced, the body has {declared}"
        raise HubError(400, message, headers={"Connection": "close"})


def _check_size(file: LargeFile, permit: Permit) -> None:
    if file.size != permit.size:
        raise HubError(422, f"{permit.size} bytes were announced, {file.size} came")


def _arrived(state: HubState, access: Access, file: LargeFile) -> None:
    """The bytes are durable: now the file is known, and the repository may use it."""
    refuse_large(state, file)
    with state.records.write() as session:
        if session.get(Repository, access.repository.id) is None:
            raise HubError(404, "the repository was deleted meanwhile", code="RepoNotFound")
        links.put_arrived(session, file, state.blobs)
        links.link(session, access.repository, [file.sha256], by_id=access.principal.account_id)


def _answer(value: dict[str, Any]) -> JSONResponse:
    return JSONResponse(value, media_type=_MEDIA_TYPE)
