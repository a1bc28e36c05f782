"""Answering a fetch: which refs there are, what the client has already, and the pack it lacks.

Only refs of the repository and commits that they lead to are given; an object that is merely in a pack is not.

Source: git, Documentation/gitprotocol-pack.txt and gitprotocol-http.txt, versions 0 and 1; the rounds of
``multi_ack_detailed`` over a connection that keeps nothing between requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from enfold import __version__
from enfold.hub.records.schema import RefRecord
from enfold.hub.server.errors import HubError
from enfold.hub.server.git_wire import FLUSH, Packets, banded, packet
from enfold.hub.store import ObjectStore, is_oid, plan_fetch
from enfold.hub.store.fetch import FetchPlan

__all__ = ["FetchRequest", "advertised", "answer_fetch", "read_fetch"]

_ABOUT_US = f"object-format=sha1 agent=enfold/{__version__}"
_CAPABILITIES = {
    "git-upload-pack": "multi_ack_detailed multi_ack no-done side-band-64k side-band shallow no-progress "
    f"allow-tip-sha1-in-want allow-reachable-sha1-in-want symref=HEAD:refs/heads/main {_ABOUT_US}",
    "git-receive-pack": f"report-status delete-refs side-band-64k quiet atomic ofs-delta {_ABOUT_US}",
}
_DEEPEST = 2**31 - 1  # what git sends for "all of it"


def advertised(store: ObjectStore, refs: Sequence[RefRecord], service: str, *, version: int) -> bytes:
    """The refs, and what the server understands: the answer to ``GET info/refs``."""
    lines = [(ref.target, ref.name) for ref in refs]
    if service == "git-upload-pack":
        lines = [line for ref in refs for line in _with_peeled(ref)]
        lines = [(ref.target, "HEAD") for ref in refs if ref.name == "refs/heads/main"] + lines
    if not lines:
        lines = [("0" * 40, "capabilities^{}")]
    found = [packet(f"# service={service}\n"), FLUSH]
    if version == 1:
        found.append(packet("version 1\n"))
    after = f"\0{_CAPABILITIES[service]}"
    for oid, name in lines:
        found.append(packet(f"{oid} {name}{after}\n"))
        after = ""
    return b"".join([*found, FLUSH])


def _with_peeled(ref: RefRecord) -> list[tuple[str, str]]:
    peeled = [(ref.commit, f"{ref.name}^{{}}")] if ref.commit != ref.target else []
    return [(ref.target, ref.name), *peeled]


@dataclass
class FetchRequest:
    """What a client wants, what it has, and how it understands the answer.

    ``rounds`` are the ids it says it has, a list a round; ``done`` is whether it wants the pack now.
    """

    wants: list[str] = field(default_factory=list)
    capabilities: frozenset[str] = frozenset()
    shallow: list[str] = field(default_factory=list)
    depth: int | None = None
    rounds: list[list[str]] = field(default_factory=list)
    done: bool = False


async def read_fetch(packets: Packets) -> FetchRequest:
    """Read the body of ``POST git-upload-pack``.

    Raises:
        HubError: it is not one (400).
    """
    asked = FetchRequest()
    while (line := await packets.next()) is not None:
        word, _, rest = line.decode("utf-8", "replace").partition(" ")
        value, _, more = rest.partition(" ")
        if word == "want":
            if not asked.wants:
                asked.capabilities = frozenset(more.split())
            asked.wants.append(_oid(value))
        elif word == "shallow":
            asked.shallow.append(_oid(value))
        elif word == "deepen" and value.isascii() and value.isdigit() and 1 <= int(value) <= _DEEPEST:
            asked.depth = int(value)
        else:
            raise HubError(400, f"{word[:40]!r} {value[:60]!r} is not understood in a fetch")
    current: list[str] = []
    while not packets.at_end:
        next_line = await packets.next()
        if next_line is None:
            if not packets.at_end:
                asked.rounds.append(current)
                current = []
        elif next_line == b"done":
            asked.done = True
            asked.rounds.append(current)
            break
        elif next_line.startswith(b"have "):
            current.append(_oid(next_line[5:].decode("ascii", "replace")))
        else:
            raise HubError(400, f"{next_line[:60]!r} is not understood in a fetch")
    return asked


def answer_fetch(
    store: ObjectStore,
    refs: Sequence[RefRecord],
    asked: FetchRequest,
    refusal: Callable[[Sequence[bytes]], str | None] = lambda oids: None,
) -> Iterator[bytes]:
    """The answer, piece by piece; a pack comes as it is read from the disk.

    Args:
        store: the repository.
        refs: where its refs point.
        asked: what the client wants.
        refusal: says of the objects that are to be sent why they are not.
    """
    if not asked.wants:
        return iter(())
    unknown = _unknown(store, refs, asked.wants)
    if unknown is not None:
        return iter([packet(f"ERR upload-pack: not our ref {unknown}")])
    talk, common, ready = _negotiated(store, asked)
    if not (asked.done or ready):
        head = []
        if asked.depth:
            head = _shallow_lines(plan_fetch(store, asked.wants, shallow=asked.shallow, depth=asked.depth))
        return iter([*head, *talk])
    plan = plan_fetch(store, asked.wants, common, shallow=asked.shallow, depth=asked.depth)
    refused = refusal(plan.oids)
    if refused is not None:
        return iter([packet(f"ERR upload-pack: {refused}")])
    return _pack([*(_shallow_lines(plan) if asked.depth else []), *talk], plan, asked.capabilities)


def _unknown(store: ObjectStore, refs: Sequence[RefRecord], wants: Sequence[str]) -> str | None:
    """One of the wanted ids that is neither where a ref points nor a commit that one leads to."""
    tips = {ref.target for ref in refs}
    others = [oid for oid in wants if oid not in tips]
    if not others:
        return None
    reached = store.ancestors({ref.commit for ref in refs})
    return next((oid for oid in others if oid not in reached), None)


def _shallow_lines(plan: FetchPlan) -> list[bytes]:
    return [
        *(packet(f"shallow {oid}") for oid in plan.shallow),
        *(packet(f"unshallow {oid}") for oid in plan.unshallow),
        FLUSH,
    ]


def _pack(head: Sequence[bytes], plan: FetchPlan, capabilities: frozenset[str]) -> Iterator[bytes]:
    yield b"".join(head)
    if "no-progress" not in capabilities:
        yield from banded(f"Sending {len(plan.oids)} objects\n".encode(), capabilities, band=2)
    for piece in plan.stream():
        yield b"".join(banded(piece, capabilities))
    if capabilities & {"side-band-64k", "side-band"}:
        yield FLUSH


def _negotiated(store: ObjectStore, asked: FetchRequest) -> tuple[list[bytes], list[str], bool]:
    """What is said of the client's commits; those that are here too; and whether the pack can be made without more."""
    detailed, several = "multi_ack_detailed" in asked.capabilities, "multi_ack" in asked.capabilities
    talk: list[bytes] = []
    common: list[str] = []
    enough = _Enough(store, asked.wants)
    ready = False
    for number, haves in enumerate(asked.rounds):
        found_one = found_none = False
        absent = store.missing(bytes.fromhex(oid) for oid in haves)
        for oid in haves:
            if bytes.fromhex(oid) not in absent and store.head(oid)[0] == "commit":
                found_one = True
                common.append(oid)
                if detailed:
                    talk.append(packet(f"ACK {oid} common\n"))
                elif several:
                    talk.append(packet(f"ACK {oid} continue\n"))
                elif len(common) == 1:
                    talk.append(packet(f"ACK {oid}\n"))
            else:
                found_none = True
                if (detailed or several) and enough(common):
                    ready = ready or detailed
                    talk.append(packet(f"ACK {oid} {'ready' if detailed else 'continue'}\n"))
        if asked.done and number == len(asked.rounds) - 1:
            break
        if detailed and found_one and not found_none and enough(common):
            ready = True
            talk.append(packet(f"ACK {common[-1]} ready\n"))
        if not common or detailed or several:
            talk.append(packet("NAK\n"))
        if ready and "no-done" in asked.capabilities and not asked.done:
            talk.append(packet(f"ACK {common[-1]}\n"))
            return talk, common, True
    if asked.done:
        if common and (detailed or several):
            talk.append(packet(f"ACK {common[-1]}\n"))
        elif not common:
            talk.append(packet("NAK\n"))
    return talk, common, False


class _Enough:
    """Whether every wanted commit leads to one that the client has; asked again only when it has told of more."""

    def __init__(self, store: ObjectStore, wants: Sequence[str]) -> None:
        self._store = store
        self._behind: list[set[str]] | None = None
        self._wants = wants

    def __call__(self, common: Sequence[str]) -> bool:
        if not common:
            return False
        if self._behind is None:
            commits = [self._store.peel(oid) for oid in self._wants]
            self._behind = [self._store.ancestors([oid]) for oid in commits]
        theirs = set(common)
        return all(behind & theirs for behind in self._behind)


def _oid(text: str) -> str:
    if not is_oid(text):
        raise HubError(400, f"{text[:60]!r} is not the id of an object")
    return text
