"""Differences as text: git takes them back, and counts the same lines."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

from git_cases import commit_files, git, git_lines, store_of, worktree

from enfold.hub.store.patches import patches


def test_git_applies_the_patches_and_gets_the_new_revision(tmp_path: Path) -> None:
    repository = worktree(tmp_path / "r")
    choose = random.Random(4)
    names = ["a.txt", "d/e f.txt", "ü", 'quo"te', "tab\there"]
    texts = {name: [b"%d\n" % choose.randrange(50) for _ in range(60)] for name in names}
    commit_files(repository, {name: b"".join(lines) for name, lines in texts.items()}, "0", 1_700_000_000)
    for step in range(1, 13):
        files: dict[str, bytes | None] = {}
        for name in choose.sample(names, 3):
            lines = texts[name]
            for _ in range(choose.randrange(5)):
                at = choose.randrange(len(lines) + 1)
                lines[at : at + choose.randrange(4)] = [b"new %d\n" % choose.randrange(9)] * choose.randrange(3)
            content = b"".join(lines)
            files[name] = content.removesuffix(b"\n") if choose.random() < 0.3 else content
        files[f"only/{step}"] = b"" if step == 3 else b"x\ny"
        if step > 1:
            files[f"only/{step - 1}"] = None
        commit_files(repository, files, f"{step}", 1_700_000_000 + step)
    (repository / "a.txt").chmod(0o755)
    commit_files(repository, {}, "mode", 1_700_000_020)
    (repository / "ü").unlink()
    (repository / "ü").symlink_to("a.txt")
    commit_files(repository, {}, "link", 1_700_000_021)
    git(repository, "repack", "-adq")
    store = store_of(repository)
    commits = git_lines(repository, "rev-list", "--reverse", "HEAD")
    for old, new in [*itertools.pairwise(commits), (commits[0], commits[-1]), (commits[-1], commits[0])]:
        made = list(patches(store, store.commit(old).tree, store.commit(new).tree))
        assert all(patch.shown for patch in made)
        git(repository, "reset", "--quiet", "--hard", old)
        git(repository, "apply", "--index", "--whitespace=nowarn", data=b"".join(patch.text for patch in made))
        assert git(repository, "write-tree").decode().strip() == store.commit(new).tree
        counted = git(repository, "diff", "--numstat", "--no-renames", "-z", old, new).split(b"\0")[:-1]
        assert [patch.change.path for patch in made] == [line.split(b"\t", 2)[2] for line in counted]


def test_small_patches_are_those_of_git_to_the_byte(tmp_path: Path) -> None:
    repository = worktree(tmp_path / "r")
    lines = [b"line %d\n" % number for number in range(40)]
    start = {
        "f": b"".join(lines),
        "gone": b"1\n",
        "bin": b"\0a",
        "two words": b"x\n",
        "é": b"x\n",
        "large": b"1" * 5000,
    }
    commit_files(repository, start, "0", 1_700_000_000)
    lines[39], lines[20:22], lines[3] = b"last", [], b"three\n"
    changes = {"f": b"".join(lines), "gone": None, "bin": b"\0b", "two words": b"y\n", "é": b"y\n", "new": b"n\n"}
    commit_files(repository, {**changes, "large": b"2" * 5000}, "1", 1_700_000_001)
    git(repository, "repack", "-adq")
    store = store_of(repository)
    trees = git_lines(repository, "rev-parse", "HEAD~1^{tree}", "HEAD^{tree}")
    made = {patch.change.path: patch for patch in patches(store, *trees, largest=4000)}
    for path, patch in made.items():
        theirs = git(repository, "diff", "--no-renames", "--full-index", "HEAD~1", "HEAD", "--", path.decode())
        if path != b"large":
            # Git adds the heading of the section after the second @@; there is none here that it would find.
            plain = b"\n".join(
                line[: line.index(b"@@", 2) + 2] if line.startswith(b"@@") else line for line in theirs.split(b"\n")
            )
            assert patch.text == plain, path
    assert (made[b"f"].added, made[b"f"].removed) == (2, 4)
    assert not made[b"bin"].shown and not made[b"large"].shown
    assert made[b"large"].text.endswith(b"Binary files a/large and b/large differ\n")
