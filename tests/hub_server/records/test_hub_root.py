"""The folder of a hub."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from enfold.errors import ServiceError, SettingsError
from enfold.hub.records import HubRoot


def test_a_root_is_made_once_and_keeps_its_identity(tmp_path: Path) -> None:
    made = HubRoot.open(tmp_path / "new" / "root")
    assert json.loads((made.path / "format.json").read_text()) == {"format": 1, "store": made.store, "generation": 1}
    assert HubRoot.open(made.path) == made
    assert len(made.store) == 16


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(SettingsError, match="is no hub, and not empty: it holds 'thesis.txt'"):
        HubRoot.open(tmp_path)
    with pytest.raises(SettingsError, match="enfold hub serve --root"):
        HubRoot.open(tmp_path / "nothing", make=False)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": "x", "store": "a", "generation": 1}'])
def test_a_damaged_format_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "format.json").write_text(text)
    with pytest.raises(SettingsError, match="format.json is damaged; restore it from a backup"):
        HubRoot.open(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text('{"format": 2, "store": "a", "generation": 1}')
    with pytest.raises(ServiceError, match="has format 2, newer than 1.*upgrade Enfold"):
        HubRoot.open(tmp_path)


def test_one_server_at_a_time(tmp_path: Path) -> None:
    root = HubRoot.open(tmp_path)
    refused = pytest.raises(ServiceError, match="is being served from .* already")
    with root.only_server(), refused, HubRoot.open(tmp_path).only_server():
        pass
    with root.only_server():
        pass


def test_temporary_files_go_after_a_day(tmp_path: Path) -> None:
    root = HubRoot.open(tmp_path)
    (root.tmp / "young").touch()
    (root.tmp / "folder").mkdir()
    (root.tmp / "folder" / "old").touch()
    for name in ("folder/old", "folder"):
        os.utime(root.tmp / name, (time.time() - 90_000,) * 2)
    root.remove_abandoned()
    assert [entry.name for entry in root.tmp.iterdir()] == ["young"]


def test_a_repositorys_folder(tmp_path: Path) -> None:
    root = HubRoot.open(tmp_path)
    root.make_repository("abcdef")
    root.make_repository("abcdef")
    assert root.repository("abcdef") == tmp_path / "repos" / "ab" / "abcdef"
    assert (root.repository("abcdef") / "packs").is_dir()
    root.remove_repository("abcdef")
    root.remove_repository("abcdef")
    assert not root.repository("abcdef").exists()
