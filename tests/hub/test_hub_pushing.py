"""``enfold push``, ``enfold pull`` and ``enfold run --publish`` against a real hub on loopback."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from enfold.errors import InputError, SettingsError, SourceError
from enfold.hub.pulling import pull
from enfold.hub.pushing import files_of, push
from enfold.hub.records import Records, accounts, tokens
from enfold.hub.server.serving import background_hub
from enfold.hub.server.settings import HubSettings


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A hub that takes large files in parts of 1,000 bytes at least, and a token for each of its users."""
    root = tmp_path_factory.mktemp("hub") / "root"
    with background_hub(HubSettings(root=root, port=0, drain_seconds=2, max_single_bytes=2000)) as url:
        records = Records(root / "hub.sqlite")
        with records.write() as session:
            made = {name: accounts.create_user(session, name) for name in ("alice", "bob")}
            held = {name: tokens.create_token(session, user, "test") for name, user in made.items()}
        records.close()
        yield url, held


@pytest.fixture
def alice(served: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    """The environment of alice; the ecosystem's own client, to look at what was done."""
    monkeypatch.setenv("HF_ENDPOINT", served[0])
    monkeypatch.setenv("HF_TOKEN", served[1]["alice"])
    return HfApi(endpoint=served[0], token=served[1]["alice"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "1_Pooling").mkdir(parents=True)
    (made / ".secret").write_text("stays here")
    (made / "config.json").write_text('{"a": 1}')
    (made / "empty.txt").write_bytes(b"")
    (made / "1_Pooling" / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(bytes(range(250)) * 20)  # in three parts
    (made / "small.safetensors").write_bytes(b"seven b")
    return made


def test_a_folder_arrives_as_one_commit_and_comes_back(alice: HfApi, folder: Path, tmp_path: Path) -> None:
    done = push(files_of(folder), "alice/whole", message="First\n\nand why", private=True)
    info = alice.model_info("alice/whole", files_metadata=True)
    assert (info.sha, info.private, done.files, done.sent) == (done.commit, True, 5, 5007)
    assert {each.rfilename for each in info.siblings or []} == {
        ".gitattributes", "config.json", "empty.txt", "1_Pooling/config.json", "model.safetensors", "small.safetensors",
    }  # fmt: skip
    large = next(each for each in info.siblings or [] if each.rfilename == "model.safetensors")
    assert large.lfs is not None
    assert large.lfs.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert [each.title for each in alice.list_repo_commits("alice/whole")] == ["First", "initial commit"]

    target, commit, count = pull("alice/whole", tmp_path / "back")
    assert (commit, count) == (done.commit, 5)
    for path, source in files_of(folder).items():
        assert (target / path).read_bytes() == source.read_bytes()
        assert not (target / path).is_symlink()
    with pytest.raises(InputError, match="back is there already"):
        pull("alice/whole", target)


def test_only_what_changed_is_sent_again(alice: HfApi, folder: Path) -> None:
    push(files_of(folder), "alice/again")
    assert push(files_of(folder), "alice/again").commit is None
    (folder / "config.json").write_text('{"a": 2}')
    done = push(files_of(folder), "alice/again")
    assert (done.files, done.sent) == (1, 0)


def test_a_branch_is_made_for_it(alice: HfApi, folder: Path, tmp_path: Path) -> None:
    push(files_of(folder), "alice/branched", revision="trial/one")
    assert not alice.file_exists("alice/branched", "config.json")
    assert alice.file_exists("alice/branched", "config.json", revision="trial/one")
    assert (pull("alice/branched", tmp_path / "trial", revision="trial/one")[0] / "config.json").is_file()


def test_refusals_are_one_line_and_change_nothing(
    alice: HfApi, served: tuple[str, dict[str, str]], folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = files_of(folder)
    with pytest.raises(InputError, match="written owner/name; it is 'alone'"):
        push(files, "alone")
    with pytest.raises(InputError, match="no folder .*nowhere"):
        files_of(tmp_path / "nowhere")
    with pytest.raises(InputError, match="nothing to push"):
        (tmp_path / "bare").mkdir()
        files_of(tmp_path / "bare")
    alice.create_repo("alice/open")
    with pytest.raises(SourceError, match="alice/open on .* is public already"):
        push(files, "alice/open", private=True)
    with pytest.raises(SourceError, match="bob/new on .* may not be written with this token"):
        push(files, "bob/new")
    monkeypatch.setenv("HF_TOKEN", served[1]["bob"])
    with pytest.raises(SourceError, match="alice/open on .* may not be written with this token"):
        push(files, "alice/open")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(SourceError, match="does not accept the token .*set HF_TOKEN"):
        push(files, "alice/open")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SourceError, match="no token for .*set HF_TOKEN"):
        push(files, "alice/open")
    assert len(alice.list_repo_commits("alice/open")) == 1


def test_a_hub_that_is_none_or_not_there(alice: HfApi, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but it does not listen
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceError, match="cannot be reached .*check the network and HF_ENDPOINT"):
            push(files_of(folder), "alice/away", url=closed)
    with pytest.raises(SettingsError, match="http:// or https://"):
        push(files_of(folder), "alice/away", url="ftp://hub")
    monkeypatch.setenv("ENFOLD_OFFLINE", "1")
    with pytest.raises(SourceError, match="offline mode"):
        push(files_of(folder), "alice/away")


def test_the_commands(alice: HfApi, folder: Path, tmp_path: Path) -> None:
    def enfold(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "enfold.cli.main", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **more})

    done = enfold("push", folder, "alice/typed", "--message", "By hand")
    assert re.search(r"5 files, 5,007 bytes of large ones sent: .*/alice/typed, commit [0-9a-f]{40}\n", done.stdout)
    assert "has all of it already" in enfold("push", folder, "alice/typed").stdout
    assert enfold("pull", "alice/typed").stdout.startswith("5 files in typed, commit ")
    failed = enfold("push", folder, "bob/typed")
    assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)
    failed = enfold("push", folder, "alice/typed", HF_TOKEN="", HF_TOKEN_PATH=str(tmp_path / "none"))
    assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)
    assert failed.stderr.startswith("error: no token for ")
