"""The small text that stands in git for a large file, and the attributes that say which files are large.

Source: git-lfs, docs/spec.md, version 1.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["DEFAULT_ATTRIBUTES", "LARGE_PATTERNS", "Pointer", "parse_pointer"]

_VERSION = b"version https://git-lfs.github.com/spec/v1\n"
_LONGEST = 1024  # the specification: a pointer is smaller than this
_LINE = re.compile(rb"([a-z0-9.\-]+) ([^\n\r]*)")
_OID = re.compile(rb"sha256:([0-9a-f]{64})")
_SIZE = re.compile(rb"0|[1-9][0-9]{0,18}")

LARGE_PATTERNS = tuple(
    "*.7z *.arrow *.bin *.bin.* *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.model *.msgpack *.npy *.npz "
    "*.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors *.tar *.tar.* *.tflite "
    "*.tgz *.wasm *.xz *.zip *.zst *tfevents*".split()
)
"""File names that are kept outside git in a new repository."""

DEFAULT_ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in LARGE_PATTERNS).encode()
"""The bytes of a new repository's ``.gitattributes``."""


class Pointer(NamedTuple):
    """What a pointer says: the sha256 of the content as 64 hex digits, and its size in bytes."""

    sha256: str
    size: int

    def encode(self) -> bytes:
        """The text git-lfs would write."""
        return _VERSION + f"oid sha256:{self.sha256}\nsize {self.size}\n".encode()


def parse_pointer(data: bytes) -> Pointer | None:
    """Read a pointer, or None when the bytes are an ordinary file.

    Keys may come in any order after the version, as older writers put them, and unknown keys are allowed.
    """
    if len(data) >= _LONGEST or not data.startswith(_VERSION):
        return None
    fields: dict[bytes, bytes] = {}
    for line in data[len(_VERSION) :].rstrip(b"\n").split(b"\n"):
        match = _LINE.fullmatch(line)
        if match is None or match.group(1) in fields:
            return None
        fields[match.group(1)] = match.group(2)
    oid, size = _OID.fullmatch(fields.get(b"oid", b"")), _SIZE.fullmatch(fields.get(b"size", b""))
    if oid is None or size is None:
        return None
    return Pointer(oid.group(1).decode(), int(size.group()))
