"""From a revision, as a request spells it, to the commit it means in this repository."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy.orm import Session

from enfold.hub.records import refs
from enfold.hub.records.schema import Repository
from enfold.hub.server.errors import HubError, revision_not_found
from enfold.hub.server.state import HubState
from enfold.hub.store import ObjectStore

__all__ = ["Revision", "branch_ref", "resolve"]

_HEX = re.compile(r"[0-9a-f]{5,40}")


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision that was found: its commit, and the ref that names it, if one does."""

    commit: str
    ref: str | None


def resolve(state: HubState, session: Session, repository: Repository, revision: str) -> Revision:
    """The commit of a branch, a tag, a full ref, or a full or short commit id; a branch goes before a tag.

    A commit id counts only when one of this repository's refs leads to it.

    Raises:
        HubError: there is no such revision here (404, ``RevisionNotFound``).
    """
    if "\0" in revision:  # no ref has it in its name, and PostgreSQL takes it in no text
        raise revision_not_found(revision)
    names = [revision] if revision.startswith("refs/") else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
    for name in names:
        commit = refs.head_of(session, repository, name)
        if commit is not None:
            return Revision(commit, name)
    if _HEX.fullmatch(revision.lower()):
        commit = _commit(state.objects(repository), session, repository, revision.lower())
        if commit is not None:
            return Revision(commit, None)
    raise revision_not_found(revision)


def branch_ref(revision: str) -> str:
    """The full name of the ref that a commit to ``revision`` moves: a branch or a pull request's.

    Raises:
        HubError: it is neither.
    """
    if not revision.startswith("refs/"):
        return f"refs/heads/{revision}"
    if revision.startswith(("refs/heads/", "refs/pr/")):
        return revision
    raise HubError(400, f"{revision} is neither a branch nor a pull request, so no commit can go there")


def _commit(store: ObjectStore, session: Session, repository: Repository, prefix: str) -> str | None:
    tips = [ref.commit for ref in refs.refs_of(session, repository)]
    if prefix in tips:
        return prefix
    found = [oid for oid in store.starting_with(prefix, 20) if store.head(oid)[0] == "commit"]
    reached = [oid for oid in found if store.reachable(oid, tips)]
    return reached[0] if len(reached) == 1 else None
