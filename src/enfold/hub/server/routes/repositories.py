"""Making, moving, changing and deleting repositories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import JSONResponse

from enfold.hub.records import Principal, audit, links, may_create, repositories
from enfold.hub.records.accounts import find_account, new_uid
from enfold.hub.records.errors import NameTaken
from enfold.hub.records.names import check_repository_name
from enfold.hub.records.permissions import may
from enfold.hub.records.refs import MAIN, move_ref
from enfold.hub.records.schema import Repository, now
from enfold.hub.server import derived
from enfold.hub.server.access import ApiAdmin, SignedIn, check, find
from enfold.hub.server.bodies import BoundedRoute
from enfold.hub.server.commits import Draft, Message, first_commit, signature_of
from enfold.hub.server.errors import HubError, forbidden, repository_not_found
from enfold.hub.server.origins import base_url
from enfold.hub.server.paths import RepositoryAddress
from enfold.hub.server.state import HubState, State
from enfold.hub.store import DEFAULT_ATTRIBUTES

__all__ = ["Beginning", "Kind", "address", "already_there", "found_repository", "make_repository", "router"]

router = APIRouter(tags=["repositories"], route_class=BoundedRoute)

Kind = Literal["model", "dataset", "space"]


class _Body(BaseModel):
    model_config = ConfigDict(populate_by_name=True, protected_namespaces=())


class NewRepository(_Body):
    """A repository to be made. Members of hosted spaces (hardware, secrets) are taken and have no effect."""

    name: str
    organization: str | None = None
    type: Kind | None = None
    visibility: Literal["public", "private", "protected"] | None = None
    private: bool | None = None
    sdk: str | None = None
    license: str | None = None


class OldRepository(_Body):
    """A repository to be deleted."""

    name: str
    organization: str | None = None
    type: Kind | None = None


class Move(_Body):
    """A repository and its new name."""

    from_repo: str = Field(alias="fromRepo")
    to_repo: str = Field(alias="toRepo")
    type: Kind | None = None


class Settings(_Body):
    """What is to change; the rest stays."""

    visibility: Literal["public", "private"] | None = None
    private: bool | None = None
    gated: Literal["auto", "manual", False] | None = None
    description: str | None = Field(None, max_length=2000)
    discussions_disabled: bool | None = Field(None, alias="discussionsDisabled")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new repository begins with: the object and the commit of each ref, and the large files it may use."""

    refs: Mapping[str, tuple[str, str]]
    large: Sequence[str] = ()


@router.post("/api/repos/create", summary="Make a repository with its first commit")
def create(request: Request, body: NewRepository, caller: SignedIn, state: State) -> JSONResponse:
    """200 with its address; 409 with the same body when it is there already; 403 without the right to make it."""
    kind: Kind = body.type or "model"
    full_name = _full_name(caller, body.organization, body.name)
    private = body.visibility != "public" if body.visibility else bool(body.private)
    if kind == "space" and body.sdk is None:
        raise HubError(400, "sdk is missing: a space needs one, such as gradio, docker or static")
    with state.records.read() as session:
        there = repositories.find_repository(session, kind, full_name)
    if there is not None and may(caller, "read", there):
        return already_there(request, there)
    files = {".gitattributes": DEFAULT_ATTRIBUTES}
    facts = {"license": body.license} if body.license else {}
    if kind == "space" and body.sdk is not None:  # clients count on a card there: it says how a space is run
        facts = {"title": full_name.rpartition("/")[2], "sdk": body.sdk, **facts}
    if facts:
        lines = "".join(f"{key}: {_word(value)}\n" for key, value in facts.items())
        files["README.md"] = f"---\n{lines}---\n".encode()
    made = make_repository(state, caller, kind, full_name, files, private=private, sdk=body.sdk)
    return JSONResponse(address(request, made))


@router.delete("/api/repos/delete", summary="Delete a repository")
def delete(body: OldRepository, caller: SignedIn, state: State) -> JSONResponse:
    """Deletes the repository, its files and its discussions for good."""
    found, moved = find(state, caller, body.type or "model", _full_name(caller, body.organization, body.name))
    if moved:  # an old name is good for finding things, not for losing them
        raise repository_not_found(anonymous=False)
    check(caller, "admin", found)
    with state.records.write() as session:
        audit.note(session, caller, "repository.delete", f"{found.type} {found.full_name}", uid=found.uid)
        repositories.delete_repository(session, found)
    _remove(state, found.uid)
    return JSONResponse({"success": True})


@router.post("/api/repos/move", summary="Rename a repository, or give it to another account")
def move(request: Request, body: Move, caller: SignedIn, state: State) -> JSONResponse:
    """The old address is sent on to the new one, until somebody takes the old name."""
    found, _ = find(state, caller, body.type or "model", body.from_repo)
    check(caller, "admin", found)
    _check_may_create(state, caller, body.to_repo)
    taken = f"A {found.type} repository called {body.to_repo} already exists"
    with _taken_names_said(taken), state.records.write() as session:
        mine = session.get_one(Repository, found.id)
        repositories.move_repository(session, mine, body.to_repo, taken_by_routes=state.taken_by_routes)
        audit.note(session, caller, "repository.move", f"{mine.type} {mine.full_name}", before=found.full_name)
    return JSONResponse(address(request, mine))


@router.put("/api/{kind:kind}/{repo:repo}/settings", summary="Change a repository's settings")
def change(body: Settings, access: ApiAdmin, state: State) -> dict[str, Any]:
    """Answers what was changed."""
    given = body.model_dump(exclude_unset=True)
    with state.records.write() as session:
        mine = session.get_one(Repository, access.repository.id)
        if "visibility" in given or "private" in given:
            mine.private = body.visibility == "private" if "visibility" in given else bool(body.private)
        if "gated" in given:
            mine.gated = body.gated or None
        if "description" in given:
            mine.description = body.description
        if "discussions_disabled" in given:
            mine.discussions_disabled = bool(body.discussions_disabled)
        mine.updated_at = now()
        audit.note(session, access.principal, "repository.settings", f"{mine.type} {mine.full_name}", **given)
    shown = body.model_dump(exclude_unset=True, by_alias=True)
    return {**shown, "private": mine.private}


def make_repository(
    state: HubState,
    caller: Principal,
    kind: Kind,
    full_name: str,
    files: dict[str, bytes],
    *,
    private: bool = False,
    sdk: str | None = None,
) -> Repository:
    """Make a repository whose first commit holds ``files``: first the objects, then, in one transaction, the rest.

    Raises:
        HubError: the caller may not make it there (403).
        InvalidName, NameTaken: the name cannot be used.
    """

    def begin(uid: str) -> Beginning:
        with state.records.read() as session:
            author = signature_of(session, caller)
        with Draft(state, Repository(uid=uid, type=kind, full_name=full_name)) as draft:
            for path, data in files.items():
                draft.put(path, data)
            commit = first_commit(draft, Message("initial commit"), author)
        return Beginning({MAIN: (commit, commit)})

    return found_repository(state, caller, kind, full_name, begin, private=private, sdk=sdk)


def found_repository(
    state: HubState,
    caller: Principal,
    kind: Kind,
    full_name: str,
    begin: Callable[[str], Beginning],
    *,
    private: bool = False,
    sdk: str | None = None,
    reason: str = "create",
) -> Repository:
    """Make a repository with what ``begin`` writes: first the objects, then, in one transaction, the rest.

    Args:
        state: the hub.
        caller: who makes it.
        kind: what is in it.
        full_name: ``ns/name``.
        begin: writes the objects of the repository with this uid, and says where its refs are to point.
        private: whether only its account's people see it.
        sdk: of a space.
        reason: what to note of it.

    Raises:
        HubError: the caller may not make it there (403).
        InvalidName, NameTaken: the name cannot be used.
    """
    check_repository_name(full_name.rpartition("/")[2])
    _check_may_create(state, caller, full_name)
    uid = new_uid()
    with ExitStack() as undo:
        undo.callback(_remove, state, uid)
        state.root.make_repository(uid)
        beginning = begin(uid)
        store, (_, head) = state.objects(uid), beginning.refs[MAIN]
        facts = derived.read(store, store.commit(head).tree, state)
        undo.enter_context(_taken_names_said(f"A {kind} repository called {full_name} already exists"))
        with state.records.write() as session:
            made = repositories.create_repository(
                session,
                kind,
                full_name,
                uid=uid,
                creator_id=caller.account_id,
                private=private,
                sdk=sdk,
                taken_by_routes=state.taken_by_routes,
            )
            links.link(session, made, beginning.large, by_id=caller.account_id)
            for ref, (target, commit) in beginning.refs.items():
                actor = caller.account_id
                move_ref(session, made, ref, None, target, commit=commit, actor_id=actor, reason=reason)
            derived.write(session, made, head, facts)
            audit.note(session, caller, f"repository.{reason}", f"{kind} {made.full_name}", private=private)
        undo.pop_all()
    return made


def _remove(state: HubState, uid: str) -> None:
    """Remove the objects of a repository that is not in the records any more, or never was."""
    state.forget_objects(uid)
    state.root.remove_repository(uid)


@contextmanager
def _taken_names_said(message: str) -> Iterator[None]:
    """A name that two asked for at once, and the other got."""
    try:
        yield
    except IntegrityError:
        raise NameTaken(message) from None


def _check_may_create(state: HubState, caller: Principal, full_name: str) -> None:
    namespace, _, _ = full_name.rpartition("/")
    if not namespace:
        if not caller.is_admin or not caller.may_write_anything:
            raise forbidden("only an admin of the hub may make a repository without namespace")
        return
    with state.records.read() as session:
        owner = find_account(session, namespace)
    if owner is None or owner.kind == "model" or not may_create(caller, owner.id):
        raise forbidden(f'you don\'t have the rights to create a repository under the namespace "{namespace}"')


def _full_name(caller: Principal, organization: str | None, name: str) -> str:
    return name if "/" in name and organization is None else f"{organization or caller.name}/{name}"


def address(request: Request, repository: Repository) -> dict[str, Any]:
    """What clients are told of a repository that they made or moved."""
    place = RepositoryAddress(repository.type, repository.full_name).place  # type: ignore[arg-type]
    return {"url": f"{base_url(request)}/{place}", "name": repository.full_name, "id": repository.uid}


def already_there(request: Request, there: Repository) -> JSONResponse:
    """The answer to those who make what is there: 409, with its address for those who only wanted it to be."""
    message = f"You already created this {there.type} repo: {there.full_name}"
    return HubError(409, message, body=address(request, there)).response()  # type: ignore[return-value]


def _word(text: str) -> str:
    return "".join(character for character in text if character.isalnum() or character in "-._+")[:60]
