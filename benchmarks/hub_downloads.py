"""Fetching a large file: the hub beside nginx and blocking sendfile, by curl and by the ecosystem's own client."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hub_machine import (
    GB,
    MIB,
    Hub,
    Report,
    client,
    free_port,
    peer,
    process,
    program_at,
    request,
    wait_for_port,
    warm,
    write_random,
)

_CLIENTS = 8
_WAYS = {"lfs": {"HF_HUB_DISABLE_XET": "1"}, "xet": {}}
_RANGE = 64 * MIB
_UPLOAD = """
api.create_repo(arguments[0], exist_ok=True)
api.upload_file(path_or_fileobj=arguments[1], path_in_repo="model.bin", repo_id=arguments[0])
print("{}")
"""
_DOWNLOAD = """
from huggingface_hub import hf_hub_download
started = time.perf_counter()
hf_hub_download(arguments[1], "model.bin", local_dir=arguments[0], endpoint=api.endpoint, token=api.token)
print(json.dumps({"seconds": time.perf_counter() - started}))
"""


def downloads(report: Report, work: Path, size: int, runs: int) -> None:
    """Whole file, ranges of 64 MiB, and 8 clients at once; then hf_hub_download."""
    # Two files: one that is there already would be kept, and sent, as it came the first time.
    sent = {name: work / name / "model.bin" for name in _WAYS}
    for file in sent.values():
        file.parent.mkdir()
        write_random(file, size)
        warm(file)
    file = sent["lfs"]
    with ExitStack() as stack:
        hub = stack.enter_context(Hub(work / "root"))
        for name, setting in _WAYS.items():
            client(hub.url, hub.token, work / f"home-{name}", _UPLOAD, f"ada/{name}", str(sent[name]), **setting)
        places = {
            f"hub, file sent by {name}": f"{hub.url}/ada/{name}/resolve/main/model.bin" for name in ("lfs", "xet")
        }
        port = free_port()
        stack.enter_context(peer("sendfile", "--port", str(port), "--folder", str(file.parent)))
        places["blocking sendfile"] = f"http://127.0.0.1:{port}/model.bin"
        nginx = stack.enter_context(nginx_on(work / "nginx", file.parent))
        if nginx is None:
            report.note("nginx is not installed (Debian package nginx-light): its rows are left out")
        else:
            places["nginx"] = f"{nginx}/model.bin"
        _by_curl(report, hub, places, size, runs)
        if nginx is not None:
            _by_client(report, hub, work, file, size, runs)


def _by_curl(report: Report, hub: Hub, places: dict[str, str], size: int, runs: int) -> None:
    ways: dict[str, Callable[[str], float]] = {
        "whole file": lambda url: size / _curl(url),
        "64 MiB ranges": lambda url: size / _curl_ranges(url, size),
        f"{_CLIENTS} clients": lambda url: _CLIENTS * size / _curl_many(url),
    }
    for way, speed in ways.items():
        rates: dict[str, list[float]] = {name: [] for name in places}
        used: dict[str, list[float]] = {name: [] for name in places if name.startswith("hub")}
        for number in range(runs + 1):
            for name, url in places.items():
                before = hub.processor_seconds()
                rate = speed(url) / 1e6
                if number:
                    rates[name].append(rate)
                if number and name in used:
                    sent = size * (_CLIENTS if way.endswith("clients") else 1)
                    used[name].append((hub.processor_seconds() - before) * GB / sent)
        medians = {name: report.row(f"{way}, {name}", values, "MB/s") for name, values in rates.items()}
        for name, taken in used.items():
            report.row(f"{way}, {name}: its processor seconds for a GB", taken, "s")
            if "nginx" in medians:
                report.share(f"{way}, {name} / nginx", medians[name], medians["nginx"], 0.6)


def _curl(url: str, *more: str) -> float:
    command = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null", *more]
    started = time.perf_counter()
    subprocess.run([*command, "--write-out", "%{time_total}", url], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _curl_ranges(url: str, size: int) -> float:
    """One range after the other, over one connection."""
    command = ["curl", "--silent", "--show-error", "--fail"]
    for start in range(0, size, _RANGE):
        command += ["--next"] if start else []
        command += ["--silent", "--fail", "--output", "/dev/null", "--range"]
        command += [f"{start}-{min(start + _RANGE, size) - 1}", url]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _curl_many(url: str) -> float:
    started = time.perf_counter()
    running = [subprocess.Popen(["curl", "--silent", "--fail", "--output", "/dev/null", url]) for _ in range(_CLIENTS)]
    if any(each.wait() for each in running):
        raise SystemExit(f"curl failed on {url}")
    return time.perf_counter() - started


def _by_client(report: Report, hub: Hub, work: Path, file: Path, size: int, runs: int) -> None:
    """The same client and the same requests; in front of nginx it is told what the hub would tell it."""
    digest = hashlib.sha256()
    with file.open("rb") as data:
        while piece := data.read(MIB):
            digest.update(piece)
    commit = json.loads(request(f"{hub.url}/api/models/ada/lfs", hub.token))["sha"]
    heads = {
        "X-Repo-Commit": commit,
        "X-Linked-Size": str(size),
        "X-Linked-ETag": f'"{digest.hexdigest()}"',
    }
    place = work / "mirror" / "ada" / "lfs" / "resolve" / "main"
    place.mkdir(parents=True)
    (place / "model.bin").hardlink_to(file)
    with nginx_on(work / "nginx-client", work / "mirror", heads) as url:
        assert url is not None
        ways = {
            "hub": (hub.url, "lfs", _WAYS["lfs"]),
            "nginx": (url, "lfs", _WAYS["lfs"]),
            "hub, by Xet": (hub.url, "xet", {}),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(runs + 1):
            for name, (endpoint, repository, setting) in ways.items():
                target, home = work / "fetched", work / "home-get"
                answer = client(endpoint, hub.token, home, _DOWNLOAD, str(target), f"ada/{repository}", **setting)
                if (target / "model.bin").stat().st_size != size:
                    raise SystemExit("hf_hub_download fetched another file")
                shutil.rmtree(target)
                shutil.rmtree(home, ignore_errors=True)
                if number:
                    rates[name].append(size / answer["seconds"] / 1e6)
    medians = {name: report.row(f"hf_hub_download, {name}", values, "MB/s") for name, values in rates.items()}
    report.share("hf_hub_download, hub / nginx", medians["hub"], medians["nginx"], 0.9)


@contextmanager
def nginx_on(work: Path, folder: Path, headers: dict[str, str] | None = None) -> Iterator[str | None]:
    """nginx with two workers and sendfile on a folder; None where it is not installed."""
    program = program_at("nginx")
    if program is None:
        yield None
        return
    work.mkdir()
    port = free_port()
    more = "".join(f"add_header {name} '{value}';" for name, value in (headers or {}).items())
    settings = work / "nginx.conf"
    settings.write_text(
        f"user root; worker_processes 2; daemon off; pid {work}/pid; error_log {work}/errors;\n"
        "events { worker_connections 256; }\n"
        "http { access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;\n"
        f"client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;\n"
        f"uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;\n"
        f"server {{ listen 127.0.0.1:{port}; root {folder}; {more} }} }}\n"
    )
    with process([program, "-c", str(settings)], ready=lambda running: wait_for_port(port)):
        yield f"http://127.0.0.1:{port}"
