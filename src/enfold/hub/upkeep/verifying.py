"""Reading a whole hub again: is every byte what it should be, and does everything fit together?

A server may run meanwhile. What it changes between two looks is looked at once more before it counts as a fault.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import sqlalchemy as sa

from enfold.errors import EnfoldError
from enfold.hub.records import links, refs
from enfold.hub.records.schema import (
    ExtentRecord,
    LargeFileRecord,
    Link,
    Mirror,
    Repository,
    XetFile,
    XetTerm,
    XorbRecord,
)
from enfold.hub.server.contents import pointer_at
from enfold.hub.server.state import HubState
from enfold.hub.store import ObjectStore, plan_fetch
from enfold.hub.store.integrity import problems
from enfold.hub.upkeep.derived_rows import rebuild_chunks, rebuild_repository, stray_rows

__all__ = ["verify"]

_LOOKS = 3
_PAGE = 500


def verify(state: HubState) -> Iterator[str]:
    """What is wrong with a hub, a line each; nothing when all is well.

    Packs are read against their checksums and objects against their ids; everything the refs need is looked for; large
    files are read against their sha256 and xorbs against their chunks; links lead to files that are there; and what is
    derived is compared with what it would be if it were made now.
    """
    for repository in _pages(state, Repository, Repository.id):
        name = f"{repository.type} {repository.full_name}"
        yield from _twice(partial(_of_repository, state, repository), name)
    for record in _pages(state, XorbRecord, XorbRecord.hash):
        yield from _twice(partial(_of_xorb, state, record.hash), f"xorb {record.hash}")
    for record in _pages(state, LargeFileRecord, LargeFileRecord.sha256):
        name = f"large file {record.sha256}"
        yield from _twice(partial(_of_large_file, state, record.sha256), name)
    yield from _twice(partial(_of_links, state), "links")


def _twice(look: Callable[[], Iterator[str]], name: str) -> list[str]:
    """The faults that are there however often one looks."""
    found: list[str] = []
    for _ in range(_LOOKS):
        try:
            found = [f"{name}: {fault}" for fault in dict.fromkeys(look())]
        except (EnfoldError, OSError, sqlite3.Error) as error:
            found = [f"{name}: {error}"]
        if not found:
            break
    return found


def _pages(state: HubState, table: Any, key: Any) -> Iterator[Any]:
    """All rows, a page at a time, so that no transaction stays open while files are read."""
    last: Any = None
    while True:
        chosen: Any = sa.select(table).order_by(key).limit(_PAGE)
        with state.records.read() as session:
            rows = list(session.scalars(chosen if last is None else chosen.where(key > last)))
        if not rows:
            return
        yield from rows
        last = getattr(rows[-1], key.key)


def _of_repository(state: HubState, repository: Repository) -> Iterator[str]:
    with state.records.read() as session:
        if session.get(Repository, repository.id) is None:
            return
        found = [(ref.name, ref.target, ref.commit) for ref in refs.refs_of(session, repository)]
        lazily = session.get(Mirror, repository.id) is not None
    if not any(name == refs.MAIN for name, _, _ in found):
        yield "there is no branch main"
    store = ObjectStore(state.root.repository(repository.uid) / "packs")
    tips = [target for _, target, _ in found]
    faults = list(problems(store, tips))
    yield from faults
    if faults:  # what follows reads the same objects
        return
    for name, target, commit in found:
        if store.peel(target) != commit:
            yield f"{name} points to {target}, which is not the commit {commit}"
    if not lazily:
        yield from _of_pointers(state, repository, store, tips)
    for name in rebuild_repository(state, repository, keep=False):
        yield f"{name} in the records is not what the files give; `enfold hub reindex` makes it again"
    for fault in state.changed_paths(repository).differences():
        yield f"{fault}; `enfold hub reindex` makes the index again"


def _of_pointers(state: HubState, repository: Repository, store: ObjectStore, tips: list[str]) -> Iterator[str]:
    """Every large file that a commit names has to be the repository's to use."""
    named = {}
    for raw in plan_fetch(store, tips).oids:
        oid = raw.hex()
        if store.head(oid)[0] == "blob" and (pointer := pointer_at(store, oid)) is not None:
            named[pointer.sha256] = pointer.size
    with state.records.read() as session:
        sizes = links.linked(session, repository, named)
    for sha256, size in named.items():
        if sha256 not in sizes:
            yield f"a commit names the large file {sha256}, which the repository may not use"
        elif sizes[sha256] != size:
            yield f"a commit names the large file {sha256} with {size} bytes, it has {sizes[sha256]}"


def _of_xorb(state: HubState, name: str) -> Iterator[str]:
    with state.records.read() as session:
        record = session.get(XorbRecord, name)
    if record is None or record.dead_at is not None:
        return
    state.xorbs.check(name)
    index = state.xorbs.index(name)
    if (record.length, record.chunks) != (index.size, len(index)):
        yield f"it has {index.size} bytes in {len(index)} chunks, the records say {record.length} in {record.chunks}"
    if rebuild_chunks(state, name, keep=False):
        yield "its chunks in the records are not those its files give; `enfold hub reindex` writes them again"


def _of_large_file(state: HubState, sha256: str) -> Iterator[str]:
    with state.records.read() as session:
        file = links.large_file(session, sha256)
        names = list(session.scalars(sa.select(XetFile.hash).where(XetFile.sha256 == sha256)))
        terms = {
            name: session.execute(
                sa.select(XetTerm.length, XorbRecord.dead_at)
                .join(XorbRecord, XorbRecord.hash == XetTerm.xorb_hash)
                .where(XetTerm.file_hash == name)
            ).all()
            for name in names
        }
    if file is None:  # a clean-up has just taken it away
        return
    size = sum(extent.length for extent in file.extents)
    if size != file.size:
        yield f"its extents have {size} bytes, it has {file.size}"
        return
    state.large_files.check(file)
    for name, found in terms.items():
        if sum(length for length, _ in found) != file.size:
            yield f"the terms of {name} have another number of bytes than it"
        if any(dead is not None for _, dead in found):
            yield f"the terms of {name} name a xorb that was removed"


def _of_links(state: HubState) -> Iterator[str]:
    gone = (
        sa.select(Link.sha256, Repository.full_name)
        .join(Repository, Repository.id == Link.repository_id)
        .outerjoin(LargeFileRecord, LargeFileRecord.sha256 == Link.sha256)
        .where(sa.or_(LargeFileRecord.sha256.is_(None), LargeFileRecord.dead_at.is_not(None)))
    )
    alone = (
        sa.select(ExtentRecord.sha256)
        .outerjoin(LargeFileRecord, LargeFileRecord.sha256 == ExtentRecord.sha256)
        .where(LargeFileRecord.sha256.is_(None))
    )
    with state.records.read() as session:
        for sha256, name in session.execute(gone):
            yield f"{name} may use the large file {sha256}, which is not there"
        for sha256 in session.scalars(alone):
            yield f"there are extents of {sha256}, which is no large file"
        for table in stray_rows(session):
            yield f"{table} has rows of what is gone; `enfold hub reindex` removes them"
