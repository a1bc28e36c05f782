"""`verify` finds each thing that can be wrong, and `reindex` puts right what is derived."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from enfold.errors import ServiceError
from enfold.hub.records.schema import (
    ExtentRecord,
    LargeFileRecord,
    Link,
    RefRecord,
    Repository,
    RepositoryTag,
    XetChunk,
    XetTerm,
    XorbRecord,
)
from enfold.hub.server.state import HubState
from enfold.hub.upkeep.derived_rows import reindex
from enfold.hub.upkeep.verifying import verify


def test_a_hub_that_clients_filled_is_clean(state: HubState) -> None:
    assert list(verify(state)) == []


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)


def only(files: list[Path]) -> Path:
    assert files
    return sorted(files)[0]


def damaged_pack(root: Path, state: HubState) -> None:
    flip(max(root.glob("repos/*/*/packs/*.pack"), key=lambda path: path.stat().st_size), 40)


def missing_pack(root: Path, state: HubState) -> None:
    pack = max(root.glob("repos/*/*/packs/*.pack"), key=lambda path: path.stat().st_size)
    pack.with_suffix(".idx").unlink()
    pack.unlink()


def damaged_large_file(root: Path, state: HubState) -> None:
    flip(only(list(root.glob("blobs/file/*/*"))), 1000)


def missing_large_file(root: Path, state: HubState) -> None:
    only(list(root.glob("blobs/file/*/*"))).unlink()


def damaged_xorb(root: Path, state: HubState) -> None:
    flip(max(root.glob("blobs/xorb/*/*"), key=lambda path: path.stat().st_size), 70_000)


def damaged_xorb_index(root: Path, state: HubState) -> None:
    flip(only(list(root.glob("blobs/xorb-index/*/*"))), 3)


def missing_xorb_index(root: Path, state: HubState) -> None:
    only(list(root.glob("blobs/xorb-index/*/*"))).unlink()


def change(state: HubState, statement: sa.Executable) -> None:
    with state.records.write() as session:
        session.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
        session.execute(statement)


KEPT = sa.select(Repository.id).where(Repository.full_name == "alice/kept").scalar_subquery()
DAMAGE: dict[Callable[[Path, HubState], object], str] = {
    damaged_pack: "checksum is wrong",
    missing_pack: "is needed and is not in this repository",
    damaged_large_file: "is damaged",
    missing_large_file: "is not in the store",
    damaged_xorb: "xorb",
    damaged_xorb_index: "is damaged",
    missing_xorb_index: "is not in the store",
    lambda root, state: change(state, sa.update(LargeFileRecord).values(size=7)): "extents have",
    lambda root, state: change(state, sa.update(XorbRecord).values(length=7)): "the records say 7",
    lambda root, state: change(state, sa.delete(ExtentRecord)): "extents have 0 bytes",
    lambda root, state: change(state, sa.delete(XetTerm).where(XetTerm.position == 0)): "another number of bytes",
    lambda root, state: change(state, sa.delete(Link)): "which the repository may not use",
    lambda root, state: change(state, sa.update(LargeFileRecord).values(dead_at=sa.func.now())): "which is not there",
    lambda root, state: change(state, sa.delete(RefRecord).where(RefRecord.repository_id == KEPT)): "no branch main",
    lambda root, state: change(state, sa.update(RefRecord).values(target="1" * 40)): "1" * 40 + " is needed",
}


@pytest.mark.parametrize("harm", DAMAGE, ids=lambda harm: DAMAGE[harm])
def test_each_fault_is_named(harm: Callable[[Path, HubState], object], root: Path, state: HubState) -> None:
    harm(root, state)
    found = list(verify(state))
    assert any(DAMAGE[harm] in line for line in found), found
    assert all("\n" not in line for line in found)


DERIVED: dict[str, sa.Executable] = {
    "tags in the records": sa.update(Repository).values(tags=["other"]),
    "card in the records": sa.update(Repository).values(card=None),
    "used_storage": sa.update(Repository).values(used_storage=1),
    "likes": sa.update(Repository).values(likes=5),
    "the tags that listings filter by": sa.delete(RepositoryTag),
    "the text that search finds": sa.text("DELETE FROM repository_search"),
    "repository_search has rows": sa.text("INSERT INTO repository_search (rowid, text) VALUES (4711, 'gone')"),
    "its chunks": sa.delete(XetChunk),
}


@pytest.mark.parametrize("fault", DERIVED)
def test_what_is_derived_is_compared_and_made_again(fault: str, state: HubState) -> None:
    change(state, DERIVED[fault])
    assert any(fault in line for line in verify(state))
    list(reindex(state))
    assert list(verify(state)) == []


def test_a_wrong_index_of_changed_paths_is_found_and_made_again(root: Path, state: HubState) -> None:
    one, other = [
        root / "repos" / uid[:2] / uid / "changed-paths.sqlite"
        for uid in (uid_of(state, "alice/kept"), uid_of(state, "alice/by-lfs"))
    ]
    import sqlite3

    with sqlite3.connect(one) as index:
        index.execute("DELETE FROM changes")
    assert any("paths changed" in line for line in verify(state))
    list(reindex(state))
    assert list(verify(state)) == []
    state.changed_paths(repository_of(state, "alice/by-lfs")).close()
    shutil.rmtree(other, ignore_errors=True)
    other.unlink(missing_ok=True)
    assert list(verify(state)) == []


def test_reindex_is_not_for_a_hub_that_is_being_served(state: HubState) -> None:
    with state.root.only_server(), pytest.raises(ServiceError, match="is being served .* already; stop it first"):
        list(reindex(state))


def uid_of(state: HubState, name: str) -> str:
    return repository_of(state, name).uid


def repository_of(state: HubState, name: str) -> Repository:
    with state.records.read() as session:
        return session.scalars(sa.select(Repository).where(Repository.full_name == name)).one()
