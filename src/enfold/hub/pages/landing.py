"""From a browser's changes to a commit on a branch, or on a pull request, or to a pull request of its own."""

from __future__ import annotations

from starlette.datastructures import FormData

from enfold.hub.pages.browsing import Opened
from enfold.hub.pages.forms import text
from enfold.hub.pages.page import SignedInHere
from enfold.hub.records import refs
from enfold.hub.server.commits import Draft, Message, land
from enfold.hub.server.errors import HubError, revision_not_found
from enfold.hub.server.permits import check_may_contribute
from enfold.hub.server.pull_requests import check_may_push, check_open_to_discussion, open_pull_request
from enfold.hub.server.revisions import branch_ref

__all__ = ["Target", "changeable", "wanted"]


class Target:
    """Where changes from a page of a revision may go.

    Args:
        opened: the repository; the reader may contribute to it.
        revision: a branch, or ``refs/pr/N``.

    Raises:
        HubError: there is no such branch or pull request, or the reader may neither write to it nor ask for a pull.
    """

    def __init__(self, opened: Opened, revision: str) -> None:
        self.opened, self.revision = opened, revision
        self.ref = branch_ref(revision)
        self.is_request = self.ref.startswith("refs/pr/")
        with opened.page.state.records.read() as session:
            if refs.head_of(session, opened.repository, self.ref) is None:
                raise revision_not_found(revision)
            if self.is_request:
                check_may_push(session, opened.principal, opened.repository, self.ref)
        self.may_land = self.is_request or opened.may_write
        """Whether a commit may go there at once."""
        self.may_ask = not self.is_request and not opened.repository.discussions_disabled
        """Whether a pull request may be opened with it."""
        if not self.may_land:
            check_open_to_discussion(opened.repository)

    def send(self, draft: Draft, message: Message, *, ask: bool, parent: str | None = None) -> str:
        """Commit a draft, or open a pull request with it; the address of the page that shows it."""
        opened = self.opened
        state, repository, principal = opened.page.state, opened.repository, opened.principal
        if not ask:
            if not self.may_land:
                opened.need("write")
            landed = land(draft, self.ref, message, principal, parent=parent)
            if self.is_request:
                return f"/{opened.place}/discussions/{self.ref.removeprefix('refs/pr/')}"
            return f"/{opened.place}/commit/{landed.commit}"
        if not self.may_ask:
            raise HubError(422, "Pull requests cannot be opened from here.")
        made = open_pull_request(
            state,
            repository,
            principal,
            title=message.title,
            description=message.description,
            base=self.ref,
            draft=draft,
            parent=parent,
        )
        return f"/{opened.place}/discussions/{made.number}"


def changeable(page: SignedInHere, opened: Opened, revision: str) -> Target:
    """Where changes go that start from a page of a revision.

    Raises:
        HubError: the reader may not contribute, or there is no such branch.
    """
    opened.need("download")
    check_may_contribute(page.principal, opened.repository)
    return Target(opened, revision)


def wanted(form: FormData, target: Target, otherwise: str) -> tuple[Message, bool]:
    """What the commit says by the form, and whether it is to be a pull request."""
    title = text(form, "title", longest=200) or otherwise
    message = Message(title, text(form, "words", longest=20_000))
    return message, text(form, "how") == "ask" or not target.may_land
