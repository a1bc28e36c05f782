"""A hub on loopback, and browsers that keep cookies and send forms as a person does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from browser import Browser
from hub_on_loopback import Hub, hub_on_loopback

from enfold.hub.records import accounts, passwords

PASSWORD = "a long sentence of mine"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with alice, bob and root (an admin), who all have one password, and the organisation lab."""
    with hub_on_loopback(tmp_path_factory.mktemp("hub") / "root") as running:
        with running.records.write() as session:
            users = {name: accounts.user(session, name) for name in ("alice", "bob", "root")}
            passwords.set_password(users["alice"], PASSWORD)
            for user in users.values():
                user.password_hash = users["alice"].password_hash
            accounts.create_organization(session, "lab", members=[(users["alice"], "admin"), (users["bob"], "write")])
        yield running


@pytest.fixture
def nobody(hub: Hub) -> Iterator[Browser]:
    """A browser in which nobody has signed in."""
    with Browser(hub.url) as browser:
        yield browser


@pytest.fixture(scope="module")
def alice(hub: Hub) -> Iterator[Browser]:
    """A browser in which alice has signed in."""
    with Browser(hub.url) as browser:
        browser.sign_in("alice", PASSWORD)
        yield browser


@pytest.fixture(scope="module")
def bob(hub: Hub) -> Iterator[Browser]:
    """A browser in which bob has signed in."""
    with Browser(hub.url) as browser:
        browser.sign_in("bob", PASSWORD)
        yield browser


@pytest.fixture(scope="module")
def admin(hub: Hub) -> Iterator[Browser]:
    """A browser in which root has signed in, an admin of the hub."""
    with Browser(hub.url) as browser:
        browser.sign_in("root", PASSWORD)
        yield browser
