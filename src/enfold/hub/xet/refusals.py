"""What is wrong with something a client sent in the Xet protocol.

MalformedXet            the bytes are not what they claim to be (HTTP 400)
 ├─ MalformedXorb       a xorb: a header, a length, a chunk, the hash of the whole
 └─ MalformedShard      a shard: its layout, a term, a hash
     └─ UnknownXorb     it refers to a xorb that this store does not hold, or that the sender may not use
RangePastEnd            a reconstruction was asked for bytes behind the end of the file (HTTP 416)
"""

from __future__ import annotations

from enfold.errors import InputError

__all__ = ["MalformedShard", "MalformedXet", "MalformedXorb", "RangePastEnd", "UnknownXorb"]


class MalformedXet(InputError):
    """Bytes received in the Xet protocol are not what they claim to be."""


class MalformedXorb(MalformedXet):
    """A xorb cannot be decoded, or is not the one its hash names."""


class MalformedShard(MalformedXet):
    """A shard cannot be read, or contradicts the xorbs it refers to."""


class UnknownXorb(MalformedShard):
    """A shard refers to a xorb that is not there, or that its sender may not use: both look alike."""


class RangePastEnd(InputError):
    """A range begins behind the end of the file; ``size`` is the file's length in bytes."""

    def __init__(self, start: int, size: int) -> None:
        self.size = size
        super().__init__(f"the range begins at byte {start}, the file has {size} bytes")
