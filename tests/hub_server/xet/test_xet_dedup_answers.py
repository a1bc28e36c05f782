"""What a client is told about chunks that are here: keyed hashes, and nothing for one who does not have the chunk."""

import random

import pytest
import xet_writing as written
from blake3 import blake3

from enfold.errors import InputError
from enfold.hub.store import LocalBlobs, XetFiles, Xorbs
from enfold.hub.xet import Shard, XorbIndex, dedup_answer, queryable

CHUNKS = written.some_chunks(5)
NAME = written.xorb_name(CHUNKS)
INDEX = XorbIndex(b"".join(map(written.chunk_hash, CHUNKS)), tuple(map(len, CHUNKS)))
KEY = bytes(range(100, 132))


def test_an_answer_is_a_shard_of_xorbs_with_keyed_hashes():
    answer = dedup_answer([(NAME, INDEX)], key=KEY, now=1000, expires=2000)
    shard = Shard.parse(answer)
    (xorb,) = shard.xorbs
    assert shard.files == ()
    assert (xorb.hash, xorb.lengths) == (NAME, INDEX.lengths)
    assert xorb.hashes == b"".join(blake3(written.chunk_hash(chunk), key=KEY).digest() for chunk in CHUNKS)
    for chunk in CHUNKS:
        assert written.chunk_hash(chunk) not in answer


def test_the_footer_says_where_things_are_and_until_when():
    answer = dedup_answer([(NAME, INDEX)], key=KEY, now=1000, expires=2000)
    footer = answer[-200:]
    numbers = [int.from_bytes(footer[place : place + 8], "little") for place in range(0, 200, 8)]
    assert numbers[:3] == [1, 48, 96]
    assert footer[72:104] == KEY
    assert numbers[13:15] == [1000, 2000]
    assert numbers[-1] == len(answer) - 200
    assert int.from_bytes(answer[40:48], "little") == 200


@pytest.mark.parametrize("key", [b"", bytes(32), b"short", bytes(31) + b"xx"])
def test_a_key_that_would_show_the_hashes(key):
    with pytest.raises(InputError, match="needs a key of 32 bytes that are not all zero"):
        dedup_answer([(NAME, INDEX)], key=key, now=1, expires=2)


def test_one_chunk_in_1024_is_asked_for():
    hashes = random.Random(1).randbytes(32 * 50_000)
    found = queryable(hashes)
    assert found == [
        number
        for number in range(50_000)
        if int.from_bytes(hashes[32 * number + 24 : 32 * number + 32], "little") % 1024 == 0
    ]
    assert 20 < len(found) < 90


def test_a_file_names_the_chunks_that_will_be_asked_for(tmp_path):
    # A chunk whose hash ends in ten zero bits, found by counting.
    wanted = next(
        data
        for number in range(100_000)
        if int.from_bytes(written.chunk_hash(data := b"chunk %d" % number)[24:], "little") % 1024 == 0
    )
    chunks = [b"first", b"second", wanted, b"fourth"]
    xorbs = Xorbs(LocalBlobs(tmp_path))
    with xorbs.receive(written.xorb_name(chunks)) as upload:
        upload.write(written.xorb_body(chunks))
        upload.commit()
    entries = [written.file_entry([(chunks, 0, 4)]), written.file_entry([(chunks, 1, 2), (chunks, 3, 4)])]
    whole, part = XetFiles(xorbs).accept(written.shard(entries))
    name = written.xorb_name(chunks)

    def lines(*named):
        return {(written.shown(written.chunk_hash(chunk)), name) for chunk in named}

    assert set(whole.queryable) == lines(b"first", wanted)
    assert set(part.queryable) == lines(b"second")
