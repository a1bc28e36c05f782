"""What a client of the Xet protocol writes, byte by byte and without Enfold's code, so that tests can spoil it."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Sequence

import lz4.frame
from blake3 import blake3

DATA = bytes([102, 151, 245, 119, 91, 149, 80, 222, 49, 53, 203, 172, 165, 151, 24, 28, 157, 228, 33, 16, 155, 235, 43,
              88, 180, 208, 176, 75, 147, 173, 242, 41])  # fmt: skip
NODE = bytes([1, 126, 197, 199, 165, 71, 41, 150, 253, 148, 102, 102, 180, 138, 2, 230, 93, 221, 83, 111, 55, 199, 109,
              210, 248, 99, 82, 230, 74, 83, 113, 63])  # fmt: skip
VERIFY = bytes([127, 24, 87, 214, 206, 86, 237, 102, 18, 127, 249, 19, 231, 165, 195, 243, 164, 205, 38, 213, 181, 219,
                73, 230, 65, 36, 152, 127, 40, 251, 148, 195])  # fmt: skip
TAG = b"HFRepoMetaData\0" + bytes([85, 105, 103, 69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169])
END = b"\xff" * 32 + bytes(16)


def shown(raw: bytes) -> str:
    """A hash as text: each group of eight bytes reversed."""
    return "".join(raw[at : at + 8][::-1].hex() for at in range(0, 32, 8))


def stored(text: str) -> bytes:
    raw = bytes.fromhex(text)
    return b"".join(raw[at : at + 8][::-1] for at in range(0, 32, 8))


def some_chunks(count: int, *, seed: int = 0, length: int = 3000) -> list[bytes]:
    """Chunks of different lengths: even ones of noise, odd ones that compress."""
    source = random.Random(seed)
    return [
        source.randbytes(length + number) if number % 2 == 0 else source.randbytes(7) * (length // 7 + number)
        for number in range(count)
    ]


def chunk_hash(data: bytes) -> bytes:
    return blake3(data, key=DATA).digest()


def root(chunks: Sequence[bytes]) -> bytes:
    return root_of_row([(chunk_hash(chunk), len(chunk)) for chunk in chunks])


def root_of_row(row: list[tuple[bytes, int]]) -> bytes:
    """The root of the tree over chunks, by the wording of the specification."""
    while len(row) > 1:
        above = []
        while row:
            size = len(row)
            if size > 2:
                size = min(9, size)
                for number in range(2, size):
                    if int.from_bytes(row[number][0][24:], "little") % 4 == 0:
                        size = number + 1
                        break
            group, row = row[:size], row[size:]
            text = "".join(f"{shown(name)} : {length}\n" for name, length in group)
            above.append((blake3(text.encode(), key=NODE).digest(), sum(length for _, length in group)))
        row = above
    return row[0][0]


def xorb_name(chunks: Sequence[bytes]) -> str:
    return shown(root(chunks))


def file_name(chunks: Sequence[bytes]) -> str:
    return shown(blake3(root(chunks), key=bytes(32)).digest())


def grouped(data: bytes) -> bytes:
    return data[0::4] + data[1::4] + data[2::4] + data[3::4]


def chunk_body(data: bytes, scheme: int) -> bytes:
    packed = {0: lambda: data, 1: lambda: lz4.frame.compress(data), 2: lambda: lz4.frame.compress(grouped(data))}
    body = packed[scheme]()
    return b"\0" + len(body).to_bytes(3, "little") + bytes([scheme]) + len(data).to_bytes(3, "little") + body


def xorb_body(chunks: Sequence[bytes], *, schemes: Sequence[int] = (0, 1, 2)) -> bytes:
    """A xorb; the schemes are taken in turn."""
    return b"".join(chunk_body(chunk, schemes[number % len(schemes)]) for number, chunk in enumerate(chunks))


def plain_body(chunks: Sequence[bytes]) -> bytes:
    return xorb_body(chunks, schemes=(0,))


def proof(chunks: Sequence[bytes]) -> bytes:
    return blake3(b"".join(map(chunk_hash, chunks)), key=VERIFY).digest()


Term = tuple[Sequence[bytes], int, int]
"""The chunks of a xorb, the first chunk wanted, and the one behind the last."""


def content(terms: Sequence[Term]) -> bytes:
    return b"".join(b"".join(chunks[start:end]) for chunks, start, end in terms)


def file_entry(
    terms: Sequence[Term],
    *,
    name: str | None = None,
    sha256: str | None = "",
    proofs: Sequence[bytes] | None = None,
    lengths: dict[int, int] | None = None,
    ends: dict[int, int] | None = None,
    flags: int | None = None,
    count: int | None = None,
) -> bytes:
    """The records of a file; each argument spoils one thing."""
    pieces = [chunk for chunks, start, end in terms for chunk in chunks[start:end]]
    proofs = [proof(chunks[start:end]) for chunks, start, end in terms] if proofs is None else proofs
    if sha256 == "":
        sha256 = hashlib.sha256(content(terms)).hexdigest()
    if flags is None:
        flags = (0x80000000 if proofs else 0) | (0x40000000 if sha256 else 0)
    out = stored(name or file_name(pieces)) + struct.pack("<II8x", flags, len(terms) if count is None else count)
    for number, (chunks, start, end) in enumerate(terms):
        length = (lengths or {}).get(number, len(b"".join(chunks[start:end])))
        out += stored(xorb_name(chunks)) + struct.pack("<IIII", 0, length, start, (ends or {}).get(number, end))
    for one in proofs:
        out += one + bytes(16)
    return out + (stored(sha256) + bytes(16) if sha256 else b"")


def xorb_entry(chunks: Sequence[bytes], *, name: str | None = None, count: int | None = None) -> bytes:
    total = sum(map(len, chunks))
    out = stored(name or xorb_name(chunks))
    out += struct.pack("<IIII", 0, len(chunks) if count is None else count, total, 0)
    place = 0
    for chunk in chunks:
        out += chunk_hash(chunk) + struct.pack("<II8x", place, len(chunk))
        place += len(chunk)
    return out


def shard(
    files: Sequence[bytes] = (),
    xorbs: Sequence[bytes] = (),
    *,
    tag: bytes = TAG,
    version: int = 2,
    footer: int = 0,
    after: bytes = b"",
) -> bytes:
    header = tag + struct.pack("<QQ", version, footer)
    return header + b"".join(files) + END + b"".join(xorbs) + END + after
