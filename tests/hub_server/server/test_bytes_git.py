"""The real git against a hub: clone, fetch, push; what it may not do; and that nothing half-done is left."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from hub_on_loopback import Hub
from large_files import batch, send, sha256_of

from enfold.hub.records import accounts, refs
from enfold.hub.records.repositories import find_repository
from enfold.hub.store import Pointer

HAS_LFS = shutil.which("git-lfs") is not None
PLAIN = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Alice",
    "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "Alice",
    "GIT_COMMITTER_EMAIL": "alice@example.org",
}


@dataclass
class Done:
    code: int
    out: str
    err: str


def git(*arguments: str, at: Path, **environment: str) -> Done:
    done = subprocess.run(
        ["git", *arguments],
        cwd=at,
        env={**os.environ, **PLAIN, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Done(done.returncode, done.stdout.strip(), done.stderr)


def well(*arguments: str, at: Path, **environment: str) -> str:
    done = git(*arguments, at=at, **environment)
    assert done.code == 0, done.err
    return done.out


def address(hub: Hub, repo: str, user: str | None = None) -> str:
    parts = urlsplit(hub.url)
    secret = f"any:{quote(hub.tokens[user])}@" if user else ""
    return f"{parts.scheme}://{secret}{parts.netloc}/{repo}"


def commit(at: Path, text: str, path: str = "a.txt") -> str:
    (at / path).parent.mkdir(parents=True, exist_ok=True)
    (at / path).write_text(text)
    well("add", "-A", at=at)
    well("commit", "-qm", f"write {path}", at=at)
    return well("rev-parse", "HEAD", at=at)


def objects(at: Path) -> int:
    """How many objects a small repository has, none of which is packed."""
    return int(well("count-objects", at=at).split()[0])


def head(hub: Hub, repo: str, ref: str = refs.MAIN) -> str | None:
    with hub.records.read() as session:
        found = find_repository(session, "model", repo)
        assert found is not None
        return refs.head_of(session, found, ref)


@pytest.fixture
def repo(hub: Hub, name: str) -> str:
    hub.api("alice").create_repo(f"alice/{name}")
    return f"alice/{name}"


@pytest.fixture
def work(hub: Hub, repo: str, tmp_path: Path) -> Path:
    """Alice's clone."""
    well("clone", "-q", address(hub, repo, "alice"), "work", at=tmp_path)
    return tmp_path / "work"


def test_what_is_pushed_is_cloned_and_is_what_the_api_reads(hub: Hub, repo: str, work: Path, tmp_path: Path) -> None:
    for number in range(30):  # enough for a packed push and a compressed request
        (work / f"file {number}.txt").write_text(f"{number}\n" * 50)
    tip = commit(work, "hello\n", "folder/ä.txt")
    well("push", "-q", "origin", "HEAD:main", at=work)
    assert head(hub, repo) == tip
    assert hub.ask("GET", f"/{repo}/resolve/main/folder/%C3%A4.txt").text == "hello\n"
    assert hub.api().list_repo_commits(repo)[0].commit_id == tip
    for suffix in ("", ".git"):
        well("clone", "-q", address(hub, repo) + suffix, f"clone{suffix}", at=tmp_path)
        assert well("rev-parse", "HEAD", at=tmp_path / f"clone{suffix}") == tip
        well("fsck", "--strict", at=tmp_path / f"clone{suffix}")
    # What the API commits afterwards is fetched, and nothing but that.
    before = objects(tmp_path / "clone")
    hub.api("alice").upload_file(path_or_fileobj=b"from the api", path_in_repo="b.txt", repo_id=repo)
    well("pull", "-q", "origin", "main", at=tmp_path / "clone")
    assert (tmp_path / "clone/b.txt").read_text() == "from the api"
    assert objects(tmp_path / "clone") - before == 3, "a commit, a tree and a blob came"


def test_branches_and_tags_are_pushed_and_deleted(hub: Hub, repo: str, work: Path) -> None:
    tip = commit(work, "one\n")
    well("tag", "light", at=work)
    well("tag", "-a", "signed", "-m", "with words", at=work)
    well("push", "-q", "origin", "HEAD:refs/heads/side/one", "light", "signed", at=work)
    assert head(hub, repo, "refs/heads/side/one") == head(hub, repo, "refs/tags/light") == tip
    assert head(hub, repo, "refs/tags/signed") == tip
    listed = well("ls-remote", "origin", at=work)
    assert f"{tip}\trefs/tags/signed^{{}}" in listed
    assert well("ls-remote", "--symref", "origin", "HEAD", at=work).startswith("ref: refs/heads/main\tHEAD")
    in_the_way = git("push", "origin", "HEAD:refs/heads/side", at=work)
    assert "one name cannot be the beginning of another" in in_the_way.err
    both = git("push", "origin", "HEAD:refs/heads/x", "HEAD:refs/heads/x/y", "HEAD:refs/heads/side/two", at=work)
    assert both.err.count("one name cannot be the beginning of another") == 1
    assert head(hub, repo, "refs/heads/side/two") == tip
    well("push", "-q", "origin", ":side/two", at=work)
    well("push", "-q", "origin", ":side/one", ":light", at=work)
    assert head(hub, repo, "refs/heads/side/one") is None
    assert head(hub, repo, "refs/tags/light") is None


def test_what_a_push_may_not_do(hub: Hub, repo: str, work: Path) -> None:
    before = head(hub, repo)
    tip = commit(work, "one\n")
    well("tag", "-a", "of-a-blob", "-m", "x", "HEAD:a.txt", at=work)
    refused = {
        ":main": "the main branch cannot be deleted",
        "HEAD:refs/pr/1": "pull requests are opened and closed on the hub, not by a push",
        "HEAD:refs/convert/parquet": "only branches, tags and pull requests are pushed",
        "of-a-blob": "is a blob, not a commit",
        "of-a-blob:refs/heads/tagged": "a branch points to a commit",
    }
    for refspec, reason in refused.items():
        done = git("push", "origin", refspec, at=work)
        assert done.code != 0
        assert reason in done.err, done.err
    assert well("ls-remote", "origin", at=work).split() == [before, "HEAD", before, "refs/heads/main"]
    done = git("push", "--atomic", "origin", "HEAD:new", "HEAD:refs/convert/x", at=work)
    assert "atomic" in done.err
    assert head(hub, repo, "refs/heads/new") is None
    # Refs that are pushed together and not atomically stand alone.
    git("push", "origin", "HEAD:new", "HEAD:refs/convert/x", at=work)
    assert head(hub, repo, "refs/heads/new") == tip


def test_who_may_push_what(hub: Hub, name: str, tmp_path: Path) -> None:
    """A writer goes forward; only who administers goes back; a reader does neither; a stranger sees nothing."""
    organization = f"o-{secrets.token_hex(3)}"
    with hub.records.write() as session:
        made = accounts.create_organization(session, organization)
        accounts.add_member(session, made, accounts.user(session, "alice"), "admin")
        accounts.add_member(session, made, accounts.user(session, "bob"), "write")
    repo = f"{organization}/{name}"
    hub.api("alice").create_repo(repo, private=True)
    well("clone", "-q", address(hub, repo, "bob"), "bob", at=tmp_path)
    bob = tmp_path / "bob"
    first = well("rev-parse", "HEAD", at=bob)
    second = commit(bob, "one\n")
    well("push", "-q", "origin", "HEAD:main", at=bob)
    well("reset", "-q", "--hard", first, at=bob)
    other = commit(bob, "two\n", "b.txt")
    forced = git("push", "--force", "origin", "HEAD:main", at=bob)
    assert "only those who administer the repository may force a branch" in forced.err
    assert head(hub, repo) == second
    well("push", "-q", "--force", address(hub, repo, "alice"), "HEAD:main", at=bob)
    assert head(hub, repo) == other
    well("tag", "v1", at=bob)
    well("push", "-q", "origin", "v1", at=bob)
    moved = git("push", "--force", "origin", f"{second}:refs/tags/v1", at=bob)
    assert "a tag that is there is moved only by those who administer" in moved.err

    hub.add_user(f"eve-{name}")
    hub.add_token(f"read-{name}", "bob", role="read")
    for user in (f"eve-{name}", None):
        assert git("clone", address(hub, repo, user), "x", at=tmp_path).code != 0
        assert git("push", address(hub, repo, user), "HEAD:mine", at=bob).code != 0
    well("clone", "-q", address(hub, repo, f"read-{name}"), "reader", at=tmp_path)
    refused = git("push", address(hub, repo, f"read-{name}"), "HEAD:mine", at=bob)
    assert "403" in refused.err
    assert "remote: Forbidden: this token may only read" in refused.err
    assert head(hub, repo, "refs/heads/mine") is None


def test_a_pull_request_is_pushed_to_by_its_author(hub: Hub, repo: str, work: Path, tmp_path: Path) -> None:
    opened = hub.api("bob").create_pull_request(repo, title="mine")
    hub.add_user(f"carol-{repo[6:]}")
    well("clone", "-q", address(hub, repo, "bob"), "bob", at=tmp_path)
    bob = tmp_path / "bob"
    well("fetch", "-q", "origin", f"refs/pr/{opened.num}:pr", at=bob)
    well("checkout", "-q", "pr", at=bob)
    tip = commit(bob, "from bob\n")
    done = git("push", "origin", "pr:main", at=bob)
    assert "you may not write to" in done.err
    stranger = git("push", address(hub, repo, f"carol-{repo[6:]}"), f"pr:refs/pr/{opened.num}", at=bob)
    assert "only its author and those who may write" in stranger.err
    well("push", "-q", "origin", f"pr:refs/pr/{opened.num}", at=bob)
    assert head(hub, repo, f"refs/pr/{opened.num}") == tip


def test_a_shallow_clone_deepens_and_pushes(hub: Hub, repo: str, work: Path, tmp_path: Path) -> None:
    for number in range(5):
        commit(work, f"{number}\n")
    well("push", "-q", "origin", "HEAD:main", at=work)
    well("clone", "-q", "--depth", "2", address(hub, repo, "alice"), "shallow", at=tmp_path)
    shallow = tmp_path / "shallow"
    assert well("rev-list", "--count", "HEAD", at=shallow) == "2"
    tip = commit(shallow, "on top\n")
    well("push", "-q", "origin", "HEAD:main", at=shallow)
    assert head(hub, repo) == tip
    well("fetch", "-q", "--depth", "4", at=shallow)
    assert well("rev-list", "--count", "HEAD", at=shallow) == "4"
    well("fetch", "-q", "--unshallow", at=shallow)
    assert well("rev-list", "--count", "HEAD", at=shallow) == "7"
    well("fsck", at=shallow)


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_every_version_of_the_protocol_fetches(hub: Hub, repo: str, work: Path, tmp_path: Path, version: str) -> None:
    """Diverged histories, so that client and hub have something to find out."""
    well("clone", "-q", address(hub, repo), "clone", at=tmp_path)
    for number in range(40):
        well("commit", "-q", "--allow-empty", "-m", f"mine {number}", at=tmp_path / "clone")
    for number in range(3):
        commit(work, f"{number}\n")
    well("push", "-q", "origin", "HEAD:main", at=work)
    well("-c", f"protocol.version={version}", "fetch", "-q", at=tmp_path / "clone")
    assert well("rev-parse", "origin/main", at=tmp_path / "clone") == head(hub, repo)


def test_only_what_refs_lead_to_is_given(hub: Hub, repo: str, work: Path, tmp_path: Path) -> None:
    before = head(hub, repo)
    first = commit(work, "one\n")
    well("push", "-q", "origin", "HEAD:main", at=work)
    well("init", "-q", "other", at=tmp_path)
    well("fetch", "-q", address(hub, repo), str(before), at=tmp_path / "other")
    # The commit is no longer reachable: it lies in a pack, and nobody gets it.
    well("push", "-q", "--force", "origin", f"{before}:main", at=work)
    refused = git("fetch", address(hub, repo), first, at=tmp_path / "other")
    assert f"not our ref {first}" in refused.err
    blob = well("rev-parse", f"{first}:a.txt", at=work)
    assert "not our ref" in git("fetch", address(hub, repo), blob, at=tmp_path / "other").err


def pushed(hub: Hub, repo: str, body: bytes, **headers: str) -> httpx2.Response:
    return hub.ask("POST", f"/{repo}.git/git-receive-pack", "alice", content=body, headers=headers)


def line(text: str) -> bytes:
    return b"%04x" % (len(text) + 4) + text.encode()


def pack_of(at: Path, *oids: str) -> bytes:
    done = subprocess.run(
        ["git", "pack-objects", "--stdout"], cwd=at, input="\n".join(oids).encode(), capture_output=True, check=True
    )
    return done.stdout


def test_a_push_is_closed_over_its_pack_and_the_repository(hub: Hub, repo: str, work: Path) -> None:
    before = head(hub, repo)
    tip = commit(work, "one\n")
    tree, blob = (well("rev-parse", name, at=work) for name in ("HEAD^{tree}", "HEAD:a.txt"))
    command = line(f"{before} {tip} refs/heads/main\0report-status\n") + b"0000"
    packs = hub.root.glob("repos/*/*/packs/*.pack")
    count = len(list(packs))
    lacking = pushed(hub, repo, command + pack_of(work, tip, tree))
    assert f"the pack needs the blob {blob}, which is not in it nor in this repository" in lacking.text
    assert "ng refs/heads/main unpacker error" in lacking.text
    damaged = bytearray(pack_of(work, tip, tree, blob))
    damaged[-25] ^= 1
    assert "the checksum at the end of the pack is wrong" in pushed(hub, repo, command + bytes(damaged)).text
    cut_off = pushed(hub, repo, command + pack_of(work, tip, tree, blob)[:-30])
    assert "unpack the" in cut_off.text
    missing = line(f"{before} {'1' * 40} refs/heads/main\0report-status\n") + b"0000"
    assert "ng refs/heads/main missing necessary objects" in pushed(hub, repo, missing + pack_of(work)).text
    assert len(list(hub.root.glob("repos/*/*/packs/*.pack"))) == count, "nothing of these was kept"
    assert head(hub, repo) == before
    late = line(f"{'2' * 40} {tip} refs/heads/main\0report-status\n") + b"0000"
    assert "it was moved meanwhile; fetch first" in pushed(hub, repo, late + pack_of(work, tip, tree, blob)).text
    assert "ok refs/heads/main" in pushed(hub, repo, command + pack_of(work, tip, tree, blob)).text
    assert head(hub, repo) == tip


def test_objects_of_another_repository_are_not_here(hub: Hub, repo: str, work: Path, name: str) -> None:
    """Bob knows the ids of a private repository: he can neither build on them nor ask for them."""
    secret = f"alice/{name}-secret"
    hub.api("alice").create_repo(secret, private=True)
    tip = commit(work, "secret\n")
    well("push", "-q", address(hub, secret, "alice"), "HEAD:side", at=work)
    hub.api("bob").create_repo(f"bob/{name}")
    built = line(f"{'0' * 40} {tip} refs/heads/x\0report-status\n") + b"0000" + pack_of(work)
    answer = hub.ask("POST", f"/bob/{name}.git/git-receive-pack", "bob", content=built)
    assert "ng refs/heads/x missing necessary objects" in answer.text
    want = line(f"want {tip} no-progress\n") + b"0000" + line("done\n")
    answer = hub.ask("POST", f"/bob/{name}.git/git-upload-pack", "bob", content=want)
    assert answer.text[4:] == f"ERR upload-pack: not our ref {tip}"


def test_bodies_come_compressed_in_chunks_and_after_a_question(hub: Hub, repo: str, work: Path) -> None:
    want = line(f"want {head(hub, repo)} ofs-delta\n") + b"0000" + line("done\n")
    address_of = f"/{repo}.git/git-upload-pack"
    plain = hub.ask("POST", address_of, content=want)
    assert plain.content.startswith(b"0008NAK\nPACK")
    packed = hub.ask("POST", address_of, content=gzip.compress(want), headers={"Content-Encoding": "gzip"})
    chunked = hub.ask("POST", address_of, content=iter([want[:7], want[7:]]))
    assert packed.content == chunked.content == plain.content
    for body, encoding, status in (
        (b"junk", "gzip", 400),
        (gzip.compress(want)[:-9], "gzip", 400),
        (want, "br", 415),
        (b"zzzz", "identity", 400),
        (b"0032want x\n", "identity", 400),
        (line("want xyz\n"), "identity", 400),
        (line("hello\n"), "identity", 400),
    ):
        answer = hub.ask("POST", address_of, content=body, headers={"Content-Encoding": encoding})
        assert answer.status_code == status, body
    parts = urlsplit(hub.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        head_of = f"POST {address_of} HTTP/1.1\r\nHost: hub\r\nContent-Length: {len(want)}\r\n"
        connection.sendall(f"{head_of}Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(want)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    # A push larger than git's buffer is sent in chunks, after a question without commands.
    (work / "large.txt").write_text(secrets.token_hex(400_000))
    tip = commit(work, "more\n")
    well("-c", "http.postBuffer=65536", "push", "-q", "origin", "HEAD:main", at=work)
    assert head(hub, repo) == tip


def test_the_old_protocol_is_refused_in_words(hub: Hub, repo: str) -> None:
    answer = hub.ask("GET", f"/{repo}/info/refs")
    assert answer.status_code == 403
    assert answer.text == "this hub speaks git's smart protocol only; use git 1.6.6 or newer\n"


def test_a_pointer_needs_its_file(hub: Hub, repo: str, work: Path, name: str) -> None:
    """Also when the file exists in somebody else's repository."""
    hub.api("bob").create_repo(f"bob/{name}", private=True)
    data = secrets.token_bytes(2000)
    send(hub, f"bob/{name}", "bob", data)
    before = head(hub, repo)
    commit(work, Pointer(sha256_of(data), len(data)).encode().decode(), "weights.bin")
    done = git("push", "origin", "HEAD:main", at=work)
    assert f"the large file {sha256_of(data)} of 2000 bytes was not sent to this repository" in done.err
    assert head(hub, repo) == before
    send(hub, repo, "alice", data)
    well("push", "-q", "origin", "HEAD:main", at=work)
    assert hub.ask("GET", f"/{repo}/resolve/main/weights.bin").content == data


@pytest.mark.skipif(not HAS_LFS, reason="git-lfs is not installed")
def test_git_lfs_sends_and_fetches_large_files(hub: Hub, repo: str, work: Path, tmp_path: Path) -> None:
    data = secrets.token_bytes(300_000)
    well("lfs", "install", "--local", at=work)
    (work / "weights.bin").write_bytes(data)
    tip = commit(work, "with weights\n")
    well("push", "origin", "HEAD:main", at=work)
    assert head(hub, repo) == tip
    assert hub.ask("GET", f"/{repo}/resolve/main/weights.bin").content == data
    (known,) = batch(hub, repo, None, "download", (sha256_of(data), len(data))).json()["objects"]
    assert "actions" in known
    well("clone", "-q", address(hub, repo), "clone", at=tmp_path)
    clone = tmp_path / "clone"
    assert (clone / "weights.bin").read_bytes() == Pointer(sha256_of(data), len(data)).encode()
    well("lfs", "install", "--local", at=clone)
    well("lfs", "pull", at=clone)
    assert (clone / "weights.bin").read_bytes() == data


def test_a_renamed_repository_is_still_cloned_by_its_old_name(hub: Hub, repo: str, work: Path, tmp_path: Path) -> None:
    hub.api("alice").move_repo(repo, f"{repo}-new")
    well("clone", "-q", f"{address(hub, repo)}.git", "moved", at=tmp_path)
    assert well("rev-parse", "HEAD", at=tmp_path / "moved") == head(hub, f"{repo}-new")


def test_a_gate_holds_for_git(hub: Hub, repo: str, work: Path, tmp_path: Path) -> None:
    hub.api("alice").update_repo_settings(repo, gated="manual")
    assert git("clone", address(hub, repo, "bob"), "x", at=tmp_path).code != 0
    assert hub.ask("GET", f"/{repo}/info/refs?service=git-upload-pack", "bob").status_code == 403
    anonymous = hub.ask("GET", f"/{repo}/info/refs?service=git-upload-pack")
    assert anonymous.status_code == 401
    assert anonymous.headers["www-authenticate"].startswith("Basic"), "git then asks its user"
    well("clone", "-q", address(hub, repo, "alice"), "mine", at=tmp_path)
