"""A hub upstream and one that mirrors it; the modules that speak as clients do lie beside the tests of the server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from between import Between, between
from hub_on_loopback import Hub, hub_on_loopback


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The hub upstream, with the user google beside the usual ones."""
    with hub_on_loopback(tmp_path_factory.mktemp("source") / "root") as running:
        running.add_user("google", is_admin=True)
        yield running


@pytest.fixture(scope="module")
def wire(source: Hub) -> Iterator[Between]:
    """What stands between the two, and sees and changes what passes."""
    with between(source.url) as running:
        yield running


@pytest.fixture(scope="module")
def token_file(source: Hub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The token of google, by which the mirror signs in upstream."""
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(source.tokens["google"] + "\n")
    return file


@pytest.fixture(scope="module")
def mirror(wire: Between, token_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The hub that mirrors, and looks upstream at each request."""
    root = tmp_path_factory.mktemp("mirror") / "root"
    with hub_on_loopback(root, upstream=wire.url, upstream_token_file=token_file, upstream_seconds=0) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test finds the wire as it should be."""
    yield
    if "wire" in request.fixturenames:
        request.getfixturevalue("wire").mend()
