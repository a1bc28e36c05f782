"""Looking at new files after each commit, in a thread of its own beside the requests; see `enfold.hub.scans`.

What waits is in the records, written with the move of the ref, so that a hub that was stopped goes on where it was.
Two that do the same work at once do no harm: the result is kept by the content.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from enfold.hub.records import links, refs, scan_queue
from enfold.hub.records.schema import Repository
from enfold.hub.scans import results
from enfold.hub.scans.scanning import SAFE, Item, Verdict, scan
from enfold.hub.server.contents import large_content, pointer_at
from enfold.hub.server.rounds import Rounds
from enfold.hub.store import GitError, ObjectStore
from enfold.hub.store.git_objects import SUBMODULE
from enfold.hub.store.trees import diff

if TYPE_CHECKING:
    from enfold.hub.server.state import HubState

__all__ = ["NewFile", "Scans", "new_files"]

_AT_ONCE = 256
_log = logging.getLogger(__name__)

NewFile = tuple[bytes, str]
"""A path and the blob that came to stand there."""


class Scans:
    """The thread, and the same work for those who cannot wait for it.

    Args:
        state: the hub.
        every: seconds between two looks for what waits.
    """

    def __init__(self, state: HubState, *, every: float = 1.0) -> None:
        self._state = state
        self._rounds = Rounds("scans", self._look_at_what_waits, every=every)
        self.start, self.stop = self._rounds.start, self._rounds.stop

    def finish(self, repository: Repository) -> None:
        """Look now at everything of a repository that waits."""
        while True:
            with self._state.records.read() as session:
                waiting = scan_queue.waiting(session, repository)
            if not waiting:
                return
            for each in waiting:
                self._look(each)

    def verdicts(self, repository: Repository, files: Iterable[NewFile]) -> dict[NewFile, Verdict]:
        """What is found in files of a repository: what is known already, and the rest is looked at now.

        A large file that the repository may not use, or that is not there, counts as safe: nobody gets it either.
        """
        found: dict[NewFile, Verdict] = {}
        iterator = iter(dict.fromkeys(files))
        while some := list(islice(iterator, _AT_ONCE)):
            found.update(self._some(repository, some))
        return found

    def of_large(self, sha256: str, size: int, read: Callable[[int, int], Iterator[bytes]]) -> Verdict:
        """What is found in a large file that no commit names yet."""
        key = results.result_key(sha256, "")
        with self._state.records.read() as session:
            known = results.known(session, [key])
        if key not in known:
            known = {key: scan([Item(size, read)])[0]}
            with self._state.records.write() as session:
                results.keep(session, known)
        return known[key]

    def _some(self, repository: Repository, files: list[NewFile]) -> dict[NewFile, Verdict]:
        store = self._state.objects(repository)
        keys: dict[NewFile, str] = {}
        items: dict[str, Item] = {}
        with self._state.records.read() as session:
            for path, oid in files:
                pointer = pointer_at(store, oid)
                content = oid if pointer is None else pointer.sha256
                key = keys[path, oid] = results.result_key(content, path)
                if key in items:
                    continue
                named = results.named_as_pickle(path)
                if pointer is None:
                    items[key] = Item(store.size(oid), _reader(store, oid), named)
                elif links.is_linked(session, repository, pointer.sha256):
                    large = links.large_file(session, pointer.sha256)
                    if large is not None:
                        items[key] = Item(large.size, large_content(self._state, large).read, named)
            known = results.known(session, keys.values())
        lacking = [key for key in items if key not in known]
        new = dict(zip(lacking, scan([items[key] for key in lacking]), strict=True))
        if new:
            with self._state.records.write() as session:
                results.keep(session, new)
        return {file: known.get(key) or new.get(key) or SAFE for file, key in keys.items()}

    def _look_at_what_waits(self) -> None:
        with self._state.records.read() as session:
            waiting = scan_queue.waiting(session)
        for each in waiting:
            if self._rounds.stopping:  # the rest waits for the next start
                return
            self._look(each)

    def _look(self, job: scan_queue.Waiting) -> None:
        with self._state.records.read() as session:
            repository = session.get(Repository, job.repository)
            main = None if repository is None else refs.head_of(session, repository)
        if repository is not None:
            store = self._state.objects(repository)
            old = job.old if job.old is not None else main
            try:
                files = new_files(store, job.commit, None if old == job.commit else old)
                found = self.verdicts(repository, files)
            except GitError as error:  # the repository was deleted, or its commit is gone
                _log.warning("the files of %s at %s were not looked at: %s", repository.full_name, job.commit, error)
                found = {}
            for (path, _), verdict in found.items():
                if verdict.status == "unsafe":
                    shown = path.decode("utf-8", "backslashreplace")
                    _log.warning("%s in %s %s", shown, repository.full_name, verdict.words)
        with self._state.records.write() as session:
            scan_queue.done(session, job.job)


def new_files(store: ObjectStore, commit: str, old: str | None) -> Iterator[NewFile]:
    """The files that a commit and those before it brought, back to those that ``old`` leads to."""
    if old is not None and not store.has(old):
        old = None
    known = store.ancestors([old]) if old is not None else set()
    if commit in known:
        return
    for oid in store.ancestors([commit], stop=known.__contains__) - known:
        made = store.commit(oid)
        before = store.commit(made.parents[0]).tree if made.parents else None
        for change in diff(store, before, made.tree):
            if change.new is not None and change.new.mode != SUBMODULE:
                yield change.path, change.new.oid


def _reader(store: ObjectStore, oid: str) -> Callable[[int, int], Iterator[bytes]]:
    def read(start: int, length: int) -> Iterator[bytes]:
        yield store.blob(oid)[start : start + length]

    return read
