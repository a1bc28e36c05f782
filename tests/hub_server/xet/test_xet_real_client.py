"""The unmodified client against a hub made of our parts: what it sends is understood, what it fetches is right."""

import hashlib
import json
import os
import random
import struct
import subprocess
import sys
from types import SimpleNamespace

import pytest
import xet_writing as written
from recording_cas import RecordingHub

from enfold.hub.store import Xorbs
from enfold.hub.xet import Shard

PRELUDE = """
import json, os
from pathlib import Path
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download

source = Path(os.environ["SOURCE"])
api = HfApi()


def upload(name):
    api.upload_file(path_or_fileobj=source / name, path_in_repo=name, repo_id="one/model")
"""

UPLOADS = """
upload("noise.bin")
upload("changed.bin")
api.upload_folder(folder_path=source / "folder", path_in_repo="folder", repo_id="one/model")
api.upload_file(path_or_fileobj=b"as bytes" * 2000, path_in_repo="bytes.bin", repo_id="one/model")
"""

DOWNLOADS = """
import hashlib, hf_xet

found = {}
for name in json.loads(os.environ["NAMES"]):
    found[name] = hashlib.sha256(Path(hf_hub_download("one/model", name)).read_bytes()).hexdigest()
endpoint = os.environ["HF_ENDPOINT"]
group = hf_xet.XetSession().new_download_stream_group(
    token_refresh_url=f"{endpoint}/api/models/one/model/xet-read-token/main", token_refresh_headers={}
)
info = hf_xet.XetFileInfo(os.environ["XET_HASH"], int(os.environ["SIZE"]))
for start, end in json.loads(os.environ["RANGES"]):
    data = b"".join(group.download_stream(info, start, end))
    found[f"{start}-{end}"] = hashlib.sha256(data).hexdigest()
print(json.dumps(found))
"""


def run_client(hub, home, source, script, **more):
    environment = {
        **os.environ,
        "HF_HOME": str(home),
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "hf_one",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "SOURCE": str(source),
        **more,
    }
    environment.pop("HF_HUB_OFFLINE", None)
    environment.pop("HF_HUB_DISABLE_XET", None)
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + script], env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    noise = random.Random(1).randbytes(12_000_000)
    changed = bytearray(noise)
    changed[8_000_000:8_120_000] = random.Random(2).randbytes(120_000)
    changed[3_600_000:3_600_000] = random.Random(3).randbytes(1024)
    (folder / "noise.bin").write_bytes(noise)
    (folder / "changed.bin").write_bytes(changed)
    (folder / "folder").mkdir()
    (folder / "folder/text.txt").write_bytes(b"\n".join(b"line %d of a long text" % number for number in range(90_000)))
    (folder / "folder/floats.bin").write_bytes(struct.pack("<200000f", *(number / 7 for number in range(200_000))))
    (folder / "folder/again.bin").write_bytes(noise)
    (folder / "folder/small.bin").write_bytes(b"tiny")
    return folder


@pytest.fixture(scope="module", params=[("v1", "v2"), ("v1",)], ids=["v2", "v1"])
def after_uploads(request, source, tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    with RecordingHub(root, versions=request.param) as hub:
        done = run_client(hub, root / "home", source, UPLOADS)
        assert done.returncode == 0, done.stderr
        yield SimpleNamespace(hub=hub, root=root, version=request.param[-1], before=len(hub.seen))


def test_what_was_uploaded_is_in_the_store(after_uploads, source):
    hub = after_uploads.hub
    assert hub.refusals == []
    expected = {path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    expected["bytes.bin"] = b"as bytes" * 2000
    for name, data in expected.items():
        content = hub.file_at(name).content
        assert content.sha256 == hashlib.sha256(data).hexdigest()
        assert b"".join(hub.large_files.read(content)) == data
        sent = b"".join(
            segment.path.read_bytes()[segment.start : segment.start + segment.length]
            for segment in hub.large_files.segments(content)
        )
        assert sent == data


def test_it_came_as_xorbs_and_shards_of_the_version_that_is_served(after_uploads):
    hub = after_uploads.hub
    accepted = [seen.path for seen in hub.sent_to("/shards$") if seen.status == 200]
    assert len(accepted) == 4
    assert all(path.endswith(f"/{after_uploads.version}/shards") for path in accepted)
    assert {seen.status for seen in hub.sent_to("/v1/xorbs/")} == {200}


def test_all_three_compression_schemes_were_met(after_uploads):
    schemes = set()
    for _, body in after_uploads.hub.kept_xorbs:
        place = 0
        while place < len(body):
            schemes.add(body[place + 4])
            place += 8 + int.from_bytes(body[place + 1 : place + 4], "little")
    assert schemes == {0, 1, 2}


def test_of_a_changed_file_little_is_sent(after_uploads):
    sent = [seen.sent for seen in after_uploads.hub.sent_to("/v1/xorbs/")]
    assert sent[0] >= 12_000_000
    # Shared chunks are not sent: of the second file one contiguous percent and a kilobyte are new.
    assert sent[1] < 0.05 * 12_000_000
    assert sum(sent[2:]) < 3_000_000


def test_the_clients_own_hashes_are_ours(after_uploads):
    """A second implementation agrees with what the client sent: xorb, file and verification hashes."""
    hub = after_uploads.hub
    for name, _ in hub.kept_xorbs:
        raw = b"".join(hub.xorbs.blobs.open_range(f"xorb/{name[:2]}/{name}", 0, hub.xorbs.index(name).size))
        chunks, place = [], 0
        for length in hub.xorbs.index(name).lengths:
            chunks.append(raw[place : place + length])
            place += length
        assert written.xorb_name(chunks) == name
        hub.xorbs.check(name)
    (file,) = Shard.parse(hub.kept_shards[0]).files
    assert file.hash == hub.file_at("noise.bin").hash


RANGES = [
    (0, 1),
    (0, 100_000),
    (5_000_000, 5_000_010),
    (3_590_000, 3_610_000),
    (7_999_999, 8_120_001),
    (12_000_000, None),
]


def test_the_client_downloads_by_reconstruction(after_uploads, source):
    hub = after_uploads.hub
    changed = hub.file_at("changed.bin")
    done = run_client(
        hub,
        after_uploads.root / "another-home",
        source,
        DOWNLOADS,
        NAMES=json.dumps(list(hub.tree)),
        XET_HASH=changed.hash,
        SIZE=str(changed.content.size),
        RANGES=json.dumps(RANGES),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: found[name] for name in hub.tree} == hub.tree
    data = (source / "changed.bin").read_bytes()
    for start, end in RANGES:
        assert found[f"{start}-{end}"] == hashlib.sha256(data[start:end]).hexdigest()
    asked = hub.seen[after_uploads.before :]
    versions = {seen.path.split("/")[3] for seen in asked if "/reconstructions/" in seen.path and seen.status == 200}
    assert versions == {after_uploads.version}
    # Bytes came as parts of xorbs, never as the file itself.
    assert any(seen.path.startswith("/plain/") and seen.status == 206 for seen in asked)
    assert not [seen for seen in asked if "/resolve/" in seen.path and seen.method == "GET"]


def test_a_file_of_several_full_xorbs(tmp_path):
    data = random.Random(9).randbytes(70_000_000)
    (tmp_path / "large.bin").write_bytes(data)
    with RecordingHub(tmp_path / "hub") as hub:
        done = run_client(hub, tmp_path / "home", tmp_path, 'upload("large.bin")')
        assert done.returncode == 0, done.stderr
        assert len(hub.file_at("large.bin").terms) >= 2
        # A full xorb is longer than 64 MiB: the limit holds for its chunks, the headers come on top.
        assert max(seen.sent for seen in hub.sent_to("/v1/xorbs/")) > 64 * 1024 * 1024 - 200_000


def test_a_store_that_lost_its_xorbs_refuses_and_says_so(tmp_path):
    """The client remembers what it sent; a store that no longer has it must not accept a file it cannot give back."""
    (tmp_path / "one.bin").write_bytes(random.Random(5).randbytes(300_000))
    with RecordingHub(tmp_path / "hub") as hub:
        assert run_client(hub, tmp_path / "home", tmp_path, 'upload("one.bin")').returncode == 0
        for name, _ in list(hub.xorbs.list()):
            Xorbs(hub.blobs).delete(name)
        hub.tree.clear()
        done = run_client(hub, tmp_path / "home", tmp_path, 'upload("one.bin")')
        assert done.returncode != 0
        assert "400 Bad Request" in done.stderr
        (refusal,) = hub.refusals
        assert "which was not uploaded here" in refusal
        assert hub.tree == {}


def test_a_client_that_lies_about_the_sha256_is_refused(tmp_path):
    (tmp_path / "one.bin").write_bytes(random.Random(6).randbytes(300_000))
    lie = """
operation = CommitOperationAdd("one.bin", source / "one.bin")
operation.upload_info.sha256 = bytes(range(32))
api.preupload_lfs_files("one/model", [operation])
"""
    with RecordingHub(tmp_path / "hub") as hub:
        done = run_client(hub, tmp_path / "home", tmp_path, lie)
        assert done.returncode != 0
        assert "400 Bad Request" in done.stderr
        (refusal,) = hub.refusals
        assert refusal.endswith(f"the shard says {bytes(range(32)).hex()}")
        assert hub.files == {}


def test_a_client_that_never_was_here_does_not_send_what_is_here(tmp_path):
    data = random.Random(7).randbytes(5_000_000)
    (tmp_path / "one.bin").write_bytes(data)
    (tmp_path / "two.bin").write_bytes(data + random.Random(8).randbytes(100_000))
    with RecordingHub(tmp_path / "hub") as hub:
        assert run_client(hub, tmp_path / "home", tmp_path, 'upload("one.bin")').returncode == 0
        before = len(hub.seen)
        done = run_client(hub, tmp_path / "another-home", tmp_path, 'upload("two.bin")')
        assert done.returncode == 0, done.stderr
        sent = [seen for seen in hub.seen[before:] if "/v1/xorbs/" in seen.path]
        assert sum(seen.sent for seen in sent) < 400_000
        assert any(seen.status == 200 for seen in hub.seen[before:] if "/v1/chunks/" in seen.path)
        assert b"".join(hub.large_files.read(hub.file_at("two.bin").content)) == (tmp_path / "two.bin").read_bytes()
