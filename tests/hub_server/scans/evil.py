"""Pickles written by hand, which name what they would run and are never run."""

from __future__ import annotations

import io
import pickle
import zipfile

__all__ = ["BY_STACK", "GLOBAL", "GOOD", "INST", "torch_file"]

GLOBAL = b"cos\nsystem\n(S'true'\ntR."
INST = b"(S'true'\nios\nsystem\n."
BY_STACK = b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94."
GOOD = pickle.dumps({"a": [1, 2.5, "text", b"bytes", None, (True, {3, 4})], "b": {"c": range(3)}})


def torch_file(data: bytes, *, packed: bool = False) -> bytes:
    """A zip archive as torch writes them, with this as its pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", bytes(4096))
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()
