"""Databases for the tests: SQLite always, PostgreSQL where ENFOLD_TEST_POSTGRES names one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from enfold.feedback import FeedbackStore


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    return tmp_path / "feedback.db"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The address of an empty schema of its own, so that no test sees another's rows."""
    given = os.environ.get("ENFOLD_TEST_POSTGRES")
    if not given:
        pytest.skip(
            "no PostgreSQL to test with: ENFOLD_TEST_POSTGRES=postgresql+psycopg://USER@HOST:PORT/NAME names one"
        )
    schema = f"test_{secrets.token_hex(6)}"
    engine = sa.create_engine(given, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    url = sa.make_url(given).update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{request.getfixturevalue('sqlite_file')}"


@pytest.fixture
def store(address: str) -> Iterator[FeedbackStore]:
    with FeedbackStore(address) as opened:
        yield opened
