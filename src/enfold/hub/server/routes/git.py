"""git's smart protocol: clone, fetch and push over HTTP, on the objects that the API reads and writes.

A client that asks for version 2 is answered in version 0, which every git understands.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse

from enfold.hub.records import refs
from enfold.hub.records.schema import RefRecord
from enfold.hub.server.access import Access, WebDownload, WebRead, check
from enfold.hub.server.errors import HubError, sign_in_needed
from enfold.hub.server.git_fetches import advertised, answer_fetch, read_fetch
from enfold.hub.server.git_pushes import Push, approve_pointers, judge, move, read_push, report
from enfold.hub.server.git_wire import Packets, inflated
from enfold.hub.server.permits import check_may_contribute
from enfold.hub.server.receiving import feed
from enfold.hub.server.safety import withheld
from enfold.hub.server.state import HubState, State
from enfold.hub.store import GitError, IncomingPack, PackCaps

__all__ = ["router"]

_UPLOAD, _RECEIVE = "git-upload-pack", "git-receive-pack"
_FRESH = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}
# Trees and commits may be larger than the files that are kept in git.
_LEAST_OBJECT_BYTES = 32 << 20


class _PlainErrors(APIRoute):
    """A route whose errors are plain text, which git shows to its user."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, with errors as text."""
        handle = super().get_route_handler()

        async def plain(request: Request) -> Response:
            try:
                return await handle(request)
            except HubError as error:
                return PlainTextResponse(f"{error.detail}\n", error.status_code, headers=error.headers)

        return plain


router = APIRouter(tags=["git"], route_class=_PlainErrors)


@router.get("/{place:place}/info/refs", summary="The refs, for git", response_class=Response)
def advertise(
    request: Request,
    access: WebRead,
    state: State,
    service: Annotated[str, Query(description="git-upload-pack to fetch, git-receive-pack to push.")] = "",
) -> Response:
    """What the client may fetch, or push to."""
    if service == _UPLOAD:
        check(access.principal, "download", access.repository)
    elif service == _RECEIVE:
        check_may_contribute(access.principal, access.repository)
    else:
        raise HubError(403, "this hub speaks git's smart protocol only; use git 1.6.6 or newer")
    version = 1 if "version=1" in request.headers.get("git-protocol", "").split(":") else 0
    answer = advertised(state.objects(access.repository), _refs(state, access), service, version=version)
    return Response(answer, media_type=f"application/x-{service}-advertisement", headers=_FRESH)


@router.post("/{place:place}/git-upload-pack", summary="A fetch", response_class=Response)
async def upload_pack(request: Request, access: WebDownload, state: State) -> Response:
    """The pack of what the client lacks."""
    packets = Packets(inflated(request))
    asked = await read_fetch(packets)
    await packets.drain(1 << 20)
    store = state.objects(access.repository)
    known = await run_in_threadpool(_refs, state, access)
    answer = await run_in_threadpool(answer_fetch, store, known, asked, partial(_refusal, state, access))
    return StreamingResponse(answer, media_type=f"application/x-{_UPLOAD}-result", headers=_FRESH)


@router.post("/{place:place}/git-receive-pack", summary="A push", response_class=Response)
async def receive_pack(request: Request, access: WebRead, state: State) -> Response:
    """The pack is checked whole before a ref moves; what was refused is said ref by ref."""
    check_may_contribute(access.principal, access.repository)
    packets = Packets(inflated(request))
    push = await read_push(packets)
    fault = None
    if push.commands:  # none: the client only asks whether it is let in, before it sends much
        await run_in_threadpool(_judge, state, access, push)
        if push.needs_pack:
            fault = await _receive(state, access, packets)
        elif push.has_pack:
            await packets.drain()
        if fault is None:
            await run_in_threadpool(move, state, access, push)
        else:
            push.refuse_rest("unpacker error")
    return Response(report(push, fault), media_type=f"application/x-{_RECEIVE}-result", headers=_FRESH)


def _refusal(state: HubState, access: Access, oids: Sequence[bytes]) -> str | None:
    """Why a pack is not sent: with a file in quarantine it goes to owners alone.

    Raises:
        HubError: nobody has signed in (401).
    """
    found = withheld(state, access.principal, access.repository, (oid.hex() for oid in oids))
    if not found:
        return None
    if access.principal.is_anonymous:  # git names its user only when it is asked to
        raise sign_in_needed("fetching files in quarantine")
    name, verdict = next(iter(found.items()))
    return (
        f"{len(found)} of the files are in quarantine, such as {name} ({verdict.words}), and go to owners of the "
        "repository alone; fetch the others one by one, as hf download does with --exclude"
    )


def _refs(state: HubState, access: Access) -> list[RefRecord]:
    with state.records.read() as session:
        return refs.refs_of(session, access.repository)


def _judge(state: HubState, access: Access, push: Push) -> None:
    with state.records.read() as session:
        judge(session, access, push)


async def _receive(state: HubState, access: Access, packets: Packets) -> str | None:
    """Take the pack into the repository; what is wrong with it, if anything."""
    store = state.objects(access.repository)
    caps = PackCaps(object_bytes=max(state.settings.max_regular_bytes, _LEAST_OBJECT_BYTES))
    try:
        with await run_in_threadpool(partial(IncomingPack, store, caps=caps)) as incoming:

            def take(piece: bytes) -> None:
                state.blobs.spool.check_room(len(piece))
                incoming.write(piece)

            await feed(packets.rest(), take, most=caps.pack_bytes + 1)
            await run_in_threadpool(incoming.finish, partial(approve_pointers, state, access))
    except GitError as error:
        await packets.drain()
        return str(error)
    return None
