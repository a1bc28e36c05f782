"""A backup of a running hub, and the hub that comes out of it."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from client_process import served_again, start_client

from enfold.errors import EnfoldError, ServiceError, SettingsError
from enfold.hub.records import HubRoot, Records
from enfold.hub.records.database import FORMAT, Database
from enfold.hub.records.schema import Base, RefMove, Setting
from enfold.hub.server.serving import open_hub
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState
from enfold.hub.upkeep.backing_up import back_up
from enfold.hub.upkeep.exclusive import alone
from enfold.hub.upkeep.opening import opened
from enfold.hub.upkeep.restoring import restore
from enfold.hub.upkeep.verifying import verify

Enfold = Callable[..., Any]


def rows_of(records: Records) -> dict[str, list[Any]]:
    """Everything in the database, but for what belongs to one store alone."""
    found = {}
    with records.read() as session:
        for table in Base.metadata.sorted_tables:
            rows = [tuple(row) for row in session.execute(sa.select(table))]
            found[table.name] = sorted(repr(row) for row in rows if table.name != "settings" or row[0] != "signing")
    return found


@pytest.fixture(params=["folder", "archive"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / ("backup" if request.param == "folder" else "backup.tar")


def test_what_comes_out_is_what_went_in(state: HubState, target: Path, tmp_path: Path) -> None:
    done = back_up(state, target)
    assert (done.repositories, done.new_bytes > 5_000_000) == (3, True)
    assert list(restore(target, tmp_path / "again")) == []
    with opened(tmp_path / "again") as again:
        assert rows_of(again.records) == rows_of(state.records)
        assert list(verify(again)) == []
        assert again.root.store != state.root.store, "clients know nothing of what is in it"
        with again.records.read() as session:
            assert session.get(Setting, "signing") is None, "what the first one signed opens nothing"
    assert files_of(tmp_path / "again") >= files_of(state.root.path)


def files_of(root: Path) -> set[str]:
    found = [*root.glob("blobs/*/*/*"), *root.glob("repos/*/*/packs/pack-*")]
    return {path.relative_to(root).as_posix() for path in found}


def test_clients_go_on_with_a_restored_hub(state: HubState, tmp_path: Path) -> None:
    back_up(state, tmp_path / "backup")
    assert list(restore(tmp_path / "backup", tmp_path / "again")) == []
    with served_again(tmp_path / "again") as hub:
        api = hub.api("alice")
        assert {repo.id for repo in api.list_models(search="kep")} == {"alice/kept"}
        api.upload_file(path_or_fileobj=b"new", path_in_repo="new.txt", repo_id="alice/kept")
        assert "Upload new.txt with huggingface_hub" in [commit.title for commit in api.list_repo_commits("alice/kept")]


def test_a_second_backup_copies_only_what_is_new(state: HubState, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    back_up(state, backup)
    assert back_up(state, backup).new_bytes == 0
    before = {path: path.stat().st_mtime_ns for path in backup.glob("blobs/*/*/*")}
    with served_again(state.root.path) as hub:
        hub.api("alice").upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id="alice/kept")
        hub.api("alice").delete_repo("alice/dropped")
    done = back_up(state, backup)
    assert 0 < done.new_bytes < 10_000
    assert {path: path.stat().st_mtime_ns for path in backup.glob("blobs/*/*/*")} == before
    assert done.repositories == 2
    assert len({path.parent for path in backup.glob("repos/*/*/packs/*")}) == 2, "what was deleted is not kept"
    assert len(list(backup.glob("records-*"))) == 1
    assert list(restore(backup, tmp_path / "again")) == []


def test_a_manifest_holds_no_secret(state: HubState, target: Path) -> None:
    state.signer  # noqa: B018 — it makes the key
    back_up(state, target)
    if target.is_dir():
        text = (target / "manifest.json").read_text()
        assert target.stat().st_mode & 0o077 == 0
        assert all(path.stat().st_mode & 0o077 == 0 for path in target.glob("*") if path.is_file())
    else:
        with tarfile.open(target) as archive:
            found = archive.extractfile("manifest.json")
            assert found is not None
            text = found.read().decode()
        assert target.stat().st_mode & 0o077 == 0
    manifest = json.loads(text)
    assert set(manifest) == {"backup", "made_at", "enfold", "store", "root", "records", "repositories", "blobs"}
    with state.records.read() as session:
        values = [json.dumps(each.value) for each in session.scalars(sa.select(Setting))]
        secrets = re.findall(r"[0-9a-f]{40,}", " ".join(values))
        digests = list(session.execute(sa.text("SELECT digest FROM tokens")).scalars())
    assert secrets
    assert not any(secret in text for secret in (*secrets, *digests))


WRITES = """
import os, random, time
from concurrent.futures import ThreadPoolExecutor
from huggingface_hub import HfApi

api, label, end = HfApi(), os.environ["LABEL"], time.time() + 3


def work(worker):
    done = 0
    while time.time() < end:
        name = f"alice/{label}-{worker}-{done % 2}"
        api.create_repo(name, exist_ok=True)
        data = random.randbytes(200_000)
        api.upload_file(path_or_fileobj=data, path_in_repo=f"{done}.bin", repo_id=name)
        api.upload_file(path_or_fileobj=data[:100], path_in_repo="small.txt", repo_id=name)
        if done % 3 == 2:
            api.delete_repo(name)
        done += 1
    return done


with ThreadPoolExecutor(3) as workers:
    print(sum(workers.map(work, range(3))))
"""


def test_a_backup_under_writes_restores_and_verifies(root: Path, tmp_path: Path) -> None:
    with served_again(root) as hub:
        clients = [
            start_client(hub, "alice", tmp_path / "home", WRITES, LABEL="xet"),
            start_client(hub, "alice", tmp_path / "home", WRITES, LABEL="lfs", HF_HUB_DISABLE_XET="1"),
        ]
        made: list[Path] = []
        with opened(root) as state:
            while any(client.poll() is None for client in clients):
                path = tmp_path / (f"{len(made)}.tar" if len(made) % 2 else "folder")
                back_up(state, path)
                made.append(path)
                time.sleep(0.1)
        for client in clients:
            out, errors = client.communicate()
            assert client.returncode == 0, errors
            assert int(out) >= 3
    assert len(made) >= 4
    for place, path in enumerate(dict.fromkeys([made[-1], made[-2], made[1]])):
        assert list(restore(path, tmp_path / f"again-{place}")) == []


def test_a_root_that_is_not_empty_is_refused(state: HubState, tmp_path: Path) -> None:
    back_up(state, tmp_path / "backup")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(SettingsError, match="is not empty: it holds 'letter.txt'; give an empty or a new folder"):
        list(restore(tmp_path / "backup", tmp_path / "full"))
    with pytest.raises(SettingsError, match="is not empty"):
        list(restore(tmp_path / "backup", state.root.path))


def refused(backup: Path, root: Path) -> Iterator[str]:
    with pytest.raises(EnfoldError) as caught:
        list(restore(backup, root))
    yield str(caught.value)


def test_what_is_no_backup_is_refused(tmp_path: Path, state: HubState) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "cut.tar").write_bytes(b"")
    backup = tmp_path / "backup"
    back_up(state, backup)
    for path, words in (
        (tmp_path / "nothing", "there is no backup at"),
        (tmp_path / "folder", "is no backup of a hub: it has no manifest.json"),
        (tmp_path / "cut.tar", "is no backup of a hub, or is cut off"),
    ):
        assert words in next(refused(path, tmp_path / "new"))
    manifest = json.loads((backup / "manifest.json").read_text())
    records = backup / manifest["records"]["file"]
    whole = records.read_bytes()
    records.write_bytes(whole[:-9])
    assert "is damaged; take an earlier backup" in next(refused(backup, tmp_path / "one"))
    records.write_bytes(whole)
    for change, words in (
        ({"backup": 2}, "is a backup of format 2, newer than 1,"),
        ({"root": 2}, "holds a root of format 2, newer than 1,"),
        ({"backup": None}, "its manifest.json says something else"),
    ):
        (backup / "manifest.json").write_text(json.dumps({**manifest, **change}))
        assert words in next(refused(backup, tmp_path / "two"))
        assert not (tmp_path / "two").exists()


def test_records_of_a_newer_format_are_refused(tmp_path: Path, state: HubState) -> None:
    import hashlib

    backup = tmp_path / "backup"
    back_up(state, backup)
    manifest = json.loads((backup / "manifest.json").read_text())
    data = gzip.compress(b'{"format": "9999"}\n')
    (backup / manifest["records"]["file"]).write_bytes(data)
    manifest["records"]["sha256"] = hashlib.sha256(data).hexdigest()
    (backup / "manifest.json").write_text(json.dumps(manifest))
    words = next(refused(backup, tmp_path / "new"))
    assert "'9999', newer than" in words
    assert repr(FORMAT) in words


def test_faults_in_a_backup_are_found_when_it_is_restored(tmp_path: Path, state: HubState, enfold: Enfold) -> None:
    backup = tmp_path / "backup"
    back_up(state, backup)
    blobs = sorted(backup.glob("blobs/file/*/*"))
    data = bytearray(blobs[0].read_bytes())
    data[5] ^= 1
    blobs[0].write_bytes(data)
    max(backup.glob("blobs/xorb/*/*"), key=lambda path: path.stat().st_size).unlink()
    done = enfold("restore", str(backup), "--root", str(tmp_path / "new"))
    assert done.returncode == 1
    assert "is damaged" in done.stdout
    assert "is not in the backup" in done.stdout
    assert "faults were found" in done.stderr
    assert HubRoot.open(tmp_path / "new", make=False), "what is left of it can be used"


def test_a_target_that_holds_something_else_is_refused(tmp_path: Path, state: HubState, filled_root: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "letter.txt").write_text("mine")
    with pytest.raises(SettingsError, match="is no backup of a hub, and not empty"):
        back_up(state, folder)
    with pytest.raises(SettingsError, match="is a file; name a folder"):
        back_up(state, folder / "letter.txt")
    (tmp_path / "x.tar").mkdir()
    with pytest.raises(SettingsError, match="is a folder; name a file that ends in .tar"):
        back_up(state, tmp_path / "x.tar")
    back_up(state, tmp_path / "backup")
    list(restore(tmp_path / "backup", tmp_path / "other"))
    with opened(tmp_path / "other") as other, pytest.raises(SettingsError, match="holds the backup of another hub"):
        back_up(other, tmp_path / "backup")


def test_never_beside_a_clean_up(state: HubState, tmp_path: Path) -> None:
    with (
        alone(state.root, state.records.database, "a clean-up"),
        pytest.raises(ServiceError, match="a clean-up .* is at work"),
    ):
        back_up(state, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_numbers_that_were_given_out_are_not_given_out_again(state: HubState, tmp_path: Path) -> None:
    with state.records.write() as session:
        last = session.scalar(sa.select(sa.func.max(RefMove.id))) or 0
        session.execute(sa.delete(RefMove).where(RefMove.id == last))
    back_up(state, tmp_path / "backup")
    list(restore(tmp_path / "backup", tmp_path / "again"))
    with opened(tmp_path / "again") as again, again.records.write() as session:
        repository = session.execute(sa.text("SELECT id FROM repositories")).scalars().first()
        move = RefMove(repository_id=repository, name="refs/heads/x", old=None, new="0" * 40, reason="commit")
        session.add(move)
        session.flush()
        assert move.id == last + 1


def test_from_sqlite_to_postgres_and_back(state: HubState, tmp_path: Path, hub_postgres: str) -> None:
    back_up(state, tmp_path / "one")
    assert list(restore(tmp_path / "one", tmp_path / "postgres", database=hub_postgres)) == []
    with opened(tmp_path / "postgres", database=hub_postgres) as other:
        assert rows_of(other.records) == rows_of(state.records)
        back_up(other, tmp_path / "two")
    with pytest.raises(SettingsError, match="holds a hub already; give an empty one"):
        list(restore(tmp_path / "two", tmp_path / "third", database=hub_postgres))
    assert list(restore(tmp_path / "two", tmp_path / "again")) == []
    with opened(tmp_path / "again") as again:
        assert rows_of(again.records) == rows_of(state.records)


# Upgrading ---------------------------------------------------------------------------------------------------------


def older(root: Path) -> Path:
    """A hub whose records have the format of an earlier version, with one account in it."""
    database = Database(HubRoot.open(root).database, format="0009")
    with database.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO accounts (uid, kind, name, folded, full_name, is_admin, details, created_at) "
            "VALUES ('1', 'user', 'alice', 'alice', 'Alice', 0, '{}', '2026-01-01 00:00:00')"
        )
    database.close()
    return root


def test_an_older_format_is_upgraded_on_purpose_and_a_copy_is_kept(tmp_path: Path, enfold: Enfold) -> None:
    root = older(tmp_path / "old")
    with pytest.raises(
        ServiceError, match=f"format '0009', and this version writes '{FORMAT}'; run: enfold hub upgrade"
    ):
        open_hub(HubSettings(root=root))
    done = enfold("upgrade", "--root", str(root))
    assert done.returncode == 0, done.stderr
    (copy,) = (root / "backups").iterdir()
    assert str(copy) in done.stdout
    with sqlite3.connect(copy) as database:
        assert database.execute("SELECT version_num FROM enfold_hub_version").fetchone() == ("0009",)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT name FROM accounts").fetchone() == ("alice",)
    database.close()
    assert copy.stat().st_mode & 0o077 == 0
    assert enfold("upgrade", "--root", str(root)).stdout == "there was nothing to do\n"
    done = enfold("verify", "--root", str(root))
    assert (done.returncode, done.stdout) == (0, "all is well\n")


def test_a_newer_format_is_refused_with_both_numbers(root: Path, enfold: Enfold) -> None:
    with sqlite3.connect(root / "hub.sqlite") as database:
        database.execute("UPDATE enfold_hub_version SET version_num = '9999'")
    database.close()
    for command in ("upgrade", "verify", "gc"):
        done = enfold(command, "--root", str(root))
        assert done.returncode == 2
        assert f"format '9999', newer than '{FORMAT}'" in done.stderr
        assert "Traceback" not in done.stderr
    with pytest.raises(ServiceError, match=f"format '9999', newer than '{FORMAT}'"):
        open_hub(HubSettings(root=root))


def test_a_server_must_not_run_while_the_records_are_upgraded(tmp_path: Path, enfold: Enfold) -> None:
    root = older(tmp_path / "old")
    with HubRoot.open(root).only_server():
        done = enfold("upgrade", "--root", str(root))
    assert done.returncode == 2
    assert "is being served" in done.stderr


def test_a_folder_without_a_hub_is_left_alone(tmp_path: Path, enfold: Enfold) -> None:
    for command in ("verify", "reindex", "gc", "upgrade"):
        done = enfold(command, "--root", str(tmp_path / "none"))
        assert done.returncode == 2
        assert "is no hub; start one there with: enfold hub serve --root" in done.stderr
    assert not (tmp_path / "none").exists()
