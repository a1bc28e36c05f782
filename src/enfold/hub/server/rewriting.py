"""Changes to the history of a branch: one commit in place of all, and a commit that undoes another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from enfold.hub.records import Principal, RefMoved, refs
from enfold.hub.records.schema import Repository
from enfold.hub.server import derived
from enfold.hub.server.commits import Landed, Message, signature_of
from enfold.hub.server.errors import BRANCH_MOVED, HubError, revision_not_found
from enfold.hub.server.safety import refuse_new_files
from enfold.hub.server.state import HubState
from enfold.hub.store import Commit, GitObject, ObjectStore
from enfold.hub.store.commits import is_ancestor, merge_trees
from enfold.hub.store.trees import EMPTY_TREE

__all__ = ["revert", "squash"]

_TRIES = 20
_Made = tuple[str, tuple[str, ...], Sequence[GitObject]]
"""The tree of a new commit, its parents, and objects that it needs."""


def squash(state: HubState, repository: Repository, ref: str, message: Message, principal: Principal) -> Landed:
    """Make the files at the head of a branch its only commit; what came before is lost to this branch.

    Raises:
        HubError: there is no such branch (404).
    """

    def make(store: ObjectStore, head: str) -> _Made:
        return store.commit(head).tree, (), ()

    return _replaced(state, repository, ref, message, principal, make, reason="super-squash")


def revert(
    state: HubState,
    repository: Repository,
    ref: str,
    commit: str,
    principal: Principal,
    *,
    message: Message | None = None,
    parent: str | None = None,
) -> Landed:
    """Undo on a branch what one commit of its history changed, with a new commit.

    A merge is undone towards its first parent, the branch that it was made on.

    Args:
        state: the hub.
        repository: whose branch it is.
        ref: the full name of the branch.
        commit: the commit to be undone.
        principal: who does it.
        message: what the new commit says; that it reverts another if not given.
        parent: the commit (or its beginning) that the branch must still be at.

    Raises:
        HubError: the commit is not in the history of the branch, or what it changed was changed again since (409); the
            branch moved (412); there is no such branch (404).
    """
    undone = state.objects(repository).commit(commit)
    said = message or Message(f'Revert "{undone.title}"', f"This reverts commit {commit}.")

    def make(store: ObjectStore, head: str) -> _Made:
        if parent is not None and not head.startswith(parent.lower()):
            raise HubError(412, BRANCH_MOVED)
        if not is_ancestor(store, commit, head):
            shown = ref.removeprefix("refs/heads/")
            raise HubError(409, f"commit {commit} is not in the history of {shown}, so it cannot be undone there")
        before = store.commit(undone.parents[0]).tree if undone.parents else EMPTY_TREE.oid
        merge = merge_trees(store, undone.tree, store.commit(head).tree, before)
        if merge.conflicts:
            paths = sorted(conflict.path.decode("utf-8", "replace") for conflict in merge.conflicts)
            shown = ", ".join(paths[:10]) + (f" and {len(paths) - 10} more" if len(paths) > 10 else "")
            raise HubError(409, f"commit {commit} cannot be undone: changed since were {shown}", body={"files": paths})
        return merge.tree, (head,), merge.objects

    return _replaced(state, repository, ref, said, principal, make, reason="revert")


def _replaced(
    state: HubState,
    repository: Repository,
    ref: str,
    message: Message,
    principal: Principal,
    make: Callable[[ObjectStore, str], _Made],
    *,
    reason: str,
) -> Landed:
    """Move a branch to a commit that is made from its head: objects first, then compare and swap."""
    store = state.objects(repository)
    with state.records.read() as session:
        author = signature_of(session, principal)
    with state.turn_on(repository, ref):
        for _ in range(_TRIES):
            with state.records.read() as session:
                head = refs.head_of(session, repository, ref)
            if head is None:
                raise revision_not_found(ref.removeprefix("refs/heads/"))
            tree, parents, objects = make(store, head)
            if parents and tree == store.commit(head).tree:
                return Landed(head, is_new=False)
            commit = Commit(tree, parents, author, author, message.encode()).encode()
            store.add([*objects, commit])
            refuse_new_files(state, repository, store, store.commit(head).tree, tree)
            facts = derived.read(store, tree, state) if ref == refs.MAIN else None
            try:
                with state.records.write() as session:
                    actor = principal.account_id
                    refs.move_ref(session, repository, ref, head, commit.oid, actor_id=actor, reason=reason)
                    if facts is not None:
                        derived.write(session, repository, commit.oid, facts)
                state.after_commit(repository, commit.oid)
                return Landed(commit.oid, is_new=True)
            except RefMoved:
                continue
    raise HubError(503, f"{ref} is being written to all the time; try again later", headers={"Retry-After": "2"})
