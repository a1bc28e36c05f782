"""Packs that come by push: what git sends is kept; damaged, costly, hostile and open ones are refused whole."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import pytest
from git_cases import ANN, bare, blob, commit_files, git, git_lines, store_of, worktree

from enfold.hub.store.commit_objects import Commit
from enfold.hub.store.git_errors import GitError, MalformedObject, RefusedPack
from enfold.hub.store.git_objects import GitObject, TreeEntry, encode_tree
from enfold.hub.store.incoming import PackCaps
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.pack_files import PackWriter, entry_head
from enfold.hub.store.pointer import Pointer

KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}


def pack_of(*entries: bytes, count: int | None = None) -> bytes:
    body = b"PACK" + struct.pack(">II", 2, len(entries) if count is None else count) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def whole(item: GitObject) -> bytes:
    return entry_head(KINDS[item.kind], len(item.data)) + zlib.compress(item.data)


def number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def delta(base: bytes, result: bytes, body: bytes | None = None) -> bytes:
    """A delta that only inserts (at most 127 bytes)."""
    return number(len(base)) + number(len(result)) + (bytes([len(result)]) + result if body is None else body)


def delta_entry(base: GitObject, instructions: bytes) -> bytes:
    return entry_head(7, len(instructions)) + bytes.fromhex(base.oid) + zlib.compress(instructions)


def closed_commit(*files: GitObject) -> list[GitObject]:
    tree = encode_tree(TreeEntry(b"f%d" % index, 0o100644, item.oid) for index, item in enumerate(files))
    return [*files, tree, Commit(tree.oid, (), ANN, ANN, b"one\n").encode()]


def raw_tree(*entries: tuple[str, bytes, str]) -> GitObject:
    return GitObject("tree", b"".join(b"%s %s\0%s" % (m.encode(), n, bytes.fromhex(o)) for m, n, o in entries))


def sent_by_git(repository: Path, *revisions: str, thin: bool = True) -> bytes:
    options = ["--thin"] if thin else []
    return git(
        repository, "pack-objects", "--revs", "--stdout", "-q", "--delta-base-offset", *options,
        data="\n".join(revisions).encode() + b"\n",
    )  # fmt: skip


@pytest.fixture
def history(tmp_path: Path) -> tuple[Path, list[str]]:
    """A repository of 6 commits in which a long file changes a little each time, so that its packs hold deltas."""
    repository = worktree(tmp_path / "work")
    commits = []
    text = b"".join(b"%d %s\n" % (i, hashlib.sha1(b"%d" % i).hexdigest().encode()) for i in range(2000))
    for step in range(6):
        text = text.replace(b"\n%d " % (step * 300), b"\n%d changed " % (step * 300))
        files = {"long.txt": text, f"d/{step}.txt": b"%d" % step, "d/same": b"same"}
        commits.append(commit_files(repository, files, f"step {step}", 1_700_000_000 + step))
    return repository, commits


def test_what_git_pushes_is_kept_and_git_finds_nothing_wrong(tmp_path: Path, history: tuple[Path, list[str]]) -> None:
    repository, commits = history
    hub = bare(tmp_path / "hub")
    store = store_of(hub)
    first = store.ingest_pack([sent_by_git(repository, commits[2], thin=False)])
    assert sorted(first.commits) == sorted(commits[:3])
    thin = sent_by_git(repository, commits[5], f"^{commits[2]}")
    assert len(thin) < 6000  # the long file is a delta on one that is not in the pack
    second = store.ingest_pack(iter([thin[:1], thin[1:5000], thin[5000:]]))
    assert sorted(second.commits) == sorted(commits[3:])
    git(hub, "update-ref", "refs/heads/main", commits[5])
    assert git(hub, "fsck", "--strict", "--full") == b""
    for line in git_lines(repository, "cat-file", "--batch-all-objects", "--batch-check"):
        oid, kind, _ = line.split()
        assert store.get(oid).data == git(repository, "cat-file", kind, oid)
    assert store.closure_missing([commits[5]]) == []


def test_a_thin_pack_builds_on_this_repository_alone(tmp_path: Path, history: tuple[Path, list[str]]) -> None:
    repository, commits = history
    other = ObjectStore(tmp_path / "other")
    other.ingest_pack([sent_by_git(repository, commits[2], thin=False)])
    empty = ObjectStore(tmp_path / "empty")
    with pytest.raises(RefusedPack, match="delta on object .{40}, which is not in it nor in this repository"):
        empty.ingest_pack([sent_by_git(repository, commits[5], f"^{commits[2]}")])
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_pack_that_is_not_closed_is_refused(tmp_path: Path, history: tuple[Path, list[str]]) -> None:
    repository, commits = history
    store = ObjectStore(tmp_path / "s")
    lacking = sent_by_git(repository, commits[5], f"^{commits[2]}", thin=False)
    with pytest.raises(RefusedPack, match=r"the pack needs the (tree|blob|commit) .{40}, which is not in it nor in"):
        store.ingest_pack([lacking])
    file, tree, commit = closed_commit(blob("x"))
    for left_out, kind in ((file, "blob"), (tree, "tree")):
        rest = [whole(item) for item in (file, tree, commit) if item is not left_out]
        with pytest.raises(RefusedPack, match=f"needs the {kind} {left_out.oid}"):
            store.ingest_pack([pack_of(*rest)])
    assert list((tmp_path / "s").iterdir()) == []
    assert store.ingest_pack([pack_of(*map(whole, (commit, tree, file)))]).objects == 3


def test_an_object_used_as_another_kind_is_refused(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    file = blob("x")
    wrong = raw_tree(("40000", b"folder", file.oid))
    with pytest.raises(MalformedObject, match=f"object {file.oid} is a blob and is used as a tree"):
        store.ingest_pack([pack_of(whole(file), whole(wrong))])
    store.add([file])
    with pytest.raises(MalformedObject, match=f"object {file.oid} is a blob and is used as a tree"):
        store.ingest_pack([pack_of(whole(wrong))])


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (b".git", "40000"), (b".GiT", "40000"), (b"git~1", "100644"), (b"GIT~1", "100644"), (b".git ", "100644"),
        (b".git...", "100644"), (b".git::$INDEX_ALLOCATION", "40000"), (b".git\\hooks", "100644"), (b"..", "40000"),
        (b".", "40000"), (b"", "100644"), (b"a/b", "100644"), (b"a\\..\\b", "100644"), (b"a\nb", "100644"),
        (b"\xff", "100644"), (b"x" * 256, "100644"), (b"f", "100600"), (b"f", "100664"), (b"f", "0100644"),
        (".gi\u200ct".encode(), "40000"),
        ("\ufeff.git".encode(), "40000"), (b".gitmodules", "120000"), (b".GITMODULES", "120000"),
    ],
)  # fmt: skip
def test_names_and_modes_that_git_refuses_are_refused(tmp_path: Path, name: bytes, mode: str) -> None:
    file = blob("x")
    inner = raw_tree(("100644", b"x", file.oid))
    bad = raw_tree((mode, name, inner.oid if mode == "40000" else file.oid))
    with pytest.raises(MalformedObject, match=f"tree {bad.oid}"):
        ObjectStore(tmp_path).ingest_pack([pack_of(*map(whole, (file, inner, bad)))])
    assert list(tmp_path.iterdir()) == []


def test_trees_out_of_order_or_with_a_name_twice_are_refused(tmp_path: Path) -> None:
    file = blob("x")
    inner = raw_tree(("100644", b"x", file.oid))
    for wrong, words in (
        (raw_tree(("100644", b"b", file.oid), ("100644", b"a", file.oid)), "not in git's order: b'a' comes too late"),
        (raw_tree(("100644", b"a", file.oid), ("100644", b"a", file.oid)), "the name b'a' twice"),
        (raw_tree(("100644", b"a", file.oid), ("100644", b"a.b", file.oid), ("40000", b"a", inner.oid)), "b'a' twice"),
        (raw_tree(("40000", b"a", inner.oid), ("100644", b"a.b", file.oid)), "not in git's order"),
        (raw_tree(("100644", b"a", "0" * 40)), "the id is all zeros"),
        (GitObject("tree", b"100644 a\0short"), "is damaged at byte 0"),
    ):
        with pytest.raises(MalformedObject, match=words):
            ObjectStore(tmp_path).ingest_pack([pack_of(*map(whole, (file, inner, wrong)))])


def test_symbolic_links_and_submodules_are_kept_and_never_followed(tmp_path: Path) -> None:
    hub = bare(tmp_path / "hub")
    link = blob("../../etc/passwd")
    tree = raw_tree(("120000", b"link", link.oid), ("160000", b"module", "1" * 40))
    store = store_of(hub)
    assert store.ingest_pack([pack_of(whole(link), whole(tree))]).objects == 2
    assert git_lines(hub, "fsck", "--strict", "--full") in ([], [f"dangling tree {tree.oid}"])


def test_commits_and_tags_that_git_refuses_are_refused(tmp_path: Path) -> None:
    *others, good = closed_commit(blob("x"))
    tree = others[1].oid
    who = b"Ann <a@b> 1 +0000"
    for data, words in (
        (b"tree %s\nauthor %s\n\nx" % (tree.encode(), who), "no committer after its author"),
        (b"author %s\ncommitter %s\n\nx" % (who, who), "does not begin with its tree"),
        (b"tree %s\nauthor Ann a@b 1 +0000\ncommitter %s\n\nx" % (tree.encode(), who), "author is not 'name <e-mail>"),
        (b"tree %s\nauthor %s\ncommitter Ann <a@b> 01 +0000\n\nx" % (tree.encode(), who), "committer is not"),
        (b"tree %s\nauthor %s\nauthor %s\ncommitter %s\n\nx" % (tree.encode(), who, who, who), "no committer"),
        (b"tree abc\nauthor %s\ncommitter %s\n\nx" % (who, who), "b'abc', which is not an object id"),
        (b"tree %s\nauthor A\0 <a> 1 +0000\ncommitter %s\n\nx" % (tree.encode(), who), "a NUL in its header"),
    ):
        bad = GitObject("commit", data)
        with pytest.raises(MalformedObject, match=f"commit {bad.oid}.*{words}"):
            ObjectStore(tmp_path).ingest_pack([pack_of(*map(whole, (*others, bad)))])
    for data, words in (
        (b"object %s\ntag v1\ntagger %s\n\nx" % (good.oid.encode(), who), "object, type and tag"),
        (b"object %s\ntype rock\ntag v1\ntagger %s\n\nx" % (good.oid.encode(), who), "'rock', which is not a kind"),
        (
            b"object %s\ntype tree\ntag v1\ntagger %s\n\nx" % (good.oid.encode(), who),
            "is a commit and is used as a tree",
        ),
    ):
        with pytest.raises(MalformedObject, match=words):
            ObjectStore(tmp_path).ingest_pack([pack_of(*map(whole, (*others, good, GitObject("tag", data))))])


def test_damaged_packs_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    items = closed_commit(blob("x" * 1000), blob(bytes(range(256)) * 8))
    good = pack_of(*map(whole, items))
    for length in (0, 11, 31, 40, len(good) // 2, len(good) - 1):
        with pytest.raises(RefusedPack, match="cut off|checksum at the end of the pack is wrong"):
            store.ingest_pack([good[:length]])
    for at in range(12, len(good), 7):
        with pytest.raises(RefusedPack, match="checksum"):
            store.ingest_pack([good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]])
    refused = 0
    for at in range(12, len(good) - 20):  # a sender who counts the checksum of what is damaged
        body = good[:at] + bytes([good[at] ^ 4]) + good[at + 1 : -20]
        try:
            ObjectStore(tmp_path / str(at)).ingest_pack([body + hashlib.sha1(body).digest()])
        except GitError:
            refused += 1
    assert refused == len(good) - 32 - sum(1 for path in tmp_path.iterdir() if list(path.glob("*.pack")))
    for wrong, words in (
        (b"JUNK" + good[4:], "not a pack of version 2"),
        (pack_of(*map(whole, items), count=3), "holds more than the 3 objects it says"),
        (pack_of(*map(whole, items), count=9), "cut off|unknown kind"),
        (pack_of(*map(whole, [*items, items[0]])), f"holds object {items[0].oid} twice"),
        (pack_of(entry_head(3, 5) + zlib.compress(b"four")), "size it says"),
        (pack_of(entry_head(3, 3) + zlib.compress(b"four")), "size it says"),
        (pack_of(entry_head(5, 3) + zlib.compress(b"abc")), "unknown kind 5"),
    ):
        with pytest.raises(GitError, match=words):
            store.ingest_pack([wrong])
    assert list(tmp_path.glob("*.pack")) == list(tmp_path.glob(".incoming*")) == []
    assert store.ingest_pack([pack_of()]).pack_id is None


def test_limits_are_kept(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    base = blob("base")
    chain = [whole(base)]
    previous = base
    for step in range(6):
        result = b"step %d" % step
        chain.append(delta_entry(previous, delta(previous.data, result)))
        previous = blob(result)
    store.ingest_pack([pack_of(*chain)], caps=PackCaps(depth=6))
    assert store.blob(previous.oid) == b"step 5"
    fresh = ObjectStore(tmp_path / "2")
    large = blob(b"\0" * 10_000_000)  # 10 KB when deflated
    bomb = delta_entry(base, delta(base.data, b"", b"\x90\x04" * 3).replace(b"\x04\x00", number(4) + number(1 << 40)))
    for pack, caps, words in (
        (pack_of(*chain), PackCaps(depth=5), "more than 5 deltas"),
        (pack_of(*chain), PackCaps(objects=6), "holds 7 objects; the limit of this hub is 6"),
        (pack_of(*chain), PackCaps(pack_bytes=100), "larger than 100 bytes"),
        (pack_of(whole(large)), PackCaps(object_bytes=9_999_999), "an object of 10,000,000 bytes.*git-lfs"),
        (pack_of(whole(large), whole(blob(bytes(9_000_000)))), PackCaps(inflated_bytes=15_000_000), "inflates to"),
        (pack_of(whole(base), bomb), PackCaps(), "an object of 1,099,511,627,776 bytes"),
        (pack_of(whole(base), delta_entry(base, delta(base.data, b"x" * 99, b"\x90\x04"))), PackCaps(), "delta at"),
        (pack_of(whole(base), delta_entry(base, delta(b"other length", b"x"))), PackCaps(), "does not fit its base"),
    ):  # fmt: skip
        with pytest.raises(GitError, match=words):
            fresh.ingest_pack([pack], caps=caps)
    assert list((tmp_path / "2").iterdir()) == []


def test_pointers_to_large_files_are_named(tmp_path: Path) -> None:
    pointer = Pointer("ab" * 32, 12_345)
    file = blob(pointer.encode())
    received = ObjectStore(tmp_path).ingest_pack([pack_of(*map(whole, closed_commit(file, blob("text"))))])
    assert received.pointers == {file.oid: pointer}


def test_an_object_of_the_same_id_with_other_bytes_is_refused(tmp_path: Path) -> None:
    """As after a collision of SHA-1: the repository already holds other bytes under the id of a new object."""
    item = blob("what was meant")
    with PackWriter(tmp_path) as writer:
        writer.add(bytes.fromhex(item.oid), "blob", b"something else")
        writer.finish()
    store = ObjectStore(tmp_path)
    with pytest.raises(RefusedPack, match=f"object {item.oid} is in this repository with other bytes"):
        store.add([item])
    with pytest.raises(RefusedPack, match=f"object {item.oid} is in this repository with other bytes"):
        store.ingest_pack([pack_of(whole(item))])
