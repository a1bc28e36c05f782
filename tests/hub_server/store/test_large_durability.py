"""What was acknowledged survives: the order of fsync and rename, and writers that are killed."""

import hashlib
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

from enfold.hub.store import LargeFiles, LocalBlobs

DATA = b"content" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


class Disk:
    """Watches the calls that matter and knows what a power cut would leave; the calls themselves are real."""

    def __init__(self, monkeypatch, root):
        self.root = root
        self.unsynced_files = set()
        self.unsynced_entries = set()
        self.clean = {"fsync": os.fsync, "writev": os.writev, "replace": os.replace, "mkdir": os.mkdir}
        for name in self.clean:
            monkeypatch.setattr(os, name, getattr(self, name))

    @staticmethod
    def named(descriptor):
        return pathlib.Path(f"/proc/self/fd/{descriptor}").readlink()

    def writev(self, descriptor, pieces):
        self.unsynced_files.add(self.named(descriptor))
        return self.clean["writev"](descriptor, pieces)

    def fsync(self, descriptor):
        self.clean["fsync"](descriptor)
        path = self.named(descriptor)
        self.unsynced_files.discard(path)
        self.unsynced_entries = {entry for entry in self.unsynced_entries if entry.parent != path}

    def replace(self, source, target, **more):
        source, target = pathlib.Path(source), pathlib.Path(target)
        assert source not in self.unsynced_files, f"{source} was renamed before its fsync"
        self.clean["replace"](source, target, **more)
        self.unsynced_entries.add(target)

    def mkdir(self, path, *more, **and_more):
        self.clean["mkdir"](path, *more, **and_more)
        self.unsynced_entries.add(pathlib.Path(path))

    def lost(self, file):
        """Whether a power cut now would lose ``file``."""
        return file in self.unsynced_files or any(
            place in self.unsynced_entries for place in (file, *file.parents) if place.is_relative_to(self.root)
        )


@pytest.mark.skipif(not pathlib.Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("way", ["one piece", "parts"])
def test_after_the_answer_nothing_can_be_lost(tmp_path, monkeypatch, way):
    disk = Disk(monkeypatch, tmp_path)
    large_files = LargeFiles(LocalBlobs(tmp_path / "blobs", tmp=tmp_path / "tmp"))
    if way == "one piece":
        with large_files.begin_upload(SHA256, len(DATA)) as upload:
            upload.write(DATA[:3000])
            upload.write(DATA[3000:])
            file = upload.commit()
    else:
        number = large_files.begin_parts(SHA256, len(DATA), len(DATA))
        with large_files.part(number, 1) as part:
            part.write(DATA)
            etag = part.commit()
        assert not disk.lost(tmp_path / "tmp" / f"parts-{number}" / "1.part")
        file = large_files.complete(number, [(1, etag)])
    (segment,) = large_files.segments(file)
    assert segment.path.read_bytes() == DATA
    assert not disk.lost(segment.path)


@pytest.mark.skipif(not pathlib.Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_folder_that_another_process_made_is_made_durable_too(tmp_path, monkeypatch):
    one, two = (LocalBlobs(tmp_path / "blobs", tmp=tmp_path / "tmp") for _ in range(2))
    disk = Disk(monkeypatch, tmp_path)
    # The first process stops between making the folder and its fsync.
    (one.folder / "file" / "ab").mkdir(parents=True)
    with two.create("file/ab/key") as writer:
        writer.write(DATA)
        writer.commit()
    assert not disk.lost(two.path("file/ab/key"))


WRITER = """
import hashlib, os, sys
from pathlib import Path
from enfold.hub.store import LargeFiles, LocalBlobs

root = Path(sys.argv[1])
large_files = LargeFiles(LocalBlobs(root / "blobs", tmp=root / "tmp"))
print("ready", flush=True)
while True:
    data = os.urandom(200_000)
    sha256 = hashlib.sha256(data).hexdigest()
    with large_files.begin_upload(sha256, len(data)) as upload:
        for place in range(0, len(data), 20_000):
            upload.write(data[place : place + 20_000])
        upload.commit()
    print(sha256, flush=True)
"""


def test_writers_that_are_killed_lose_nothing_they_acknowledged(tmp_path):
    source = random.Random(1)
    acknowledged = []
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(source.uniform(0.01, 0.15))
            writer.kill()
            acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    assert acknowledged
    blobs = LocalBlobs(tmp_path / "blobs", tmp=tmp_path / "tmp")
    found = {blob.key.rpartition("/")[2] for blob in blobs.list("file")}
    assert set(acknowledged) <= found
    for sha256 in found:
        assert hashlib.sha256(blobs.read(f"file/{sha256[:2]}/{sha256}")).hexdigest() == sha256
    blobs.spool.remove_abandoned(-60)
    assert list((tmp_path / "tmp").iterdir()) == []
