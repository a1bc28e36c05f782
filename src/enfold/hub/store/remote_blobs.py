"""Large content in an object store such as S3.

What arrives is collected on the local disk and checked there; only then is it sent, so that the object store never
holds anything that was refused, and a crash leaves at most an unfinished multipart upload, which the bucket's lifecycle
rule removes. Credentials and the endpoint come from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
``AWS_REGION``, ``AWS_ENDPOINT_URL``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enfold.errors import ServiceError, require
from enfold.hub.store.blobs import READ_BYTES, BlobInfo, DamagedBlob, MissingBlob, checked
from enfold.hub.store.spool import Spool, SpoolWriter

__all__ = ["ObjectStoreBlobs"]

# Two parts are on the way at a time: eight uploads that end together hold 128 MiB.
_PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 2
# S3 takes at most 10,000 parts.
_MOST_PARTS = 9_000


class ObjectStoreBlobs:
    """Blobs as objects under one URL.

    Args:
        url: such as ``s3://bucket/folder``; what obstore understands.
        tmp: a local folder where uploads are collected.
        reserve: bytes of the local disk that uploads never use.

    Raises:
        MissingExtra: obstore is not installed.
        ServiceError: the URL is not one of an object store.
    """

    def __init__(self, url: str, *, tmp: Path, reserve: int = 0) -> None:
        require("obstore", extra="hub", purpose="an object store")
        from obstore import exceptions
        from obstore.store import from_url

        self.url = url
        self.spool = Spool(tmp, reserve=reserve)
        try:
            if url.startswith(("s3://", "s3a://")):
                # Whoever sets a plain-text endpoint in the environment means it.
                self._store = from_url(url, client_options={"allow_http": True})
            else:
                self._store = from_url(url)
        except (exceptions.BaseError, ValueError) as error:
            raise ServiceError(
                f"{url} is not the URL of an object store, such as s3://bucket/folder: {_first_line(error)}"
            ) from error

    def __repr__(self) -> str:
        return f"ObjectStoreBlobs({self.url!r})"

    @contextmanager
    def _named(self, key: str) -> Iterator[None]:
        from obstore import exceptions

        try:
            yield
        except FileNotFoundError as error:
            raise MissingBlob(key) from error
        except exceptions.BaseError as error:
            raise ServiceError(f"the object store {self.url} failed at {key}: {_first_line(error)}") from error

    def create(self, key: str, *, expected: int = 0) -> SpoolWriter:
        """See ``Blobs.create``."""
        return self.spool.writer(checked(key), self.adopt, expected=expected)

    def adopt(self, key: str, file: Path) -> None:
        """See ``Blobs.adopt``; the file is sent in parts of 8 MiB, larger ones where there would be too many."""
        import obstore

        size = file.stat().st_size
        part = max(_PART_BYTES, -(-size // _MOST_PARTS))
        try:
            with self._named(checked(key)):
                obstore.put(self._store, key, file, chunk_size=part, max_concurrency=_PARTS_AT_ONCE)
        except MissingBlob as error:
            raise ServiceError(f"{self.url} does not exist; make the bucket first") from error
        file.unlink()

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """See ``Blobs.read``."""
        import obstore

        with self._named(checked(key)):
            if length is None:
                return obstore.get(self._store, key).bytes().to_bytes()[start:]
            if length == 0:
                return b""
            data = obstore.get_range(self._store, key, start=start, length=length).to_bytes()
        self._check_length(key, start, length, len(data))
        return data

    def open_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """See ``Blobs.open_range``; pieces are as large as the network gives them, a mebibyte or more."""
        import obstore

        if length == 0:
            return
        came = 0
        with self._named(checked(key)):
            answer = obstore.get(self._store, key, options={"range": (start, start + length)})
            for piece in answer.stream(min_chunk_size=READ_BYTES):
                came += len(piece)
                yield bytes(piece)
        self._check_length(key, start, length, came)

    def _check_length(self, key: str, start: int, wanted: int, came: int) -> None:
        if came != wanted:
            raise DamagedBlob(
                f"{key} in {self.url} gave {came} bytes from byte {start} on, {wanted} are wanted; "
                "`enfold hub verify` lists damaged blobs"
            )

    def size(self, key: str) -> int:
        """See ``Blobs.size``."""
        import obstore

        with self._named(checked(key)):
            return obstore.head(self._store, key)["size"]

    def exists(self, key: str) -> bool:
        """See ``Blobs.exists``."""
        try:
            self.size(key)
        except MissingBlob:
            return False
        return True

    def delete(self, key: str) -> None:
        """See ``Blobs.delete``."""
        import obstore

        try:
            with self._named(checked(key)):
                obstore.delete(self._store, key)
        except MissingBlob:
            return

    def path(self, key: str) -> Path | None:
        """None: there are no local files."""
        return None

    def list(self, prefix: str = "") -> Iterator[BlobInfo]:
        """See ``Blobs.list``."""
        import obstore

        with self._named(prefix):
            for page in obstore.list(self._store, prefix or None):
                for found in page:
                    yield BlobInfo(found["path"], found["size"], found["last_modified"].timestamp())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
