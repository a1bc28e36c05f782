"""Two hubs that no network joins; the modules that speak as clients do lie beside the tests of the server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from hub_on_loopback import Hub, hub_on_loopback


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The hub that exports."""
    with hub_on_loopback(tmp_path_factory.mktemp("here") / "root") as running:
        yield running


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The hub that imports."""
    with hub_on_loopback(tmp_path_factory.mktemp("there") / "root") as running:
        yield running
