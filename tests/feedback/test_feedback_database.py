"""Opening a database: addresses, settings, formats, several processes, and what survives a kill."""

from __future__ import annotations

import inspect
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from feedback_examples import LABELS, said, served

import enfold.databases
from enfold.errors import MissingExtra, ServiceError, SettingsError
from enfold.feedback import FeedbackStore
from enfold.feedback.database import FORMAT, Database
from enfold.feedback.tables import VERSION_TABLE, metadata

HERE = Path(__file__).parent

WRITER = """
import sys
from feedback_examples import LABELS, said, served
from enfold.feedback import FeedbackStore

store = FeedbackStore(sys.argv[1])
print("ready", flush=True)
for batch in range(int(sys.argv[3])):
    ids = [f"{sys.argv[2]}-{batch}-{number}" for number in range(8)]
    store.record([served(identity, "text " * 20 + identity) for identity in ids])
    store.judge(said(ids[0], "right", user=sys.argv[2]), labels=LABELS)
    print(batch, flush=True)
"""


def writer(address: str, name: str, batches: int) -> subprocess.Popen[str]:
    """A process that records batches and acknowledges each."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, address, name, str(batches)],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        stdout=subprocess.PIPE,
        text=True,
    )


# Addresses


def test_a_bare_path_and_a_sqlite_address_are_the_same_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "feedback.db"
    with FeedbackStore(file) as store:
        store.record([served("p1", "one")])
    for address in (str(file), f"sqlite:///{file}"):
        with FeedbackStore(address) as store:
            assert store.counts().predictions == 1
            assert repr(store) == f"FeedbackStore('{file}')"


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(address: str) -> None:
    with pytest.raises(
        SettingsError, match=r"must outlive the process, and 'sqlite://.* names no file: sqlite:///FILE"
    ):
        FeedbackStore(address)


def test_another_kind_of_database_is_refused_with_the_near_one() -> None:
    with pytest.raises(
        SettingsError, match=r"cannot be kept in 'postgre'; .* sqlite, postgresql; did you mean 'postgresql'\?"
    ):
        FeedbackStore("postgre://localhost/enfold")


def test_an_address_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="postgresql://USER:PASSWORD@HOST:PORT/NAME") as caught:
        FeedbackStore("postgresql://enfold:topsecret@localhost:port/enfold")
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
@pytest.mark.parametrize(
    "place", ["enfold:top%3Dsecret@127.0.0.1:1/enfold", "127.0.0.1:1/enfold?user=enfold&password=top%3Dsecret"]
)
def test_a_server_that_does_not_answer_is_one_clear_line_without_the_password(scheme: str, place: str) -> None:
    with pytest.raises(
        ServiceError, match=r"failed: connection failed: .*; check that PostgreSQL runs there"
    ) as caught:
        FeedbackStore(f"{scheme}://{place}")
    message = str(caught.value)
    assert "secret" not in message
    assert "\n" not in message


def test_a_connection_that_the_server_closed_is_replaced(postgres_url: str) -> None:
    with FeedbackStore(f"{postgres_url}&application_name=enfold-severed") as store:
        store.record([served("p1", "one")])
        admin = sa.create_engine(postgres_url)
        with admin.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'enfold-severed'"
            )
        admin.dispose()
        store.record([served("p2", "two")])
        assert store.counts().predictions == 2


def test_the_store_is_what_a_server_records_with() -> None:
    """The server knows it by a protocol alone, so that neither package imports the other."""
    from enfold.serving.contracts import Recorder

    for name in ("record", "judge"):
        ours, theirs = (inspect.signature(getattr(owner, name), eval_str=True) for owner in (FeedbackStore, Recorder))
        assert ours == theirs


def test_without_sqlalchemy_the_error_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['sqlalchemy'] = None\nfrom enfold.feedback import plan, FeedbackStore"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "the feedback database needs sqlalchemy: pip install 'enfold[serve]'" in result.stderr


def test_without_psycopg_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"needs psycopg: pip install 'enfold\[postgres\]'"):
        FeedbackStore("postgresql://localhost/enfold")


# The SQLite file


def test_the_file_and_its_log_are_for_the_owner_alone(sqlite_file: Path) -> None:
    with FeedbackStore(sqlite_file) as store:
        store.record([served("p1", "one")])
        for file in sqlite_file.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_every_connection_is_durable_and_overwrites_what_it_deletes(sqlite_file: Path) -> None:
    database = Database(sqlite_file)
    expected = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1, "busy_timeout": 60_000}
    with database.read() as first, database.read() as second:
        for connection in (first, second):
            for name, value in expected.items():
                assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == value, name
    database.close()


def test_every_postgresql_connection_is_durable(postgres_url: str) -> None:
    database = Database(f"{postgres_url}%20-csynchronous_commit%3Doff")
    with database.read() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    database.close()


def test_a_file_that_is_no_database_is_left_as_it_is(sqlite_file: Path) -> None:
    sqlite_file.write_text("dear diary, " * 100)
    with pytest.raises(ServiceError, match="file is not a database; give another path, or move that file away"):
        FeedbackStore(sqlite_file)
    assert sqlite_file.read_text() == "dear diary, " * 100


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"cannot open the feedback database .*: Is a directory"):
        FeedbackStore(tmp_path)


def test_a_second_store_that_closes_leaves_the_first_its_locks(sqlite_file: Path) -> None:
    """Else another process takes itself for the last one, and away goes the log that the first one writes to."""
    first = FeedbackStore(sqlite_file)
    first.record([served("p1", "one")])
    FeedbackStore(sqlite_file).close()
    other = writer(str(sqlite_file), "other", 1)
    other.communicate()
    assert other.returncode == 0
    first.record([served("p2", "two")])
    count = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM predictions'))"
    seen = subprocess.run([sys.executable, "-c", count, str(sqlite_file)], capture_output=True, text=True, check=True)
    first.close()
    assert seen.stdout.strip() == "(10,)"


def test_a_writer_that_never_ends_is_an_error_with_the_way_out(
    sqlite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enfold.databases, "_WAIT_SECONDS", 0.2)
    with FeedbackStore(sqlite_file) as store:
        other = sqlite3.connect(sqlite_file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceError, match="database is locked; another process has been writing"):
            store.record([served("p1", "one")])
        assert store.judgements() == []  # reading goes on
        other.execute("ROLLBACK")
        store.record([served("p1", "one")])
        other.close()


# Formats


def test_the_steps_make_the_tables_that_the_code_uses(address: str) -> None:
    database = Database(address)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_the_newest_step_is_the_format_that_is_checked_for() -> None:
    config = Config()
    config.set_main_option("script_location", "enfold.feedback:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == FORMAT


def test_a_database_of_a_newer_version_is_refused(address: str) -> None:
    database = Database(address)
    with database.write() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    with pytest.raises(ServiceError, match=r"has format '9999', newer than '0001', .*; upgrade Enfold: pip install"):
        FeedbackStore(address)


# Several processes


def test_processes_write_at_once_while_another_reads(address: str) -> None:
    """They also all open the new database at once: one makes the tables, the others find them made."""
    writers = [writer(address, name, 15) for name in ("alice", "bob")]
    with FeedbackStore(address) as store:
        while any(process.poll() is None for process in writers):
            for one in store.judgements():
                assert one.text.endswith(one.prediction_id)
            time.sleep(0.02)
        for process in writers:
            process.communicate()
        assert [process.returncode for process in writers] == [0, 0]
        counts = store.counts()
    assert (counts.predictions, counts.judgements, counts.users) == (2 * 15 * 8, 2 * 15, 2)


def test_what_was_acknowledged_is_there_after_kill_9(address: str) -> None:
    process = writer(address, "alice", 100_000)
    assert process.stdout is not None
    acknowledged = -1
    for line in process.stdout:
        if line.strip() == "25":
            process.send_signal(signal.SIGKILL)
        if line.strip().isdigit():
            acknowledged = int(line)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert acknowledged >= 25
    with FeedbackStore(address) as store:
        assert {one.prediction_id for one in store.judgements()} >= {f"alice-{n}-0" for n in range(acknowledged + 1)}
        assert store.counts().predictions >= 8 * (acknowledged + 1)
        store.record([served("after", "after")])
        store.judge(said("after", "right"), labels=LABELS)
