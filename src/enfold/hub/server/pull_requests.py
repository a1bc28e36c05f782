"""Pull requests: opening one, with a commit or at the head of its branch; who may push to it; and merging it.

A pull request is a discussion with a ref, ``refs/pr/N``, in the same repository. Its number, its ref and its first
commit come in one transaction, so that a request that fails leaves none of them. A merge makes a commit with two
parents, the branch and the pull request, so that the history of the branch shows one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy.orm import Session

from enfold.hub.records import Principal, RefMoved, discussions, links, refs
from enfold.hub.records.permissions import may
from enfold.hub.records.schema import Discussion, RefMove, Repository, now
from enfold.hub.server import derived
from enfold.hub.server.commits import REPEATED_WITHIN, Draft, Message, applied, check_links, signature_of
from enfold.hub.server.errors import HubError, forbidden, mirrored_repository, revision_not_found
from enfold.hub.server.revisions import resolve
from enfold.hub.server.safety import hidden_between, refuse_new_files
from enfold.hub.server.state import HubState
from enfold.hub.store import Commit, MalformedObject, ObjectStore, Signature, check_gitmodules
from enfold.hub.store.commits import Merge, log, merge_bases, merge_commits
from enfold.hub.store.git_objects import parse_tree
from enfold.hub.store.patches import patches

__all__ = [
    "Opened",
    "changes_of",
    "check_may_push",
    "check_open_to_discussion",
    "conflicts_of",
    "diff_of",
    "merge_pull_request",
    "open_pull_request",
    "pushed_commits",
]

_TRIES = 20
_LONGEST_TITLE = 200
_MOST_COMMITS = 250
_LARGEST_DIFF = 1 << 20


@dataclass(frozen=True, slots=True)
class Opened:
    """A pull request that is durable, and the commit at its ref."""

    number: int
    ref: str
    commit: str


def open_pull_request(
    state: HubState,
    repository: Repository,
    principal: Principal,
    *,
    title: str,
    description: str = "",
    base: str = refs.MAIN,
    draft: Draft | None = None,
    parent: str | None = None,
) -> Opened:
    """Open a pull request, with the changes of ``draft`` as its first commit, or at the head of ``base``.

    Args:
        state: the hub.
        repository: which the caller may discuss.
        principal: its author.
        title: of the pull request, and of the commit.
        description: of both.
        base: full name of the branch to merge into.
        draft: what to change; without it the pull request is a ``draft`` in status too.
        parent: the commit that the changes are made to, instead of the head of ``base``.

    Raises:
        HubError: there is no such branch or parent (404), discussions are switched off or the repository
            is mirrored (403), a file to be deleted is
            not there (404), or a large file was never uploaded for this repository (400).
        MalformedPath, PathConflict: the paths cannot be.
    """
    check_open_to_discussion(repository)
    if repository.mirrored:  # nobody could merge it
        raise mirrored_repository(repository.full_name)
    message = Message(title, description)
    short = " ".join(title.split())[:_LONGEST_TITLE].strip() or "Update files"
    with state.records.read() as session:
        head = refs.head_of(session, repository, base) if base.startswith("refs/heads/") else None
        if head is None:
            raise revision_not_found(base.removeprefix("refs/heads/"))
        start = resolve(state, session, repository, parent).commit if parent else head
        author = signature_of(session, principal)
        digest = draft.digest(f"new pull request {base}", message, principal, parent) if draft else None
        repeated = None if digest is None else _opened_before(session, repository, digest)
    if repeated is not None:
        return repeated
    commit = start
    if draft is not None:
        with state.records.read() as session:
            check_links(session, draft)
        tree, made = applied(draft.store, draft.store.commit(start).tree, draft.operations)
        if tree != draft.store.commit(start).tree:
            new = Commit(tree, (start,), author, author, message.encode()).encode()
            draft.seal([*made, new])
            refuse_new_files(state, repository, draft.store, draft.store.commit(start).tree, tree)
            commit = new.oid
    with state.records.write() as session:
        if draft is not None:
            check_links(session, draft)
            links.link(session, repository, list(draft.copied), by_id=principal.account_id)
        discussion = discussions.open_discussion(
            session,
            repository,
            principal.account_id,
            short,
            description,
            status="draft" if draft is None else "open",
            base=base,
        )
        ref = discussions.ref_name(discussion.number)
        refs.move_ref(session, repository, ref, None, start, actor_id=principal.account_id, reason="pull request")
        if commit != start:
            refs.move_ref(session, repository, ref, start, commit, actor_id=principal.account_id, reason="commit")
        if digest is not None:
            refs.note_landed(session, repository, digest, commit)
    return Opened(discussion.number, ref, commit)


def check_open_to_discussion(repository: Repository) -> None:
    """Refuse when the owner has switched discussions off (403)."""
    if repository.discussions_disabled:
        raise forbidden(f"discussions and pull requests are disabled for {repository.type} {repository.full_name}")


def check_may_push(session: Session, principal: Principal, repository: Repository, ref: str) -> None:
    """Refuse a commit or a push to ``refs/pr/N`` by others than its author and those who may write to the repository.

    Raises:
        HubError: there is no such pull request (404), the caller may not push to it (403), or it is closed (409).
    """
    number = ref.removeprefix("refs/pr/")
    found = discussions.find_discussion(session, repository, int(number)) if _is_number(number) else None
    if found is None or not found.is_pull_request:
        raise revision_not_found(ref)
    is_author = principal.account_id is not None and principal.account_id == found.author_id
    if not may(principal, "write", repository) and not (is_author and may(principal, "discuss", repository)):
        raise forbidden(f"only its author and those who may write to {repository.full_name} may push to {ref}")
    if found.status in ("closed", "merged"):
        raise HubError(409, f"pull request {number} is {found.status}; nothing more can be pushed to it")


def merge_pull_request(
    state: HubState, repository: Repository, principal: Principal, number: int, comment: str | None = None
) -> str:
    """Merge a pull request into its branch; the commit it became.

    That is the head of the branch as it was when it held everything already. That the caller may write to the
    repository was checked before.

    Raises:
        HubError: there is no such pull request (404), it is not open (409), or it conflicts with the branch (409).
    """
    store = state.objects(repository)
    with state.records.read() as session:
        author = signature_of(session, principal)
        base = _mergeable(session, repository, number).base or refs.MAIN
    with state.turn_on(repository, base):
        for _ in range(_TRIES):
            with state.records.read() as session:
                found = _mergeable(session, repository, number)
                ours, theirs = _ends(session, repository, found)
            if ours is None or theirs is None:
                raise HubError(409, f"pull request {number} cannot be merged: the branch {base} is gone")
            commit = ours
            if not store.reachable(theirs, [ours]):
                commit = _merge_commit(store, ours, theirs, found, author)
            if commit != ours:
                refuse_new_files(state, repository, store, store.commit(ours).tree, store.commit(commit).tree)
            new_main = base == refs.MAIN and commit != ours
            facts = derived.read(store, store.commit(commit).tree, state) if new_main else None
            try:
                with state.records.write() as session:
                    found = _mergeable(session, repository, number, for_update=True)
                    if _ends(session, repository, found)[1] != theirs:
                        continue  # somebody pushed to it in between
                    if commit != ours:
                        refs.move_ref(
                            session, repository, base, ours, commit, actor_id=principal.account_id, reason="merge"
                        )
                    if facts is not None:
                        derived.write(session, repository, commit, facts)
                    if comment:
                        discussions.comment(session, found, principal.account_id, comment)
                    found.merge_commit = commit
                    discussions.set_status(session, found, principal.account_id, "merged")
                state.after_commit(repository, commit)
                return commit
            except RefMoved:
                continue
    raise HubError(503, f"{base} is being written to all the time; try again later", headers={"Retry-After": "2"})


def conflicts_of(store: ObjectStore, session: Session, repository: Repository, found: Discussion) -> list[str]:
    """The paths that keep an open pull request from being merged."""
    ours, theirs = _ends(session, repository, found)
    if found.status in ("closed", "merged") or ours is None or theirs is None or store.reachable(theirs, [ours]):
        return []
    return _conflicting(merge_commits(store, ours, theirs))


def diff_of(state: HubState, session: Session, repository: Repository, found: Discussion, reader: Principal) -> str:
    """What a pull request changes, as ``git diff`` writes it; files beyond a million bytes of it are only counted.

    The content of what ``reader`` does not get is not shown.
    """
    store = state.objects(repository)
    ours, theirs = _ends(session, repository, found)
    if found.merge_commit is not None:
        parents = store.parents(found.merge_commit)
        ours = parents[0] if len(parents) == 2 and parents[1] == theirs else None
    if ours is None or theirs is None:
        return ""
    bases = merge_bases(store, ours, theirs)
    old = store.commit(bases[0]).tree if bases else None
    pieces: list[bytes] = []
    left, skipped = _LARGEST_DIFF, 0
    new = store.commit(theirs).tree
    for patch in patches(store, old, new, hidden=hidden_between(state, reader, repository, old, new)):
        left -= len(patch.text)
        if left < 0:
            skipped += 1
        else:
            pieces.append(patch.text)
    text = b"".join(pieces).decode("utf-8", "replace")
    return f"{text}# {skipped} more files are not shown\n" if skipped else text


def changes_of(found: Discussion) -> dict[str, str]:
    """Where a pull request is to be merged, and the commit it became."""
    changes = {"base": found.base or refs.MAIN}
    return changes if found.merge_commit is None else {**changes, "mergeCommitId": found.merge_commit}


def pushed_commits(store: ObjectStore, moves: Sequence[RefMove]) -> Iterator[tuple[RefMove, str, Commit]]:
    """The commits that the moves of a pull request's ref brought, oldest first, each with its move."""
    start = next((move.new for move in moves if move.new), None)
    if start is None:
        return
    known = store.ancestors([start])
    for move in moves:
        if move.new is None or move.new in known:
            continue
        brought = store.ancestors([move.new], stop=known.__contains__) - known
        known |= brought
        newest_first = islice((oid for oid in log(store, move.new) if oid in brought), min(len(brought), _MOST_COMMITS))
        for oid in reversed(list(newest_first)):
            yield move, oid, store.commit(oid)


def _opened_before(session: Session, repository: Repository, digest: str) -> Opened | None:
    """The pull request that the same request led to, when its answer was lost."""
    commit = refs.landed(session, repository, digest, since=now() - REPEATED_WITHIN)
    ref = None if commit is None else discussions.ref_moved_to(session, repository, commit)
    if commit is None or ref is None:
        return None
    return Opened(int(ref.removeprefix("refs/pr/")), ref, commit)


def _mergeable(session: Session, repository: Repository, number: int, *, for_update: bool = False) -> Discussion:
    found = discussions.find_discussion(session, repository, number, for_update=for_update)
    if found is None or not found.is_pull_request:
        raise HubError(404, f"{repository.full_name} has no pull request {number}")
    if found.status != "open":
        way_out = "; open it first" if found.status in ("draft", "closed") else ""
        raise HubError(409, f"pull request {number} is {found.status} and cannot be merged{way_out}")
    return found


def _ends(session: Session, repository: Repository, found: Discussion) -> tuple[str | None, str | None]:
    """The heads of the branch and of the pull request."""
    return (
        refs.head_of(session, repository, found.base or refs.MAIN),
        refs.head_of(session, repository, discussions.ref_name(found.number)),
    )


def _merge_commit(store: ObjectStore, ours: str, theirs: str, found: Discussion, author: Signature) -> str:
    merge = merge_commits(store, ours, theirs)
    if merge.conflicts:
        paths = _conflicting(merge)
        shown = ", ".join(paths[:10]) + (f" and {len(paths) - 10} more" if len(paths) > 10 else "")
        raise HubError(409, f"pull request {found.number} conflicts with {found.base}: {shown}", body={"files": paths})
    _check_submodules(store, merge)
    message = Message(f"{found.title} (#{found.number})")
    commit = Commit(merge.tree, (ours, theirs), author, author, message.encode()).encode()
    store.add([*merge.objects, commit])
    return commit.oid


def _check_submodules(store: ObjectStore, merge: Merge) -> None:
    """Both sides' ``.gitmodules`` were checked when they came; one that was merged line by line is a new one."""
    made = {each.oid: each for each in merge.objects if each.kind == "blob"}
    if not made:
        return
    new_trees = {each.oid: each.data for each in merge.objects if each.kind == "tree"}
    root = new_trees.get(merge.tree)
    for entry in parse_tree(root) if root is not None else ():
        if entry.name == b".gitmodules" and entry.oid in made:
            try:
                check_gitmodules(made[entry.oid].data, entry.oid)
            except MalformedObject as error:
                raise HubError(409, f"the merge would make a harmful file: {error}") from None


def _conflicting(merge: Merge) -> list[str]:
    return sorted(conflict.path.decode("utf-8", "replace") for conflict in merge.conflicts)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
