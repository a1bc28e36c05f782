"""Many small packs become few, nothing is lost, and what nothing reaches can be removed."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest
from git_cases import bare, blob, git, new_commit, store_of

from enfold.hub.store import trees
from enfold.hub.store.compaction import compact, remove_unreachable
from enfold.hub.store.git_errors import MissingObject
from enfold.hub.store.object_store import ObjectStore


def grow(store: ObjectStore, commits: int, tip: str | None = None, name: str = "f") -> list[str]:
    made = [] if tip is None else [tip]
    for step in range(commits):
        tree = store.commit(made[-1]).tree if made else None
        item = blob(f"{name} {step}\n" * 20)
        tree, folders = trees.apply(store, tree, [trees.Put(f"{name}{step % 7}".encode(), item.oid)])
        store.add([item, *folders])
        made.append(new_commit(store, tree, tuple(made[-1:]), f"{name} {step}", 1_700_000_000 + step))
    return made


def test_packs_stay_few_while_commits_come(tmp_path: Path) -> None:
    hub = bare(tmp_path / "hub")
    store = store_of(hub)
    tip = None
    for _ in range(6):
        tip = grow(store, 20, tip)[-1]
        compact(store, most=10)
        sizes = sorted(pack.index.count for pack in store.packs())
        assert len(sizes) <= 10
    git(hub, "update-ref", "refs/heads/main", tip or "")
    assert git(hub, "fsck", "--strict", "--full") == b""
    assert len(git(hub, "rev-list", "main").split()) == 120
    assert not compact(store, most=10)


def test_deltas_stay_deltas_and_those_across_packs_do_not_go_in_circles(tmp_path: Path) -> None:
    hub = bare(tmp_path / "hub")
    store = store_of(hub)
    choose = random.Random(1)
    one = b"".join(b"%d\n" % choose.randrange(10**9) for _ in range(3000))
    two = one.replace(b"7\n", b"8\n")
    items = [blob(one), blob(two)]
    for order in (items, items[::-1]):  # in one pack the first is the delta, in the other the second
        folder = bare(tmp_path / order[0].oid)
        for item in order:
            git(folder, "hash-object", "-w", "--stdin", data=item.data)
        packed = git(
            folder,
            "pack-objects",
            "--stdout",
            "-q",
            "--no-reuse-delta",
            data=f"{order[0].oid}\n{order[1].oid}\n".encode(),
        )
        store.ingest_pack([packed])
    for item in items:
        store.add([item])
    store.add([blob("x")])
    before = max(pack.path.stat().st_size for pack in store.packs())
    assert compact(store, most=1)
    (pack,) = store.packs()
    assert pack.path.stat().st_size < before + 1000
    assert git(hub, "verify-pack", str(pack.path.with_suffix(".idx"))) == b""
    assert [store.get(item.oid) for item in items] == items


def test_readers_are_not_disturbed(tmp_path: Path) -> None:
    writer, reader = ObjectStore(tmp_path), ObjectStore(tmp_path)
    made = grow(writer, 5)
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                for oid in made[:5]:
                    for entry in trees.walk(reader, reader.commit(oid).tree, recursive=True):
                        reader.head(entry.oid)
                    assert ObjectStore(tmp_path).has(oid)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    tip = made[-1]
    for _ in range(15):
        tip = grow(writer, 2, tip, "g")[-1]
        compact(writer, most=1)
    done.set()
    thread.join()
    assert failures == []


def test_what_nothing_reaches_goes_after_a_time_of_grace(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    kept = grow(store, 4)
    gone = grow(store, 3, kept[1], "branch")[1:]
    assert remove_unreachable(store, [kept[-1]]) == 0
    for path in tmp_path.glob("*.pack"):
        os.utime(path, (1, 1))
    late = new_commit(store, store.commit(gone[0]).tree, (gone[0],), "a push that is under way")
    assert remove_unreachable(store, [kept[-1]]) == 6  # two commits of the branch, their trees and files
    assert store.closure_missing([kept[-1], late]) == []
    assert store.has(gone[0]) and not ObjectStore(tmp_path).has(gone[2])
    with pytest.raises(MissingObject):
        store.get(gone[1])
    for path in tmp_path.glob("*.pack"):
        os.utime(path, (1, 1))
    assert remove_unreachable(store, []) > 0
    assert list(tmp_path.glob("*.pack")) == []
