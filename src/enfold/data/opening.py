"""Opening data files: compression, encodings and the faults of a file as a whole.

Lines are read one at a time, so that a file is never in memory twice and every fault can name where it is.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from enfold.errors import DataError, near

__all__ = ["data_suffix", "open_binary", "require_file", "text_lines", "whole_text"]

_COMPRESSED = {".gz": "gzip", ".bz2": "bzip2"}
_CHUNK = 1 << 20


def data_suffix(path: Path) -> str:
    """The suffix that says what a file holds: ``.csv`` of ``reviews.CSV.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def require_file(path: Path, *, source: str) -> None:
    """Refuse a path that is not there or that holds nothing.

    Raises:
        DataError: there is no such file (a near name is suggested), or it is empty.
    """
    if not path.exists():
        beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"no such file: {path}{near(path.name, beside)}")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{source} is empty (0 bytes)")


@contextmanager
def open_binary(path: Path, *, source: str) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, decompressed where its name ends in .gz or .bz2.

    Raises:
        DataError: the file cannot be opened, or is cut short or damaged as a compressed file.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".gz":
            with gzip.open(path, "rb") as stream:
                yield stream  # type: ignore[misc]
        elif suffix == ".bz2":
            with bz2.open(path, "rb") as stream:
                yield stream
        else:
            with path.open("rb") as plain:
                yield plain
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise DataError(f"{source} is not a whole {_COMPRESSED.get(suffix, 'compressed')} file: {error}") from error
    except PermissionError as error:
        raise DataError(f"{source} may not be read: {error.strerror}; check its permissions") from error
    except OSError as error:
        # bz2 reports damage as a bare OSError, without an error number.
        if suffix in _COMPRESSED and error.errno is None:
            raise DataError(f"{source} is not a whole {_COMPRESSED[suffix]} file: {error}") from error
        raise


def text_lines(path: Path, *, source: str, encoding: str) -> Iterator[str]:
    """The lines of a text file with their line ends, decoded; a byte order mark is left out.

    Raises:
        DataError: an invalid byte (its position is named), a NUL character (its line is named), an
            unknown encoding, or a damaged compressed file.
    """
    codec = _codec(encoding)
    with open_binary(path, source=source) as binary:
        stream = io.TextIOWrapper(binary, encoding=codec, newline="")
        try:
            for number, line in enumerate(stream, 1):
                if "\0" in line:
                    raise DataError(_nul(f"line {number} of {source}"))
                yield line
        except UnicodeDecodeError as error:
            raise DataError(_invalid_byte(path, source=source, encoding=encoding)) from error
        except UnicodeError as error:  # UTF-16 without its byte order mark
            raise DataError(f"{source} is not {_shown(encoding)}: {error}") from error
        finally:
            stream.detach()


def whole_text(path: Path, *, source: str, encoding: str) -> str:
    """All of a text file, with line ends as ``\\n``.

    Raises:
        DataError: as in :func:`text_lines`.
    """
    return "".join(text_lines(path, source=source, encoding=encoding)).replace("\r\n", "\n").replace("\r", "\n")


def _nul(place: str) -> str:
    return f"{place} holds a NUL byte: it is not a text file, is damaged, or is UTF-16 (then: encoding='utf-16')"


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(
            f"unknown encoding {encoding!r}; known ones are utf-8, utf-16, cp1252, latin-1, gb18030, …"
        ) from None
    return "utf-8-sig" if name == "utf-8" else name


def _invalid_byte(path: Path, *, source: str, encoding: str) -> str:
    """Find the first byte that does not decode, counted from 0 in the decompressed file, and say the way out."""
    # The plain codec: that of utf-8-sig would hide the three bytes of the mark.
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    read = line = 0
    position, first = 0, b""
    with open_binary(path, source=source) as binary:
        while True:
            chunk = binary.read(_CHUNK)
            first = first or chunk[:2]
            pending = len(decoder.getstate()[0])
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                position = read - pending + error.start
                line += chunk[: max(error.start - pending, 0)].count(b"\n")
                break
            if not chunk:  # pragma: no cover - only if the file changed between two reads
                break
            read += len(chunk)
    if first in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        way_out = "it looks like UTF-16: encoding='utf-16'"
    else:
        way_out = "name the encoding it has (encoding='cp1252', 'gb18030', …) or convert it to UTF-8"
    return f"invalid {_shown(encoding)} at byte {position} of {source} (line {line + 1}); {way_out}"


def _shown(encoding: str) -> str:
    return encoding.upper() if encoding.lower().startswith("utf") else encoding
