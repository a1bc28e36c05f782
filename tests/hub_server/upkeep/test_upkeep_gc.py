"""`gc` removes what nothing uses, and nothing else: beside uploads, after a kill, and never two at a time."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from client_process import run_client, served_again, start_client
from hub_on_loopback import hub_on_loopback

from enfold.errors import ServiceError
from enfold.hub.records import HubRoot, Records, links, repositories
from enfold.hub.records.schema import LargeFileRecord, Repository, XetChunk, XorbRecord
from enfold.hub.server.signing import BadTicket, Signer, XetPermit
from enfold.hub.server.state import HubState
from enfold.hub.upkeep.collecting import Begun, Collected, begin, seconds_to_wait, sweep
from enfold.hub.upkeep.exclusive import alone
from enfold.hub.upkeep.opening import opened
from enfold.hub.upkeep.verifying import verify


def drop(state: HubState, name: str = "alice/dropped") -> None:
    with state.records.write() as session:
        found = session.scalars(sa.select(Repository).where(Repository.full_name == name)).one()
        repositories.delete_repository(session, found)
    state.root.remove_repository(found.uid)


def clean_up(state: HubState, *, abandoned_seconds: float = 3600) -> Collected:
    time.sleep(0.002)  # what was named in this very millisecond stays
    begun = begin(state)
    time.sleep(seconds_to_wait(begun))
    return sweep(state, begun, abandoned_seconds=abandoned_seconds)


def bytes_kept(root: Path) -> int:
    return sum(file.stat().st_size for file in (root / "blobs").rglob("*") if file.is_file())


def test_what_is_used_stays(root: Path, state: HubState) -> None:
    before = bytes_kept(root)
    done = clean_up(state)
    assert (done.files, done.xorbs, done.bytes) == (0, 0, 0)
    assert bytes_kept(root) == before


def test_what_a_deleted_repository_alone_used_goes(root: Path, state: HubState) -> None:
    before = bytes_kept(root)
    drop(state)
    done = clean_up(state)
    assert done.files == 2, "two versions of its model; what both repositories have stays"
    assert done.xorbs >= 1
    assert done.bytes >= 3_000_000
    assert before - bytes_kept(root) >= done.bytes
    assert list(verify(state)) == []
    with state.records.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LargeFileRecord)) == 4
        known = set(session.scalars(sa.select(XorbRecord.hash)))
        assert set(session.scalars(sa.select(XetChunk.xorb_hash))) <= known
    assert {path.name for path in root.glob("blobs/xorb/*/*")} == known


def test_each_clean_up_is_a_generation(state: HubState) -> None:
    before = state.root.generation
    clean_up(state)
    assert state.root.generation == before + 1


def test_what_lost_its_last_use_after_the_beginning_is_left_to_the_next(state: HubState) -> None:
    begun = begin(state)
    drop(state)
    time.sleep(seconds_to_wait(begun))
    assert sweep(state, begun).files == 0
    assert clean_up(state).files == 2


def test_what_is_named_again_meanwhile_stays(root: Path, state: HubState) -> None:
    drop(state)
    time.sleep(0.002)
    begun = begin(state)
    data = random.Random("alice/dropped").randbytes(3_000_000)
    sha256 = hashlib.sha256(data).hexdigest()
    with state.large_files.begin_upload(sha256, len(data)) as upload:
        upload.write(data)
        file = upload.commit()
    with state.records.write() as session:
        links.put_arrived(session, file, state.blobs)
    time.sleep(seconds_to_wait(begun))
    sweep(state, begun)
    with state.records.read() as session:
        kept = links.large_file(session, sha256)
    assert kept is not None
    state.large_files.check(kept)


def test_bytes_that_go_while_they_arrive_are_asked_for_again(state: HubState) -> None:
    with state.large_files.begin_upload(hashlib.sha256(b"new").hexdigest(), 3) as upload:
        upload.write(b"new")
        file = upload.commit()
    state.blobs.delete(file.extents[0].blob)
    with pytest.raises(links.WentMeanwhile, match="send it again"), state.records.write() as session:
        links.put_arrived(session, file, state.blobs)
    with state.records.read() as session:
        assert links.large_file(session, file.sha256) is None


def test_what_was_never_written_down_goes_after_a_day(root: Path, state: HubState) -> None:
    yesterday = time.time() - 25 * 3600
    left = []
    for key in ("file/ab/" + "ab" * 32, "xorb/cd/" + "cd" * 32, "xorb-index/ef/" + "ef" * 32):
        with state.blobs.create(key) as writer:
            writer.write(b"left over")
            writer.commit()
        left.append(root / "blobs" / key)
    spooled = root / "tmp" / "blob-1234"
    spooled.write_bytes(b"half")
    folder = root / "repos" / "00" / "00" / "packs"
    folder.mkdir(parents=True)
    assert clean_up(state, abandoned_seconds=24 * 3600).bytes == 0, "it may be arriving just now"
    for path in (*left, spooled, folder.parent):
        os.utime(path, (yesterday, yesterday))
    done = clean_up(state, abandoned_seconds=24 * 3600)
    assert (done.files, done.xorbs, done.repositories, done.uploads) == (1, 2, 1, 1)
    assert not any(path.exists() for path in (*left, spooled, folder))
    assert list(verify(state)) == []


def test_bytes_that_came_twice_are_kept_once(root: Path, state: HubState) -> None:
    data = random.Random("alice/kept").randbytes(3_000_000)
    sha256 = hashlib.sha256(data).hexdigest()
    with state.large_files.begin_upload(sha256, len(data)) as upload:
        upload.write(data)
        file = upload.commit()
    with state.records.write() as session:
        links.put_arrived(session, file, state.blobs)
    assert clean_up(state).bytes == 3_000_000
    assert not (root / "blobs" / file.extents[0].blob).exists()
    assert list(verify(state)) == []


def test_it_waits_for_the_tokens_that_were_given_out(filled_root: Path, tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root", xet_token_seconds=600) as hub:
        hub.api("alice").create_repo("alice/m")
        with opened(hub.root) as state:
            assert seconds_to_wait(begin(state)) == 0, "nobody may send files by Xet"
            sweep(state, begin(state))
            old = hub.ask("GET", "/api/models/alice/m/xet-write-token/main", "alice").json()
            begun = begin(state)
            assert begun.wait_until >= old["exp"]
            with pytest.raises(ServiceError, match="still good"):
                sweep(state, begun)
            assert begin(state) == begun, "one that was begun is gone on with"
        new = hub.ask("GET", "/api/models/alice/m/xet-write-token/main", "alice").json()
        assert new["casUrl"] != old["casUrl"], "clients forget what they believed to be here"


def test_a_client_that_began_before_goes_on_with_a_new_token() -> None:
    signer = Signer(b"k" * 64)

    def token(place: str) -> str:
        return signer.xet_token(XetPermit("write", place, 1, 1, 1, int(time.time()) + 60))

    assert signer.opened_xet_token(token("ab-3-cd"), place="ab-3-cd")
    assert signer.opened_xet_token(token("ab-3-cd"), place="ab-2-cd")
    for other in ("ab-4-cd", "ab-3-ce", "aa-3-cd", "ab-0-cd", "ab--1-cd", "ab-3", "ab-²-cd", "ab--cd"):
        with pytest.raises(BadTicket, match="at another address"):
            signer.opened_xet_token(token("ab-3-cd"), place=other)


def test_only_one_at_a_time(root: Path, state: HubState, enfold: Callable[..., Any]) -> None:
    with alone(state.root, state.records.database, "a backup"):
        with pytest.raises(ServiceError, match="a backup .* is at work on .*; wait until it has ended"):
            begin(state)
        done = enfold("gc", "--root", str(root))
    assert done.returncode == 2
    assert f"a backup (process {os.getpid()}) is at work on {root}" in done.stderr
    assert enfold("gc", "--root", str(root)).returncode == 0


def test_only_one_at_a_time_in_postgres(hub_postgres: str, tmp_path: Path, state: HubState) -> None:
    """The same root, reached over a file system without locks, is another folder here."""
    HubRoot.open(tmp_path / "elsewhere")
    records = Records(hub_postgres)
    with opened(tmp_path / "elsewhere", database=hub_postgres) as second:
        with alone(state.root, records.database, "a backup"), pytest.raises(ServiceError, match="is at work"):
            begin(second)
        begin(second)
    records.close()


KILLED = """
import itertools, os, signal, sys
from enfold.cli.main import run

count, last = itertools.count(1), int(os.environ["LAST"])


def watch(event, arguments):
    if event == "os.remove" and "/blobs/" in str(arguments[0]) and next(count) == last:
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(watch)
run()
"""


def test_one_that_was_killed_is_ended_by_the_next(root: Path, state: HubState) -> None:
    drop(state)
    before = bytes_kept(root)
    time.sleep(0.002)
    for last in ("1", "3"):  # the place where it dies, counted in blobs that it was about to remove
        done = subprocess.run(
            [sys.executable, "-c", KILLED, "hub", "gc", "--root", str(root)], env={**os.environ, "LAST": last}
        )
        assert done.returncode == -signal.SIGKILL
        assert list(verify(state)) == []
    clean_up(state)
    assert before - bytes_kept(root) >= 3_000_000
    assert list(verify(state)) == []


UPLOADS = """
import os, random, sys, time
from concurrent.futures import ThreadPoolExecutor
from huggingface_hub import HfApi

api, label = HfApi(), os.environ["LABEL"]
old = random.Random("alice/dropped").randbytes(3_000_000)
end = time.time() + float(os.environ["SECONDS"])


def work(worker):
    name = f"alice/{label}-{worker}"
    api.create_repo(name)
    place, done = random.Random(name), 0
    while time.time() < end:
        cut = place.randrange(2_000_000)
        data = old[cut : cut + 700_000] + place.randbytes(200_000)
        api.upload_file(path_or_fileobj=data, path_in_repo=f"{done}.bin", repo_id=name)
        done += 1
    return done


with ThreadPoolExecutor(4) as workers:
    print(sum(workers.map(work, range(4))))
"""


def test_eight_uploads_run_through_clean_ups(root: Path, filled_root: Path, tmp_path: Path) -> None:
    home = filled_root.parent / "home"  # where the client remembers what it sent before
    with served_again(root, xet_token_seconds=3) as hub:
        clients = [
            start_client(hub, "alice", home, UPLOADS, LABEL="xet", SECONDS="5"),
            start_client(hub, "alice", home, UPLOADS, LABEL="lfs", SECONDS="5", HF_HUB_DISABLE_XET="1"),
        ]
        hub.api("alice").delete_repo("alice/dropped")
        with opened(root) as state:
            removed = 0
            while any(client.poll() is None for client in clients):
                begun: Begun = begin(state)
                time.sleep(seconds_to_wait(begun))
                removed += sweep(state, begun).files
                time.sleep(0.2)
            for client in clients:
                out, errors = client.communicate()
                assert client.returncode == 0, errors
                assert int(out) >= 4
            assert removed >= 1
            assert list(verify(state)) == []
        read = run_client(hub, "alice", tmp_path / "fresh", READ)
    assert read >= 8


READ = """
import hashlib, json
from huggingface_hub import HfApi

api, count = HfApi(), 0
for repo in api.list_models(author="alice"):
    for entry in api.list_repo_tree(repo.id, recursive=True):
        if entry.path.endswith(".bin"):
            path = api.hf_hub_download(repo.id, entry.path)
            assert hashlib.sha256(open(path, "rb").read()).hexdigest() == entry.lfs.sha256
            count += 1
print(count)
"""
