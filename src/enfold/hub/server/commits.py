"""A commit, from what was asked to what is acknowledged. Every route that writes to a branch goes through here.

    with Draft(state, repository) as draft:      blobs go into one new pack as they come
        draft.put("config.json", data)
        draft.put_large("model.safetensors", sha256, size)
        landed = land(draft, "refs/heads/main", message, principal, parent=None)

The order is what makes it durable. Trees and the commit join the blobs in the pack; the pack is fsynced, renamed and
its folder fsynced; then one transaction checks and makes the links to large files and moves the ref, if it is still
where the commit was made for. With a parent named, a branch that moved is an error (412). Without one, the same
changes are made to the new head, one writer at a time a branch. A request that comes again, because its answer was
lost, is answered with the commit it led to.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType

from sqlalchemy.orm import Session

from enfold.hub.records import Principal, RefMoved, links, refs
from enfold.hub.records.schema import Account, Repository, now
from enfold.hub.server import derived
from enfold.hub.server.errors import BRANCH_MOVED, HubError, entry_not_found, revision_not_found
from enfold.hub.server.safety import refuse_new_files
from enfold.hub.server.state import HubState
from enfold.hub.store import (
    Commit,
    GitObject,
    MalformedObject,
    MissingPath,
    ObjectStore,
    Pointer,
    RefusedPack,
    Signature,
    check_gitmodules,
    check_path,
    parse_pointer,
    trees,
)
from enfold.hub.store.git_names import is_dot_gitmodules
from enfold.hub.store.pack_files import PackWriter
from enfold.hub.store.spool import full_disk_named

__all__ = ["Draft", "Landed", "Message", "applied", "check_links", "first_commit", "land", "signature_of"]

_TRIES = 50
_WORTH_ASKING = 64 * 1024
REPEATED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Message:
    """What a commit says: a title, and more."""

    title: str
    description: str = ""

    def encode(self) -> bytes:
        """As git keeps it."""
        title = " ".join(self.title.split()) or "Update files"
        body = self.description.strip("\n")
        return f"{title}\n\n{body}\n".encode() if body else f"{title}\n".encode()


@dataclass(frozen=True, slots=True)
class Landed:
    """A commit that is durable. It is not new when nothing changed, or when it had landed before."""

    commit: str
    is_new: bool


@dataclass
class Draft:
    """A commit in the making. Leaving the ``with`` block without :func:`land` leaves nothing behind."""

    state: HubState
    repository: Repository
    operations: list[trees.Operation] = field(default_factory=list)
    large: dict[str, int] = field(default_factory=dict)
    """Large files that the commit names: sha256 and size. Each must be linked to the repository by then."""
    copied: dict[str, int] = field(default_factory=dict)
    """Large files that are linked by this commit, because its author may read a repository that has them."""

    def __enter__(self) -> Draft:
        self.store = self.state.objects(self.repository)
        self._writer: PackWriter | None = self.store.open_pack_writer()
        self._packs = self.store.packs(refresh=True)
        self._written: set[str] = set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)

    def put(self, path: str | bytes, data: bytes) -> str:
        """Give a file this content; its git id."""
        raw = check_path(path)
        blob = GitObject("blob", data)
        if is_dot_gitmodules(raw.rpartition(b"/")[2]):
            try:
                check_gitmodules(data, blob.oid)
            except MalformedObject as error:
                raise HubError(422, f"{error}; submodules like this one harm those who clone them") from None
        pointer = parse_pointer(data)
        if pointer is not None and self.large.setdefault(pointer.sha256, pointer.size) != pointer.size:
            raise HubError(400, f"the large file {pointer.sha256} is named with two sizes")
        self.add(blob)
        self.operations.append(trees.Put(raw, blob.oid))
        return blob.oid

    def add(self, item: GitObject) -> None:
        """Add an object that an operation names by its id."""
        if len(item.data) >= _WORTH_ASKING:  # small commits may use what is in reserve
            self.state.blobs.spool.check_room(len(item.data))
        with full_disk_named(self.store.folder):
            self._write(item)

    def put_large(self, path: str | bytes, sha256: str, size: int) -> str:
        """Give a file the content of a large file, which the repository must be linked to when the commit lands."""
        return self.put(path, Pointer(sha256, size).encode())

    def delete(self, path: str | bytes) -> None:
        """Delete a file, which must be there. Clients name folders so too, without the slash at their end."""
        self.operations.append(trees.Delete(check_path(path), or_folder=True))

    def delete_folder(self, path: str | bytes) -> None:
        """Delete a folder, which must be there, with all that is in it."""
        raw = path.encode() if isinstance(path, str) else path
        self.operations.append(trees.DeleteFolder(check_path(raw.rstrip(b"/"))))

    def digest(self, ref: str, message: Message, principal: Principal, parent: str | None) -> str:
        """What this request is recognised by when it comes again."""
        asked = [
            ref,
            message.title,
            message.description,
            parent,
            principal.account_id,
            *(_spelled(each) for each in self.operations),
        ]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def seal(self, objects: Sequence[GitObject]) -> None:
        """Make the blobs durable together with these trees and this commit; called again, only what is new."""
        if self._writer is None:
            self.store.add(objects)
            return
        with full_disk_named(self.store.folder), self._writer as writer:
            for each in objects:
                self._write(each)
            if writer.count:
                writer.finish()
        self._writer = None
        self.store.packs(refresh=True)
        # Trees are made of trees that were complete and of these: with them, the commit needs nothing that is not here.
        lacking = self.store.missing(bytes.fromhex(each.oid) for each in self.operations if isinstance(each, trees.Put))
        if lacking:
            raise RefusedPack(f"object {min(lacking).hex()} is not in this repository, and so cannot be committed")

    def _write(self, item: GitObject) -> None:
        if item.oid in self._written:
            return
        raw = bytes.fromhex(item.oid)
        # What others have written since the draft was begun is written twice, which does no harm.
        for pack in self._packs:
            offset = pack.index.find(raw)
            if offset is not None:
                if self.store.get(item.oid) != item:
                    raise HubError(422, f"object {item.oid} is in this repository with other bytes")
                return
        assert self._writer is not None, "a draft takes nothing more when it has landed"
        self._written.add(item.oid)
        self._writer.add(raw, item.kind, item.data)


def land(
    draft: Draft,
    ref: str,
    message: Message,
    principal: Principal,
    *,
    parent: str | None = None,
    reason: str = "commit",
) -> Landed:
    """Make the commit and move the branch to it; when this returns, it survives a power cut.

    Args:
        draft: what to change.
        ref: full name of the branch, or of a pull request's ref.
        message: what the commit says.
        principal: who makes it; that they may was decided before.
        parent: the commit (full id or its beginning) that the branch must still be at.
        reason: what to note beside the move of the ref.

    Raises:
        HubError: there is no such branch (404), it moved (412), a file to be deleted is not there (404), or a large
            file was never uploaded for this repository (400).
        MalformedPath, PathConflict: the paths cannot be.
    """
    state, repository, store = draft.state, draft.repository, draft.store
    digest = draft.digest(ref, message, principal, parent)
    with state.records.read() as session:
        author = signature_of(session, principal)
    with state.turn_on(repository, ref):
        for _ in range(_TRIES):
            with state.records.read() as session:
                head = refs.head_of(session, repository, ref)
                before = refs.landed(session, repository, digest, since=now() - REPEATED_WITHIN)
                check_links(session, draft)
            if head is None:
                raise revision_not_found(ref.removeprefix("refs/heads/"))
            if before is not None and (parent or _still_so(store, draft.operations, head, before)):
                return Landed(before, is_new=False)
            if parent and not head.startswith(parent.lower()):
                raise HubError(412, BRANCH_MOVED)
            old = store.commit(head).tree
            tree, made = applied(store, old, draft.operations)
            if tree == old:
                return Landed(head, is_new=False)
            commit = Commit(tree, (head,), author, author, message.encode()).encode()
            draft.seal([*made, commit])
            refuse_new_files(state, repository, store, old, tree)
            facts = derived.read(store, tree, state) if ref == refs.MAIN else None
            try:
                with state.records.write() as session:
                    check_links(session, draft)
                    links.link(session, repository, list(draft.copied), by_id=principal.account_id)
                    refs.move_ref(
                        session, repository, ref, head, commit.oid, actor_id=principal.account_id, reason=reason
                    )
                    refs.note_landed(session, repository, digest, commit.oid)
                    if facts is not None:
                        derived.write(session, repository, commit.oid, facts)
                state.after_commit(repository, commit.oid)
                return Landed(commit.oid, is_new=True)
            except RefMoved:
                if parent:
                    raise HubError(412, BRANCH_MOVED) from None
    raise HubError(503, f"{ref} is being written to all the time; try again later", headers={"Retry-After": "2"})


def first_commit(draft: Draft, message: Message, author: Signature) -> str:
    """Make the first commit of a repository that is not in the records yet; its ref comes with the repository's row."""
    tree, made = trees.apply(draft.store, None, draft.operations)
    commit = Commit(tree, (), author, author, message.encode()).encode()
    draft.seal([*made, commit])
    return commit.oid


def signature_of(session: Session, principal: Principal) -> Signature:
    """The author of a commit made now. An address is made up for those who have given none."""
    account = None if principal.account_id is None else session.get(Account, principal.account_id)
    name = principal.name or "hub"
    email = account.email if account is not None and account.email else f"{name}@users.noreply.hub"
    return Signature(name, email, int(time.time()))


def _spelled(operation: trees.Operation) -> list[str]:
    """An operation as the digest of a request has it."""
    if isinstance(operation, trees.Copy):
        return ["Copy", operation.path.hex(), operation.source.hex(), operation.tree or ""]
    return [type(operation).__name__, operation.path.hex(), getattr(operation, "oid", "")]


def applied(store: ObjectStore, tree: str, operations: Sequence[trees.Operation]) -> tuple[str, list[GitObject]]:
    """The tree after the operations, and the objects that are new; a file to be deleted that is missing is a 404."""
    try:
        return trees.apply(store, tree, operations)
    except MissingPath as error:
        shown = error.path.decode("utf-8", "replace")
        raise entry_not_found(message=f"A file with this name doesn't exist: {shown}") from None


def _still_so(store: ObjectStore, operations: Sequence[trees.Operation], head: str, before: str) -> bool:
    """Whether everything an earlier commit was asked to do is still done at the head.

    Then the request is that one come again. When somebody has changed one of its files since, it is a new wish: the
    same content can be written twice with another in between.
    """
    now_tree, then_tree = store.commit(head).tree, store.commit(before).tree
    return now_tree == then_tree or all(
        trees.find_entry(store, now_tree, each.path) == trees.find_entry(store, then_tree, each.path)
        for each in operations
    )


def check_links(session: Session, draft: Draft) -> None:
    """Refuse a large file that this repository may not use, in the same words whether it exists elsewhere or not."""
    wanted = {sha256: size for sha256, size in draft.large.items() if sha256 not in draft.copied}
    sizes = links.linked(session, draft.repository, wanted)
    for sha256, size in wanted.items():
        if sha256 not in sizes:
            raise HubError(400, f"the large file {sha256} was not uploaded to this repository; upload it first")
        if sizes[sha256] != size:
            raise HubError(400, f"the large file {sha256} has {sizes[sha256]} bytes, not {size}")
