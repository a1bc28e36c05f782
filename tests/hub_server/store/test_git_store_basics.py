"""What the store writes is what git would write, and what git wrote the store reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from git_cases import ANN, bare, blob, commit_files, git, git_lines, store_of, worktree

from enfold.hub.store import trees
from enfold.hub.store.commit_objects import Commit
from enfold.hub.store.git_errors import MissingObject, MissingPath, PathConflict, RefusedPack
from enfold.hub.store.git_objects import GitObject, entry_start, iterate_tree
from enfold.hub.store.object_store import ObjectStore


def test_a_repository_of_ours_is_one_that_git_checks_clones_and_reads(tmp_path: Path) -> None:
    repository = bare(tmp_path / "hub")
    store = store_of(repository)
    readme, code, deep = blob("# Hello\n"), blob("print()\n"), blob(b"\0\1\2" * 50_000)
    tree, made = trees.apply(
        store,
        None,
        [
            trees.Put(b"README.md", readme.oid),
            trees.Put(b"a/b/c.bin", deep.oid),
            trees.Put(b"a.py", code.oid, 0o100755),
        ],
    )
    commit = Commit(tree, (), ANN, ANN, "Erster Schritt: ä\n\nMore.\n".encode()).encode()
    assert store.add([readme, code, deep, *made, commit])

    git(repository, "update-ref", "refs/heads/main", commit.oid)
    assert git(repository, "fsck", "--strict", "--full") == b""
    git(tmp_path, "clone", "--quiet", str(repository), "clone")
    assert (tmp_path / "clone/a/b/c.bin").read_bytes() == deep.data
    assert git_lines(repository, "ls-tree", "-r", "--format=%(objectmode) %(objectname) %(path)", "main") == [
        f"100644 {readme.oid} README.md",
        f"100755 {code.oid} a.py",
        f"100644 {deep.oid} a/b/c.bin",
    ]
    again = store.commit(commit.oid)
    assert (again.title, again.body, again.author) == ("Erster Schritt: ä", "More.", ANN)


def test_objects_git_packed_with_deltas_are_read_back_byte_for_byte(tmp_path: Path) -> None:
    repository = worktree(tmp_path / "r")
    text = b"".join(b"line %d\n" % i for i in range(3000))
    for step in range(12):
        text = text.replace(b"line %d\n" % (step * 100), b"changed %d\n" % step)
        commit_files(
            repository, {"long.txt": text, f"d{step % 3}/f{step}": b"x" * step}, f"step {step}", 1_700_000_000 + step
        )
    git(repository, "tag", "-a", "v1", "-m", "first")
    git(repository, "repack", "-adfq", "--depth=50")
    packed = next((repository / ".git/objects/pack").glob("*.idx"))
    assert b"chain length = 5" in git(repository, "verify-pack", "-v", str(packed))  # the test is about deltas
    store = store_of(repository)
    for line in git_lines(repository, "cat-file", "--batch-all-objects", "--batch-check"):
        oid, kind, size = line.split()
        found = store.get(oid)
        assert (found.kind, len(found.data)) == (kind, int(size)) == store.head(oid)
        assert GitObject(found.kind, found.data).oid == oid
        assert found.data == git(repository, "cat-file", kind, oid)
        assert store.starting_with(oid[:12]) == [oid]
    assert (
        store.peel(git(repository, "rev-parse", "v1").decode().strip()) == git_lines(repository, "rev-parse", "HEAD")[0]
    )


def test_an_unknown_object_is_missing_by_name_and_nothing_outside_the_folder_is_found(tmp_path: Path) -> None:
    one, other = ObjectStore(tmp_path / "one"), ObjectStore(tmp_path / "other")
    item = blob("mine")
    one.add([item])
    assert one.has(item.oid) and not other.has(item.oid)
    with pytest.raises(MissingObject, match=f"object {item.oid} is not in this repository"):
        other.get(item.oid)
    with pytest.raises(RefusedPack, match=f"object {item.oid} is needed, and is neither in this repository"):
        other.add(trees.apply(other, None, [trees.Put(b"x", item.oid)])[1])
    assert list((tmp_path / "other").iterdir()) == []


def test_what_another_process_wrote_is_found(tmp_path: Path) -> None:
    reader, writer = ObjectStore(tmp_path), ObjectStore(tmp_path)
    first, second = blob("1"), blob("2")
    writer.add([first])
    assert reader.has(first.oid)
    writer.add([second])
    assert reader.get(second.oid).data == b"2"


def test_many_ids_are_looked_up_together(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    here = [blob(f"{number}") for number in range(600)]
    store.add(here[:300])
    store.add(here[300:])
    there = [bytes.fromhex(blob(f"x{number}").oid) for number in range(300)] + [b"a" * 19 + b"\0", b"\0" * 20]
    assert store.missing([bytes.fromhex(item.oid) for item in here] + there) == set(there)


def test_the_same_objects_are_written_once(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    assert store.add([blob("a"), blob("a"), blob("b")])
    assert store.add([blob("b"), blob("a")]) is None
    assert len(list(tmp_path.glob("*.pack"))) == 1


def test_listing_goes_in_gits_order_and_on_from_any_entry(tmp_path: Path) -> None:
    repository = worktree(tmp_path / "r")
    names = ["a", "a-b/x", "a.b", "ab/1", "ab/2/3", "ab.txt", "z/y/x/w", "é", "100644 a"]
    commit_files(repository, {name: name.encode() for name in names}, "all", 1_700_000_000)
    git(repository, "repack", "-adq")
    store = store_of(repository)
    tree = git_lines(repository, "rev-parse", "HEAD^{tree}")[0]
    expected = git(repository, "ls-tree", "-r", "-t", "-z", "--name-only", "HEAD").split(b"\0")[:-1]
    listed = [entry.path for entry in trees.walk(store, tree, recursive=True)]
    assert listed == expected
    for index, path in enumerate(listed):
        assert [entry.path for entry in trees.walk(store, tree, recursive=True, start_after=path)] == listed[
            index + 1 :
        ]
        entry = trees.entry_at(store, tree, path)
        assert entry.oid == git(repository, "rev-parse", f"HEAD:{path.decode()}").decode().strip()
    flat = [entry.path for entry in trees.walk(store, tree, b"ab")]
    assert flat == [b"ab/1", b"ab/2"]
    assert [entry.path for entry in trees.walk(store, tree, b"ab", start_after=b"ab/1", limit=5)] == [b"ab/2"]
    for wrong in (b"nothing", b"a/b", b"ab/2/3/4", b"ab//1"):
        with pytest.raises(MissingPath, match="does not exist in this revision"):
            trees.entry_at(store, tree, wrong)
    with pytest.raises(MissingPath, match="'a' does not exist"):
        list(trees.walk(store, tree, b"a"))


def test_changes_to_a_tree_are_those_git_would_make(tmp_path: Path) -> None:
    repository = worktree(tmp_path / "r")
    start = {"a/b/c": b"1", "a/b/d": b"2", "a/e": b"3", "f": b"4", "g/h": b"5"}
    commit_files(repository, start, "start", 1_700_000_000)
    git(repository, "repack", "-adq")
    store = store_of(repository)
    base = git_lines(repository, "rev-parse", "HEAD^{tree}")[0]
    new = blob("new")
    oid, made = trees.apply(
        store,
        base,
        [
            trees.Put(b"g", new.oid),  # a file where the deleted folder was
            trees.DeleteFolder(b"g"),
            trees.Delete(b"a/b/c"),
            trees.Delete(b"a/b/d"),  # and its folder becomes empty
            trees.Put(b"n/o/p", new.oid),
            trees.Copy(b"a", b"copy/of"),
        ],
    )
    for path in ("g/h", "a/b/c", "a/b/d"):
        (repository / path).unlink()
    (repository / "g").rmdir()
    commit_files(
        repository,
        {"g": b"new", "n/o/p": b"new", "copy/of/b/c": b"1", "copy/of/b/d": b"2", "copy/of/e": b"3"},
        "changed",
        1_700_000_001,
    )
    assert oid == git_lines(repository, "rev-parse", "HEAD^{tree}")[0]
    assert len(made) == 5  # the root, a, n, n/o, copy: folders that did not change are not written again
    assert trees.apply(store, base, [trees.Put(b"f", blob("4").oid)]) == (base, [])


def test_changes_that_make_no_sense_are_refused_by_name(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    item = blob("x")
    base, made = trees.apply(store, None, [trees.Put(b"d/f", item.oid)])
    store.add([item, *made])
    with pytest.raises(MissingPath, match="'d/g' does not exist"):
        trees.apply(store, base, [trees.Delete(b"d/g")])
    with pytest.raises(MissingPath, match="'d' does not exist"):
        trees.apply(store, base, [trees.Delete(b"d")])
    with pytest.raises(MissingPath, match="'d/f' does not exist"):
        trees.apply(store, base, [trees.DeleteFolder(b"d/f")])
    with pytest.raises(MissingPath, match="'d/f' does not exist"):
        trees.apply(store, base, [trees.DeleteFolder(b"d"), trees.Delete(b"d/f")])
    with pytest.raises(PathConflict, match="'d/f/x' cannot be written: 'd/f' is a file; delete it first"):
        trees.apply(store, base, [trees.Put(b"d/f/x", item.oid)])
    with pytest.raises(PathConflict, match="'d' cannot be written: it is a folder"):
        trees.apply(store, base, [trees.Put(b"d", item.oid)])
    with pytest.raises(PathConflict, match="the folder 'd/f' cannot be written: it is a file"):
        trees.apply(store, base, [trees.Copy(b"d", b"d/f")])


def test_differences_are_those_of_git_diff(tmp_path: Path) -> None:
    repository = worktree(tmp_path / "r")
    commit_files(
        repository,
        {"a": b"1", "b/c": b"2", "b/d": b"3", "e": b"4", "f/g/h": b"5", "same/x": b"6"},
        "one",
        1_700_000_000,
    )
    for path in ("a", "b/c", "b/d"):
        (repository / path).unlink()
    (repository / "b").rmdir()
    (repository / "e").unlink()
    (repository / "e").symlink_to("a")
    commit_files(repository, {"a/b": b"1", "b": b"7", "f/g/h": b"8", "new": b"9"}, "two", 1_700_000_001)
    git(repository, "repack", "-adq")
    store = store_of(repository)
    old, new = (git_lines(repository, "rev-parse", f"{rev}^{{tree}}")[0] for rev in ("HEAD~1", "HEAD"))
    nothing = "0" * 40
    ours = [
        f":{change.old.mode if change.old else 0:06o} {change.new.mode if change.new else 0:06o} "
        f"{change.old.oid if change.old else nothing} {change.new.oid if change.new else nothing} "
        f"{change.status}\t{change.path.decode()}"
        for change in trees.diff(store, old, new)
    ]
    assert ours == git_lines(repository, "diff", "--raw", "--no-renames", "--no-abbrev", "HEAD~1", "HEAD")
    assert list(trees.diff(store, new, new)) == []
    assert [change.path for change in trees.diff(store, None, old)] == [
        b"a", b"b/c", b"b/d", b"e", b"f/g/h", b"same/x"
    ]  # fmt: skip


def test_an_entry_is_found_whatever_the_ids_before_it_look_like(tmp_path: Path) -> None:
    for before in (b"1" * 20, b"\0" * 20, b"00000 100644 needle\0", b"x100644 needle\0xxxxx7"[-20:], b"4" * 19 + b" "):
        entries = [
            ("100644", b"100644 needle", "11" * 20),
            ("100644", b"a", before.hex()),
            ("40000", b"needle", "22" * 20),
        ]
        data = b"".join(b"%s %s\0%s" % (mode.encode(), name, bytes.fromhex(oid)) for mode, name, oid in entries)
        for mode, name, oid in entries:
            start = entry_start(data, name)
            assert start is not None
            assert next(iterate_tree(data, "", start)) == (name, int(mode, 8), oid)
        assert entry_start(data, b"eedle") is None
