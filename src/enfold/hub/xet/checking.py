"""Holding a shard against the xorbs that are really there.

What is proved here: the sender knows the chunks of every term (verification hashes), the terms lie within their xorbs
and have the lengths they claim, and the file hash is the one of exactly these chunks. What is left to prove is the
sha256, for which the bytes have to be read: see ``enfold.hub.store``.
"""

from __future__ import annotations

from collections.abc import Callable

from enfold.hub.xet.hashes import ChunkTree, hash_string, verification_hash
from enfold.hub.xet.refusals import MalformedShard, UnknownXorb
from enfold.hub.xet.shards import Shard, ShardFile, ShardXorb, Term
from enfold.hub.xet.xorb_index import MAX_CHUNKS, XorbIndex

__all__ = ["MAX_SHARD_CHUNKS", "check_shard"]

MAX_SHARD_CHUNKS = 8 * 1024 * 1024
"""Half a tebibyte in chunks of the usual size. A term is 48 bytes and can name 8192 chunks: this bounds the work."""


def check_shard(shard: Shard, index_of: Callable[[str], XorbIndex | None]) -> None:
    """Check all of a shard but the sha256 of its files.

    Args:
        shard: what came.
        index_of: the index of a xorb by its hash string; None where it is not there or not the sender's to use.

    Raises:
        UnknownXorb: a file or the list of xorbs names a xorb without an index.
        MalformedShard: something contradicts the xorbs, or a file lacks verification hashes or its sha256.
    """
    chunks = sum(min(max(term.end - term.start, 0), MAX_CHUNKS) for file in shard.files for term in file.terms)
    if chunks > MAX_SHARD_CHUNKS:
        raise MalformedShard(f"the files of a shard have at most {MAX_SHARD_CHUNKS} chunks, not {chunks}")
    for xorb in shard.xorbs:
        _check_xorb(xorb, index_of)
    for file in shard.files:
        _check_file(file, index_of)


def _known(name: str, index_of: Callable[[str], XorbIndex | None]) -> XorbIndex:
    index = index_of(name)
    if index is None:
        raise UnknownXorb(f"the shard refers to xorb {name}, which was not uploaded here; upload it first")
    return index


def _check_xorb(xorb: ShardXorb, index_of: Callable[[str], XorbIndex | None]) -> None:
    index = _known(xorb.hash, index_of)
    if xorb.hashes != index.hashes or xorb.lengths != index.lengths:
        raise MalformedShard(f"the shard lists other chunks for xorb {xorb.hash} than the xorb has")


def _check_file(file: ShardFile, index_of: Callable[[str], XorbIndex | None]) -> None:
    if not file.terms:
        raise MalformedShard(f"file {file.hash} has no terms")
    if file.sha256 is None:
        raise MalformedShard(f"file {file.hash} comes without its sha256")
    if len(file.verification) != len(file.terms):
        raise MalformedShard(f"file {file.hash} comes without verification hashes for its terms")
    tree = ChunkTree()
    for number, (term, proof) in enumerate(zip(file.terms, file.verification, strict=True)):
        index = _known(term.xorb, index_of)
        _check_term(file, number, term, index)
        own = index.hashes_of(term.start, term.end)
        if verification_hash(own) != proof:
            raise MalformedShard(f"term {number} of file {file.hash}: the verification hash does not fit the chunks")
        tree.add(own, index.lengths[term.start : term.end])
    found = hash_string(tree.file_hash())
    if found != file.hash:
        raise MalformedShard(f"the terms of file {file.hash} make file {found}")


def _check_term(file: ShardFile, number: int, term: Term, index: XorbIndex) -> None:
    if not 0 <= term.start < term.end <= len(index):
        raise MalformedShard(
            f"term {number} of file {file.hash} wants the chunks {term.start} to {term.end} of xorb {term.xorb}, "
            f"which has {len(index)}"
        )
    first, behind = index.bytes_of(term.start, term.end)
    if behind - first != term.length:
        raise MalformedShard(
            f"term {number} of file {file.hash} claims {term.length} bytes, its chunks have {behind - first}"
        )
