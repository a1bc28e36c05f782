"""A real hub on loopback with users, for tests that speak to it as clients do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi

from enfold.hub.records import Records, accounts, tokens
from enfold.hub.server.serving import background_hub
from enfold.hub.server.settings import HubSettings

__all__ = ["Hub", "hub_on_loopback"]


@dataclass
class Hub:
    """The hub's address, a way into its records, and a token for each user."""

    url: str
    root: Path
    records: Records
    tokens: dict[str, str] = field(default_factory=dict)

    def api(self, user: str | None = None) -> HfApi:
        """The ecosystem's own client, for a user or for nobody."""
        return HfApi(endpoint=self.url, token=self.tokens[user] if user else False)

    def add_user(self, name: str, **more: Any) -> None:
        """Add a user with a token that may write."""
        with self.records.write() as session:
            made = accounts.create_user(session, name, **more)
            self.tokens[name] = tokens.create_token(session, made, "test")

    def add_token(self, label: str, owner: str, **more: Any) -> str:
        """Make another token of a user, kept under ``label``."""
        with self.records.write() as session:
            self.tokens[label] = tokens.create_token(session, accounts.user(session, owner), label, **more)
        return self.tokens[label]

    def ask(self, method: str, path: str, user: str | None = None, **more: Any) -> httpx2.Response:
        """A plain request; the path is sent as it is."""
        headers = dict(more.pop("headers", {}))
        if user:
            headers.setdefault("Authorization", f"Bearer {self.tokens[user]}")
        with httpx2.Client(verify=False) as client:  # reading certificates takes longer than the request
            return client.request(method, self.url + path, headers=headers, **more)


@contextmanager
def hub_on_loopback(root: Path, **settings: Any) -> Iterator[Hub]:
    """Serve a hub from a thread while the block runs, with alice, bob, and root, who is an admin."""
    chosen = HubSettings(root=root, port=0, drain_seconds=2, **settings)
    with background_hub(chosen) as url:
        records = Records(settings.get("database") or root / "hub.sqlite")
        hub = Hub(url, root, records)
        for name in ("alice", "bob"):
            hub.add_user(name)
        hub.add_user("root", is_admin=True)
        try:
            yield hub
        finally:
            records.close()
