"""Listing commits and merging trees, beside the real git."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from git_cases import blob, commit_files, git, git_lines, new_commit, store_of, worktree

from enfold.hub.store import commits, trees
from enfold.hub.store.git_errors import MissingObject
from enfold.hub.store.line_merge import merge_lines
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.pointer import Pointer


def tangled(folder: Path, seed: int) -> tuple[Path, list[str]]:
    """Lines that part and meet again at random, also criss-cross."""
    repository = worktree(folder)
    choose = random.Random(seed)
    made = [commit_files(repository, {"f": b"0"}, "0", 1_700_000_000)]
    tree = git_lines(repository, "rev-parse", "HEAD^{tree}")[0]
    for step in range(1, 30):
        parents = choose.sample(made[-6:], min(len(made), choose.choice([1, 1, 2])))
        arguments = [part for parent in parents for part in ("-p", parent)]
        oid = git(repository, "commit-tree", tree, *arguments, "-m", str(step), when=1_700_000_000 + step)
        made.append(oid.decode().strip())
        git(repository, "update-ref", f"refs/heads/b{step}", made[-1])
    git(repository, "repack", "-adq")
    return repository, made


@pytest.mark.parametrize("seed", range(3))
def test_log_and_merge_bases_are_those_of_git(tmp_path: Path, seed: int) -> None:
    repository, made = tangled(tmp_path / "r", seed)
    store = store_of(repository)
    tip = made[-1]
    expected = git_lines(repository, "log", "--format=%H", tip)
    assert list(commits.log(store, tip)) == expected
    assert list(commits.log(store, tip, limit=4, after=expected[3])) == expected[4:8]
    with pytest.raises(MissingObject, match="1{40}"):
        list(commits.log(store, tip, after="1" * 40))
    choose = random.Random(seed)
    for _ in range(12):
        one, other = choose.choice(made), choose.choice(made)
        theirs = git(repository, "merge-base", "--all", one, other, check=False).decode().split()
        assert commits.merge_bases(store, one, other) == sorted(theirs)
        ancestor = one in git_lines(repository, "rev-list", other)
        assert commits.is_ancestor(store, one, other) == ancestor == store.reachable(one, [other])


def test_a_commit_is_reachable_only_from_refs(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    tree, made = trees.apply(store, None, [trees.Put(b"f", blob("x").oid)])
    store.add([blob("x"), *made])
    first = new_commit(store, tree, (), "first")
    second = new_commit(store, tree, (first,), "second")
    stray = new_commit(store, tree, (first,), "of a branch that is gone")
    assert store.reachable(first, [second]) and store.reachable(second, [second])
    assert not store.reachable(stray, [second])
    assert not store.reachable(tree, [second])
    assert not store.reachable("1" * 40, [second])


def branches(
    folder: Path, base: dict[str, bytes], ours: dict[str, bytes | None], theirs: dict[str, bytes | None]
) -> Path:
    repository = worktree(folder)
    commit_files(repository, base, "base", 1_700_000_000)
    git(repository, "branch", "theirs")
    commit_files(repository, ours, "ours", 1_700_000_001)
    git(repository, "checkout", "--quiet", "theirs")
    commit_files(repository, theirs, "theirs", 1_700_000_002)
    git(repository, "repack", "-adq")
    return repository


def merged_by_git(repository: Path, one: str, other: str) -> tuple[str, list[str]]:
    lines = git(
        repository, "merge-tree", "--write-tree", "--name-only", "--no-messages", one, other,
        check=False,
    ).decode().splitlines()  # fmt: skip
    return lines[0], lines[1:]


LINES = [b"%d\n" % number for number in range(20)]


def text(**changes: bytes) -> bytes:
    lines = list(LINES)
    for key, value in changes.items():
        lines[int(key[1:])] = value
    return b"".join(lines)


def test_what_fits_together_is_merged_as_git_does(tmp_path: Path) -> None:
    base = {"t": text(), "a/b/c": b"1", "a/d": b"2", "gone/x": b"3", "both": b"4", "run.sh": b"5", "same": text()}
    ours = {"t": text(_2=b"ours\n"), "a/new": b"n", "gone/x": None, "both": b"B", "same": text(_4=b"s\n")}
    theirs = {"t": text(_9=b"theirs\n", _15=b""), "a/b/c": b"T", "both": b"B", "z/y": b"z", "same": text(_4=b"s\n")}
    repository = branches(tmp_path / "r", base, ours, theirs)
    (repository / "run.sh").chmod(0o755)
    git(repository, "update-index", "--chmod=+x", "run.sh")
    commit_files(repository, {}, "mode", 1_700_000_003)
    git(repository, "repack", "-adq")
    store = store_of(repository)
    one, other = git_lines(repository, "rev-parse", "main", "theirs")
    merge = commits.merge_commits(store, one, other)
    assert merge.conflicts == []
    assert (merge.tree, []) == merged_by_git(repository, one, other)
    ObjectStore.add(store, merge.objects)
    assert store.closure_missing([merge.tree]) == []
    assert trees.entry_at(store, merge.tree, b"run.sh").mode == 0o100755


def test_every_kind_of_conflict_is_named(tmp_path: Path) -> None:
    pointers = [Pointer(f"{number}" * 64, number).encode() for number in (1, 2, 3)]
    base = {
        "t": text(),
        "large": pointers[0],
        "d1": b"one\n",
        "d2": b"two\n",
        "bin": b"\0a",
        "folder/x": b"f",
        "fine": text(),
    }
    ours = {
        "t": text(_2=b"ours\n"), "large": pointers[1], "d1": None, "d2": b"changed", "bin": b"\0b", "added": b"1",
        "place": b"file", "fine": text(_1=b"1\n"), "folder/x": b"g",
    }  # fmt: skip
    theirs = {
        "t": text(_2=b"theirs\n"), "large": pointers[2], "d1": b"changed", "d2": None, "bin": b"\0c", "added": b"2",
        "place/x": b"folder", "fine": text(_18=b"18\n"),
    }  # fmt: skip
    repository = branches(tmp_path / "r", base, ours, theirs)
    store = store_of(repository)
    one, other = git_lines(repository, "rev-parse", "main", "theirs")
    merge = commits.merge_commits(store, one, other)
    assert {conflict.path.decode(): conflict.kind for conflict in merge.conflicts} == {
        "added": "added twice", "bin": "binary", "d1": "changed and deleted", "d2": "changed and deleted",
        "large": "binary", "place": "file and folder", "t": "content",
    }  # fmt: skip
    _, theirs_say = merged_by_git(repository, one, other)
    assert {path.split("~")[0] for path in theirs_say} == {conflict.path.decode() for conflict in merge.conflicts}


def test_a_criss_cross_history_is_never_merged_by_choosing_a_base_in_silence(tmp_path: Path) -> None:
    repository = branches(tmp_path / "r", {"f": b"0\n"}, {"f": b"1\n"}, {"g": b"1\n"})
    store = store_of(repository)
    one, other = git_lines(repository, "rev-parse", "main", "theirs")

    def commit(parents: tuple[str, ...], **files: str) -> str:
        items = [blob(content) for content in files.values()]
        tree, made = trees.apply(
            store, None, [trees.Put(name.encode(), item.oid) for name, item in zip(files, items, strict=True)]
        )
        store.add([*items, *made])
        return new_commit(store, tree, parents, "m")

    left = commit((one, other), f="1\n", g="1\n")
    right = commit((other, one), f="0\n", g="1\n")  # took the other side of f
    assert len(commits.merge_bases(store, left, right)) == 2
    assert [conflict.kind for conflict in commits.merge_commits(store, left, right).conflicts] == ["unclear"]
    same = commit((other, one), f="1\n", g="1\n")
    assert commits.merge_commits(store, left, same).conflicts == []


def test_histories_that_share_nothing_meet_only_where_they_agree(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    items = [blob("a"), blob("b")]
    tips = []
    for other in items:
        tree, made = trees.apply(store, None, [trees.Put(b"same", items[0].oid), trees.Put(b"f", other.oid)])
        store.add([*items, *made])
        tips.append(new_commit(store, tree, (), "root"))
    merge = commits.merge_commits(store, tips[0], tips[1])
    assert [(conflict.path, conflict.kind) for conflict in merge.conflicts] == [(b"f", "added twice")]


def test_lines_merge_only_where_git_merges_them_and_to_the_same_text(tmp_path: Path) -> None:
    choose = random.Random(11)
    clean = 0
    for round_ in range(60):
        base = [b"%d\n" % i for i in range(choose.randrange(0, 30))]
        sides = []
        for _ in range(2):
            side = list(base)
            for _ in range(choose.randrange(0, 4)):
                at = choose.randrange(len(side) + 1)
                side[at : at + choose.randrange(0, 3)] = [
                    b"new %d\n" % choose.randrange(9) for _ in range(choose.randrange(3))
                ]
            sides.append(b"".join(side).removesuffix(b"\n" if choose.random() < 0.1 else b"x"))
        texts = [b"".join(base), *sides]
        ours = merge_lines(*texts)
        files = []
        for name, content in zip(("base", "ours", "theirs"), texts, strict=True):
            (tmp_path / name).write_bytes(content)
            files.append(str(tmp_path / name))
        printed = git(tmp_path, "merge-file", "-p", files[1], files[0], files[2], check=False)
        if ours is not None:
            clean += 1
            assert printed == ours, round_
    assert clean > 25


def test_texts_too_far_apart_are_left_to_a_human() -> None:
    one, two = b"".join(b"a%d\n" % i for i in range(3000)), b"".join(b"b%d\n" % i for i in range(3000))
    assert merge_lines(one, two, one + b"end\n") is None
    assert merge_lines(one, one, two) == two
