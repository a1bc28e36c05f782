"""Committing through the API: what is to be sent how, the commit itself, and whether a card can be read."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from enfold.hub.records import cards, refs
from enfold.hub.records.schema import Repository
from enfold.hub.server.access import Access, ApiRead, check
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.commit_lines import CommitLines
from enfold.hub.server.commits import Draft, land
from enfold.hub.server.contents import pointer_at
from enfold.hub.server.errors import HubError, revision_not_found
from enfold.hub.server.lookalikes import look_alike
from enfold.hub.server.origins import base_url
from enfold.hub.server.paths import RepositoryAddress
from enfold.hub.server.pull_requests import check_may_push, open_pull_request
from enfold.hub.server.receiving import feed, pieces
from enfold.hub.server.revisions import branch_ref, resolve
from enfold.hub.server.state import HubState, State
from enfold.hub.store import ObjectStore, check_path, trees
from enfold.hub.store.attributes import IgnoreRules, Rules

__all__ = ["router"]

router = APIRouter(tags=["content"], route_class=BoundedRoute)

_MOST_FILES = 1000
_LONGEST = 4 << 30
_CreatePullRequest = Annotated[bool, Query(description="Open a pull request with it; reading is enough for that.")]


class _Body(BaseModel):
    model_config = ConfigDict(populate_by_name=True)


class PlannedFile(_Body):
    """A file that somebody is about to commit."""

    path: str
    size: int = Field(ge=0)
    sample: str = Field("", max_length=4000, description="The first 512 bytes in base64.")


class Plan(_Body):
    """The files of a commit to be."""

    files: list[PlannedFile] = Field(max_length=_MOST_FILES)
    git_ignore: str | None = Field(None, alias="gitIgnore", description="A .gitignore that goes before the kept one.")


class Card(_Body):
    """A README.md to be."""

    content: str
    repo_type: Literal["model", "dataset", "space"] | None = Field(None, alias="repoType")


@router.post("/api/{kind:kind}/{repo:repo}/preupload/{revision:piece}", summary="How files are to be sent")
def preupload(
    revision: str, body: Plan, access: ApiRead, state: State, create_pr: _CreatePullRequest = False
) -> dict[str, Any]:
    """Each with `regular` (in the commit itself) or `lfs` (beforehand), and the id of what is there now."""
    _check_may_commit(state, access, revision, create_pr)
    repository = access.repository
    store = state.objects(repository)
    with state.records.read() as session:
        tree = store.commit(resolve(state, session, repository, revision).commit).tree
    rules = Rules(store, tree)
    ignored = None if body.git_ignore is None else IgnoreRules(body.git_ignore.encode("utf-8", "replace"))
    files = []
    for file in body.files:
        path = check_path(file.path)
        large = rules.is_large(path) or file.size > state.settings.max_regular_bytes
        files.append(
            {
                "path": file.path,
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": rules.ignores(path) if ignored is None else ignored.ignores(path),
                "oid": _there_now(store, tree, path),
            }
        )
    return {"files": files}


async def commit(
    request: Request, revision: str, access: ApiRead, state: State, create_pr: _CreatePullRequest = False
) -> JSONResponse:
    """Puts, deletes and copies files in one commit.

    With `parentCommit`, 412 if the branch is not there any more; without it, the changes are made to its head.
    """
    ref = await run_in_threadpool(_check_may_commit, state, access, revision, create_pr)
    with ExitStack() as stack:
        draft = await run_in_threadpool(stack.enter_context, Draft(state, access.repository))
        lines = CommitLines(draft, ref, most=state.settings.max_regular_bytes)
        try:
            await feed(pieces(request), lines.feed, most=_LONGEST)
            await run_in_threadpool(lines.finish)
        except HubError as error:
            # The rest of the body is not read, so the connection cannot be used again.
            error.headers = {**(error.headers or {}), "Connection": "close"}
            raise
        return await run_in_threadpool(_landed, request, access, draft, lines, ref, create_pr)


router.add_api_route(
    "/api/{kind:kind}/{repo:repo}/commit/{revision:piece}",
    commit,
    methods=["POST"],
    route_class_override=APIRoute,  # it bounds its lines, not its body
    summary="Commit",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A header, then one operation a line.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        }
    },
)


@router.post("/api/validate-yaml", summary="Whether a card can be read")
def validate_card(body: Card) -> dict[str, Any]:
    """Faults of the YAML header of a README.md (400), and warnings."""
    warnings: list[dict[str, str]] = []
    try:
        header = cards.read_card(body.content)
        cards.check_card(header or {})
    except cards.CardFault as error:
        found = {"errors": [{"message": str(error)}], "warnings": warnings}
        raise HubError(400, str(error), body=found) from None
    if not header:
        message = "empty or missing yaml metadata in repo card: it is what search and listings know of the repository"
        warnings.append({"message": message})
    return {"errors": [], "warnings": warnings}


def _check_may_commit(state: HubState, access: Access, revision: str, create_pr: bool) -> str:
    """The ref that a commit goes to, or for a new pull request the branch it is meant for.

    Raises:
        HubError: the caller may not, or there is no such ref.
    """
    repository, principal = access.repository, access.principal
    if create_pr:
        check(principal, "discuss", repository)
        check(principal, "download", repository)
        ref = branch_ref(revision) if not revision.startswith("refs/pr/") else revision
        with state.records.read() as session:
            if not ref.startswith("refs/heads/") or refs.head_of(session, repository, ref) is None:
                raise revision_not_found(revision)
        return ref
    if revision.startswith("refs/pr/"):
        check(principal, "discuss", repository)
        with state.records.read() as session:
            check_may_push(session, principal, repository, revision)
        return revision
    check(principal, "write", repository)
    ref = branch_ref(revision)
    with state.records.read() as session:
        if refs.head_of(session, repository, ref) is None:
            raise revision_not_found(revision)
    return ref


def _landed(
    request: Request, access: Access, draft: Draft, lines: CommitLines, ref: str, create_pr: bool
) -> JSONResponse:
    repository, principal = access.repository, access.principal
    message = lines.message
    assert message is not None, "a finished body has its header"
    base = f"{base_url(request)}/{_place(repository)}"
    answer: dict[str, Any] = {"success": True, "hookOutput": ""}
    if create_pr:
        opened = open_pull_request(
            draft.state,
            repository,
            principal,
            title=message.title,
            description=message.description,
            base=ref,
            draft=draft,
            parent=lines.parent,
        )
        oid = opened.commit
        answer["pullRequestUrl"] = f"{base}/discussions/{opened.number}"
    else:
        oid = land(draft, ref, message, principal, parent=lines.parent).commit
    answer |= {"commitOid": oid, "commitUrl": f"{base}/commit/{oid}"}
    written = [each.path for each in draft.operations if isinstance(each, trees.Put | trees.Copy)]
    pair = look_alike(draft.store, draft.store.commit(oid).tree, written)
    if pair is None:
        return JSONResponse(answer)
    shown, other = (path.encode("ascii", "backslashreplace").decode("ascii") for path in pair)
    warning = f"Paths; '{shown}' and '{other}' are one path where case or composed letters do not count"
    return JSONResponse(answer, headers={"X-HF-Warning": warning})


def _place(repository: Repository) -> str:
    return RepositoryAddress(repository.type, repository.full_name).place  # type: ignore[arg-type]


def _there_now(store: ObjectStore, tree: str, path: bytes) -> str | None:
    """What clients compare a file with: its git id, or the sha256 of a large file."""
    entry = trees.find_entry(store, tree, path)
    if entry is None or entry.mode >> 12 != 0o10:
        return None
    pointer = pointer_at(store, entry.oid)
    return entry.oid if pointer is None else pointer.sha256
