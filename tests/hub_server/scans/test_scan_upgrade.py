"""A hub of the time before scans: everything that its refs lead to waits to be looked at."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from enfold.hub.records import Records, refs, scan_queue
from enfold.hub.records.repositories import create_repository


def test_what_was_there_before(hub_database: str, tmp_path: Path) -> None:
    records = Records(hub_database)
    with records.write() as session:
        repository = create_repository(session, "model", "plain", uid="u", creator_id=None)
        for name in ("refs/heads/a", refs.MAIN):
            refs.move_ref(session, repository, name, None, name[-1] * 40, reason="test")
    _go_back(records, "0009")
    records.close()
    records = Records(hub_database)
    with records.read() as session:
        assert [each.commit for each in scan_queue.waiting(session)] == ["n" * 40, "a" * 40]
    records.close()


def _go_back(records: Records, revision: str) -> None:
    """Take the later steps back, one by one."""
    config = Config()
    config.set_main_option("script_location", "enfold.hub.records:migrations")
    config.set_main_option("path_separator", "os")
    with records.database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
