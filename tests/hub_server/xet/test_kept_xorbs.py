"""Xorbs and files of the Xet protocol on disk."""

import hashlib
import os
import tracemalloc

import pytest
import xet_writing as written

from enfold.errors import InputError
from enfold.hub.store import DamagedBlob, LocalBlobs, MissingBlob, ObjectStoreBlobs, XetFiles, Xorbs
from enfold.hub.store.extents import read, segments
from enfold.hub.xet import MalformedShard, MalformedXorb, Term, UnknownXorb

ONE = written.some_chunks(9, seed=1)
TWO = written.some_chunks(4, seed=2)
NAME = written.xorb_name(ONE)


@pytest.fixture
def xorbs(tmp_path):
    return Xorbs(LocalBlobs(tmp_path / "blobs", tmp=tmp_path / "tmp"))


def send(xorbs, chunks, *, body=None, name=None):
    with xorbs.receive(name or written.xorb_name(chunks)) as upload:
        upload.write(written.xorb_body(chunks) if body is None else body)
        return upload.commit()


def files_under(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_xorb_is_kept_decoded_with_an_index_beside_it(xorbs, tmp_path):
    index, new = send(xorbs, ONE)
    assert new
    assert files_under(tmp_path) == [f"blobs/xorb-index/{NAME[:2]}/{NAME}", f"blobs/xorb/{NAME[:2]}/{NAME}"]
    assert (tmp_path / f"blobs/xorb/{NAME[:2]}/{NAME}").read_bytes() == b"".join(ONE)
    assert Xorbs(xorbs.blobs).index(NAME) == index


def test_a_xorb_that_comes_again_is_checked_again(xorbs):
    send(xorbs, ONE)
    assert send(xorbs, ONE)[1] is False
    with pytest.raises(MalformedXorb):
        send(xorbs, ONE, body=written.xorb_body(TWO))
    assert xorbs.has(NAME)


@pytest.mark.parametrize(
    "body", [b"", written.xorb_body(ONE)[:-1], written.xorb_body(TWO), b"garbage" * 100], ids=["", "cut", "other", "no"]
)
def test_nothing_is_left_of_a_xorb_that_is_refused(xorbs, tmp_path, body):
    with pytest.raises(MalformedXorb):
        send(xorbs, ONE, body=body)
    assert files_under(tmp_path) == []
    assert not xorbs.has(NAME)
    assert xorbs.find(NAME) is None


def test_nothing_is_left_of_an_upload_that_breaks_off(xorbs, tmp_path):
    with pytest.raises(ConnectionError), xorbs.receive(NAME) as upload:
        upload.write(written.xorb_body(ONE)[:9000])
        raise ConnectionError
    assert files_under(tmp_path) == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, NAME[:-1]])
def test_a_name_that_is_no_hash(xorbs, name):
    with pytest.raises(InputError, match="is not a Xet hash"):
        xorbs.receive(name)


def test_readers_get_the_plain_form_by_chunks(xorbs):
    send(xorbs, ONE)
    found = b"".join(xorbs.serialised_ranges(NAME, [(0, 2), (5, 9)]))
    assert found == written.plain_body(ONE[:2]) + written.plain_body(ONE[5:9])


def test_readers_get_the_plain_form_by_bytes(xorbs):
    send(xorbs, ONE)
    plain = written.plain_body(ONE)
    index = xorbs.index(NAME)
    assert index.plain_size == len(plain)
    edges = sorted(
        {max(0, min(len(plain), int(at) + 8 * n + step)) for n, at in enumerate(index.starts) for step in range(-9, 10)}
    )
    for start in edges[::5]:
        for end in edges[::7]:
            if start <= end:
                assert b"".join(xorbs.read_plain(NAME, start, end - start)) == plain[start:end]


@pytest.mark.parametrize("wanted", [(0, 10), (3, 3), (4, 2), (-1, 2), (9, 10)])
def test_chunks_that_are_not_there(xorbs, wanted):
    send(xorbs, ONE)
    with pytest.raises(InputError, match=f"has 9 chunks; there are no chunks {wanted[0]} to {wanted[1]}"):
        list(xorbs.serialised_ranges(NAME, [wanted]))


@pytest.mark.parametrize(("start", "length"), [(0, 10**6), (-1, 5), (10**9, 0), (5, -1)])
def test_bytes_that_are_not_there(xorbs, start, length):
    send(xorbs, ONE)
    with pytest.raises(InputError, match="are not inside xorb"):
        list(xorbs.read_plain(NAME, start, length))


def test_a_xorb_that_another_process_removed_is_not_found(xorbs):
    send(xorbs, ONE)
    Xorbs(xorbs.blobs).delete(NAME)
    assert xorbs.find(NAME) is None
    with pytest.raises(MissingBlob, match=f"xorb/{NAME[:2]}/{NAME} is not in the store"):
        list(xorbs.read_plain(NAME, 0, 10))


def test_all_xorbs_are_listed(xorbs):
    send(xorbs, ONE)
    send(xorbs, TWO)
    assert {name: blob.size for name, blob in xorbs.list()} == {
        written.xorb_name(chunks): len(b"".join(chunks)) for chunks in (ONE, TWO)
    }


def test_damage_on_disk_is_found(xorbs, tmp_path):
    send(xorbs, ONE)
    xorbs.check(NAME)
    file = tmp_path / f"blobs/xorb/{NAME[:2]}/{NAME}"
    data = bytearray(file.read_bytes())
    data[5000] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedBlob, match="its chunks make"):
        xorbs.check(NAME)
    (tmp_path / f"blobs/xorb-index/{NAME[:2]}/{NAME}").write_bytes(b"nonsense")
    for look in (xorbs.check, Xorbs(xorbs.blobs).index):
        with pytest.raises(DamagedBlob, match=f"the index of xorb {NAME} is damaged; `enfold hub verify`"):
            look(NAME)


def test_memory_does_not_grow_with_the_xorb(xorbs):
    chunk = os.urandom(65536)
    body = written.chunk_body(chunk, 0) * 16
    name = written.xorb_name([chunk] * 320)
    tracemalloc.start()
    with xorbs.receive(name) as upload:
        for _ in range(20):
            upload.write(body)
        upload.commit()
    for _ in xorbs.read_plain(name, 0, xorbs.index(name).plain_size):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


TERMS = [(ONE, 0, 4), (ONE, 4, 7), (TWO, 1, 3), (ONE, 2, 6)]


def test_a_file_becomes_extents(xorbs):
    send(xorbs, ONE)
    send(xorbs, TWO)
    entry = written.file_entry(TERMS)
    seen = []
    (file,) = XetFiles(xorbs).accept(
        written.shard([entry], [written.xorb_entry(ONE)]), progress=lambda done, total: seen.append((done, total))
    )
    data = written.content(TERMS)
    assert file.content.sha256 == hashlib.sha256(data).hexdigest()
    assert file.content.size == len(data)
    assert [extent.start for extent in file.content.extents] == [0, len(TWO[0]), len(ONE[0]) + len(ONE[1])]
    assert b"".join(read(xorbs.blobs, file.content.extents, 0, len(data))) == data
    assert b"".join(read(xorbs.blobs, file.content.extents, 100, 20_000)) == data[100:20_100]
    assert seen == [(len(data), len(data))]
    sent = b""
    for segment in segments(xorbs.blobs, file.content.extents, 7, 25_000):
        sent += segment.path.read_bytes()[segment.start : segment.start + segment.length]
    assert sent == data[7:25_007]
    assert file.terms[0] == Term(NAME, 0, 4, len(b"".join(ONE[:4])))


def test_a_wrong_sha256_is_refused(xorbs):
    send(xorbs, ONE)
    with pytest.raises(MalformedShard, match=f"the shard says {'a' * 64}"):
        XetFiles(xorbs).accept(written.shard([written.file_entry([(ONE, 0, 3)], sha256="a" * 64)]))


def test_one_wrong_file_refuses_the_shard(xorbs):
    send(xorbs, ONE)
    good = [written.file_entry([(ONE, number, 9)]) for number in range(5)]
    with pytest.raises(MalformedShard, match="has sha256"):
        XetFiles(xorbs).accept(written.shard([*good, written.file_entry([(ONE, 0, 3)], sha256="b" * 64)]))


def test_a_sha256_that_was_proved_is_not_computed_again(xorbs, tmp_path):
    send(xorbs, ONE)
    shard = written.shard([written.file_entry([(ONE, 0, 3)])])
    files = XetFiles(xorbs)
    (file,) = files.accept(shard)
    # The bytes are gone, so that reading them would fail.
    (tmp_path / f"blobs/xorb/{NAME[:2]}/{NAME}").unlink()
    assert files.accept(shard, proved={file.hash: file.content.sha256}.get) == (file,)
    with pytest.raises(MalformedShard, match="has sha256 ccc"):
        files.accept(shard, proved=lambda name: "c" * 64)


def test_a_xorb_that_is_not_the_senders_is_unknown(xorbs):
    send(xorbs, ONE)
    shard = written.shard([written.file_entry([(ONE, 0, 3)])])
    missing = written.shard([written.file_entry([(TWO, 0, 3)])])
    messages = []
    for one in (shard, missing):
        with pytest.raises(UnknownXorb) as why:
            XetFiles(xorbs).accept(one, usable=lambda names: set())
        messages.append(str(why.value).replace(NAME, "X").replace(written.xorb_name(TWO), "X"))
    assert messages[0] == messages[1]


def test_who_may_use_what_is_asked_once_for_all_xorbs(xorbs):
    send(xorbs, ONE)
    send(xorbs, TWO)
    asked = []
    shard = written.shard([written.file_entry(TERMS)], [written.xorb_entry(ONE)])
    XetFiles(xorbs).accept(shard, usable=lambda names: asked.append(names) or names)
    assert asked == [{NAME, written.xorb_name(TWO)}]


def test_a_file_may_be_refused_before_its_bytes_are_read(xorbs, tmp_path):
    send(xorbs, ONE)
    (tmp_path / f"blobs/xorb/{NAME[:2]}/{NAME}").unlink()

    def admit(file):
        assert file.size == 9 * len(b"".join(ONE))
        raise InputError("too large")

    with pytest.raises(InputError, match="too large"):
        XetFiles(xorbs).accept(written.shard([written.file_entry([(ONE, 0, 9)] * 9)]), admit=admit)


def test_a_shard_without_files_is_nothing(xorbs):
    assert XetFiles(xorbs).accept(written.shard()) == ()


def test_all_of_it_works_in_an_object_store_too(tmp_path):
    xorbs = Xorbs(ObjectStoreBlobs("memory:///", tmp=tmp_path))
    send(xorbs, ONE)
    send(xorbs, TWO)
    (file,) = XetFiles(xorbs).accept(written.shard([written.file_entry(TERMS)]))
    extents, size = file.content.extents, file.content.size
    assert b"".join(read(xorbs.blobs, extents, 0, size)) == written.content(TERMS)
    assert segments(xorbs.blobs, extents, 0, size) is None
    assert b"".join(xorbs.read_plain(NAME, 5, 9000)) == written.plain_body(ONE)[5:9005]
    xorbs.check(NAME)
    xorbs.delete(NAME)
    assert xorbs.find(NAME) is None
    assert [name for name, _ in xorbs.list()] == [written.xorb_name(TWO)]
    assert list(tmp_path.iterdir()) == []
