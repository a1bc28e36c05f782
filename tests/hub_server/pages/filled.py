"""Putting files into a hub under test, past the API."""

from __future__ import annotations

from hub_on_loopback import Hub

from enfold.hub.records import HubRoot, accounts
from enfold.hub.records.accounts import principal_for
from enfold.hub.server.commits import Draft, Message, land
from enfold.hub.server.routes.repositories import make_repository
from enfold.hub.server.settings import HubSettings
from enfold.hub.server.state import HubState

__all__ = ["add_files", "fill"]


def _state(hub: Hub) -> HubState:
    return HubState(HubRoot.open(hub.root), HubSettings(root=hub.root), hub.records)


def fill(hub: Hub, name: str, files: dict[str, bytes], *, kind: str = "model", private: bool = False) -> None:
    """Make a repository of alice's, or of an organisation she is in."""
    with hub.records.read() as session:
        alice = principal_for(session, accounts.user(session, "alice"))
    first = {"README.md": files["README.md"]} if "README.md" in files else {}
    made = make_repository(_state(hub), alice, kind, name, first, private=private)  # type: ignore[arg-type]
    rest = {path: data for path, data in files.items() if path not in first}
    if rest:
        add_files(hub, made, rest, "Add files")


def add_files(hub: Hub, repository: object, files: dict[str, bytes], title: str) -> str:
    """Commit files to main as alice; the commit's id."""
    state = _state(hub)
    with hub.records.read() as session:
        alice = principal_for(session, accounts.user(session, "alice"))
    with Draft(state, repository) as draft:  # type: ignore[arg-type]
        for path, data in files.items():
            draft.put(path, data)
        return land(draft, "refs/heads/main", Message(title), alice, parent=None).commit
