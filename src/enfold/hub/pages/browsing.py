"""Finding what a page shows: the repository, if the reader may know of it, and what stands at a revision of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from enfold.hub.pages.page import Page
from enfold.hub.records import Principal, may, refs
from enfold.hub.records.permissions import Action
from enfold.hub.records.schema import Like, Repository
from enfold.hub.server.access import bring, check, find, moved_to
from enfold.hub.server.errors import entry_not_found
from enfold.hub.server.paths import RepositoryAddress, escaped
from enfold.hub.server.revisions import resolve
from enfold.hub.store import ObjectStore, trees
from enfold.hub.store.trees import PathEntry

__all__ = ["Crumb", "Opened", "crumbs", "open_repository", "path_bytes"]


@dataclass(frozen=True)
class Opened:
    """A repository that the reader may see, and how they see it."""

    page: Page
    repository: Repository
    place: str
    """The repository in addresses, escaped, without a slash before it."""

    @property
    def principal(self) -> Principal:
        """Who reads."""
        return self.page.principal

    @cached_property
    def store(self) -> ObjectStore:
        """Its git objects."""
        return self.page.state.objects(self.repository)

    @property
    def may_download(self) -> bool:
        """Whether the reader may have the files."""
        return may(self.principal, "download", self.repository)

    @property
    def may_write(self) -> bool:
        """Whether the reader may change files."""
        return may(self.principal, "write", self.repository)

    @property
    def may_administer(self) -> bool:
        """Whether the reader may change settings."""
        return may(self.principal, "admin", self.repository)

    @cached_property
    def liked(self) -> bool:
        """Whether the reader likes it."""
        if self.principal.account_id is None:
            return False
        with self.page.state.records.read() as session:
            return session.get(Like, (self.principal.account_id, self.repository.id)) is not None

    def need(self, action: Action) -> None:
        """Refuse what the reader may not do.

        Raises:
            HubError: they may not.
        """
        check(self.principal, action, self.repository)

    def commit_of(self, revision: str) -> str:
        """The commit a revision means.

        Raises:
            HubError: there is no such revision (404).
        """
        with self.page.state.records.read() as session:
            return resolve(self.page.state, session, self.repository, revision).commit

    def names(self) -> tuple[list[str], list[str]]:
        """Branches and tags, by name."""
        with self.page.state.records.read() as session:
            found = [ref.name for ref in refs.refs_of(session, self.repository)]
        heads = [name.removeprefix("refs/heads/") for name in found if name.startswith("refs/heads/")]
        tags = [name.removeprefix("refs/tags/") for name in found if name.startswith("refs/tags/")]
        return heads, tags

    def entry(self, commit: str, path: str) -> PathEntry:
        """What stands at a path.

        Raises:
            HubError: nothing does (404).
        """
        found = trees.find_entry(self.store, self.store.commit(commit).tree, path_bytes(path))
        if found is None:
            raise entry_not_found(commit, f"There is nothing at {path!r} in this revision.")
        return found

    def address(self, what: str, revision: str, path: str = "") -> str:
        """The address of a page of this repository at a revision."""
        start = f"/{self.place}/{what}/{escaped(revision)}"
        return f"{start}/{escaped(path, safe='/')}" if path else start


@dataclass(frozen=True, slots=True)
class Crumb:
    """One folder on the way to a path."""

    name: str
    path: str


def crumbs(path: str) -> list[Crumb]:
    """The folders on the way to a path, and its last piece."""
    pieces = [piece for piece in path.split("/") if piece]
    return [Crumb(piece, "/".join(pieces[: place + 1])) for place, piece in enumerate(pieces)]


def path_bytes(path: str) -> bytes:
    """A path of an address as git has it."""
    return path.strip("/").encode("utf-8", "surrogateescape")


def open_repository(page: Page, place: str, action: Action = "read") -> Opened:
    """The repository of an address.

    Raises:
        HubError: it is not there, or the reader may not know of it, or may not do this.
        Moved: it has another name now.
    """
    address = RepositoryAddress.of_place(place)
    if action in ("read", "download") and bring(page.request, page.state, page.principal, address) != page.principal:
        raise moved_to(page.request, address.full_name)  # to the same page, for somebody who may read it by now
    repository, moved = find(page.state, page.principal, address.type, address.full_name)
    if moved:
        raise moved_to(page.request, repository.full_name)
    check(page.principal, action, repository)
    place = RepositoryAddress(address.type, repository.full_name).place
    return Opened(page, repository, escaped(place, safe="/"))
