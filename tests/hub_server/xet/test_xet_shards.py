"""Reading a shard and holding it against the xorbs: what is right, and every way to be wrong."""

import struct

import pytest
import xet_writing as written

from enfold.hub.xet import MalformedShard, Shard, Term, UnknownXorb, XorbIndex, check_shard, read_xorb

ONE = written.some_chunks(6, seed=1)
TWO = written.some_chunks(4, seed=2)
TERMS = [(ONE, 0, 4), (TWO, 1, 3), (ONE, 2, 6)]
GOOD = written.shard([written.file_entry(TERMS)], [written.xorb_entry(ONE), written.xorb_entry(TWO)])


def index_of(chunks) -> XorbIndex:
    reading = read_xorb([written.xorb_body(chunks)], written.xorb_name(chunks))
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return end.value


KNOWN = {written.xorb_name(chunks): index_of(chunks) for chunks in (ONE, TWO)}


def check(shard):
    check_shard(Shard.parse(shard), KNOWN.get)


def test_a_shard_is_read_whole():
    shard = Shard.parse(GOOD)
    (file,) = shard.files
    data = written.content(TERMS)
    assert file.size == len(data)
    assert file.hash == written.file_name([chunk for chunks, start, end in TERMS for chunk in chunks[start:end]])
    assert file.terms[1] == Term(written.xorb_name(TWO), 1, 3, len(TWO[1]) + len(TWO[2]))
    assert [xorb.hash for xorb in shard.xorbs] == [written.xorb_name(ONE), written.xorb_name(TWO)]
    assert shard.xorbs[0].lengths == tuple(map(len, ONE))


def test_a_good_shard_passes():
    check(GOOD)


def test_a_shard_of_files_alone_passes_where_the_xorbs_are_known():
    check(written.shard([written.file_entry(TERMS), written.file_entry([(TWO, 0, 1)])]))


def test_what_follows_the_records_is_passed_over_where_there_is_a_footer():
    check(written.shard([written.file_entry(TERMS)], footer=200, after=bytes(300)))


@pytest.mark.parametrize(
    ("shard", "why"),
    [
        (b"", "a shard begins with a header of 48 bytes; 0 bytes came"),
        (GOOD[:47], "47 bytes came"),
        (written.shard(tag=b"X" + written.TAG[1:]), "it begins with another tag"),
        (written.shard(version=3), "a shard of version 3 came; version 2 is known"),
        (written.shard(after=b"more"), "4 bytes follow the end of the shard"),
        (GOOD[:-1], "the shard ends inside the list of xorbs"),
        (GOOD[:-48], "the shard ends inside the list of xorbs"),
        (GOOD[:100], "the shard ends inside file .* with 3 terms"),
        (written.shard([written.file_entry(TERMS, count=0xFFFFFFFF)]), "inside file .* with 4294967295 terms"),
        (written.shard([written.file_entry(TERMS, flags=0x1)]), "has flags 0x1, which are not known"),
        (
            written.shard([], [written.xorb_entry(ONE, count=0xFFFFFFFF)]),
            "has 4294967295 chunks, 1 to 8192 are allowed",
        ),
        (written.shard([], [written.xorb_entry(ONE, count=8192)]), "inside xorb .* with 8192 chunks"),
        (written.shard([], [written.xorb_entry(ONE, count=0)]), "has 0 chunks"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_shard_of_the_wrong_form(shard, why):
    with pytest.raises(MalformedShard, match=why):
        Shard.parse(shard)


def test_a_shard_that_is_too_long():
    with pytest.raises(MalformedShard, match="at most 67108864 bytes, not 67108865"):
        Shard.parse(bytes(64 * 1024 * 1024 + 1))


OTHER = written.some_chunks(5, seed=3)
PROOFS = [written.proof(chunks[start:end]) for chunks, start, end in TERMS]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (written.file_entry(TERMS, sha256=None), "comes without its sha256"),
        (written.file_entry(TERMS, proofs=[]), "comes without verification hashes"),
        (written.file_entry(TERMS, proofs=[*PROOFS[:2], PROOFS[0]]), "term 2 .*: the verification hash does not fit"),
        (written.file_entry(TERMS, lengths={0: 1}), "term 0 .* claims 1 bytes, its chunks have"),
        (written.file_entry(TERMS, lengths={1: 0xFFFFFFFF}), "term 1 .* claims 4294967295 bytes"),
        (written.file_entry(TERMS, ends={0: 7}), "wants the chunks 0 to 7 of xorb .*, which has 6"),
        (written.file_entry(TERMS, ends={0: 0xFFFFFFFF}), "wants the chunks 0 to 4294967295"),
        (written.file_entry(TERMS, ends={2: 2}), "wants the chunks 2 to 2"),
        (written.file_entry(TERMS, ends={2: 1}), "wants the chunks 2 to 1"),
        (written.file_entry(TERMS, name="a" * 64), f"the terms of file {'a' * 64} make file"),
        (written.file_entry([], name="b" * 64), "has no terms"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_file_that_does_not_fit_its_xorbs(entry, why):
    with pytest.raises(MalformedShard, match=why):
        check(written.shard([entry]))


def test_a_file_of_an_unknown_xorb():
    with pytest.raises(UnknownXorb, match=f"refers to xorb {written.xorb_name(OTHER)}, which was not uploaded here"):
        check(written.shard([written.file_entry([(ONE, 0, 1), (OTHER, 0, 2)])]))


def test_an_unknown_xorb_in_the_list():
    with pytest.raises(UnknownXorb, match=written.xorb_name(OTHER)):
        check(written.shard([], [written.xorb_entry(OTHER)]))


def test_other_chunks_than_the_xorb_has():
    with pytest.raises(MalformedShard, match="the shard lists other chunks for xorb"):
        check(written.shard([], [written.xorb_entry(TWO, name=written.xorb_name(ONE))]))


def meaning(shard):
    parsed = Shard.parse(shard)
    files = [(file.hash, file.terms, file.verification) for file in parsed.files]
    return files, [(xorb.hash, xorb.hashes, xorb.lengths) for xorb in parsed.xorbs]


def test_any_spoiled_byte_is_an_error_that_says_so_or_changes_nothing():
    # Fields that nothing depends on (flags of terms and xorbs, byte places, padding) may change.
    for place in range(0, len(GOOD), 3):
        spoiled = GOOD[:place] + bytes([GOOD[place] ^ 0x5A]) + GOOD[place + 1 :]
        try:
            check(spoiled)
        except MalformedShard:
            continue
        assert meaning(spoiled) == meaning(GOOD)


def test_lengths_do_not_overflow():
    # 2**32 terms of 2**32 bytes are counted by nobody: the records are not there.
    entry = written.stored("c" * 64) + struct.pack("<II8x", 0xC0000000, 0xFFFFFFFF)
    with pytest.raises(MalformedShard, match="with 4294967295 terms"):
        check(written.shard([entry]))


def test_more_chunks_than_a_shard_may_name():
    entry = written.file_entry([(ONE, 0, 6)] * 1025, ends=dict.fromkeys(range(1025), 8192))
    with pytest.raises(MalformedShard, match="at most 8388608 chunks, not 8396800"):
        check(written.shard([entry]))
