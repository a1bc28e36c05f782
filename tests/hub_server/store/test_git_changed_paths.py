"""The index of changed paths answers as ``git log -- path`` does."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from git_cases import blob, commit_files, git, git_lines, new_commit, store_of, worktree

from enfold.hub.store import trees
from enfold.hub.store.changed_paths import ChangedPaths
from enfold.hub.store.object_store import ObjectStore

NAMES = ["a", "b/c", "b/d/e", "b/d/f", "g/h/i", "a.txt", "b.txt"]


def random_history(folder: Path, seed: int) -> tuple[Path, list[str]]:
    """Files written, changed back and deleted at random, on lines that part and are merged at random."""
    repository = worktree(folder)
    store = ObjectStore(folder / ".git/objects/pack")
    choose = random.Random(seed)
    made: list[str] = []
    for step in range(60):
        parents = tuple(choose.sample(made[-5:], min(len(made), choose.choice([1, 1, 1, 2, 2, 3]))))
        entries: dict[bytes, str] = {}
        for name in NAMES if parents else []:  # a merge takes each file from one of its parents
            found = trees.find_entry(store, store.commit(choose.choice(parents)).tree, name.encode())
            if found is not None:
                entries[found.path] = found.oid
        items = []
        writes = choose.choice([0, 1, 1, 2]) if len(parents) != 2 else choose.choice([0, 0, 1])
        for name in choose.sample(NAMES, writes):
            if name.encode() in entries and choose.random() < 0.2:
                del entries[name.encode()]
            else:
                items.append(blob(f"{choose.randrange(4)}"))
                entries[name.encode()] = items[-1].oid
        store.add(items)
        tree, folders = trees.apply(store, None, [trees.Put(path, oid) for path, oid in entries.items()])
        store.add(folders)
        made.append(new_commit(store, tree, parents, f"step {step}", 1_700_000_000 + step))
    git(repository, "update-ref", "refs/heads/main", made[-1])
    return repository, made


PATHS = [*NAMES, "b", "b/d", "g", "g/h", "nothing"]


@pytest.mark.parametrize("seed", range(4))
def test_the_last_commit_and_the_history_of_a_path_are_those_of_git(tmp_path: Path, seed: int) -> None:
    repository, made = random_history(tmp_path / "r", seed)
    index = ChangedPaths(store_of(repository), tmp_path / "index.sqlite")
    for tip in (made[-1], made[-2], made[30]):
        last = index.last_commits([path.encode() for path in PATHS], tip)
        for path in PATHS:
            expected = git_lines(repository, "log", "--format=%H", tip, "--", path)
            assert list(index.history(path.encode(), tip)) == expected, path
            assert last.get(path.encode()) == next(iter(expected), None)
            if len(expected) > 2:
                assert list(index.history(path.encode(), tip, after=expected[1])) == expected[2:]
    assert index.differences() == []


def test_commits_that_change_too_much_to_be_kept_are_looked_at_again(tmp_path: Path) -> None:
    repository, made = random_history(tmp_path / "r", 5)
    index = ChangedPaths(store_of(repository), tmp_path / "index.sqlite", most_changes=2)
    for path in PATHS:
        expected = git_lines(repository, "log", "--format=%H", made[-1], "--", path)
        assert list(index.history(path.encode(), made[-1])) == expected, path
    assert index.differences() == []


def test_the_index_grows_with_the_history_and_survives_being_lost_or_damaged(tmp_path: Path) -> None:
    repository = worktree(tmp_path / "r")
    first = commit_files(repository, {"a": b"1", "b": b"1"}, "first", 1_700_000_000)
    git(repository, "repack", "-adq")
    file = tmp_path / "derived/index.sqlite"
    store = store_of(repository)
    index = ChangedPaths(store, file)
    assert index.last_commits([b"a", b"b"], first) == {b"a": first, b"b": first}
    second = commit_files(repository, {"a": b"2"}, "second", 1_700_000_001)
    git(repository, "repack", "-dq")
    expected = {b"a": second, b"b": first}
    assert index.last_commits([b"a", b"b"], second) == expected
    file.unlink()
    assert index.last_commits([b"a", b"b"], second) == expected
    index.close()
    file.write_bytes(b"not a database, " * 1000)
    assert ChangedPaths(store, file).last_commits([b"a", b"b"], second) == expected


def test_what_is_wrong_in_the_index_is_found_and_put_right(tmp_path: Path) -> None:
    repository, made = random_history(tmp_path / "r", 6)
    index = ChangedPaths(store_of(repository), tmp_path / "index.sqlite")
    index.update(made[-1])
    with index._database() as database:
        database.execute("DELETE FROM changes WHERE path = 1")
    assert "paths changed" in index.differences()[0]
    index.rebuild([made[-1]])
    assert index.differences() == []


def test_two_processes_may_index_the_same_commits_at_once(tmp_path: Path) -> None:
    repository, made = random_history(tmp_path / "r", 8)
    indexes = [ChangedPaths(store_of(repository), tmp_path / "index.sqlite") for _ in range(3)]
    threads = [threading.Thread(target=index.update, args=(made[-1],)) for index in indexes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert indexes[0].differences() == []
    assert list(indexes[2].history(b"a", made[-1])) == git_lines(repository, "log", "--format=%H", made[-1], "--", "a")
