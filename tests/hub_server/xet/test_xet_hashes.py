"""Hashes of the Xet protocol against a second implementation and against the client's own."""

import random

import hf_xet
import pytest
import xet_writing as written

from enfold.errors import InputError
from enfold.hub.xet import ChunkTree, chunk_hash, file_hash, hash_string, parse_hash, verification_hash, xorb_hash


def test_a_hash_is_shown_as_four_little_endian_words():
    raw = bytes(range(32))
    text = hash_string(raw)
    assert text == "07060504030201000f0e0d0c0b0a09081716151413121110" + "1f1e1d1c1b1a1918"
    assert parse_hash(text) == raw


@pytest.mark.parametrize("text", ["", "ab", "A" * 64, "g" * 64, "a" * 65, "a" * 63 + "\n", "٣" * 64, "../" + "a" * 61])
def test_only_64_lower_case_digits_are_a_hash(text):
    with pytest.raises(InputError, match="is not a Xet hash: 64 lower-case hexadecimal digits are expected"):
        parse_hash(text)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 9, 10, 11, 27, 100, 500])
def test_the_tree_is_the_one_of_the_specification(count):
    source = random.Random(count)
    chunks = [source.randbytes(source.randint(1, 60)) for _ in range(count)]
    hashes, lengths = b"".join(map(chunk_hash, chunks)), [len(chunk) for chunk in chunks]
    assert hash_string(xorb_hash(hashes, lengths)) == written.xorb_name(chunks)
    assert hash_string(file_hash(hashes, lengths)) == written.file_name(chunks)
    assert verification_hash(hashes) == written.proof(chunks)


def test_rows_without_a_closing_hash_are_cut_after_nine():
    # Of many chunks those are taken whose hash never closes a group, so that only the limit of nine does.
    source = random.Random(5)
    chunks = [chunk for chunk in (source.randbytes(20) for _ in range(200)) if chunk_hash(chunk)[24] % 4][:28]
    hashes, lengths = b"".join(map(chunk_hash, chunks)), [20] * 28
    assert len(chunks) == 28
    assert hash_string(xorb_hash(hashes, lengths)) == written.xorb_name(chunks)


def test_a_single_chunk_is_its_own_root():
    assert xorb_hash(chunk_hash(b"one"), [3]) == chunk_hash(b"one")


def test_a_small_file_has_the_hash_the_client_computes(tmp_path):
    data = random.Random(1).randbytes(5000)
    (tmp_path / "small").write_bytes(data)
    (client,) = hf_xet.hash_files([str(tmp_path / "small")])
    assert client.hash == hash_string(file_hash(chunk_hash(data), [5000]))


@pytest.mark.parametrize("steps", [1, 7, 8, 9, 10, 100, 8191, 8192, 20_000])
def test_a_tree_is_the_same_whatever_the_steps(steps):
    source = random.Random(steps)
    hashes = source.randbytes(32 * 20_000)
    lengths = [source.randint(1, 1000) for _ in range(20_000)]
    tree = ChunkTree()
    for place in range(0, 20_000, steps):
        tree.add(hashes[32 * place : 32 * (place + steps)], lengths[place : place + steps])
    assert tree.root() == written.root_of_row(
        [(hashes[32 * number : 32 * number + 32], length) for number, length in enumerate(lengths)]
    )


@pytest.mark.parametrize(("hashes", "lengths"), [(bytes(32), []), (bytes(31), [1]), (bytes(64), [1])])
def test_a_tree_needs_as_many_lengths_as_hashes(hashes, lengths):
    with pytest.raises(InputError, match=f"{len(hashes)} bytes, {len(lengths)} lengths"):
        xorb_hash(hashes, lengths)


@pytest.mark.parametrize("make", [xorb_hash, file_hash])
def test_a_tree_needs_a_chunk(make):
    with pytest.raises(InputError, match="a tree needs at least one chunk"):
        make(b"", [])
