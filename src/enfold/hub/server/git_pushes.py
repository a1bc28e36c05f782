"""Taking a push: what may be moved is decided before the pack is read, the pack is checked whole, then refs move.

Branches go forward and are made by those who may write; they are moved back (a force) by those who administer the
repository, and ``main`` is never deleted. The ref of a pull request is moved by its author and by those who may
write; it is made and ended elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from enfold.hub.records import RefMoved, audit, links, refs
from enfold.hub.records.permissions import may
from enfold.hub.records.schema import RefRecord
from enfold.hub.server import derived
from enfold.hub.server.access import Access
from enfold.hub.server.errors import HubError
from enfold.hub.server.git_wire import FLUSH, Packets, banded, packet
from enfold.hub.server.pull_requests import check_may_push
from enfold.hub.server.safety import refused_in_push
from enfold.hub.server.state import HubState
from enfold.hub.store import (
    GitError,
    MalformedPath,
    MissingObject,
    Pointer,
    RefusedPack,
    check_ref,
    is_oid,
)

__all__ = ["Command", "Push", "approve_pointers", "judge", "move", "read_push", "report"]

_NOTHING = "0" * 40
_SHOWN = 300
_MOST_COMMANDS = 10_000


@dataclass
class Command:
    """One ref to be moved from one object to another; ``old`` or ``new`` is None where it is made or deleted.

    ``refused`` is why it was not moved.
    """

    ref: str
    old: str | None
    new: str | None
    refused: str | None = None


@dataclass
class Push:
    """What a client wants to move, and how it understands the answer."""

    commands: list[Command] = field(default_factory=list)
    capabilities: frozenset[str] = frozenset()

    @property
    def has_pack(self) -> bool:
        """Whether a pack follows: there is none when everything is deleted."""
        return any(command.new is not None for command in self.commands)

    @property
    def needs_pack(self) -> bool:
        """Whether anything in the pack is of use."""
        return any(command.new is not None and command.refused is None for command in self.commands)

    def refuse_all_or_none(self) -> None:
        """An atomic push of which one part is refused is refused as a whole."""
        if "atomic" in self.capabilities and any(command.refused for command in self.commands):
            self.refuse_rest("the push is atomic, and another ref was refused")

    def refuse_rest(self, reason: str) -> None:
        """Refuse what was not refused yet."""
        for command in self.commands:
            command.refused = command.refused or reason


async def read_push(packets: Packets) -> Push:
    """Read the commands at the beginning of ``POST git-receive-pack``.

    Raises:
        HubError: they cannot be read (400).
    """
    push = Push()
    while (line := await packets.next()) is not None:
        if line.startswith(b"shallow "):
            continue  # the commits that the client has without their parents are whole here
        text, zero, capabilities = line.partition(b"\0")
        if zero and not push.commands:
            push.capabilities = frozenset(capabilities.decode("utf-8", "replace").split())
        pieces = text.split(b" ", 2)
        old, new = (piece.decode("ascii", "replace") for piece in [*pieces, b"", b""][:2])
        if len(pieces) != 3 or not is_oid(old) or not is_oid(new):
            raise HubError(400, f"{text[:100]!r} is not understood in a push")
        ref = pieces[2].decode("utf-8", "surrogateescape")
        if len(push.commands) == _MOST_COMMANDS:
            raise HubError(400, f"at most {_MOST_COMMANDS} refs can be pushed at once; push the others after these")
        push.commands.append(Command(ref, None if old == _NOTHING else old, None if new == _NOTHING else new))
    return push


def judge(session: Session, access: Access, push: Push) -> None:
    """Refuse what can be refused without the pack: by name, by right, and what moved meanwhile."""
    there = {ref.name: ref for ref in refs.refs_of(session, access.repository)}
    names = _Names(there)
    seen: set[str] = set()
    for command in push.commands:
        command.refused = _refusal(session, access, command, there, names)
        if command.ref in seen:
            command.refused = "it is named twice"
        seen.add(command.ref)
    push.refuse_all_or_none()


class _Names:
    """The names of refs. Clients keep refs as files: ``a`` and ``a/b`` cannot both be there."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._folders: set[str] = set()
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        self._names.add(name)
        self._folders.update(self._above(name))

    def in_the_way_of(self, name: str) -> bool:
        return name in self._folders or not self._names.isdisjoint(self._above(name))

    @staticmethod
    def _above(name: str) -> list[str]:
        pieces = name.split("/")
        return ["/".join(pieces[:count]) for count in range(3, len(pieces))]


def _refusal(
    session: Session, access: Access, command: Command, there: Mapping[str, RefRecord], names: _Names
) -> str | None:
    try:
        check_ref(command.ref)
    except MalformedPath as error:
        return str(error)
    if command.old is None and command.new is None:
        return "there is nothing to delete"
    repository, principal = access.repository, access.principal
    kept = there.get(command.ref)
    if (None if kept is None else kept.target) != command.old:
        return "it was moved meanwhile; fetch first"
    if command.ref.startswith("refs/pr/"):
        if kept is None or command.new is None:
            return "pull requests are opened and closed on the hub, not by a push"
        try:
            check_may_push(session, principal, repository, command.ref)
        except HubError as error:
            return error.detail
        return None
    if not command.ref.startswith(("refs/heads/", "refs/tags/")):
        return "only branches, tags and pull requests are pushed"
    if not may(principal, "write", repository):
        return f"you may not write to {repository.full_name}"
    if command.new is None:
        return "the main branch cannot be deleted" if command.ref == refs.MAIN else None
    if kept is None:
        if names.in_the_way_of(command.ref):
            return "another ref is in the way: one name cannot be the beginning of another"
        names.add(command.ref)
        return None
    if command.ref.startswith("refs/tags/") and not may(principal, "admin", repository):
        return "a tag that is there is moved only by those who administer the repository"
    return None


def approve_pointers(state: HubState, access: Access, pointers: Mapping[str, Pointer]) -> None:
    """Refuse a pack with pointers to large files that were not sent to this repository.

    Raises:
        RefusedPack: names one; the words are the same whether the file exists elsewhere or not.
    """
    wanted = {pointer.sha256: pointer.size for pointer in pointers.values()}
    with state.records.read() as session:
        sizes = links.linked(session, access.repository, wanted)
    for sha256, size in wanted.items():
        if sizes.get(sha256) != size:
            raise RefusedPack(
                f"the large file {sha256} of {size} bytes was not sent to this repository; "
                "send it first: git lfs push --all"
            )


def move(state: HubState, access: Access, push: Push) -> None:
    """Move the refs that were not refused, each in a transaction, or all in one if the push is atomic."""
    for command in push.commands:
        if command.refused is None:
            command.refused = _refusal_of_target(state, access, command)
    push.refuse_all_or_none()
    wanted = [command for command in push.commands if command.refused is None]
    groups = [wanted] if "atomic" in push.capabilities else [[command] for command in wanted]
    for group in filter(None, groups):
        try:
            _move_together(state, access, group)
        except RefMoved:
            for command in group:
                command.refused = "it was moved meanwhile; fetch first"


def _refusal_of_target(state: HubState, access: Access, command: Command) -> str | None:
    """Why a ref may not point to an object, which is here now."""
    if command.new is None:
        return None
    store = state.objects(access.repository)
    try:
        if command.ref.startswith("refs/tags/"):
            return refused_in_push(state, access.repository, store.peel(command.new), None)
        kind = store.head(command.new)[0]
    except MissingObject:
        return "missing necessary objects"
    except GitError as error:
        return str(error)
    if kind != "commit":
        return f"a branch points to a commit, and {command.new} is a {kind}"
    unsafe = refused_in_push(state, access.repository, command.new, command.old)
    if unsafe is not None:
        return unsafe
    if command.old is None or command.ref.startswith("refs/pr/") or store.reachable(command.old, [command.new]):
        return None
    if may(access.principal, "admin", access.repository):
        return None
    return "non-fast-forward; only those who administer the repository may force a branch"


def _move_together(state: HubState, access: Access, commands: Sequence[Command]) -> None:
    store, repository = state.objects(access.repository), access.repository
    commits = {command.ref: store.peel(command.new) for command in commands if command.new is not None}
    main = commits.get(refs.MAIN)
    facts = None if main is None else derived.read(store, store.commit(main).tree, state)
    with state.records.write() as session:
        for command in commands:
            refs.move_ref(
                session,
                repository,
                command.ref,
                command.old,
                command.new,
                commit=commits.get(command.ref),
                actor_id=access.principal.account_id,
                reason="push",
            )
            if command.new is None:
                about = f"{repository.type} {repository.full_name}"
                audit.note(session, access.principal, "ref.delete", about, ref=command.ref, old=command.old)
        if main is not None and facts is not None:
            derived.write(session, repository, main, facts)
    for ref, commit in commits.items():
        if ref.startswith("refs/heads/"):
            state.after_commit(repository, commit)


def report(push: Push, fault: str | None) -> bytes:
    """What became of a push, as the client reads it.

    Args:
        push: with why its refs were not moved.
        fault: what was wrong with the pack.
    """
    if "report-status" not in push.capabilities:
        return b""
    lines = [packet(f"unpack {_line(fault) if fault else 'ok'}\n")]
    for command in push.commands:
        name = command.ref.encode("utf-8", "surrogateescape")
        if command.refused is None:
            lines.append(packet(b"ok " + name + b"\n"))
        else:
            lines.append(packet(b"ng " + name + b" " + _line(command.refused).encode() + b"\n"))
    answer = b"".join([*lines, FLUSH])
    if "side-band-64k" not in push.capabilities:
        return answer
    said = b"".join(banded(f"{fault}\n".encode(), push.capabilities, band=2)) if fault else b""
    return said + b"".join(banded(answer, push.capabilities)) + FLUSH


def _line(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())[:_SHOWN]
