"""Files that arrive by Xet: a shard is held against the xorbs, and each file's sha256 against its bytes.

The sha256 is the one thing that a shard claims and that nothing but reading the whole file can prove. It is done once
a file: a file hash fixes the content, so that a pair proved before need not be read again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from enfold.hub.store.extents import Extent, LargeFile, read
from enfold.hub.store.xorbs import Xorbs
from enfold.hub.xet import MalformedShard, Shard, ShardFile, Term, XorbIndex, check_shard, hash_string, queryable
from enfold.hub.xet.hashes import HASH_BYTES

__all__ = ["XetFile", "XetFiles"]


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
        may_use: Callable[[str], bool] = lambda xorb: True,
        proved: Callable[[str], str | None] = lambda file: None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[XetFile, ...]:
        """Check a shard whole; give its files to be recorded. Nothing is written.

        Args:
            shard: the body as it came.
            may_use: whether the sender may use a xorb, by hash string; one it may not use is unknown to it.
            proved: the sha256 that was proved before for a file, by the file's hash string, or None.
            progress: called with the bytes proved so far and the bytes in all.

        Raises:
            UnknownXorb: a xorb is not here, or not the sender's to use.
            MalformedShard: anything else is wrong: the layout, a term, a hash, a sha256.
        """
        parsed = Shard.parse(shard)
        check_shard(parsed, lambda name: self._find(name, may_use))
        total = sum(file.size for file in parsed.files)
        done = 0
        accepted = []
        with ThreadPoolExecutor(max_workers=min(len(parsed.files), os.cpu_count() or 2) or 1) as readers:
            pending = [readers.submit(self._prove, file, proved(file.hash)) for file in parsed.files]
            try:
                for file, result in zip(parsed.files, pending, strict=True):
                    extents = result.result()
                    done += file.size
                    progress(done, total)
                    content = LargeFile(str(file.sha256), file.size, extents)
                    accepted.append(XetFile(file.hash, file.terms, content, self._queryable(file.terms)))
            except BaseException:
                for result in pending:
                    result.cancel()
                raise
        return tuple(accepted)

    def _find(self, name: str, may_use: Callable[[str], bool]) -> XorbIndex | None:
        return self.xorbs.find(name) if may_use(name) else None

    def _prove(self, file: ShardFile, proved: str | None) -> tuple[Extent, ...]:
        extents = self.xorbs.extents(file.terms)
        found = proved or self._sha256(extents, file.size)
        if found != file.sha256:
            raise MalformedShard(f"file {file.hash} has sha256 {found}, the shard says {file.sha256}")
        return extents

    def _queryable(self, terms: tuple[Term, ...]) -> tuple[tuple[str, str], ...]:
        found: dict[tuple[str, str], None] = {}
        for number, term in enumerate(terms):
            hashes = self.xorbs.index(term.xorb).hashes_of(term.start, term.end)
            # The first chunk of a file is asked for whatever its hash.
            for chunk in {*([] if number else [0]), *queryable(hashes)}:
                found[hash_string(hashes[HASH_BYTES * chunk : HASH_BYTES * (chunk + 1)]), term.xorb] = None
        return tuple(found)

    def _sha256(self, extents: tuple[Extent, ...], size: int) -> str:
        digest = hashlib.sha256()
        for data in read(self.xorbs.blobs, extents, 0, size):
            digest.update(data)
        return digest.hexdigest()
