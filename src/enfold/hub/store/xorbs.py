"""Xorbs as they are kept: decoded chunks end to end, and an index beside them.

So a file that came by Xet is read like any other, by stretches of plain bytes, and no chunk is ever decompressed twice.
Readers of the Xet protocol get the *plain form*: the same bytes, each chunk behind the header of an uncompressed one,
made while it is sent.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from threading import Lock
from types import TracebackType

from enfold.errors import InputError
from enfold.hub.store.blobs import READ_BYTES, BlobInfo, Blobs, BlobWriter, DamagedBlob, MissingBlob
from enfold.hub.store.extents import Extent, merged
from enfold.hub.store.spool import Buffer
from enfold.hub.xet import MalformedXorb, Term, XorbDecoder, XorbIndex, parse_hash, plain_header

__all__ = ["XorbUpload", "Xorbs"]

# An index has about 36 kilobytes; the largest has 300.
_KEPT_INDEXES = 128


class Xorbs:
    """The xorbs of a store, by hash string. Safe to use from several threads and processes.

    Args:
        blobs: where they are kept.
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self._indexes: OrderedDict[str, XorbIndex] = OrderedDict()
        self._lock = Lock()

    def receive(self, name: str) -> XorbUpload:
        """Begin to receive the xorb ``name``.

        Raises:
            InputError: ``name`` is not a hash string.
            StorageFull: there is no room.
        """
        return XorbUpload(self, name)

    def has(self, name: str) -> bool:
        """Whether the xorb is here now."""
        return self.blobs.exists(_index_key(name))

    def index(self, name: str) -> XorbIndex:
        """The index of a xorb; the last ones are kept in memory.

        Raises:
            MissingBlob: the xorb is not here.
            DamagedBlob: its index is damaged.
        """
        with self._lock:
            kept = self._indexes.get(name)
            if kept is not None:
                self._indexes.move_to_end(name)
                return kept
        return self.keep(name, self._read_index(name))

    def _read_index(self, name: str) -> XorbIndex:
        try:
            return XorbIndex.from_bytes(self.blobs.read(_index_key(name)), name=name)
        except MalformedXorb as error:
            raise DamagedBlob(f"{error}; `enfold hub verify` lists damaged blobs") from error

    def find(self, name: str) -> XorbIndex | None:
        """The index of a xorb, or None where it is not here *now*, whatever is kept in memory."""
        try:
            return self.index(name) if self.has(name) else None
        except MissingBlob:
            return None

    def keep(self, name: str, index: XorbIndex) -> XorbIndex:
        """Keep an index in memory; the same index."""
        with self._lock:
            self._indexes[name] = index
            self._indexes.move_to_end(name)
            while len(self._indexes) > _KEPT_INDEXES:
                self._indexes.popitem(last=False)
        return index

    def extents(self, terms: Iterable[Term]) -> tuple[Extent, ...]:
        """Where the bytes of these terms lie, in order, in as few extents as possible.

        Raises:
            MissingBlob: a xorb is not here.
        """
        return merged(self._extent(term) for term in terms)

    def _extent(self, term: Term) -> Extent:
        start, behind = self.index(term.xorb).bytes_of(term.start, term.end)
        return Extent(xorb_key(term.xorb), start, behind - start)

    def serialised_ranges(self, name: str, ranges: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """The plain form of chunks: for each range (first chunk, chunk behind the last), headers and bytes.

        Raises:
            MissingBlob: the xorb is not here.
            InputError: a range is not inside the xorb.
        """
        index = self.index(name)
        for start, end in ranges:
            if not 0 <= start < end <= len(index):
                raise InputError(f"xorb {name} has {len(index)} chunks; there are no chunks {start} to {end}")
            first, behind = index.plain_bytes_of(start, end)
            yield from self.read_plain(name, first, behind - first)

    def read_plain(self, name: str, start: int, length: int) -> Iterator[bytes]:
        """``length`` bytes of the plain form from byte ``start`` on, in pieces of about a mebibyte.

        Raises:
            MissingBlob: the xorb is not here.
            InputError: the range is not inside the plain form.
        """
        index = self.index(name)
        behind = start + length
        if start < 0 or length < 0 or behind > index.plain_size:
            raise InputError(
                f"bytes {start} to {behind} are not inside xorb {name}, whose plain form has {index.plain_size} bytes"
            )
        chunk = index.chunk_at_plain_byte(start)
        while start < behind:
            last = index.chunks_within(chunk, READ_BYTES)
            piece = self._plain_chunks(name, index, chunk, last)
            first, after = index.plain_bytes_of(chunk, last)
            yield bytes(memoryview(piece)[start - first : min(after, behind) - first])
            start, chunk = after, last

    def _plain_chunks(self, name: str, index: XorbIndex, start: int, end: int) -> bytes:
        first, behind = index.bytes_of(start, end)
        data = memoryview(self.blobs.read(xorb_key(name), first, behind - first))
        pieces: list[bytes | memoryview] = []
        place = 0
        for length in index.lengths[start:end]:
            pieces += (plain_header(length), data[place : place + length])
            place += length
        return b"".join(pieces)

    def check(self, name: str) -> None:
        """Read a whole xorb and hold it against its name.

        Raises:
            MissingBlob: it is not here, or only its index is.
            DamagedBlob: a chunk or the index is damaged.
        """
        index = self._read_index(name)
        decoder = XorbDecoder(name)
        try:
            for start in range(0, len(index), 16):
                decoder.feed(self._plain_chunks(name, index, start, min(start + 16, len(index))))
            fits = decoder.finish().hashes == index.hashes
        except MalformedXorb as error:
            raise DamagedBlob(f"{error}; `enfold hub verify` lists damaged blobs") from error
        if not fits:
            raise DamagedBlob(f"xorb {name} does not fit its index; `enfold hub verify` lists damaged blobs")

    def delete(self, name: str) -> None:
        """Remove a xorb; one that is not here is no error."""
        with self._lock:
            self._indexes.pop(name, None)
        # The index is what says that the xorb is here: it goes first.
        self.blobs.delete(_index_key(name))
        self.blobs.delete(xorb_key(name))

    def list(self) -> Iterator[tuple[str, BlobInfo]]:
        """The hash string of each xorb, and the blob that holds its bytes."""
        for blob in self.blobs.list("xorb"):
            yield blob.key.rpartition("/")[2], blob


class XorbUpload:
    """A xorb while it arrives; leaving the ``with`` block without a commit leaves nothing behind.

    Its bytes are decoded and checked even where the xorb is here already: whoever sends it has to have it.
    """

    def __init__(self, xorbs: Xorbs, name: str) -> None:
        parse_hash(name)
        self.name = name
        self._xorbs = xorbs
        self._decoder = XorbDecoder(name)
        self._writer: BlobWriter = xorbs.blobs.create(xorb_key(name))

    def write(self, data: Buffer) -> None:
        """Take the next piece of the body; a mebibyte or so at a time is quickest.

        Raises:
            MalformedXorb: it cannot be decoded.
        """
        self._writer.write(*self._decoder.feed(data))

    def commit(self) -> tuple[XorbIndex, bool]:
        """End the upload and make the xorb durable: its index, and whether it is new here.

        Raises:
            MalformedXorb: it is cut off, or not the xorb it was announced as; nothing is left of it.
        """
        try:
            index = self._decoder.finish()
        except MalformedXorb:
            self.abort()
            raise
        new = not self._xorbs.has(self.name)
        self._writer.commit()
        with self._xorbs.blobs.create(_index_key(self.name)) as writer:
            writer.write(index.to_bytes())
            writer.commit()
        self._xorbs.keep(self.name, index)
        return index, new

    def abort(self) -> None:
        """Drop what came; harmless after a commit."""
        self._writer.abort()

    def __enter__(self) -> XorbUpload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def xorb_key(name: str) -> str:
    """The key of the blob that holds a xorb's decoded bytes."""
    return f"xorb/{name[:2]}/{name}"


def _index_key(name: str) -> str:
    return f"xorb-index/{name[:2]}/{name}"
