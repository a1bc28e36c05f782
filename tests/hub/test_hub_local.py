"""Paths on this machine, and their revisions."""

from pathlib import Path

import pytest

from enfold.errors import SourceError
from enfold.hub import locate


def model(folder: Path, *, width: int = 8) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(f'{{"hidden_size": {width}}}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_folder_is_found_and_its_revision_is_its_content(tmp_path: Path) -> None:
    one, same, other = model(tmp_path / "one"), model(tmp_path / "same"), model(tmp_path / "other", width=16)
    found = locate(one)
    assert found.path == one
    assert found.reference == str(one)
    assert len(found.revision) == 16
    assert found.revision == locate(same).revision != locate(other).revision


def test_checkpoints_in_subfolders_are_not_part_of_a_model(tmp_path: Path) -> None:
    folder = model(tmp_path / "one")
    before = locate(folder).revision
    model(folder / "checkpoint-10")
    assert locate(folder).revision == before


def test_a_data_folder_is_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "texts" / "good").mkdir(parents=True)
    (tmp_path / "texts" / "good" / "1.txt").write_text("fine")
    before = locate(tmp_path / "texts", kind="data").revision
    (tmp_path / "texts" / "good" / "2.txt").write_text("fine too")
    assert locate(tmp_path / "texts", kind="data").revision != before


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "reviews.csv").write_text("text,label\n")
    monkeypatch.chdir(tmp_path)
    assert locate("reviews.csv", kind="data").path == tmp_path / "reviews.csv"


def test_a_missing_path_says_which_and_what_is_near(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("text,label\n")
    with pytest.raises(SourceError) as error:
        locate(tmp_path / "review.csv", kind="data")
    assert str(error.value) == f"no file or folder {tmp_path / 'review.csv'}; did you mean 'reviews.csv'?"
    with pytest.raises(SourceError, match=r"no folder .*nowhere/at/all"):
        locate(tmp_path / "nowhere" / "at" / "all")


def test_a_revision_that_was_asked_for_must_be_the_one_found(tmp_path: Path) -> None:
    folder = model(tmp_path / "one")
    revision = locate(folder).revision
    assert locate(folder, revision=revision).revision == revision
    with pytest.raises(SourceError, match=f"is at revision {revision}, not 'deadbeef'"):
        locate(folder, revision="deadbeef")
