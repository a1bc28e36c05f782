"""Sending large files: how quick, in how much memory, and how little of a file that is there already."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub_machine import GB, MIB, Hub, Report, client, free_port, peer, warm, write_random

_UPLOAD = """
if arguments[2] == "make":
    api.create_repo(arguments[0], exist_ok=True)
started = time.perf_counter()
api.upload_file(path_or_fileobj=arguments[1], path_in_repo="model.bin", repo_id=arguments[0])
print(json.dumps({"seconds": time.perf_counter() - started}))
"""
_WAYS = {"xet": {}, "lfs": {"HF_HUB_DISABLE_XET": "1"}}


def uploads(report: Report, work: Path, size: int, runs: int) -> None:
    """Random bytes, from the client's first request until the commit is acknowledged."""
    file = work / "model.bin"
    rates: dict[str, list[float]] = {"one process: sha256, then write + fsync": []}
    for way in _WAYS:
        rates[f"client to the hub, {way}"] = []
        rates[f"client to a server that discards, {way}"] = []
    used: dict[str, list[float]] = {way: [] for way in _WAYS}
    port = free_port()
    with Hub(work / "root") as hub, peer("discard", "--port", str(port)):
        nowhere = f"http://127.0.0.1:{port}"
        for number in range(runs):
            write_random(file, size)
            warm(file)
            rates["one process: sha256, then write + fsync"].append(size / _hashed_and_written(file, work) / 1e6)
            for way, setting in _WAYS.items():
                repository = f"ada/{way}-{number}"
                for name, url, make in (("the hub", hub.url, "make"), ("a server that discards", nowhere, "no")):
                    home = work / f"home-{number}-{way}-{make}"
                    before = hub.processor_seconds()
                    answer = client(url, hub.token, home, _UPLOAD, repository, str(file), make, **setting)
                    rates[f"client to {name}, {way}"].append(size / answer["seconds"] / 1e6)
                    if url == hub.url:
                        used[way].append((hub.processor_seconds() - before) * GB / size)
                    shutil.rmtree(home, ignore_errors=True)
                write_random(file, size)  # what the hub has by one way would not be sent by the other
                warm(file)
    medians = {name: report.row(name, values, "MB/s") for name, values in rates.items()}
    for way in _WAYS:
        report.row(f"processor seconds of the hub for a GB, {way}", used[way], "s")
        ours = medians[f"client to the hub, {way}"]
        baseline = medians["one process: sha256, then write + fsync"]
        report.share(f"hub / sha256 and write, {way}", ours, baseline, 0.4)
        report.share(f"hub / discarding server, {way}", ours, medians[f"client to a server that discards, {way}"], 0.6)


def _hashed_and_written(file: Path, work: Path) -> float:
    target = work / "written"
    started = time.perf_counter()
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as source:
        while piece := source.read(MIB):
            digest.update(piece)
        source.seek(0)
        with target.open("wb", buffering=0) as written:
            while piece := source.read(MIB):
                written.write(piece)
            os.fsync(written.fileno())
    taken = time.perf_counter() - started
    target.unlink()
    return taken


def memory(report: Report, work: Path, size: int) -> None:
    """Peak memory of the server's processes while one large file arrives."""
    file = work / "model.bin"
    free = shutil.disk_usage(work).free
    if free < 2.3 * size:
        report.note(f"{size / GB:.0f} GB need {2.3 * size / GB:.0f} GB of disk, {free / GB:.0f} are free: left out")
        return
    for way, setting in _WAYS.items():
        write_random(file, size)
        with Hub(work / f"root-{way}") as hub:
            client(hub.url, hub.token, work / "warm", "api.whoami(); print('{}')")
            with hub.memory() as peak:
                home = work / f"home-{way}"
                answer = client(hub.url, hub.token, home, _UPLOAD, "ada/big", str(file), "make", **setting)
        report.bound(f"peak memory while {size / GB:.3g} GB arrive, {way}", peak, "MB", 300)
        report.row(f"their rate, {way}", [size / answer["seconds"] / 1e6], "MB/s")
        shutil.rmtree(work / f"root-{way}")
        shutil.rmtree(home, ignore_errors=True)


def again(report: Report, work: Path, size: int) -> None:
    """A file that is there, with 1 % replaced in one place and a KB inserted in another: how much is sent?"""
    file = work / "model.bin"
    write_random(file, size)
    with Hub(work / "root") as hub, _counting(work, hub) as (url, sent):
        home = work / "home"
        before = sent()
        client(url, hub.token, home, _UPLOAD, "ada/again", str(file), "make")
        report.row(f"first upload of {size / GB:.3g} GB", [100 * (sent() - before) / size], "% sent")
        _change(file, size)
        before = sent()
        client(url, hub.token, home, _UPLOAD, "ada/again", str(file), "make")
        report.bound("second upload, same client", [100 * (sent() - before) / size], "% sent", 5)
        _change(file, size)
        before = sent()
        client(url, hub.token, work / "other", _UPLOAD, "ada/again", str(file), "make")
        report.row(
            "third upload, changed again, a client with nothing in its cache",
            [100 * (sent() - before) / size],
            "% sent",
        )


def _change(file: Path, size: int) -> None:
    """Replace one contiguous 1 % of a file at 60 %, and insert 1 KB at 30 %."""
    changed = file.with_name("changed")
    with file.open("rb") as source, changed.open("wb") as target:
        for end, new in ((3 * size // 10, 1024), (6 * size // 10, size // 100)):
            while source.tell() < end:
                target.write(source.read(min(MIB, end - source.tell())))
            target.write(os.urandom(new))
            if new > 1024:
                source.seek(new, os.SEEK_CUR)
        shutil.copyfileobj(source, target, MIB)
    changed.replace(file)


@contextmanager
def _counting(work: Path, hub: Hub) -> Iterator[tuple[str, object]]:
    """A relay in front of the hub, and what clients have sent through it so far."""
    port, count = free_port(), work / "count"

    def sent() -> int:
        time.sleep(0.3)
        return int(count.read_text())

    with peer("relay", "--port", str(port), "--to", str(hub.port), "--count", str(count)):
        yield f"http://127.0.0.1:{port}", sent
