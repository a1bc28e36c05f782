"""Files that arrive by LFS: in one piece and in parts; what does not fit is refused and leaves nothing."""

import hashlib
import os
import random
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from enfold.errors import InputError
from enfold.hub.store import (
    DamagedBlob,
    Extent,
    LargeFile,
    LargeFiles,
    LocalBlobs,
    MissingBlob,
    StorageFull,
    UploadRefused,
)
from enfold.hub.store.extents import cut, merged
from enfold.hub.store.parts import PartedUpload

DATA = random.Random(0).randbytes(1_000_000)  # the same in every process, since names of tests come from it
SHA256 = hashlib.sha256(DATA).hexdigest()
KEY = f"file/{SHA256[:2]}/{SHA256}"


@pytest.fixture
def large_files(tmp_path):
    return LargeFiles(LocalBlobs(tmp_path / "blobs", tmp=tmp_path / "tmp"))


def files_under(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def send(large_files, data, *, sha256=SHA256, size=len(DATA), step=300_000):
    with large_files.begin_upload(sha256, size) as upload:
        for place in range(0, len(data), step):
            upload.write(data[place : place + step])
        return upload.commit()


@pytest.mark.parametrize("step", [997, 131_072, 10**6])
def test_an_upload_is_one_extent(large_files, tmp_path, step):
    file = send(large_files, DATA, step=step)
    assert file == LargeFile(SHA256, len(DATA), (Extent(KEY, 0, len(DATA)),))
    assert b"".join(large_files.read(file)) == DATA
    assert b"".join(large_files.read(file, 10, 20)) == DATA[10:30]
    assert b"".join(large_files.read(file, 999_990)) == DATA[-10:]
    (segment,) = large_files.segments(file, 5, 100)
    assert (segment.path, segment.start, segment.length) == (tmp_path / "blobs" / KEY, 5, 100)
    assert files_under(tmp_path) == [f"blobs/{KEY}"]


def test_an_empty_file_has_no_extents(large_files):
    file = send(large_files, b"", sha256=hashlib.sha256(b"").hexdigest(), size=0)
    assert file.extents == ()
    assert list(large_files.read(file)) == []
    assert large_files.segments(file) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (DATA[:-1], f"999999 bytes of {SHA256} came, 1000000 were announced"),
        (b"", f"0 bytes of {SHA256} came, 1000000 were announced"),
        (DATA + b"x", f"more than the announced 1000000 bytes of {SHA256} came"),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), f"the bytes have sha256 .*, {SHA256} was announced; nothing was stored"),
    ],
    ids=["short", "empty", "long", "other"],
)
def test_what_does_not_fit_leaves_nothing(large_files, tmp_path, data, why):
    with pytest.raises(UploadRefused, match=why):
        send(large_files, data)
    assert files_under(tmp_path) == []


def test_a_broken_connection_leaves_nothing(large_files, tmp_path):
    with pytest.raises(ConnectionError), large_files.begin_upload(SHA256, len(DATA)) as upload:
        upload.write(DATA[:500_000])
        raise ConnectionError
    assert files_under(tmp_path) == []


@pytest.mark.parametrize(
    ("sha256", "size", "why"),
    [
        ("abc", 1, "'abc' is not a sha256: 64 lower-case hexadecimal digits are expected"),
        ("../" + "a" * 61, 1, "is not a sha256"),
        (SHA256.upper(), 1, "is not a sha256"),
        (SHA256, -1, "a file of -1 bytes cannot be"),
    ],
)
def test_what_cannot_be_announced(large_files, sha256, size, why):
    for begin in (large_files.begin_upload, lambda *what: large_files.begin_parts(*what, 100)):
        with pytest.raises(InputError, match=why):
            begin(sha256, size)


def test_a_file_larger_than_the_disk(large_files, tmp_path):
    for begin in (large_files.begin_upload, lambda *what: large_files.begin_parts(*what, 100)):
        with pytest.raises(StorageFull, match=f"{2**60} are wanted"):
            begin(SHA256, 2**60)
    assert files_under(tmp_path) == []


def test_memory_does_not_grow_with_the_file(large_files):
    piece = os.urandom(1_000_000)
    digest = hashlib.sha256(piece * 30).hexdigest()
    tracemalloc.start()
    with large_files.begin_upload(digest, 30_000_000) as upload:
        for _ in range(30):
            upload.write(piece)
        file = upload.commit()
    for _ in large_files.read(file):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_a_file_whose_bytes_are_gone(large_files):
    file = send(large_files, DATA)
    large_files.blobs.delete(KEY)
    with pytest.raises(MissingBlob):
        list(large_files.read(file))
    with pytest.raises(MissingBlob):
        large_files.segments(file)


def test_damage_on_disk_is_found(large_files, tmp_path):
    file = send(large_files, DATA)
    large_files.check(file)
    (tmp_path / "blobs" / KEY).write_bytes(bytes(len(DATA)))
    with pytest.raises(DamagedBlob, match=f"file {SHA256} is damaged: its bytes have sha256"):
        large_files.check(file)


@pytest.mark.parametrize(("start", "length"), [(0, 1_000_001), (1_000_001, 0), (-1, 2), (3, -1)])
def test_ranges_outside_the_file(large_files, start, length):
    file = send(large_files, DATA)
    with pytest.raises(InputError, match=f"bytes {start} to {start + length} are not inside a file of 1000000 bytes"):
        list(large_files.read(file, start, length))


# parts


def send_part(large_files, upload, number, data):
    with large_files.part(upload, number) as part:
        for place in range(0, len(data), 70_000):
            part.write(data[place : place + 70_000])
        return part.commit()


def parts_of(data, size):
    return [data[place : place + size] for place in range(0, len(data), size)]


def begun(large_files, size=300_000):
    upload = large_files.begin_parts(SHA256, len(DATA), size)
    return upload, parts_of(DATA, size)


def test_parts_come_in_any_order_and_after_a_restart(large_files, tmp_path):
    upload, parts = begun(large_files)
    etags = {}
    for number in (4, 2, 1, 3):
        again = LargeFiles(LocalBlobs(tmp_path / "blobs", tmp=tmp_path / "tmp"))
        etags[number] = send_part(again, upload, number, parts[number - 1])
    file = large_files.complete(upload, sorted(etags.items()))
    assert file.extents == (Extent(KEY, 0, len(DATA)),)
    assert b"".join(large_files.read(file)) == DATA
    assert files_under(tmp_path) == [f"blobs/{KEY}"]


def test_a_part_may_be_sent_again(large_files):
    upload, parts = begun(large_files)
    send_part(large_files, upload, 1, bytes(300_000))
    etags = [(number, send_part(large_files, upload, number, part)) for number, part in enumerate(parts, start=1)]
    assert large_files.complete(upload, etags).size == len(DATA)


def test_a_part_that_breaks_off_does_not_count(large_files):
    upload, parts = begun(large_files)
    etags = [(number, send_part(large_files, upload, number, part)) for number, part in enumerate(parts, start=1)]
    with large_files.part(upload, 2) as part:
        part.write(parts[1][:10])
    with pytest.raises(UploadRefused, match="part 2 of 4 has not arrived as named; send it again"):
        large_files.complete(upload, etags)
    send_part(large_files, upload, 2, parts[1])
    assert large_files.complete(upload, etags).sha256 == SHA256


@pytest.mark.parametrize("number", [0, 5, -1])
def test_a_part_that_cannot_be(large_files, number):
    upload, _ = begun(large_files)
    with pytest.raises(UploadRefused, match=f"part {number} cannot be: the upload has the parts 1 to 4"):
        large_files.part(upload, number)


def test_parts_of_the_wrong_length(large_files):
    upload, parts = begun(large_files)
    with pytest.raises(UploadRefused, match="part 4 is longer than announced"):
        send_part(large_files, upload, 4, parts[0])
    with pytest.raises(UploadRefused, match="part 1 lacks 1 bytes; send it again"):
        send_part(large_files, upload, 1, parts[0][:-1])


def test_etags_that_do_not_fit(large_files):
    upload, parts = begun(large_files)
    etags = [(number, send_part(large_files, upload, number, part)) for number, part in enumerate(parts, start=1)]
    for wrong in ([], etags[:3], [*etags[:3], (4, "other")]):
        with pytest.raises(UploadRefused, match="has not arrived as named"):
            large_files.complete(upload, wrong)
    with pytest.raises(UploadRefused, match="5 parts are named, the upload has 4"):
        large_files.complete(upload, [*etags, (5, "more")])


def test_parts_of_another_file(large_files, tmp_path):
    upload, parts = begun(large_files)
    etags = [(number, send_part(large_files, upload, number, bytes(len(part)))) for number, part in enumerate(parts, 1)]
    with pytest.raises(UploadRefused, match=f"the bytes have sha256 .*, {SHA256} was announced"):
        large_files.complete(upload, etags)
    assert files_under(tmp_path) == []


@pytest.mark.parametrize("upload", ["", "../..", "a" * 32, "a" * 31])
def test_uploads_that_are_unknown(large_files, upload):
    for attempt in (lambda: large_files.part(upload, 1), lambda: large_files.complete(upload, [])):
        with pytest.raises(UploadRefused, match="is unknown: it ended, or was abandoned; begin it again"):
            attempt()
    large_files.abort_parts(upload)


def test_an_upload_in_parts_that_is_dropped(large_files, tmp_path):
    upload, parts = begun(large_files)
    send_part(large_files, upload, 1, parts[0])
    large_files.abort_parts(upload)
    assert files_under(tmp_path) == []


def test_an_upload_that_is_ended_twice_at_once(large_files):
    upload, parts = begun(large_files)
    etags = [(number, send_part(large_files, upload, number, part)) for number, part in enumerate(parts, start=1)]

    def end():
        try:
            return large_files.complete(upload, etags).sha256
        except UploadRefused as error:
            assert "is unknown" in str(error) or "is being ended" in str(error)

    with ThreadPoolExecutor(4) as threads:
        ended = [thread.result() for thread in [threads.submit(end) for _ in range(4)]]
    assert SHA256 in ended
    assert b"".join(large_files.blobs.open_range(KEY, 0, len(DATA))) == DATA


def test_nobody_can_change_the_bytes_after_they_were_checked(large_files):
    """A part that is held open while the rest is sent and the upload ended must not reach the blob."""
    upload, parts = begun(large_files)
    with large_files.part(upload, 1) as held:
        etags = [(number, send_part(large_files, upload, number, part)) for number, part in enumerate(parts, start=1)]
        with pytest.raises(UploadRefused, match="still receives a part, or is being ended; try again"):
            large_files.complete(upload, etags)
        held.write(b"evil")
    # What was written over the part changed the whole, and is noticed.
    with pytest.raises(UploadRefused, match="was announced; nothing was stored"):
        large_files.complete(upload, etags)
    assert not large_files.blobs.exists(KEY)


def test_a_part_that_is_opened_while_the_upload_ends(large_files):
    upload, parts = begun(large_files)
    etags = dict(enumerate((send_part(large_files, upload, number, part) for number, part in enumerate(parts, 1)), 1))
    parted = PartedUpload(large_files.blobs.spool, upload)
    with parted.ended(etags) as data:
        with pytest.raises(UploadRefused, match="still receives a part, or is being ended"):
            parted.part(1)
        large_files.blobs.adopt(KEY, data)
    with pytest.raises(UploadRefused, match="is unknown: it ended"):
        parted.part(1)


def test_an_upload_that_is_dropped_while_a_part_arrives(large_files):
    upload, parts = begun(large_files)
    with large_files.part(upload, 1) as part:
        part.write(parts[0])
        large_files.abort_parts(upload)
        with pytest.raises(UploadRefused, match=f"upload {upload} was dropped; begin it again"):
            part.commit()


def test_parts_of_no_bytes(large_files):
    with pytest.raises(InputError, match="a part of 0 bytes cannot be"):
        large_files.begin_parts(SHA256, 5, 0)


# extents


def test_neighbours_that_touch_are_one_extent():
    assert merged(
        [Extent("a", 0, 5), Extent("a", 5, 5), Extent("a", 11, 2), Extent("b", 13, 0), Extent("b", 13, 1)]
    ) == (
        Extent("a", 0, 10),
        Extent("a", 11, 2),
        Extent("b", 13, 1),
    )


def test_every_cut_of_a_file():
    text = {"a": b"abcdefgh", "b": b"ABCDEFGH"}
    extents = (Extent("a", 2, 3), Extent("b", 0, 1), Extent("a", 7, 1), Extent("b", 3, 5))
    whole = b"cdeAhDEFGH"

    def bytes_of(found):
        return b"".join(text[one.blob][one.start : one.start + one.length] for one in found)

    for start in range(len(whole) + 1):
        for end in range(start, len(whole) + 1):
            assert bytes_of(cut(extents, start, end - start)) == whole[start:end]
