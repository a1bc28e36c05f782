"""Forgetting a user: the rows, and the bytes."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from threading import Event, Thread

import pytest
import sqlalchemy as sa
from feedback_examples import LABELS, said, served

import enfold.databases
import enfold.feedback.forgetting
from enfold.data.identity import content_id
from enfold.errors import ServiceError
from enfold.feedback import FeedbackStore
from enfold.feedback.database import Database

MARK = "zebrafish"
"""A word that only the forgotten texts hold."""


def files_with(folder: Path, *words: str) -> list[str]:
    """The files whose raw bytes hold one of the words."""
    return sorted(
        file.name
        for file in folder.rglob("*")
        if file.is_file() and any(w.encode() in file.read_bytes() for w in words)
    )


def fill(store: FeedbackStore) -> None:
    """Rows of three users, long texts and short, judged by each other."""
    for number in range(60):
        text = f"{MARK} {number} " + f"{MARK} in a long text, " * (number % 40) * (50 if number % 7 == 0 else 1)
        store.record(
            [served(f"m{number}", text, user="mallory-quux"), served(f"b{number}", f"kept {number}", user="bob")]
        )
    store.judge(said("m1", "right", user="mallory-quux"), labels=LABELS)
    store.judge(said("m1", "wrong", user="bob", seconds=1), labels=LABELS)
    store.judge(said("b1", "label", "spam", user="mallory-quux", seconds=2), labels=LABELS)
    store.judge(said("b1", "right", user="bob", seconds=3), labels=LABELS)


def test_forgetting_removes_what_the_user_sent_and_said_and_what_others_said_of_it(store: FeedbackStore) -> None:
    fill(store)
    store.record([served("b-same", f"{MARK} 2 {MARK} in a long text, {MARK} IN a long text,", user="bob")])
    announced = store.would_forget("mallory-quux")
    assert store.counts().predictions == 121
    forgotten = store.forget("mallory-quux")
    assert forgotten == announced
    assert (forgotten.user, forgotten.predictions, forgotten.judgements) == ("mallory-quux", 60, 3)
    assert len(forgotten.texts) == len(forgotten.content_ids) == 60
    assert [content_id(text) for text in forgotten.texts] == list(forgotten.content_ids)
    assert forgotten.judged_content_ids == (forgotten.content_ids[1], content_id("kept 1"))
    assert forgotten.still_held == (content_id(forgotten.texts[2]),)
    assert forgotten.models == ("rev-1",)
    assert [(one.prediction_id, one.user) for one in store.judgements(history=True)] == [("b1", "bob")]
    assert store.counts().predictions == 61


def test_a_user_who_is_not_there_is_no_error(store: FeedbackStore) -> None:
    fill(store)
    forgotten = store.forget("nobody")
    assert (forgotten.predictions, forgotten.judgements, forgotten.texts, forgotten.models) == (0, 0, (), ())
    assert store.counts().predictions == 120


def test_the_bytes_are_gone_from_the_sqlite_files_while_a_server_has_them_open(sqlite_file: Path) -> None:
    with FeedbackStore(sqlite_file) as server, FeedbackStore(sqlite_file) as store:
        fill(server)
        with sqlite3.connect(sqlite_file) as other:
            other.execute("PRAGMA wal_checkpoint(PASSIVE)")
        other.close()
        assert files_with(sqlite_file.parent, MARK, "mallory-quux") == ["feedback.db", "feedback.db-wal"]
        store.forget("mallory-quux")
        assert {"feedback.db", "feedback.db-wal", "feedback.db-shm"} <= {
            one.name for one in sqlite_file.parent.iterdir()
        }
        assert files_with(sqlite_file.parent, MARK, "mallory-quux") == []
        assert files_with(sqlite_file.parent, "kept 5") == ["feedback.db"]
        server.record([served("after", "after", user="bob")])
        assert server.counts().predictions == 61


def test_what_another_program_deleted_without_care_is_gone_too(sqlite_file: Path) -> None:
    with FeedbackStore(sqlite_file) as store:
        fill(store)
        other = sqlite3.connect(sqlite_file)
        other.execute("PRAGMA secure_delete = OFF")
        other.execute("DELETE FROM predictions WHERE id = 'm35'")
        other.commit()
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        store.forget("mallory-quux")
        assert files_with(sqlite_file.parent, MARK, "mallory-quux") == []


def test_a_server_goes_on_recording_while_a_user_is_forgotten(address: str, tmp_path: Path) -> None:
    stop, recorded = Event(), []

    def serve() -> None:
        with FeedbackStore(address) as server:
            while not stop.is_set():
                identity = f"live{len(recorded)}"
                server.record([served(identity, f"live text {identity}", user="bob")])
                server.judge(said(identity, "right", user="bob"), labels=LABELS)
                recorded.append(identity)

    with FeedbackStore(address) as store:
        fill(store)
        thread = Thread(target=serve)
        thread.start()
        try:
            for _ in range(5):
                store.record([served(f"more{len(recorded)}-{_}", f"{MARK} again", user="mallory-quux")])
                store.forget("mallory-quux")
        finally:
            stop.set()
            thread.join()
        assert recorded
        assert {one.prediction_id for one in store.judgements(user="bob")} == {"b1", *recorded}
    if address.startswith("sqlite"):
        assert files_with(tmp_path, MARK, "mallory-quux") == []


def test_an_old_copy_that_another_process_keeps_open_is_said_and_the_next_try_finishes(
    sqlite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enfold.databases, "_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(enfold.feedback.forgetting, "_WAIT_SECONDS", 0.2)
    with FeedbackStore(sqlite_file) as store:
        fill(store)
        reader = sqlite3.connect(sqlite_file, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM predictions").fetchone()
        with pytest.raises(
            ServiceError, match=r"the rows are removed from .*; close it and forget the same user again"
        ):
            store.forget("mallory-quux")
        assert store.counts().predictions == 60
        reader.execute("COMMIT")
        reader.close()
        assert store.forget("mallory-quux").predictions == 0
        assert files_with(sqlite_file.parent, MARK, "mallory-quux") == []


def test_the_bytes_are_gone_from_postgresqls_tables_indexes_and_statistics(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.outside_transactions() as connection:
        folder, oid = connection.execute(
            sa.text("SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()")
        ).one()
        tables = Path(folder) / "base" / str(oid)
        if not os.access(tables, os.R_OK):
            pytest.skip(f"the files of PostgreSQL are not readable: {tables}")
        with FeedbackStore(postgres_url) as store:
            fill(store)
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql("CHECKPOINT")
            assert files_with(tables, MARK, "mallory-quux") != []
            store.forget("mallory-quux")
            connection.exec_driver_sql("CHECKPOINT")
            assert files_with(tables, MARK, "mallory-quux") == []
            assert files_with(tables, "kept 5") != []
    database.close()
