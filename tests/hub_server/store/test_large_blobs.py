"""Blobs in a folder and in an object store (moto's S3 server on loopback): the same behaviour."""

import errno
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from enfold.errors import InputError, ServiceError
from enfold.hub.store import BlobInfo, LocalBlobs, MissingBlob, ObjectStoreBlobs, StorageFull
from enfold.hub.store.spool import Spool, full_disk_named, write_fully

KEY = "file/ab/abcd"
DATA = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def bucket():
    """The URL of a bucket on a moto server, with the environment that leads to it."""
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "one",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
        }.items():
            environment.setenv(name, value)
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="hub")
        yield "s3://hub"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def blobs(request, tmp_path):
    if request.param == "folder":
        return LocalBlobs(tmp_path / "blobs", tmp=tmp_path / "tmp")
    return ObjectStoreBlobs(request.getfixturevalue("bucket") + "/" + tmp_path.name, tmp=tmp_path / "tmp")


def put(blobs, key, data):
    with blobs.create(key) as writer:
        writer.write(data)
        writer.commit()


def left_over(blobs):
    return list(blobs.spool.folder.iterdir())


def test_a_blob_is_there_after_its_commit(blobs):
    with blobs.create(KEY, expected=len(DATA)) as writer:
        writer.write(DATA[:10], b"", memoryview(DATA)[10:2_000_000])
        writer.write(bytearray(DATA[2_000_000:]))
        assert not blobs.exists(KEY)
        writer.commit()
    assert blobs.exists(KEY)
    assert blobs.size(KEY) == len(DATA)
    assert blobs.read(KEY) == DATA
    assert left_over(blobs) == []


@pytest.mark.parametrize(("start", "length"), [(0, 3_000_000), (5, 2_500_000), (2_999_999, 1), (17, 0), (3_000_000, 0)])
def test_ranges(blobs, start, length):
    put(blobs, KEY, DATA)
    assert b"".join(blobs.open_range(KEY, start, length)) == DATA[start : start + length]
    assert blobs.read(KEY, start, length) == DATA[start : start + length]


def test_an_empty_blob(blobs):
    put(blobs, KEY, b"")
    assert blobs.size(KEY) == 0
    assert blobs.read(KEY) == b""


def test_a_blob_may_come_twice(blobs):
    put(blobs, KEY, DATA)
    put(blobs, KEY, DATA)
    assert [blob.key for blob in blobs.list()] == [KEY]


def test_without_a_commit_nothing_is_left(blobs):
    with pytest.raises(ConnectionError), blobs.create(KEY) as writer:
        writer.write(DATA)
        raise ConnectionError
    with blobs.create(KEY) as writer:
        writer.write(DATA)
        writer.abort()
        with pytest.raises(ServiceError, match=f"blob {KEY} is already closed"):
            writer.write(b"more")
        with pytest.raises(ServiceError, match="is already closed"):
            writer.commit()
    assert not blobs.exists(KEY)
    assert left_over(blobs) == []


def test_an_own_file_becomes_a_blob(blobs):
    file = blobs.spool.folder / "complete"
    file.write_bytes(DATA)
    blobs.adopt(KEY, file)
    assert blobs.read(KEY) == DATA
    assert not file.exists()


def test_a_missing_blob_is_named(blobs):
    for look in (
        lambda: blobs.read(KEY),
        lambda: blobs.read(KEY, 1, 2),
        lambda: list(blobs.open_range(KEY, 0, 1)),
        lambda: blobs.size(KEY),
    ):
        with pytest.raises(MissingBlob, match=f"blob {KEY} is not in the store") as why:
            look()
        assert why.value.key == KEY
    assert not blobs.exists(KEY)


def test_more_than_a_blob_has(blobs):
    put(blobs, KEY, b"0123456789")
    for look in (lambda: blobs.read(KEY, 5, 6), lambda: list(blobs.open_range(KEY, 5, 6))):
        with pytest.raises(ServiceError, match="`enfold hub verify` lists damaged blobs"):
            look()


def test_blobs_are_removed(blobs):
    put(blobs, KEY, DATA)
    blobs.delete(KEY)
    blobs.delete(KEY)
    assert not blobs.exists(KEY)


def test_blobs_are_listed_by_folder(blobs):
    before = time.time()
    for key in ("file/ab/one", "file/cd/two", "xorb/ab/three"):
        put(blobs, key, key.encode())
    assert {blob.key for blob in blobs.list()} == {"file/ab/one", "file/cd/two", "xorb/ab/three"}
    (one,) = blobs.list("xorb")
    assert one == BlobInfo("xorb/ab/three", 13, one.modified)
    assert before - 2 <= one.modified <= time.time() + 2
    assert list(blobs.list("none")) == []


@pytest.mark.parametrize(
    "key", ["", "one", "/etc/passwd", "file/../x", "file/.hidden", "file//x", "File/x", "file/x\0"]
)
def test_keys_that_cannot_be(blobs, key):
    for attempt in (lambda: blobs.create(key), lambda: blobs.read(key), lambda: blobs.delete(key)):
        with pytest.raises(InputError, match="is not the key of a blob"):
            attempt()


def test_many_writers_of_one_key(blobs):
    errors = []

    def write():
        try:
            put(blobs, KEY, DATA)
            assert blobs.read(KEY) == DATA
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert left_over(blobs) == []


def test_local_blobs_are_files_for_sendfile(tmp_path):
    blobs = LocalBlobs(tmp_path)
    put(blobs, KEY, DATA)
    assert blobs.path(KEY).read_bytes() == DATA
    with pytest.raises(MissingBlob):
        blobs.path("file/no/thing")


def test_remote_blobs_are_no_files(bucket, tmp_path):
    assert ObjectStoreBlobs(bucket, tmp=tmp_path).path(KEY) is None


def test_a_blob_of_many_parts(bucket, tmp_path):
    blobs = ObjectStoreBlobs(f"{bucket}/parts", tmp=tmp_path)
    data = os.urandom(20_000_000)
    put(blobs, KEY, data)
    assert b"".join(blobs.open_range(KEY, 1, 19_000_000)) == data[1:19_000_001]


def test_an_object_store_that_is_not_one(tmp_path):
    with pytest.raises(
        ServiceError, match="nope://x is not the URL of an object store, such as s3://bucket/folder"
    ) as why:
        ObjectStoreBlobs("nope://x", tmp=tmp_path)
    assert "\n" not in str(why.value)


def test_a_bucket_that_is_not_there(bucket, tmp_path):
    with pytest.raises(ServiceError, match="s3://other/x does not exist; make the bucket first"):
        put(ObjectStoreBlobs("s3://other/x", tmp=tmp_path), KEY, b"data")
    assert list(tmp_path.iterdir()) == []


def test_an_object_store_that_refuses(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
        monkeypatch.setenv("AWS_REGION", "us-east-1")

        def refuse():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(10_000)
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        threading.Thread(target=refuse, daemon=True).start()
        with pytest.raises(ServiceError, match=f"the object store s3://hub failed at {KEY}: ") as why:
            ObjectStoreBlobs("s3://hub", tmp=tmp_path).read(KEY)
        listening.shutdown(socket.SHUT_RDWR)
    assert "very-secret" not in str(why.value)
    assert "\n" not in str(why.value)


def test_a_reserve_of_the_disk_is_kept(tmp_path):
    blobs = LocalBlobs(tmp_path, reserve=2**60)
    with pytest.raises(StorageFull, match=f"10 are wanted and {2**60} stay in reserve: free some space"):
        blobs.create(KEY, expected=10)
    with pytest.raises(StorageFull, match=f"{2**61} are wanted"):
        LocalBlobs(tmp_path).create(KEY, expected=2**61)
    assert list((tmp_path / ".tmp").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said():
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with (
            pytest.raises(StorageFull, match="the disk that holds /data is full; free"),
            full_disk_named(Path("/data")),
        ):
            write_fully(descriptor, [memoryview(b"data")])
    finally:
        os.close(descriptor)
    with pytest.raises(OSError), full_disk_named(Path("/data")):
        raise OSError(errno.EIO, "broken")


def test_pieces_are_written_whole_though_the_pipe_takes_little():
    source, target = os.pipe()
    pieces = [memoryview(os.urandom(length)) for length in (0, 1, 70_000, 3, 200_000)] + [memoryview(b"x")] * 2000
    wanted = b"".join(pieces)
    thread = threading.Thread(target=lambda: (write_fully(target, list(pieces)), os.close(target)))
    thread.start()
    with os.fdopen(source, "rb") as reading:
        assert reading.read() == wanted
    thread.join()


def test_what_was_abandoned_is_removed_after_a_while(tmp_path):
    spool = Spool(tmp_path / "tmp")
    old, new, parts = (spool.folder / name for name in ("old", "new", "parts"))
    old.write_bytes(b"1")
    new.write_bytes(b"2")
    parts.mkdir()
    (parts / "data").write_bytes(b"3")
    day_ago = time.time() - 90_000
    os.utime(old, (day_ago, day_ago))
    os.utime(parts, (day_ago, day_ago))
    assert spool.remove_abandoned(86_400) == 1
    assert sorted(item.name for item in spool.folder.iterdir()) == ["new", "parts"]
    os.utime(parts / "data", (day_ago, day_ago))
    os.utime(parts, (day_ago, day_ago))
    assert spool.remove_abandoned(86_400) == 1
    assert [item.name for item in spool.folder.iterdir()] == ["new"]
