"""What the tests of the hub's server side share: databases, a hub on loopback, and users of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


@pytest.fixture
def hub_postgres() -> Iterator[str]:
    """The address of an empty schema of its own, so that no test sees another's rows."""
    with _schema() as url:
        yield url


@pytest.fixture(scope="module")
def hub_postgres_module() -> Iterator[str]:
    """The same for all tests of a module."""
    with _schema() as url:
        yield url


@contextmanager
def _schema() -> Iterator[str]:
    given = os.environ.get("ENFOLD_TEST_POSTGRES")
    if not given:
        pytest.skip("no PostgreSQL to test with: ENFOLD_TEST_POSTGRES=postgresql://USER@HOST:PORT/NAME names one")
    schema = f"test_{secrets.token_hex(6)}"
    engine = sa.create_engine(sa.make_url(given).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    url = engine.url.update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def hub_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of database in turn."""
    if request.param == "postgres":
        return str(request.getfixturevalue("hub_postgres"))
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"
