"""Files that arrive by Xet: a shard is held against the xorbs, and each file's sha256 against its bytes.

The sha256 is the one thing that a shard claims and that nothing but reading the whole file can prove. It is done once
a file: a file hash fixes the content, so that a pair proved before need not be read again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from enfold.hub.store.extents import Extent, LargeFile, read
from enfold.hub.store.xorbs import Xorbs
from enfold.hub.xet import MalformedShard, Shard, ShardFile, Term, XorbIndex, check_shard, hash_string, queryable
from enfold.hub.xet.hashes import HASH_BYTES

__all__ = ["XetFile", "XetFiles", "queryable_chunks"]

_REPORTED_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class XetFile:
    """A proved file: what has to be recorded of it.

    Attributes:
        hash: hash string of the file, its name in the Xet protocol.
        terms: what it is made of, for readers of the Xet protocol.
        content: its sha256, its bytes, and where they are.
        queryable: hash strings of the chunks that clients may ask for, each with the xorb that holds it; what is
            needed to answer ``GET /v1/chunks/default/{hash}``.
    """

    hash: str
    terms: tuple[Term, ...]
    content: LargeFile
    queryable: tuple[tuple[str, str], ...]


class XetFiles:
    """Takes shards.

    Args:
        xorbs: the xorbs of the store.
    """

    def __init__(self, xorbs: Xorbs) -> None:
        self.xorbs = xorbs

    def accept(
        self,
        shard: bytes,
        *,
        usable: Callable[[frozenset[str]], Collection[str]] = lambda xorbs: xorbs,
        admit: Callable[[ShardFile], None] = lambda file: None,
        proved: Callable[[str], str | None] = lambda file: None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[XetFile, ...]:
        """Check a shard whole; give its files to be recorded. Nothing is written.

        Args:
            shard: the body as it came.
            usable: of the hash strings of all xorbs that the shard refers to, those that the sender may use; any other
                is unknown to it.
            admit: called with each file before its bytes are read; raises where the sender may not have one so large.
            proved: the sha256 that was proved before for a file, by the file's hash string, or None.
            progress: called now and then with the bytes proved so far and the bytes in all, from several threads but
                never at the same time.

        Raises:
            UnknownXorb: a xorb is not here, or not the sender's to use.
            MalformedShard: anything else is wrong: the layout, a term, a hash, a sha256.
        """
        parsed = Shard.parse(shard)
        allowed = usable(parsed.named_xorbs)
        present: set[str] = set()

        def index_of(name: str) -> XorbIndex | None:
            # Whether a xorb is here is asked once a shard; its index may have to be read again.
            if name not in present and (name not in allowed or not self.xorbs.has(name)):
                return None
            present.add(name)
            return self.xorbs.index(name)

        check_shard(parsed, index_of)
        for file in parsed.files:
            admit(file)
        reading = _Progress(sum(file.size for file in parsed.files), progress)
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 2, thread_name_prefix="sha256") as readers:
            pending = [readers.submit(self._prove, file, proved(file.hash), reading) for file in parsed.files]
            try:
                return tuple(result.result() for result in pending)
            except BaseException:
                reading.stopped = True
                for result in pending:
                    result.cancel()
                raise

    def _prove(self, file: ShardFile, proved: str | None, reading: _Progress) -> XetFile:
        extents = self.xorbs.extents(file.terms)
        found = proved or self._sha256(extents, file.size, reading)
        if found != file.sha256:
            raise MalformedShard(f"file {file.hash} has sha256 {found}, the shard says {file.sha256}")
        return XetFile(file.hash, file.terms, LargeFile(found, file.size, extents), self._queryable(file.terms))

    def _sha256(self, extents: tuple[Extent, ...], size: int, reading: _Progress) -> str:
        digest = hashlib.sha256()
        unreported = 0
        for data in read(self.xorbs.blobs, extents, 0, size):
            digest.update(data)
            unreported += len(data)
            if unreported >= _REPORTED_BYTES:
                reading.add(unreported)
                unreported = 0
            if reading.stopped:
                break
        reading.add(unreported)
        return digest.hexdigest()

    def _queryable(self, terms: tuple[Term, ...]) -> tuple[tuple[str, str], ...]:
        found: dict[tuple[str, str], None] = {}
        for number, term in enumerate(terms):
            index = self.xorbs.index(term.xorb)
            for chunk in queryable_chunks(index, term.start, term.end, begins_file=number == 0):
                found[chunk, term.xorb] = None
        return tuple(found)


def queryable_chunks(index: XorbIndex, start: int, end: int, *, begins_file: bool) -> set[str]:
    """Hash strings of the chunks of a term that clients may ask for.

    Args:
        index: of the xorb.
        start: first chunk of the term.
        end: the chunk behind its last.
        begins_file: whether a file begins with the term: its first chunk is asked for whatever its hash.
    """
    hashes = index.hashes_of(start, end)
    chosen = {*([0] if begins_file else []), *queryable(hashes)}
    return {hash_string(hashes[HASH_BYTES * chunk : HASH_BYTES * (chunk + 1)]) for chunk in chosen}


class _Progress:
    """The bytes proved so far, counted by several threads; ``stopped`` once the shard is refused."""

    def __init__(self, total: int, report: Callable[[int, int], None]) -> None:
        self.stopped = False
        self._total = total
        self._done = 0
        self._report = report
        self._lock = Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._report(self._done, self._total)
