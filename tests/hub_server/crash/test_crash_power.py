"""A power cut at any point loses nothing that was acknowledged.

A hub and clients (files by Xet or by LFS, commits, tags, a pull request that is merged, a push by git) run in one
process under a library that writes down every write, fsync, rename, creation and removal below the root. From that log
a disk is made for points in time, on which only what was fsynced is left: bytes of a file as of its own last fsync,
names in a folder as of the folder's. Each such disk is opened, verified, and must have all that was answered before.

That the log misses nothing is checked too: replayed to its end, it gives the folder that is really there, byte for
byte. Not covered: what a disk does that says a write is durable when it is not, and writes that land in part.

``ENFOLD_TEST_CUTS`` is the number of points, 100 if it is not set, chosen by chance and right behind each answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from power_disk import Disk, Event, events

from enfold.hub.records import HubRoot, Records, links, refs
from enfold.hub.records.schema import Repository
from enfold.hub.server.contents import pointer_at
from enfold.hub.server.state import HubState
from enfold.hub.store import trees
from enfold.hub.upkeep.opening import opened
from enfold.hub.upkeep.verifying import verify

HERE = Path(__file__).parent
CUTS = int(os.environ.get("ENFOLD_TEST_CUTS", "100"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that writes down what happens."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("power cuts need Linux and a C compiler")
    made = tmp_path_factory.mktemp("library") / "power_log.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", str(made), str(HERE / "power_log.c"), "-ldl", "-lpthread"],
        check=True,
    )
    return made


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_a_power_cut_loses_nothing_that_was_answered(way: str, library: Path, tmp_path: Path) -> None:
    root, log = tmp_path / "root", tmp_path / "log"
    root.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "LD_PRELOAD": str(library),
        "POWER_LIBRARY": str(library),
        "POWER_ROOT": str(root),
        "POWER_LOG": str(log),
        "PYTHONPATH": os.pathsep.join([str(HERE.parent / "server"), os.environ.get("PYTHONPATH", "")]),
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "0" if way == "xet" else "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    inode = root.stat().st_ino
    command = [sys.executable, str(HERE / "power_workload.py"), str(root), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    happened = list(events(log))
    check_that_nothing_was_missed(happened, root, inode, tmp_path / "replayed")
    disk = Disk(str(root), inode)
    answered: list[dict[str, Any]] = []
    wanted = points(happened)
    for number, event in enumerate(happened):
        disk.apply(event)
        if event.kind == "K":
            answered.append(json.loads(event.path))
        if number in wanted:
            left = tmp_path / "left"
            disk.write(left, durable=True)
            check_what_is_left(left, answered)
            shutil.rmtree(left)


def points(happened: list[Event]) -> set[int]:
    """Where the power is cut: behind each answer, and anywhere."""
    behind = [number for number, event in enumerate(happened) if event.kind == "K"]
    chosen = random.Random(23)
    few = chosen.sample(behind, min(len(behind), CUTS // 4))
    return {*few, *chosen.sample(range(len(happened)), CUTS // 2 - len(few))}


def check_that_nothing_was_missed(happened: list[Event], root: Path, inode: int, replayed: Path) -> None:
    disk = Disk(str(root), inode)
    for event in happened:
        disk.apply(event)
    disk.write(replayed, durable=False)

    def contents(folder: Path) -> dict[str, bytes | None]:
        # The index of SQLite's write-ahead log is shared memory, which is not written.
        files = (file for file in folder.rglob("*") if not file.name.endswith("-shm"))
        return {str(file.relative_to(folder)): file.read_bytes() if file.is_file() else None for file in files}

    assert contents(replayed) == contents(root)


def check_what_is_left(left: Path, answered: list[dict[str, Any]]) -> None:
    if not answered:  # the hub was only just being made: it is made again
        Records(HubRoot.open(left).database).close()
        return
    with opened(left) as state:
        assert list(verify(state)) == []
        for each in answered:
            if "repo" in each:
                check_answered(state, each)


def check_answered(state: HubState, what: dict[str, Any]) -> None:
    with state.records.read() as session:
        found = session.scalars(sa.select(Repository).where(Repository.full_name == what["repo"])).one()
        kept = {ref.name: ref.commit for ref in refs.refs_of(session, found)}
    if "ref" in what:
        assert what["ref"] in kept, what
        return
    store = state.objects(found)
    assert store.reachable(what["oid"], kept.values()), what
    entry = trees.find_entry(store, store.commit(what["oid"]).tree, what["path"].encode())
    assert entry is not None, what
    pointer = pointer_at(store, entry.oid)
    if pointer is None:
        assert hashlib.sha256(store.blob(entry.oid)).hexdigest() == what["sha256"], what
        return
    assert pointer.sha256 == what["sha256"], what
    with state.records.read() as session:
        assert links.is_linked(session, found, pointer.sha256), what
