"""The one way a commit lands: durable objects first, then a transaction that moves the ref."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from enfold.hub.records import Principal, accounts, links
from enfold.hub.records.refs import MAIN, head_of
from enfold.hub.records.schema import Repository
from enfold.hub.server.commits import Draft, Landed, Message, land
from enfold.hub.server.errors import HubError
from enfold.hub.server.routes.repositories import make_repository
from enfold.hub.server.serving import open_hub
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState
from enfold.hub.store import MalformedPath, PathConflict
from enfold.hub.store.extents import Extent, LargeFile


class Bench:
    """A hub without a network: a user, a repository, and short words for committing to it."""

    def __init__(self, root: Path) -> None:
        self.state: HubState = open_hub(HubSettings(root=root))
        with self.state.records.write() as session:
            alice = accounts.create_user(session, "alice", email="alice@example.org")
            self.alice: Principal = accounts.principal_for(session, alice)
        self.repository: Repository = make_repository(self.state, self.alice, "model", "alice/m", {"a.txt": b"one\n"})

    @property
    def head(self) -> str:
        with self.state.records.read() as session:
            head = head_of(session, self.repository)
        assert head is not None
        return head

    def commit(self, title: str = "change", parent: str | None = None, **files: bytes | None) -> Landed:
        """Write (or, with None, delete) files; two underscores stand for a dot."""
        with Draft(self.state, self.repository) as draft:
            for name, data in files.items():
                path = name.replace("__", ".")
                draft.delete(path) if data is None else draft.put(path, data)
            return land(draft, MAIN, Message(title), self.alice, parent=parent)

    def git(self, *arguments: str) -> str:
        """What git says of the repository."""
        folder = self.state.root.tmp / "git"
        if not folder.exists():
            subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
            (folder / "objects" / "pack").rmdir()
            packs = self.state.root.repository(self.repository.uid) / "packs"
            (folder / "objects" / "pack").symlink_to(packs)
        (folder / "refs" / "heads" / "main").write_text(f"{self.head}\n")
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "root")
    yield made
    made.state.close()


def refusal(error: pytest.ExceptionInfo[HubError]) -> tuple[int, str]:
    assert isinstance(error.value, HTTPException)
    return error.value.status_code, error.value.detail


def test_git_reads_what_was_committed(bench: Bench) -> None:
    first = bench.head
    with Draft(bench.state, bench.repository) as draft:
        draft.put("folder/b.txt", b"two\n")
        draft.put("c.txt", b"three\n")
        landed = land(draft, MAIN, Message("Add  two\nfiles", "\nAnd say why.\n"), bench.alice)
    assert landed == Landed(bench.head, is_new=True)
    bench.git("fsck", "--strict")
    assert bench.git("log", "-1", "--format=%P|%an|%ae|%B", "main") == (
        f"{first}|alice|alice@example.org|Add two files\n\nAnd say why.\n\n"
    )
    assert bench.git("ls-tree", "-r", "--name-only", "main").split() == ["a.txt", "c.txt", "folder/b.txt"]
    packs = list((bench.state.root.repository(bench.repository.uid) / "packs").glob("*.pack"))
    assert len(packs) == 2, "a commit is one pack"


def test_deletions_come_first(bench: Bench) -> None:
    with Draft(bench.state, bench.repository) as draft:
        draft.put("a.txt", b"new\n")
        draft.delete("a.txt")
        land(draft, MAIN, Message("replace"), bench.alice)
    assert bench.git("show", "main:a.txt") == "new\n"


def test_nothing_changed_is_no_commit(bench: Bench) -> None:
    assert bench.commit(a__txt=b"one\n") == Landed(bench.head, is_new=False)
    assert bench.git("rev-list", "--count", "main") == "1\n"


def test_with_a_parent_named_the_branch_must_still_be_there(bench: Bench) -> None:
    first = bench.head
    second = bench.commit(b__txt=b"2", parent=first).commit
    with pytest.raises(HubError) as caught:
        bench.commit(c__txt=b"3", parent=first)
    assert refusal(caught)[0] == 412
    assert refusal(caught)[1].startswith("The branch was updated since you opened this page.")
    assert bench.commit(c__txt=b"3", parent=second[:8]).is_new


def test_without_a_parent_the_change_is_made_to_the_new_head(bench: Bench) -> None:
    """Writers that all began at the same head: each commit lands, none undoes another."""
    barrier = threading.Barrier(6)
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            with Draft(bench.state, bench.repository) as draft:
                draft.put(f"file-{number}", b"%d" % number)
                barrier.wait()
                land(draft, MAIN, Message(f"number {number}"), bench.alice)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(bench.git("ls-tree", "--name-only", "main").split()) == 7
    assert bench.git("rev-list", "--count", "main") == "7\n"
    bench.git("fsck", "--strict")


def test_two_servers_on_one_root_write_to_one_branch(bench: Bench) -> None:
    """Another process has no part in this one's queue; the compare and swap in the records is what counts."""
    other = open_hub(bench.state.settings)
    failures: list[BaseException] = []

    def write(state: HubState, label: str) -> None:
        try:
            for number in range(8):
                with Draft(state, bench.repository) as draft:
                    draft.put(f"{label}-{number}", b"x")
                    land(draft, MAIN, Message(label), bench.alice)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=each) for each in ((bench.state, "a"), (other, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert failures == []
    assert bench.git("rev-list", "--count", "main") == "17\n"


def test_a_request_that_comes_again_is_answered_with_its_commit(bench: Bench) -> None:
    first = bench.head
    landed = bench.commit("delete", parent=first, a__txt=None, b__txt=b"2")
    assert bench.commit("delete", parent=first, a__txt=None, b__txt=b"2") == Landed(landed.commit, is_new=False)
    landed = bench.commit("again", b__txt=None)
    bench.commit("another's", z__txt=b"z")
    assert bench.commit("again", b__txt=None) == Landed(landed.commit, is_new=False)


def test_the_same_wish_after_another_change_is_a_new_wish(bench: Bench) -> None:
    one = bench.commit("set", x__txt=b"1")
    bench.commit("set", x__txt=b"2")
    again = bench.commit("set", x__txt=b"1")
    assert again.is_new and again.commit != one.commit
    assert bench.git("show", "main:x.txt") == "1"


def test_a_file_to_be_deleted_must_be_there(bench: Bench) -> None:
    with pytest.raises(HubError) as caught:
        bench.commit(nope__txt=None)
    assert refusal(caught) == (404, "A file with this name doesn't exist: nope.txt")
    assert caught.value.headers["X-Error-Code"] == "EntryNotFound"  # type: ignore[index]


def test_paths_that_cannot_be(bench: Bench) -> None:
    with Draft(bench.state, bench.repository) as draft:
        for path in ("../x", "/x", "", "a/.git/config", "a\\..\\b", "a\0b"):
            with pytest.raises(MalformedPath):
                draft.put(path, b"")
        draft.put("a.txt/b", b"")
        with pytest.raises(PathConflict):
            land(draft, MAIN, Message("x"), bench.alice)


def test_an_unknown_branch(bench: Bench) -> None:
    with Draft(bench.state, bench.repository) as draft:
        draft.put("b", b"")
        with pytest.raises(HubError) as caught:
            land(draft, "refs/heads/nope", Message("x"), bench.alice)
    assert refusal(caught) == (404, "Invalid rev id: nope")


def test_a_large_file_must_be_linked_to_this_repository(bench: Bench) -> None:
    sha256 = "5" * 64
    other = make_repository(bench.state, bench.alice, "model", "alice/other", {"a": b""})

    def write(**more: dict[str, int]) -> Landed:
        with Draft(bench.state, bench.repository) as draft:
            draft.put_large("m.safetensors", sha256, 7)
            draft.copied.update(more.get("copied", {}))
            return land(draft, MAIN, Message("large"), bench.alice)

    with pytest.raises(HubError) as unknown:
        write()
    with bench.state.records.write() as session:
        links.put_large_file(session, LargeFile(sha256, 7, (Extent("lfs/55/5", 0, 7),)))
        links.link(session, other, [sha256], by_id=None)
    with pytest.raises(HubError) as elsewhere:
        write()
    assert refusal(unknown) == refusal(elsewhere), "whether it is stored for others is nobody's business"
    assert refusal(unknown) == (400, f"the large file {sha256} was not uploaded to this repository; upload it first")
    assert write(copied={sha256: 7}).is_new, "a copy by somebody who may read the other repository"
    with bench.state.records.read() as session:
        assert links.is_linked(session, bench.repository, sha256)
    assert "oid sha256:555" in bench.git("show", "main:m.safetensors")


def test_a_wrong_size_of_a_large_file_is_refused(bench: Bench) -> None:
    sha256 = "6" * 64
    with bench.state.records.write() as session:
        links.put_large_file(session, LargeFile(sha256, 7, (Extent("lfs/66/6", 0, 7),)))
        links.link(session, bench.repository, [sha256], by_id=None)
    with Draft(bench.state, bench.repository) as draft:
        draft.put_large("m.bin", sha256, 8)
        with pytest.raises(HubError) as caught:
            land(draft, MAIN, Message("x"), bench.alice)
    assert refusal(caught) == (400, f"the large file {sha256} has 7 bytes, not 8")


def test_the_card_at_the_head_is_what_listings_show(bench: Bench) -> None:
    card = b"---\nlicense: mit\npipeline_tag: text-classification\ntags: [finance]\n---\n# Hello"
    bench.commit(README__md=card, config__json=b'{"model_type": "bert", "hidden_size": 8}')
    with bench.state.records.read() as session:
        shown = session.get_one(Repository, bench.repository.id)
    assert (shown.sha, shown.pipeline_tag) == (bench.head, "text-classification")
    assert shown.tags == ["text-classification", "finance", "license:mit", "bert"]
    assert shown.config == {"model_type": "bert"}
    bench.commit(README__md=b"---\n: [bad\n---\n", config__json=b"[[[[")
    with bench.state.records.read() as session:
        shown = session.get_one(Repository, bench.repository.id)
    assert (shown.card, shown.tags, shown.config) == (None, [], None), "what cannot be read counts as missing"


def test_a_draft_that_is_given_up_leaves_nothing(bench: Bench) -> None:
    packs = bench.state.root.repository(bench.repository.uid) / "packs"
    before = sorted(packs.iterdir())
    with pytest.raises(RuntimeError), Draft(bench.state, bench.repository) as draft:
        draft.put("b", b"x" * 100_000)
        raise RuntimeError
    assert sorted(packs.iterdir()) == before
