"""Opened records."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from enfold.hub.records import Records


@pytest.fixture
def records(hub_database: str) -> Iterator[Records]:
    opened = Records(hub_database)
    yield opened
    opened.close()
