"""A hub of the time before scans: everything that its refs lead to waits to be looked at."""

from __future__ import annotations

from pathlib import Path

from enfold.hub.records import Records, refs, scan_queue
from enfold.hub.records.database import VERSION_TABLE
from enfold.hub.records.repositories import create_repository


def test_what_was_there_before(hub_database: str, tmp_path: Path) -> None:
    records = Records(hub_database)
    with records.write() as session:
        repository = create_repository(session, "model", "plain", uid="u", creator_id=None)
        for name in ("refs/heads/a", refs.MAIN):
            refs.move_ref(session, repository, name, None, name[-1] * 40, reason="test")
        session.connection().exec_driver_sql("DELETE FROM jobs")
    with records.database.engine.connect() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0009'")
        connection.commit()
    records.close()
    records = Records(hub_database)
    with records.read() as session:
        assert [each.commit for each in scan_queue.waiting(session)] == ["n" * 40, "a" * 40]
    records.close()
