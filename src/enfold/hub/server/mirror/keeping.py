"""A repository of the upstream hub in this one: made when it is first asked for, and made equal again later."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from enfold.hub.records import Principal, audit, refs
from enfold.hub.records.accounts import create_organization, find_account, new_uid
from enfold.hub.records.errors import InvalidName, NameTaken, RefMoved
from enfold.hub.records.names import check_account_name, check_repository_name, split_id
from enfold.hub.records.repositories import RepositoryType, create_repository
from enfold.hub.records.schema import Mirror, Repository, now
from enfold.hub.server import derived
from enfold.hub.server.errors import HubError
from enfold.hub.server.mirror.fetching import FOLLOWED, Target, fetch
from enfold.hub.server.mirror.upstream import Described, NotGiven, Place, Unreachable, Upstream
from enfold.hub.server.safety import refused_in_push
from enfold.hub.store import GitError, ObjectStore

if TYPE_CHECKING:
    from enfold.hub.server.state import HubState

__all__ = ["fail", "keep_new", "may_be_mirrored", "renew", "withdraw"]

_JOB = Principal.job("mirror")


def may_be_mirrored(state: HubState, session: Session, full_name: str) -> bool:
    """Whether a name can be that of a repository from upstream: what belongs to somebody of this hub cannot."""
    namespace, name = split_id(full_name)
    try:
        check_repository_name(name)
        check_account_name(namespace or name, taken_by_routes=state.taken_by_routes)
    except InvalidName:
        return False
    owner = find_account(session, namespace or name)
    if owner is None:
        return True
    return owner.mirrored if namespace else owner.kind == "model"


def keep_new(state: HubState, upstream: Upstream, place: Place, described: Described) -> Repository | None:
    """Fetch a repository that is not here, and make it; None when it was made by another meanwhile.

    Raises:
        NotGiven, Unreachable: see `fetching.fetch`.
        HubError: it holds files that this hub refuses.
    """
    uid = new_uid()
    with ExitStack() as undo:
        undo.callback(_remove, state, uid)
        state.root.make_repository(uid)
        store = state.objects(uid)
        found = _fetched(state, upstream, place, store, ())
        if refs.MAIN not in found:
            raise NotGiven(f"{place.full_name} has no branch main at {upstream.url}")
        _refuse_unsafe(state, Repository(uid=uid, type=place.type, full_name=place.full_name), found, {})
        head = found[refs.MAIN][1]
        facts = derived.read(store, store.commit(head).tree, state)
        try:
            with state.records.write() as session:
                made = _made(state, session, uid, place, described)
                session.add(Mirror(repository_id=made.id, upstream=place.full_name, fetched_at=now()))
                for name, (target, commit) in found.items():
                    refs.move_ref(session, made, name, None, target, commit=commit, reason="mirror")
                derived.write(session, made, head, facts)
                about = f"{made.type} {made.full_name}"
                audit.note(session, _JOB, "repository.mirror", about, private=described.private, gated=described.gated)
        except (NameTaken, IntegrityError):
            return None
        undo.pop_all()
    _after(state, made, {name: commit for name, (_, commit) in found.items()})
    return made


def renew(state: HubState, upstream: Upstream, repository: Repository, place: Place, described: Described) -> None:
    """Make a repository equal to what it is upstream by now: its refs, and who may read it.

    Raises:
        NotGiven, Unreachable: see `fetching.fetch`.
        HubError: it holds files that this hub refuses.
    """
    with state.records.read() as session:
        kept = {each.name: (each.target, each.commit) for each in refs.refs_of(session, repository)}
    kept = {name: target for name, target in kept.items() if name.startswith(FOLLOWED)}
    store = state.objects(repository)
    found = _fetched(state, upstream, place, store, (commit for _, commit in kept.values()))
    if refs.MAIN not in found:
        raise NotGiven(f"{place.full_name} has no branch main at {upstream.url}")
    changed = {name: target for name, target in found.items() if kept.get(name) != target}
    _refuse_unsafe(state, repository, changed, kept)
    head = found[refs.MAIN][1]
    facts = derived.read(store, store.commit(head).tree, state) if refs.MAIN in changed else None
    try:
        with state.records.write() as session:
            mine = session.get_one(Repository, repository.id)
            for name in kept.keys() - found.keys():
                refs.move_ref(session, mine, name, kept[name][0], None, reason="mirror")
            for name, (target, commit) in changed.items():
                old = kept[name][0] if name in kept else None
                refs.move_ref(session, mine, name, old, target, commit=commit, reason="mirror")
            if facts is not None:
                derived.write(session, mine, head, facts)
            _open_as(mine, described)
            row = session.get_one(Mirror, repository.id)
            row.fetched_at, row.failed_at, row.state = now(), None, {}
    except RefMoved:  # another worker of this hub was quicker, and wrote the same
        return
    _after(state, repository, {name: commit for name, (_, commit) in changed.items()})


def fail(session: Session, repository: Repository, fault: str) -> None:
    """Note that a repository could not be made equal to what it is upstream."""
    row = session.get(Mirror, repository.id)
    if row is not None:
        row.failed_at, row.state = now(), {"fault": fault}


def withdraw(session: Session, repository: Repository, fault: str) -> None:
    """Show a repository to its listed readers alone: the upstream hub has it no more, or not for everybody."""
    mine = session.get(Repository, repository.id)
    if mine is not None:
        mine.private = True
        fail(session, mine, fault)


def _fetched(
    state: HubState, upstream: Upstream, place: Place, store: ObjectStore, have: Iterable[str]
) -> dict[str, Target]:
    try:
        return fetch(upstream, place, store, have, state.blobs.spool.check_room)
    except GitError as error:
        raise Unreachable(f"the objects that {upstream.url} gave of {place.full_name} are refused: {error}") from error


def _refuse_unsafe(state: HubState, repository: Repository, new: dict[str, Target], kept: dict[str, Target]) -> None:
    for name, (_, commit) in new.items():
        fault = refused_in_push(state, repository, commit, kept[name][1] if name in kept else None)
        if fault is not None:
            raise HubError(422, fault, code="UnsafeFile")


def _made(state: HubState, session: Session, uid: str, place: Place, described: Described) -> Repository:
    namespace, _ = split_id(place.full_name)
    if namespace and find_account(session, namespace) is None:
        create_organization(session, namespace, taken_by_routes=state.taken_by_routes).mirrored = True
    kind: RepositoryType = place.type  # type: ignore[assignment]
    routes = state.taken_by_routes
    made = create_repository(session, kind, place.full_name, uid=uid, sdk=described.sdk, taken_by_routes=routes)
    made.mirrored = True
    _open_as(made, described)
    return made


def _open_as(repository: Repository, described: Described) -> None:
    """Open it to whom it is open upstream. A gate there lets this hub in, and nobody who only asks here."""
    repository.private = described.private
    repository.gated = "manual" if described.gated else None


def _after(state: HubState, repository: Repository, commits: dict[str, str]) -> None:
    for name, commit in commits.items():
        if name.startswith("refs/heads/"):
            state.after_commit(repository, commit)


def _remove(state: HubState, uid: str) -> None:
    state.forget_objects(uid)
    state.root.remove_repository(uid)
