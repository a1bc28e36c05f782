"""Files as they are sent: headers, parts, absence, pointers, and nothing that a browser would run."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from content_cases import commit, put_large, repository
from hub_on_loopback import Hub, hub_on_loopback
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import GatedRepoError, RemoteEntryNotFoundError, RevisionNotFoundError

from enfold.hub.records import Records, refs
from enfold.hub.records.repositories import find_repository
from enfold.hub.records.schema import Link
from enfold.hub.server.sending import media_type
from enfold.hub.store import Commit, GitObject, ObjectStore, Signature, TreeEntry
from enfold.hub.store.git_objects import SUBMODULE, SYMLINK, encode_tree
from enfold.hub.store.pointer import Pointer

DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def files(hub: Hub) -> str:
    """A repository with an ordinary and a large file."""
    hub.api("alice").create_repo("alice/files")
    sha256 = put_large(hub, "alice/files", DATA)
    answer = commit(
        hub,
        "alice/files",
        ("file", {"path": "folder/ünï code?.txt", "content": "hello\n"}),
        ("file", {"path": "empty", "content": ""}),
        ("file", {"path": "page.html", "content": "<script>alert(1)</script>"}),
        ("file", {"path": "image.svg", "content": "<svg onload='alert(1)'/>"}),
        ("lfsFile", {"path": "model.bin", "algo": "sha256", "oid": sha256, "size": len(DATA)}),
    )
    return str(answer.json()["commitOid"])


TEXT = "/alice/files/resolve/main/folder/%C3%BCn%C3%AF%20code%3F.txt"
LARGE = "/alice/files/resolve/main/model.bin"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_ordinary_file(hub: Hub, files: str, method: str) -> None:
    answer = hub.ask(method, TEXT)
    assert answer.status_code == 200
    assert answer.content == (b"hello\n" if method == "GET" else b"")
    expected = {
        "x-repo-commit": files,
        "etag": '"ce013625030ba8dba906f756967f9e9ca394464a"',
        "content-length": "6",
        "accept-ranges": "bytes",
        "content-type": "text/plain; charset=utf-8",
        "content-disposition": "inline; filename*=UTF-8''%C3%BCn%C3%AF%20code%3F.txt; filename=\"_n_ code?.txt\";",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert "content-encoding" not in answer.headers
    assert "x-linked-etag" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_large_file(hub: Hub, files: str, method: str) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    answer = hub.ask(method, LARGE)
    assert answer.content == (DATA if method == "GET" else b"")
    expected = {
        "x-repo-commit": files,
        "etag": f'"{sha256}"',
        "x-linked-etag": f'"{sha256}"',
        "x-linked-size": "10240",
        "content-length": "10240",
        "content-type": "application/octet-stream",
    }
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert "x-xet-hash" not in answer.headers, "it did not come by Xet, so Xet could not give it back"
    raw = hub.ask("GET", "/alice/files/raw/main/model.bin")
    assert raw.content == Pointer(sha256, 10240).encode()
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=10000-", 10000, 10240),
        ("bytes=-10", 10230, 10240),
        ("bytes=-99999", 0, 10240),
        ("bytes=10239-99999", 10239, 10240),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_parts(hub: Hub, files: str, asked: str, start: int, end: int, method: str) -> None:
    answer = hub.ask(method, LARGE, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/10240"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.content == (DATA[start:end] if method == "GET" else b"")


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_parts_behind_the_end(hub: Hub, files: str, asked: str) -> None:
    answer = hub.ask("GET", LARGE, headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10240")
    assert answer.headers["x-repo-commit"] == files
    empty = hub.ask("GET", "/alice/files/resolve/main/empty", headers={"Range": asked})
    assert (empty.status_code, empty.headers["content-range"]) == (416, "bytes */0")


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b"])
def test_what_is_no_range_is_the_whole_file(hub: Hub, files: str, asked: str) -> None:
    answer = hub.ask("GET", LARGE, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, DATA)


def test_a_part_of_another_version_is_the_whole_file(hub: Hub, files: str) -> None:
    etag = hub.ask("HEAD", LARGE).headers["etag"]
    same = hub.ask("GET", LARGE, headers={"Range": "bytes=0-1", "If-Range": etag})
    other = hub.ask("GET", LARGE, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)
    known = hub.ask("GET", LARGE, headers={"If-None-Match": etag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)


def test_a_large_file_that_is_sent_in_pieces(hub: Hub, files: str) -> None:
    """Larger than what is sent at once, whole and in part."""
    data = os.urandom(3_000_001)
    sha256 = put_large(hub, "alice/files", data)
    commit(hub, "alice/files", ("lfsFile", {"path": "big.bin", "algo": "sha256", "oid": sha256}), revision="main")
    path = "/alice/files/resolve/main/big.bin"
    assert hub.ask("GET", path).content == data
    assert hub.ask("GET", path, headers={"Range": "bytes=1-2999999"}).content == data[1:3_000_000]


def test_absence_is_told_with_the_commit(hub: Hub, files: str) -> None:
    for path in ("nope", "folder", "folder/", "model.bin/x", ""):
        for method in ("GET", "HEAD"):
            answer = hub.ask(method, f"/alice/files/resolve/{files}/{path}")
            assert (answer.status_code, answer.headers["x-error-code"]) == (404, "EntryNotFound"), path
            assert answer.headers["x-error-message"] == "Entry not found"
            assert answer.headers["x-repo-commit"] == files


def test_the_client_downloads_and_remembers_absence(hub: Hub, files: str, tmp_path: Path) -> None:
    api = hub.api()
    found = api.hf_hub_download("alice/files", "folder/ünï code?.txt", cache_dir=tmp_path)
    assert Path(found).read_text() == "hello\n"
    large = api.hf_hub_download("alice/files", "model.bin", cache_dir=tmp_path, revision=files)
    assert Path(large).read_bytes() == DATA
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download("alice/files", "nope", cache_dir=tmp_path)
    assert list(tmp_path.glob("*/.no_exist/*/nope"))
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download("alice/files", "empty", revision="nope", cache_dir=tmp_path, endpoint=hub.url, token=False)
    url = hf_hub_url("alice/files", "model.bin", endpoint=hub.url)
    assert get_hf_file_metadata(url, endpoint=hub.url, token=False).size == 10240


def test_a_download_goes_on_where_it_stopped(hub: Hub, files: str, tmp_path: Path) -> None:
    etag = hub.ask("HEAD", LARGE).headers["etag"].strip('"')
    begun = tmp_path / "models--alice--files" / "blobs" / f"{etag}.incomplete"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(DATA[:5000])
    found = hub.api().hf_hub_download("alice/files", "model.bin", cache_dir=tmp_path)
    assert Path(found).read_bytes() == DATA


def test_nothing_is_sent_that_a_browser_would_run(hub: Hub, files: str) -> None:
    for where in ("resolve", "raw"):
        for name in ("page.html", "image.svg"):
            answer = hub.ask("GET", f"/alice/files/{where}/main/{name}", headers={"Accept": "text/html"})
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in answer.headers["content-security-policy"]


def test_a_pointer_without_a_link_gives_nothing(hub: Hub, name: str, files: str) -> None:
    """A pointer that came by another way, such as history from before its link was taken away."""
    hub.api("alice").create_repo(f"alice/{name}")
    sha256 = put_large(hub, f"alice/{name}", DATA)
    commit(hub, f"alice/{name}", ("lfsFile", {"path": "m.bin", "algo": "sha256", "oid": sha256}))
    with hub.records.write() as session:
        session.delete(session.get_one(Link, (repository(hub, f"alice/{name}").id, sha256)))
    answer = hub.ask("GET", f"/alice/{name}/resolve/main/m.bin")
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "EntryNotFound")
    assert hub.ask("GET", f"/alice/{name}/raw/main/m.bin").status_code == 200


def test_who_may_not_see_a_repository(hub: Hub, name: str, tmp_path: Path) -> None:
    alice = hub.api("alice")
    alice.create_repo(f"alice/{name}", private=True)
    alice.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=f"alice/{name}")
    for user, status in ((None, 401), ("bob", 404)):
        for path in (f"alice/{name}", "alice/none"):
            answer = hub.ask("GET", f"/{path}/resolve/main/x", user)
            assert (answer.status_code, answer.headers["x-error-code"]) == (status, "RepoNotFound")
            assert "x-repo-commit" not in answer.headers
    alice.update_repo_settings(f"alice/{name}", private=False, gated="manual")
    for user, status in ((None, 401), ("bob", 403)):
        for method in ("GET", "HEAD"):
            answer = hub.ask(method, f"/alice/{name}/resolve/main/x", user)
            assert (answer.status_code, answer.headers["x-error-code"]) == (status, "GatedRepo")
    with pytest.raises(GatedRepoError):
        hub.api("bob").hf_hub_download(f"alice/{name}", "x", cache_dir=tmp_path)


def test_old_names_and_other_cases(hub: Hub, name: str, tmp_path: Path) -> None:
    alice = hub.api("alice")
    alice.create_repo(f"alice/{name}", repo_type="dataset")
    alice.upload_file(path_or_fileobj=b"x", path_in_repo="a b", repo_id=f"ALICE/{name.upper()}", repo_type="dataset")
    alice.move_repo(f"alice/{name}", f"alice/{name}-new", repo_type="dataset")
    answer = hub.ask("HEAD", f"/datasets/alice/{name}/resolve/main/a%20b")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{hub.url}/datasets/alice/{name}-new/resolve/main/a%20b"
    found = alice.hf_hub_download(f"alice/{name}", "a b", repo_type="dataset", cache_dir=tmp_path)
    assert Path(found).read_bytes() == b"x"


def test_links_and_submodules_are_shown_and_not_followed(hub: Hub, files: str) -> None:
    row = repository(hub, "alice/files")
    store = ObjectStore(hub.root / "repos" / row.uid[:2] / row.uid / "packs")
    blob = GitObject("blob", b"../../etc/passwd")
    tree = encode_tree([TreeEntry(b"link", SYMLINK, blob.oid), TreeEntry(b"sub", SUBMODULE, "1" * 40)])
    who = Signature("x", "x@example.org", 1)
    made = Commit(tree.oid, (), who, who, b"x\n").encode()
    store.add([blob, tree, made])
    with hub.records.write() as session:
        refs.move_ref(session, row, "refs/heads/links", None, made.oid, reason="test")
    assert hub.ask("GET", "/alice/files/resolve/links/link").content == b"../../etc/passwd"
    assert hub.ask("GET", "/alice/files/resolve/links/sub").status_code == 404
    listed = hub.ask("GET", "/api/models/alice/files/tree/links?expand=true").json()
    assert [(each["path"], each["type"]) for each in listed] == [("link", "file"), ("sub", "directory")]
    assert hub.api().list_repo_files("alice/files", revision="links") == ["link"]
    info = hub.api().model_info("alice/files", revision="links", files_metadata=True)
    assert info.siblings is not None and [each.rfilename for each in info.siblings] == ["link"]


def test_downloads_are_counted_once_a_caller(tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root") as hub:
        hub.api("alice").create_repo("alice/counted")
        for user in ("alice", "bob", None):
            for _ in range(2):
                path = "/alice/counted/resolve/main/.gitattributes"
                hub.ask("GET", path, user, headers={"X-HF-Download-Counter": "1"})
                hub.ask("GET", path, user)
                hub.ask("HEAD", path, user, headers={"X-HF-Download-Counter": "1"})
    records = Records(tmp_path / "root" / "hub.sqlite")
    with records.read() as session:
        found = find_repository(session, "model", "alice/counted")
    records.close()
    assert found is not None
    assert (found.downloads, found.downloads_all_time) == (3, 3)


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        (b"", "text/plain; charset=utf-8"),
        ("ä".encode(), "text/plain; charset=utf-8"),
        ("ä".encode()[:1], "text/plain; charset=utf-8"),
        (b"\xff\xfe text", "application/octet-stream"),
        (b"a\0b", "application/octet-stream"),
        (b"<html>", "text/plain; charset=utf-8"),
        (b"\x89PNG\r\n\x1a\n\0", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"%PDF-1.7\0", "application/octet-stream"),
    ],
)
def test_types_come_from_the_bytes(sample: bytes, kind: str) -> None:
    assert media_type(sample) == kind
