"""The content-addressed store that clients of the Xet protocol speak to, under ``/cas/<place>``.

A shard may refer only to xorbs that its sender may use (`enfold.hub.records.xorbs`); any other, and any file that the
token's repository is not linked to, is answered exactly like one that is not here.

Source: the Xet protocol specification, "API".
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from enfold.errors import EnfoldError, InputError
from enfold.hub.records import links, xorbs
from enfold.hub.records.errors import OverQuota
from enfold.hub.records.quotas import check_quota
from enfold.hub.records.schema import Repository
from enfold.hub.server.access import Access
from enfold.hub.server.contents import large_content
from enfold.hub.server.errors import HubError
from enfold.hub.server.origins import base_url
from enfold.hub.server.permits import opened_address, opened_xet_token
from enfold.hub.server.receiving import feed, pieces, whole
from enfold.hub.server.safety import check_content, refuse_large
from enfold.hub.server.signing import Permit
from enfold.hub.server.state import HubState, State
from enfold.hub.store.xet_files import XetFiles
from enfold.hub.store.xorbs import xorb_key
from enfold.hub.xet import (
    MAX_BODY_BYTES,
    MAX_SHARD_BYTES,
    MalformedXet,
    RangePastEnd,
    ShardFile,
    XorbIndex,
    dedup_answer,
    reconstruction_v1,
    reconstruction_v2,
)

__all__ = ["router"]

router = APIRouter(tags=["xet"])

_HASH = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_RANGE_SECONDS = 3600
_DEDUP_SECONDS = 24 * 3600
# A shard that is checked sooner is answered with a plain status; for a later one progress is sent meanwhile.
_PATIENCE_SECONDS = 2.0
_PREFIX = Literal["default", "default-merkledb"]


@router.post("/cas/{place:piece}/v1/xorbs/{prefix}/{xorb:piece}", summary="Send a xorb")
async def receive_xorb(place: str, prefix: _PREFIX, xorb: str, request: Request, state: State) -> JSONResponse:
    """Every chunk is decoded and checked while it arrives; the answer says whether it is new to the sender."""
    access = await run_in_threadpool(_sender, state, request, place)
    received = 0
    try:
        with await run_in_threadpool(state.xorbs.receive, xorb) as upload:
            received = await feed(pieces(request), upload.write, most=MAX_BODY_BYTES)
            index, _ = await run_in_threadpool(upload.commit)
    except InputError as error:
        raise HubError(400, str(error), headers={"Connection": "close"}) from None
    is_new = await run_in_threadpool(_note_xorb, state, access, xorb, index, received)
    return JSONResponse({"was_inserted": is_new})


@router.post("/cas/{place:piece}/v1/shards", summary="Send a shard")
async def receive_shard(place: str, request: Request, state: State) -> JSONResponse:
    """Answers when all of its files are proved and recorded."""
    access = await run_in_threadpool(_sender, state, request, place)
    shard = await whole(pieces(request), most=MAX_SHARD_BYTES)
    return JSONResponse({"result": await run_in_threadpool(_accept, state, access, shard, lambda done, total: None)})


@router.post("/cas/{place:piece}/v2/shards", summary="Send a shard, and follow its checking", response_class=Response)
async def receive_shard_with_progress(place: str, request: Request, state: State) -> Response:
    """Lines of JSON: how many bytes are proved, and at the end the result, or an error."""
    access = await run_in_threadpool(_sender, state, request, place)
    shard = await whole(pieces(request), most=MAX_SHARD_BYTES)
    loop = asyncio.get_running_loop()
    news: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    def report(done: int, total: int) -> None:
        loop.call_soon_threadsafe(news.put_nowait, (done, total))

    accepting = asyncio.create_task(run_in_threadpool(_accept, state, access, shard, report))
    await asyncio.wait({accepting}, timeout=_PATIENCE_SECONDS)
    if accepting.done():
        lines = [{"type": "result", "result": accepting.result()}]
        return Response(_lines(lines), media_type="application/x-ndjson")
    return StreamingResponse(_progress(accepting, news), media_type="application/x-ndjson")


@router.get("/cas/{place:piece}/v1/chunks/{prefix}/{chunk:piece}", summary="Ask which xorbs hold a chunk")
def find_chunk(place: str, prefix: _PREFIX, chunk: str, request: Request, state: State) -> Response:
    """A shard of xorbs that the caller may refer to, with keyed hashes; 404 when there is none."""
    access = _sender(state, request, place)
    with state.records.read() as session:
        names = xorbs.holders(session, access.principal, chunk) if _HASH.fullmatch(chunk) else []
    found = [(name, index) for name in names if (index := state.xorbs.find(name)) is not None]
    if not found:
        raise HubError(404, f"no chunk {chunk[:64]} is known here")
    moment = int(time.time())
    answer = dedup_answer(found, key=secrets.token_bytes(32), now=moment, expires=moment + _DEDUP_SECONDS)
    return Response(answer, media_type="application/octet-stream")


@router.get("/cas/{place:piece}/v2/reconstructions/{file:piece}", summary="What a file is made of")
def reconstruct(place: str, file: str, request: Request, state: State) -> JSONResponse:
    """The terms of a file of the token's repository, and addresses to fetch their xorbs from."""
    return _reconstructed(reconstruction_v2, state, place, file, request)


@router.get("/cas/{place:piece}/v1/reconstructions/{file:piece}", summary="What a file is made of, in the older form")
def reconstruct_v1(place: str, file: str, request: Request, state: State) -> JSONResponse:
    """The same for clients that do not know the newer form."""
    return _reconstructed(reconstruction_v1, state, place, file, request)


@router.get("/cas/{place:piece}/ranges/{xorb:piece}", summary="Fetch a part of a xorb", response_class=Response)
def send_range(
    place: str,
    xorb: str,
    start: Annotated[int, Query(ge=0)],
    end: Annotated[int, Query(ge=0)],
    ticket: Annotated[str, Query(description="The signature of the address.")],
    request: Request,
    state: State,
) -> Response:
    """The bytes from ``start`` to before ``end`` of the xorb in its plain form, or a range within them."""
    opened_address(state, ticket, method="GET", subject=_range_subject(state, xorb, start, end))
    index = state.xorbs.find(xorb)
    if index is None or end > index.plain_size:
        raise HubError(404, f"there is no xorb {xorb[:64]} here")
    first, behind = start, end
    asked = request.headers.get("range")
    if asked is not None:
        match = _RANGE.fullmatch(asked)
        if match is None:
            raise HubError(400, f"one range of bytes is taken here, not {asked[:80]!r}")
        first = int(match[1])
        behind = min(int(match[2]) + 1, index.plain_size) if match[2] else end
        if not start <= first < behind <= end:
            raise HubError(403, f"Forbidden: this address is good for the bytes {start} to {end - 1}")
    headers = {
        "Content-Range": f"bytes {first}-{behind - 1}/{index.plain_size}",
        "Content-Length": str(behind - first),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
    }
    content = state.xorbs.read_plain(xorb, first, behind - first)
    return StreamingResponse(content, 206, headers=headers, media_type="application/octet-stream")


@router.post("/v1/telemetry", summary="Numbers of a client, which are not kept", include_in_schema=False)
@router.post("/cas/{place:piece}/v1/telemetry", summary="Numbers of a client, which are not kept")
async def telemetry() -> Response:
    """Nothing is read of it."""
    return Response(status_code=200)


def _sender(state: HubState, request: Request, place: str) -> Access:
    """Who sends xorbs and shards: a token to fetch files is not enough."""
    permit, access = opened_xet_token(state, request.headers.get("authorization"), place)
    if permit.action == "download":
        raise HubError(403, "Forbidden: this Xet token is for fetching; ask the repository for one to send files with")
    return access


def _note_xorb(state: HubState, access: Access, name: str, index: XorbIndex, received: int) -> bool:
    with state.records.write() as session:
        is_new = xorbs.note_xorb(session, name, index, blob=xorb_key(name), received=received, sender=access.principal)
        if not state.xorbs.has(name) or not state.blobs.exists(xorb_key(name)):
            raise links.WentMeanwhile(f"xorb {name} was removed by a clean-up while it arrived; send it again")
        return is_new


def _accept(state: HubState, access: Access, shard: bytes, report: Any) -> int:
    """Check a shard, record its files and link them to the token's repository; 1, the result that says so."""
    principal = access.principal
    most = state.settings.max_file_bytes

    def usable(names: frozenset[str]) -> set[str]:
        with state.records.read() as session:
            return xorbs.usable(session, principal, names)

    def admit(file: ShardFile) -> None:
        if file.size > most:
            raise HubError(413, f"file {file.hash} has {file.size} bytes, at most {most} are taken")
        with state.records.read() as session:
            known = links.linked(session, access.repository, [file.sha256 or ""])
            check_quota(session, access.repository, [] if known else [file.size])

    def proved(name: str) -> str | None:
        with state.records.read() as session:
            return xorbs.proved(session, principal, name)

    try:
        files = XetFiles(state.xorbs).accept(shard, usable=usable, admit=admit, proved=proved, progress=report)
        for each in files:
            refuse_large(state, each.content)
        with state.records.write() as session:
            repository = session.get(Repository, access.repository.id)
            if repository is None:
                raise HubError(404, "the repository was deleted meanwhile", code="RepoNotFound")
            xorbs.note_files(session, files, repository, sender=principal)
    except MalformedXet as error:
        raise HubError(400, str(error)) from None
    except OverQuota as error:
        raise HubError(413, str(error)) from None
    return 1


async def _progress(accepting: asyncio.Task[int], news: asyncio.Queue[tuple[int, int]]) -> AsyncIterator[bytes]:
    """The lines of an answer that began before the shard was checked."""
    while not accepting.done():
        getting = asyncio.create_task(news.get())
        await asyncio.wait({accepting, getting}, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            done, total = getting.result()
            yield _lines([{"type": "validating", "verified": done, "total": total}])
        else:
            getting.cancel()
    try:
        yield _lines([{"type": "result", "result": await accepting}])
    except HubError as error:
        yield _lines([{"type": "error", "message": error.detail, "retryable": False}])
    except EnfoldError:
        yield _lines([{"type": "error", "message": "the hub cannot do this now; try again later", "retryable": True}])


def _lines(values: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def _reconstructed(answer: Any, state: HubState, place: str, file: str, request: Request) -> JSONResponse:
    _, access = opened_xet_token(state, request.headers.get("authorization"), place)
    with state.records.read() as session:
        terms = xorbs.terms_in(session, access.repository.id, file) if _HASH.fullmatch(file) else []
    if not terms:
        raise HubError(404, f"there is no file {file[:64]} here")
    with state.records.read() as session:
        sha256 = xorbs.sha256_of(session, file)
        large = None if sha256 is None else links.large_file(session, sha256)
    if large is not None:
        check_content(state, access.principal, access.repository, large_content(state, large))
    start, end = 0, None
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is not None:
        start, end = int(match[1]), int(match[2]) + 1 if match[2] else None
    url_for = partial(_range_address, state, access, f"{base_url(request)}/cas/{place}")
    try:
        return JSONResponse(answer(terms, index_of=state.xorbs.index, url_for=url_for, start=start, end=end))
    except RangePastEnd as error:
        raise HubError(416, str(error), headers={"Content-Range": f"bytes */{error.size}"}) from None


def _range_address(state: HubState, access: Access, base: str, xorb: str, start: int, end: int) -> str:
    principal = access.principal
    # A quarter of an hour is the same for all: the addresses of a file that is asked for again are the same.
    expires = (int(time.time()) // 900 + 1) * 900 + _RANGE_SECONDS
    permit = Permit(
        "GET",
        _range_subject(state, xorb, start, end),
        end - start,
        access.repository.id,
        principal.account_id,
        principal.token_id,
        expires,
    )
    return f"{base}/ranges/{xorb}?start={start}&end={end}&{state.signer.address(permit)}"


def _range_subject(state: HubState, xorb: str, start: int, end: int) -> str:
    # With what the hub does about unsafe files: an address that it gave while it only warned ends with that.
    return f"xorb {xorb} {start}-{end} {state.settings.unsafe_files}"
