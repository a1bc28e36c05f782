"""Files are written whole or not at all."""

import errno

import pytest

from enfold.errors import EnfoldError
from enfold.files import atomic_file, atomic_folder, fingerprint, fingerprint_of, read_json, write_json


def entries(folder):
    return sorted(item.name for item in folder.iterdir())


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    target = tmp_path / "metrics.json"
    with atomic_file(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert entries(tmp_path) == ["metrics.json"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "metrics.json"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert entries(tmp_path) == ["metrics.json"]


def test_a_folder_replaces_the_one_before_it(tmp_path):
    target = tmp_path / "model"
    for content in ("one", "two"):
        with atomic_folder(target) as temporary:
            (temporary / f"{content}.txt").write_text(content)
    assert entries(target) == ["two.txt"]
    assert entries(tmp_path) == ["model"]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(target) as temporary:
        (temporary / "new.txt").write_text("new")
        raise RuntimeError
    assert entries(target) == ["old.txt"]
    assert entries(tmp_path) == ["model"]


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path):
    target = tmp_path / "model"
    with pytest.raises(EnfoldError, match=f"the disk is full: {target} was not written"), atomic_folder(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert entries(tmp_path) == []


def test_fingerprints_follow_content_and_names_but_not_places(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text("same")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    (tmp_path / "b" / "x.txt").write_text("other")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")
    (tmp_path / "a" / "x.txt").rename(tmp_path / "a" / "y.txt")
    (tmp_path / "b" / "x.txt").write_text("same")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")
    assert fingerprint_of({"a": 1, "b": 2}) == fingerprint_of({"b": 2, "a": 1}) != fingerprint_of({"a": 1, "b": 3})


def test_json_keeps_every_script(tmp_path):
    write_json(tmp_path / "labels.json", ["好", "naïve"])
    assert read_json(tmp_path / "labels.json") == ["好", "naïve"]
    assert "好" in (tmp_path / "labels.json").read_text(encoding="utf-8")
