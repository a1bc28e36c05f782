"""One hub for the tests that do not need one of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from hub_on_loopback import Hub, hub_on_loopback


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub_on_loopback(tmp_path_factory.mktemp("hub") / "root") as running:
        yield running


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"m-{secrets.token_hex(4)}"
