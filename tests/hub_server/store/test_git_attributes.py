"""Patterns, attributes and ignored files, beside the real git."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path

import pytest
from git_cases import commit_files, git, git_lines, store_of, worktree

from enfold.hub.store.attributes import AttributeRules, IgnoreRules, Rules
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.path_patterns import PathPattern
from enfold.hub.store.pointer import DEFAULT_ATTRIBUTES

PATTERNS = [
    "*.bin", "*.bin.*", "a", "a/", "/a", "a/b", "a/*", "a/**", "**/b", "a/**/b", "**", "*", "?", "a?c", "[abc]",
    "[!abc]", "[^abc]", "[a-c]x", "[]x]", "[x-]", "[[:digit:]]*", "[[:alpha:]_]", "\\*", "a\\", "[a", "a**c", "*a*c*",
    "x/**/y/**/z", "saved_model/**/*", "*tfevents*", "[\\]]", "[a\\-c]", "**/a/**", "[[:nope:]]", "/**/c", "b/**/",
]  # fmt: skip
PATHS = [
    "x.bin", "d/x.bin", "x.bin.1", "a", "a/b", "a/c", "a/x/b", "a/x/y/b", "b", "abc", "c", "ac", "d", "cx", "]", "-",
    "7", "7up", "_", "*", "a\\", "[a", "axxc", "bacad", "x/y/z", "x/1/y/2/3/z", "saved_model/v/file",
    "saved_model/file", "events.tfevents.1", "q/a/q", "z/c", "a-c", "b/x/y",
]  # fmt: skip


def test_attributes_fit_the_paths_that_git_fits(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    wrong = []
    for pattern in PATTERNS:
        (tmp_path / ".gitattributes").write_text(f"{pattern} mark\n")
        rules = AttributeRules(f"{pattern} mark\n".encode())
        printed = git(tmp_path, "check-attr", "-z", "--stdin", "mark", data=b"".join(p.encode() + b"\0" for p in PATHS))
        fields = printed.decode().split("\0")
        theirs = dict(zip(fields[:-1:3], fields[2::3], strict=True))
        for path in PATHS:
            if rules.find(path.encode(), b"mark")[0] != (theirs[path] == "set"):
                wrong.append((pattern, path, theirs[path]))
    assert wrong == []


def test_ignored_files_are_those_that_git_ignores(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    choose = random.Random(1)
    wrong = []
    usable = [pattern for pattern in PATTERNS if not pattern.endswith("\\")]
    for _ in range(60):
        lines = [choose.choice(["", "", "!"]) + choose.choice(usable) for _ in range(choose.randrange(1, 5))]
        text = "# comment\n\n" + "\n".join(lines) + "  \n"
        (tmp_path / ".gitignore").write_text(text)
        printed = git(
            tmp_path, "check-ignore", "--no-index", "-z", "--stdin",
            data=b"".join(p.encode() + b"\0" for p in PATHS), check=False,
        )  # fmt: skip
        theirs = set(printed.decode().split("\0"))
        rules = IgnoreRules(text.encode())
        wrong += [(lines, path) for path in PATHS if rules.ignores(path.encode()) != (path in theirs)]
    assert wrong == []


def test_rules_of_folders_further_down_decide_first(tmp_path: Path) -> None:
    repository = worktree(tmp_path / "r")
    files = {
        ".gitattributes": b"[attr]big filter=lfs -text\n*.bin big\nkept.bin -filter\n*.dat filter=lfs\n*.dat !filter\n",
        "d/.gitattributes": b'*.txt filter=lfs\n"with space.*" filter=lfs\nx.bin filter=other\n',
        ".gitignore": b"*.log\nbuild/\n!keep.log\ntrailing\\ \n",
        "d/.gitignore": b"!special.log\n/only-here\n",
    }
    commit_files(repository, files, "rules", 1_700_000_000)
    git(repository, "repack", "-adq")
    rules = Rules(store_of(repository), git_lines(repository, "rev-parse", "HEAD^{tree}")[0])
    paths = ["a.bin", "kept.bin", "d/a.txt", "a.txt", "d/e/a.txt", "d/with space.x", "d/x.bin", "a.dat", "d/e/f.bin"]
    expected = [line.rsplit(": ", 1)[1] for line in git_lines(repository, "check-attr", "filter", "--", *paths)]
    assert [rules.is_large(path.encode()) for path in paths] == [value == "lfs" for value in expected]
    assert "lfs" in expected and "other" in expected
    paths = [
        "a.log", "keep.log", "build/x", "build/keep.log", "d/special.log", "d/a.log", "d/only-here", "only-here",
        "trailing ", "d/e/build/f", "build",
    ]  # fmt: skip
    theirs = git(
        repository, "check-ignore", "--no-index", "-z", "--stdin", data="\0".join(paths).encode(), check=False
    ).decode()
    assert {path for path in paths if rules.ignores(path.encode())} == set(theirs.split("\0")) - {""}


def test_a_revision_without_rules_has_none(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    rules = Rules(store, "4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    assert not rules.is_large(b"x.bin") and not rules.ignores(b"x.bin")
    assert AttributeRules(DEFAULT_ATTRIBUTES).find(b"a/b.safetensors", b"filter") == (True, b"lfs")


@pytest.mark.parametrize("pattern", ["*a" * 60 + "*b", "**/a/" * 60 + "b", "a*/" * 100 + "b", "[a-z]*" * 80 + "!"])
def test_hostile_patterns_cost_no_time(pattern: str) -> None:
    started = time.perf_counter()
    for path in ("a" * 250, "/".join(["a"] * 200), "/".join(itertools.repeat("aaaaaaaaaaaa", 100))):
        assert not PathPattern(pattern.encode()).matches(path.encode())
    assert time.perf_counter() - started < 2
