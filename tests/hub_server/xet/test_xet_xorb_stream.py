"""Decoding a xorb as it arrives: every scheme, pieces of any size, and every way to spoil one."""

import random
import tracemalloc

import lz4.frame
import pytest
import xet_writing as written

from enfold.hub.xet import MAX_BODY_BYTES, MAX_CHUNKS, MalformedXorb, XorbDecoder, read_xorb

CHUNKS = written.some_chunks(7)
NAME = written.xorb_name(CHUNKS)


def decoded(body, name=NAME, *, step=1000):
    reading = read_xorb((body[at : at + step] for at in range(0, len(body), step)), name)
    chunks = []
    while True:
        try:
            chunks.append(bytes(next(reading)))
        except StopIteration as end:
            return chunks, end.value


@pytest.mark.parametrize("schemes", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("step", [1, 7, 8, 9, 1000, 10**6])
def test_chunks_come_out_whatever_the_scheme_and_the_pieces(schemes, step):
    chunks, index = decoded(written.xorb_body(CHUNKS, schemes=schemes), step=step)
    assert chunks == CHUNKS
    assert index.hash == NAME
    assert index.lengths == tuple(map(len, CHUNKS))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 1001, 1002, 1003])
def test_byte_groups_with_a_remainder(length):
    chunk = random.Random(length).randbytes(length)
    assert decoded(written.chunk_body(chunk, 2), written.xorb_name([chunk]))[0] == [chunk]


@pytest.mark.parametrize("step", [1, 5, 10**6])
def test_a_footer_of_older_clients_is_passed_over(step):
    body = written.xorb_body(CHUNKS) + b"XETBLOB" + bytes(500)
    assert decoded(body, step=step)[0] == CHUNKS


def test_frames_with_checksums_and_content_size_are_read():
    chunk = b"abc" * 1000
    packed = lz4.frame.compress(chunk, content_checksum=True, block_checksum=True, store_size=True)
    head = b"\0" + len(packed).to_bytes(3, "little") + b"\1" + len(chunk).to_bytes(3, "little")
    assert decoded(head + packed, written.xorb_name([chunk]))[0] == [chunk]


def header(stored, scheme, raw, version=0):
    return bytes([version]) + stored.to_bytes(3, "little") + bytes([scheme]) + raw.to_bytes(3, "little")


BODY = written.xorb_body(CHUNKS)
WRONG_BYTE = BODY[:100] + bytes([BODY[100] ^ 1]) + BODY[101:]
LONG_FRAME = lz4.frame.compress(bytes(5000))
TWO_FRAMES = lz4.frame.compress(b"a" * 50) + lz4.frame.compress(b"b" * 50)
HUGE_FRAME = lz4.frame.compress(bytes(10_000_000))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it holds no chunk"),
        (b"XETBLOB" + bytes(20), "it holds no chunk"),
        (WRONG_BYTE, "its chunks make"),
        (BODY[:-1], "it is cut off in chunk 6"),
        (BODY + b"\0\0", "it is cut off in chunk 7"),
        (written.xorb_body(CHUNKS[:-1]), "its chunks make"),
        (written.xorb_body([*CHUNKS, b"more"]), "its chunks make"),
        (header(4, 0, 4, version=1) + b"abcd", "chunk 0 has version 1, only 0 is known"),
        (BODY + b"X-FOOTER", "chunk 7 has version 88, only 0 is known"),
        (header(4, 3, 4) + b"abcd", "chunk 0 has compression scheme 3; 0, 1 and 2 are known"),
        (header(4, 0, 5) + b"abcd", "chunk 0 claims 5 bytes and has 4"),
        (header(0, 0, 5), "chunk 0 takes 0 bytes for 5"),
        (header(5, 0, 0) + b"abcde", "chunk 0 claims 0 bytes, 1 to 131072 are allowed"),
        (header(131073, 0, 131073), "chunk 0 claims 131073 bytes, 1 to 131072 are allowed"),
        (header(0xFFFFFF, 1, 0xFFFFFF), "chunk 0 claims 16777215 bytes"),
        (header(5000, 1, 100), "chunk 0 takes 5000 bytes for 100"),
        (header(20, 1, 100) + bytes(20), "chunk 0 is not LZ4 data"),
        (header(len(LONG_FRAME), 1, 4999) + LONG_FRAME, "chunk 0 claims 4999 bytes and has 5000"),
        (header(len(LONG_FRAME), 1, 5001) + LONG_FRAME, "chunk 0 claims 5001 bytes and has 5000"),
        (header(len(LONG_FRAME) - 1, 1, 5000) + LONG_FRAME[:-1], "does not hold exactly one LZ4 frame of 5000"),
        (header(len(TWO_FRAMES), 1, 100) + TWO_FRAMES, "does not hold exactly one LZ4 frame"),
        (header(len(HUGE_FRAME), 2, 131072) + HUGE_FRAME, "does not hold exactly one LZ4 frame of 131072"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(body, why):
    with pytest.raises(MalformedXorb, match=f"xorb {NAME} is refused: .*{why}"):
        decoded(body)


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_any_spoiled_byte_is_refused_in_words(change):
    source = random.Random(change)
    for _ in range(300):
        place = source.randrange(len(BODY))
        spoiled = BODY[:place] + bytes([BODY[place] ^ change]) + BODY[place + 1 :]
        try:
            chunks, _ = decoded(spoiled, step=source.randint(1, 9000))
        except MalformedXorb as refusal:
            assert str(refusal).startswith(f"xorb {NAME} is refused: ")
        else:
            # Some bits of an LZ4 frame mean nothing; then the chunks are the same.
            assert chunks == CHUNKS


def test_more_chunks_than_allowed():
    body = written.chunk_body(b"x", 0) * (MAX_CHUNKS + 1)
    with pytest.raises(MalformedXorb, match="it has more than 8192 chunks"):
        decoded(body)


def test_a_body_that_decodes_to_more_than_64_mebibytes():
    chunk = written.chunk_body(bytes(131072), 1)
    with pytest.raises(MalformedXorb, match="it decodes to more than 67108864 bytes"):
        decoded(chunk * 513, step=100_000)


def test_a_full_xorb_is_longer_than_64_mebibytes_by_its_headers():
    chunk = bytes(65536)
    decoder = XorbDecoder(written.xorb_name([chunk] * 1024))
    for _ in range(1024):
        decoder.feed(written.chunk_body(chunk, 0))
    assert decoder.finish().size == 64 * 1024 * 1024


def test_a_body_without_end_is_refused():
    decoder = XorbDecoder(NAME)
    decoder.feed(b"XETBLOB ")
    with pytest.raises(MalformedXorb, match=f"it is longer than {MAX_BODY_BYTES} bytes"):
        for _ in range(100):
            decoder.feed(bytes(1_000_000))


def test_a_frame_that_inflates_without_end_takes_no_memory():
    tracemalloc.start()
    with pytest.raises(MalformedXorb):
        decoded(header(len(HUGE_FRAME), 1, 131072) + HUGE_FRAME)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_memory_stays_at_a_piece_and_a_chunk():
    chunk = random.Random(2).randbytes(65536)
    name = written.xorb_name([chunk] * 300)
    body = written.chunk_body(chunk, 0)
    decoder = XorbDecoder(name)
    tracemalloc.start()
    for _ in range(300):
        decoder.feed(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert decoder.finish().size == 300 * 65536
    assert peak < 1_000_000
