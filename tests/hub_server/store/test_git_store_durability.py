"""What was acknowledged survives a crash, a damaged disk is noticed, and large repositories cost little memory."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from git_cases import blob, new_commit

from enfold.hub.store import StorageFull, trees
from enfold.hub.store.git_objects import GitObject
from enfold.hub.store.incoming import IncomingPack
from enfold.hub.store.integrity import problems
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.pack_files import PackWriter, remove_abandoned


def filled(folder: Path) -> tuple[ObjectStore, str]:
    store = ObjectStore(folder)
    items = [blob(f"{number}" * 100) for number in range(20)]
    tree, made = trees.apply(store, None, [trees.Put(b"f%d" % index, item.oid) for index, item in enumerate(items)])
    store.add([*items, *made])
    return store, new_commit(store, tree, (), "all")


def test_a_pack_is_synced_before_it_is_named_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls are real; they are only written down, in order."""
    calls: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def noted_fsync(descriptor: int) -> None:
        fsync(descriptor)
        calls.append(("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name))

    def noted_rename(source: str | Path, target: str | Path) -> None:
        rename(source, target)
        calls.append(("rename", Path(source).name))

    store = ObjectStore(tmp_path / "repository" / "packs")
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "rename", noted_rename)
    store.add([blob("x")])
    made = [call for call in calls if call[1].startswith(".incoming")]
    pack, index = made[0][1], made[1][1]
    assert pack.endswith(".pack") and index.endswith(".idx")
    assert calls[-5:] == [
        ("fsync", pack), ("fsync", index), ("rename", pack), ("rename", index), ("fsync", "packs")
    ]  # fmt: skip
    assert calls[:2] == [("fsync", tmp_path.name), ("fsync", "repository")]  # the folders that were made on the way

    calls.clear()
    raw = next((tmp_path / "repository/packs").glob("*.pack")).read_bytes()
    ObjectStore(tmp_path / "other").ingest_pack([raw])
    assert [kind for kind, _ in calls] == ["fsync", "fsync", "fsync", "rename", "rename", "fsync"]


WRITER = """
import sys
from enfold.hub.store.git_objects import GitObject
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.compaction import compact
store = ObjectStore(sys.argv[1])
step = 0
while True:
    item = GitObject("blob", f"{sys.argv[2]} {step}".encode() * 50)
    store.add([item])
    print(item.oid, flush=True)
    step += 1
    if step % 5 == 0:
        compact(store, most=2)
"""


def test_writers_that_are_killed_lose_nothing_they_acknowledged(tmp_path: Path) -> None:
    choose = random.Random(2)
    acknowledged: list[str] = []
    for round_ in range(4):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path), f"{round_} {number}"], stdout=subprocess.PIPE
            )
            for number in range(2)
        ]
        time.sleep(0.9 + choose.random() * 0.3)
        for writer in writers:
            writer.kill()
            printed = writer.communicate()[0].decode().splitlines()
            acknowledged += [line for line in printed if len(line) == 40]
    store = ObjectStore(tmp_path)
    assert len(acknowledged) > 20
    assert [oid for oid in acknowledged if not store.has(oid)] == []
    assert list(problems(store)) == []
    for path in tmp_path.glob(".incoming*"):
        os.utime(path, (1, 1))
    remove_abandoned(tmp_path)
    assert list(tmp_path.glob(".incoming*")) == []


def test_a_repository_that_is_whole_has_no_problems_and_every_damage_is_one(tmp_path: Path) -> None:
    store, tip = filled(tmp_path)
    assert list(problems(store, [tip])) == []
    assert list(problems(store, ["1" * 40])) == [f"object {'1' * 40} is needed and is not in this repository"]
    pack = max(tmp_path.glob("*.pack"), key=lambda path: path.stat().st_size)
    whole = pack.read_bytes()
    pack.chmod(0o644)
    for at in range(20, len(whole) - 20, 40):
        pack.write_bytes(whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :])
        found = list(problems(ObjectStore(tmp_path), [tip]))
        assert any("its checksum is wrong" in line for line in found), at
    pack.write_bytes(whole)
    pack.with_suffix(".idx").unlink()
    assert any("is not in this repository" in line for line in problems(ObjectStore(tmp_path), [tip]))


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    store, _ = filled(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    raw = next(tmp_path.glob("*.pack")).read_bytes()
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(StorageFull, match="the disk that holds .* is full"),
        IncomingPack(store) as incoming,
    ):
        incoming._out.close()
        incoming._out = full  # a disk without a byte left
        incoming.write(raw)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_unfinished_pack_leaves_nothing(tmp_path: Path) -> None:
    store, _ = filled(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())

    def broken() -> object:
        yield blob("fine")
        raise OSError("the connection is gone")

    with pytest.raises(OSError, match="the connection is gone"):
        store.add(broken())  # type: ignore[arg-type]
    with PackWriter(tmp_path) as writer:
        writer.add(bytes.fromhex(blob("x").oid), "blob", b"x")
    with pytest.raises(ValueError, match="a pack needs an object"), PackWriter(tmp_path) as writer:
        writer.finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == before


TEN_THOUSAND = """
import sys, time
from enfold.hub.store import Commit, GitObject, ObjectStore, Signature, plan_fetch, trees
store = ObjectStore(sys.argv[1])
started = time.perf_counter()
operations, tip = [], []
def objects():
    for number in range(10_000):
        item = GitObject("blob", b"%d " % number * 300)
        operations.append(trees.Put(b"d%d/f%d" % (number % 100, number), item.oid))
        yield item
    tree, made = trees.apply(store, None, operations)
    yield from made
    who = Signature("a", "b", 1)
    tip.append(Commit(tree, (), who, who, b"all").encode())
    yield tip[0]
store.add(objects())
print(time.perf_counter() - started)
print(sum(len(part) for part in plan_fetch(store, [tip[0].oid]).stream()))
pack = b"".join(plan_fetch(store, [tip[0].oid]).stream())
print(ObjectStore(sys.argv[1] + "/copy").ingest_pack([pack]).objects)
# Of this program alone: what getrusage says begins with the memory of the process that started it.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc, on Linux")
def test_ten_thousand_small_files_are_quick_and_cost_little_memory(tmp_path: Path) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", TEN_THOUSAND, str(tmp_path)], capture_output=True, check=True, text=True
    ).stdout.split()
    seconds, sent, received, kilobytes = float(printed[0]), int(printed[1]), int(printed[2]), int(printed[3])
    assert seconds < 10
    assert sent > 400_000
    assert received == 10_000 + 101 + 1
    assert kilobytes < 150_000  # the whole server is allowed twice that


def test_a_folder_of_a_hundred_thousand_files_is_listed_page_by_page(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    item = blob("same")
    raw = bytes.fromhex(item.oid)
    folder = GitObject("tree", b"".join(b"100644 file-%06d\0%s" % (number, raw) for number in range(100_000)))
    root = GitObject("tree", b"40000 big\0" + bytes.fromhex(folder.oid))
    store.add([item, folder, root])
    pages = []
    for after in (None, b"big/file-000999", b"big/file-098999"):
        started = time.perf_counter()
        pages.append([entry.path for entry in trees.walk(store, root.oid, b"big", start_after=after, limit=1000)])
        assert time.perf_counter() - started < 0.5
    assert [(page[0], page[-1], len(page)) for page in pages] == [
        (b"big/file-000000", b"big/file-000999", 1000),
        (b"big/file-001000", b"big/file-001999", 1000),
        (b"big/file-099000", b"big/file-099999", 1000),
    ]
