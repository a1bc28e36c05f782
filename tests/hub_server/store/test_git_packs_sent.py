"""Packs for fetches: git takes them, they hold what was asked for, and the other side ends up complete."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from git_cases import bare, blob, commit_files, git, git_lines, store_of, worktree

from enfold.hub.store import trees
from enfold.hub.store.git_errors import MissingObject
from enfold.hub.store.object_store import ObjectStore


def history(folder: Path) -> tuple[Path, list[str]]:
    """Branches, merges, reverts, deletions, a tag, and deltas across two packs."""
    repository = worktree(folder)
    choose = random.Random(7)
    commits = []
    lines = [f"{i} {choose.random()}\n" for i in range(500)]
    for step in range(24):
        lines[choose.randrange(500)] = f"changed {step}\n"
        files: dict[str, bytes | None] = {
            "long.txt": "".join(lines).encode(),
            f"d{step % 4}/e/{step % 3}.txt": b"%d" % (step % 5),  # some contents come back
        }
        commits.append(commit_files(repository, files, f"step {step}", 1_700_000_000 + 10 * step))
        if step == 5:
            git(repository, "branch", "side")
        if step == 11:
            git(repository, "repack", "-adq")
        if step == 12:
            git(repository, "checkout", "--quiet", "side")
            commits.append(commit_files(repository, {"side.txt": b"side"}, "side", 1_700_000_121))
            git(repository, "checkout", "--quiet", "main")
            git(repository, "merge", "--quiet", "--no-ff", "-m", "merge", "side", when=1_700_000_125)
            commits.append(git_lines(repository, "rev-parse", "HEAD")[0])
        if step == 18:
            commits.append(commit_files(repository, {"side.txt": None}, "gone", 1_700_000_185))
    git(repository, "tag", "-a", "v1", "-m", "tagged", commits[10])
    git(repository, "repack", "-dq")
    return repository, commits


def receive(hub: Path, pack: bytes) -> None:
    git(hub, "index-pack", "--stdin", "--fix-thin", "--strict", data=pack)


def test_a_clone_is_complete(tmp_path: Path) -> None:
    repository, commits = history(tmp_path / "r")
    tag = git_lines(repository, "rev-parse", "v1")[0]
    store = store_of(repository)
    assert len(store.packs()) == 2
    out = io.BytesIO()
    plan = store.write_pack(out, [commits[-1], tag])
    clone = bare(tmp_path / "clone")
    receive(clone, out.getvalue())
    git(clone, "update-ref", "refs/heads/main", commits[-1])
    git(clone, "update-ref", "refs/tags/v1", tag)
    assert git(clone, "fsck", "--strict", "--full") == b""
    expected = set(git(repository, "rev-list", "--objects", "--no-object-names", commits[-1], tag).decode().split())
    assert {oid.hex() for oid in plan.oids} == expected


def test_a_fetch_brings_what_is_lacking_from_any_point_to_any_point(tmp_path: Path) -> None:
    repository, commits = history(tmp_path / "r")
    store = store_of(repository)
    choose = random.Random(3)
    for round_ in range(8):
        have, want = choose.sample(commits, 2), choose.sample(commits, 2)
        clone = bare(tmp_path / f"c{round_}")
        git(clone, "fetch", "--quiet", str(repository), *(f"{oid}:refs/heads/h{oid}" for oid in have))
        out = io.BytesIO()
        plan = store.write_pack(out, want, [*have, "0" * 39 + "1"])
        receive(clone, out.getvalue())
        for oid in want:
            git(clone, "update-ref", f"refs/heads/w{oid}", oid)
        assert git(clone, "fsck", "--strict", "--full") == b""
        least = git(repository, "rev-list", "--objects", "--no-object-names", *want, "--not", *have).decode().split()
        assert set(least) <= {oid.hex() for oid in plan.oids}
        assert len(plan.oids) <= 1.3 * len(least) + 3  # little more than git itself would send


def test_nothing_lacking_is_an_empty_pack(tmp_path: Path) -> None:
    repository, commits = history(tmp_path / "r")
    out = io.BytesIO()
    plan = store_of(repository).write_pack(out, [commits[4]], [commits[-1]])
    assert plan.oids == []
    receive(bare(tmp_path / "c"), out.getvalue())
    with pytest.raises(MissingObject, match="object 1{40} is not in this repository"):
        store_of(repository).write_pack(out, ["1" * 40])


@pytest.mark.parametrize("depth", [1, 2, 5, 100])
def test_a_shallow_clone_ends_where_gits_does_and_can_be_deepened(tmp_path: Path, depth: int) -> None:
    repository, commits = history(tmp_path / "r")
    tip = commits[-1]
    git(tmp_path, "clone", "--quiet", "--bare", f"--depth={depth}", f"file://{repository}", "theirs")
    shallow = tmp_path / "theirs/shallow"
    expected = sorted(shallow.read_text().split()) if shallow.exists() else []
    store = store_of(repository)
    out = io.BytesIO()
    plan = store.write_pack(out, [tip], depth=depth)
    assert plan.shallow == expected
    clone = bare(tmp_path / "ours")
    if plan.shallow:
        (clone / "shallow").write_text("\n".join(plan.shallow) + "\n")
    receive(clone, out.getvalue())
    git(clone, "update-ref", "refs/heads/main", tip)
    assert git(clone, "fsck", "--full") == b""
    assert git_lines(clone, "rev-list", "main") == git_lines(tmp_path / "theirs", "rev-list", "HEAD")

    out = io.BytesIO()
    deeper = store.write_pack(out, [tip], [tip], shallow=plan.shallow, depth=1000)
    assert deeper.shallow == [] and deeper.unshallow == plan.shallow
    (clone / "shallow").unlink(missing_ok=True)
    receive(clone, out.getvalue())
    assert git(clone, "fsck", "--strict", "--full") == b""
    assert git_lines(clone, "rev-list", "main") == git_lines(repository, "rev-list", "main")


def test_a_tree_that_multiplies_itself_is_sent_once(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    file = blob("x")
    made = [file]
    inner, mode = file.oid, 0o100644
    for _ in range(12):  # ten to the twelfth files for whoever walks it without looking
        tree = trees.encode_tree(trees.TreeEntry(b"%d" % name, mode, inner) for name in range(10))
        made.append(tree)
        inner, mode = tree.oid, 0o040000
    store.add(made)
    assert len(store.write_pack(io.BytesIO(), [inner]).oids) == 13
    first = [entry.path for entry in trees.walk(store, inner, recursive=True, limit=3)]
    assert first == [b"0", b"0/0", b"0/0/0"]
