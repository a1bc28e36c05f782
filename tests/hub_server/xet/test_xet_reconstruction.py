"""A reader that follows the answer, byte by byte, gets the file: both versions, every range."""

import random

import pytest
import xet_writing as written

from enfold.hub.xet import RangePastEnd, Term, XorbIndex, reconstruction_v1, reconstruction_v2

XORBS = {
    written.xorb_name(chunks): chunks for chunks in (written.some_chunks(5, seed=seed, length=9) for seed in (1, 2))
}
INDEXES = {
    name: XorbIndex(b"".join(map(written.chunk_hash, chunks)), tuple(map(len, chunks)))
    for name, chunks in XORBS.items()
}
FIRST, SECOND = XORBS


def term(xorb, start, end):
    return Term(xorb, start, end, sum(map(len, XORBS[xorb][start:end])))


TERMS = [term(FIRST, 1, 3), term(SECOND, 0, 5), term(FIRST, 2, 4), term(FIRST, 0, 1), term(SECOND, 3, 4)]
CONTENT = b"".join(b"".join(XORBS[one.xorb][one.start : one.end]) for one in TERMS)


def url_for(xorb, start, end):
    return f"{xorb}?{start}-{end}"


def fetched(url, first, last):
    """What the server gives for one range of one URL."""
    xorb, _, signed = url.partition("?")
    assert signed == f"{first}-{last + 1}"
    return written.plain_body(XORBS[xorb])[first : last + 1]


def unpacked(body):
    chunks = []
    while body:
        length = int.from_bytes(body[5:8], "little")
        assert body[0] == body[4] == 0
        assert int.from_bytes(body[1:4], "little") == length
        chunks.append(body[8 : 8 + length])
        body = body[8 + length :]
    return chunks


def rebuilt(answer):
    """The bytes from the first wanted one on, as a reader of either version puts them together."""
    have = {}
    for xorb, entries in answer.get("xorbs", {}).items():
        for entry in entries:
            (one,) = entry["ranges"]
            body = fetched(entry["url"], one["bytes"]["start"], one["bytes"]["end"])
            have.update({(xorb, one["chunks"]["start"] + n): chunk for n, chunk in enumerate(unpacked(body))})
    for xorb, entries in answer.get("fetch_info", {}).items():
        for entry in entries:
            body = fetched(entry["url"], entry["url_range"]["start"], entry["url_range"]["end"])
            have.update({(xorb, entry["range"]["start"] + n): chunk for n, chunk in enumerate(unpacked(body))})
    out = b""
    for one in answer["terms"]:
        data = b"".join(have[one["hash"], number] for number in range(one["range"]["start"], one["range"]["end"]))
        assert len(data) == one["unpacked_length"]
        out += data
    return out[answer["offset_into_first_range"] :]


@pytest.mark.parametrize("answer", [reconstruction_v1, reconstruction_v2])
def test_the_whole_file(answer):
    found = answer(TERMS, index_of=INDEXES.__getitem__, url_for=url_for)
    assert found["offset_into_first_range"] == 0
    assert rebuilt(found) == CONTENT
    assert len(found["terms"]) == len(TERMS)


@pytest.mark.parametrize("answer", [reconstruction_v1, reconstruction_v2])
def test_every_range(answer):
    for start in range(len(CONTENT)):
        for end in {start + 1, start + 2, start + 9, start + 30, len(CONTENT), len(CONTENT) + 50}:
            found = answer(TERMS, index_of=INDEXES.__getitem__, url_for=url_for, start=start, end=end)
            wanted = CONTENT[start:end]
            assert rebuilt(found)[: len(wanted)] == wanted


def test_no_more_chunks_than_wanted_are_sent():
    # Bytes 1 and 2 lie in the first chunk of the first term.
    found = reconstruction_v2(TERMS, index_of=INDEXES.__getitem__, url_for=url_for, start=1, end=3)
    assert [one["range"] for one in found["terms"]] == [{"start": 1, "end": 2}]
    assert found["offset_into_first_range"] == 1
    assert list(found["xorbs"]) == [FIRST]


def test_ranges_of_one_xorb_that_touch_are_one():
    found = reconstruction_v2(TERMS, index_of=INDEXES.__getitem__, url_for=url_for)
    (entry,) = found["xorbs"][FIRST]
    assert entry["ranges"][0]["chunks"] == {"start": 0, "end": 4}


def test_ranges_of_one_xorb_that_do_not_touch_get_a_url_each():
    found = reconstruction_v1([term(FIRST, 0, 1), term(FIRST, 3, 4)], index_of=INDEXES.__getitem__, url_for=url_for)
    assert [entry["range"] for entry in found["fetch_info"][FIRST]] == [{"start": 0, "end": 1}, {"start": 3, "end": 4}]
    assert len({entry["url"] for entry in found["fetch_info"][FIRST]}) == 2


@pytest.mark.parametrize("start", [len(CONTENT), len(CONTENT) + 1, 2**63])
def test_a_range_behind_the_end(start):
    with pytest.raises(
        RangePastEnd, match=f"the range begins at byte {start}, the file has {len(CONTENT)} bytes"
    ) as why:
        reconstruction_v2(TERMS, index_of=INDEXES.__getitem__, url_for=url_for, start=start)
    assert why.value.size == len(CONTENT)


def test_a_range_whose_end_is_before_its_start():
    with pytest.raises(RangePastEnd):
        reconstruction_v2(TERMS, index_of=INDEXES.__getitem__, url_for=url_for, start=5, end=5)


def test_many_random_files():
    source = random.Random(4)
    for _ in range(50):
        terms = []
        for _ in range(source.randint(1, 6)):
            start = source.randint(0, 4)
            terms.append(term(source.choice([FIRST, SECOND]), start, source.randint(start + 1, 5)))
        data = b"".join(b"".join(XORBS[one.xorb][one.start : one.end]) for one in terms)
        start = source.randrange(len(data))
        end = source.randint(start + 1, len(data))
        found = reconstruction_v2(terms, index_of=INDEXES.__getitem__, url_for=url_for, start=start, end=end)
        assert rebuilt(found)[: end - start] == data[start:end]
