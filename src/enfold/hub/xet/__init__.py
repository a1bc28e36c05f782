"""The Xet protocol, by which clients send and fetch large files, as functions of bytes: no disk, no HTTP, no users.

A file is cut by its sender into chunks; chunks travel in *xorbs*, and a *shard* says which chunks of which xorbs make
which file. The modules name the sections of the specification they follow.
"""

from enfold.hub.xet.checking import MAX_SHARD_CHUNKS, check_shard
from enfold.hub.xet.dedup_answers import dedup_answer, queryable
from enfold.hub.xet.hashes import (
    ChunkTree,
    chunk_hash,
    file_hash,
    hash_string,
    parse_hash,
    verification_hash,
    xorb_hash,
)
from enfold.hub.xet.reconstruction import reconstruction_v1, reconstruction_v2
from enfold.hub.xet.refusals import MalformedShard, MalformedXet, MalformedXorb, RangePastEnd, UnknownXorb
from enfold.hub.xet.shards import MAX_SHARD_BYTES, Shard, ShardFile, ShardXorb, Term
from enfold.hub.xet.xorb_index import MAX_CHUNK_BYTES, MAX_CHUNKS, XorbIndex
from enfold.hub.xet.xorb_stream import MAX_BODY_BYTES, MAX_XORB_BYTES, XorbDecoder, plain_header, read_xorb

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_CHUNKS",
    "MAX_CHUNK_BYTES",
    "MAX_SHARD_BYTES",
    "MAX_SHARD_CHUNKS",
    "MAX_XORB_BYTES",
    "ChunkTree",
    "MalformedShard",
    "MalformedXet",
    "MalformedXorb",
    "RangePastEnd",
    "Shard",
    "ShardFile",
    "ShardXorb",
    "Term",
    "UnknownXorb",
    "XorbDecoder",
    "XorbIndex",
    "check_shard",
    "chunk_hash",
    "dedup_answer",
    "file_hash",
    "hash_string",
    "parse_hash",
    "plain_header",
    "queryable",
    "read_xorb",
    "reconstruction_v1",
    "reconstruction_v2",
    "verification_hash",
    "xorb_hash",
]
