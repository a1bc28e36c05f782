"""Many small things: files in one commit, files in one tree, repositories in one search; and how quick a start is."""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hub_machine import Hub, Report, client, free_port, process, request, serve_command, wait_for_port

_FOLDER = """
api.create_repo("ada/folder", exist_ok=True)
started = time.perf_counter()
api.upload_folder(folder_path=arguments[0], repo_id="ada/folder")
print(json.dumps({"seconds": time.perf_counter() - started}))
"""
_WORDS = (
    "amber basil cedar delta ember fjord grove haven iris jade kelp lotus maple north onyx pearl quartz river".split()
)


# ---- files ------------------------------------------------------------------------------------------------------


def files(report: Report, work: Path, count: int, runs: int) -> None:
    """Small files in one commit, and a clone of them."""
    with Hub(work / "root") as hub:
        times = []
        for number in range(runs):
            _make(hub, f"files-{number}")
            times.append(_commit(hub, f"files-{number}", _names(count, 100), random.Random(number)))
        report.bound(f"one commit of {count:,} files, request to answer", times, "s", 10)
        source = work / "source"
        chosen = random.Random(99)
        for name in _names(count, 100):
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_content(chosen))
        answer = client(hub.url, hub.token, work / "home", _FOLDER, str(source))
        report.row("upload_folder of as many, the whole client", [answer["seconds"]], "s")
        times = []
        with hub.memory() as peak:
            for number in range(runs):
                started = time.perf_counter()
                _git("clone", "--quiet", _with_token(hub, "files-0"), str(work / f"clone-{number}"))
                times.append(time.perf_counter() - started)
        report.row("git clone of them", times, "s")
        report.bound("peak memory of the server meanwhile", peak, "MB", 300)


def _make(hub: Hub, name: str) -> None:
    body = json.dumps({"name": name, "type": "model"}).encode()
    request(f"{hub.url}/api/repos/create", hub.token, data=body)


def _names(count: int, in_one: int) -> list[str]:
    return [f"data/part-{number // in_one:05d}/file-{number:06d}.json" for number in range(count)]


def _content(chosen: random.Random) -> bytes:
    return json.dumps({"id": chosen.getrandbits(60), "words": chosen.choices(_WORDS, k=60)}).encode()


def _commit(hub: Hub, repository: str, names: list[str], chosen: random.Random) -> float:
    """Commit files by one plain request, made beforehand; the seconds until it is answered."""
    lines = [json.dumps({"key": "header", "value": {"summary": "all of them"}})]
    for name in names:
        content = base64.b64encode(_content(chosen)).decode()
        lines.append(json.dumps({"key": "file", "value": {"path": name, "content": content, "encoding": "base64"}}))
    body = "\n".join(lines).encode()
    started = time.perf_counter()
    request(f"{hub.url}/api/models/ada/{repository}/commit/main", hub.token, data=body)
    return time.perf_counter() - started


def _with_token(hub: Hub, repository: str) -> str:
    return hub.url.replace("http://", f"http://ada:{hub.token}@") + f"/ada/{repository}"


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, env={**os.environ, "GIT_LFS_SKIP_SMUDGE": "1"})


# ---- trees ------------------------------------------------------------------------------------------------------


def tree(report: Report, work: Path, count: int, asked: int) -> None:
    """Pages of a large tree: in folders of a hundred, and all in one folder."""
    shapes = {"folders of 100": _names(count, 100), "one folder": _names(count, count)}
    with Hub(work / "root") as hub:
        for number, (shape, names) in enumerate(shapes.items()):
            repository = f"tree-{number}"
            _make(hub, repository)
            report.row(
                f"one commit of {count:,} files, {shape}", [_commit(hub, repository, names, random.Random(7))], "s"
            )
    for number, shape in enumerate(shapes):
        base = f"/api/models/ada/tree-{number}/tree/main?recursive=true"
        with (
            Hub(work / "root") as hub,
            _connected(hub, hub.token) as ask,
        ):  # a fresh server: nothing of it is in memory yet
            for kind, path, most in (("first page", base, 100), ("first page, expand", base + "&expand=true", 300)):
                taken = [ask(path)[0] for _ in range(asked)]
                report.row(f"{kind}, {shape}: the very first request", taken[:1], "ms")
                report.bound(f"{kind}, {shape}", taken, "ms", most, quantile=0.95)
            deep, path = [], base
            while path and len(deep) < asked:
                taken_now, path = ask(path)
                deep.append(taken_now)
            report.bound(f"page after page, {shape}", deep, "ms", 100, quantile=0.95)


@contextmanager
def _connected(hub: Hub, token: str) -> Iterator[Any]:
    """One connection to the hub; a call gives milliseconds and the address of the next page."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=120)
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(path: str) -> tuple[float, str]:
        started = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        taken = 1000 * (time.perf_counter() - started)
        if answer.status != 200:
            raise SystemExit(f"{path}: status {answer.status}")
        link = answer.getheader("Link", "")
        return taken, link.partition(">")[0].removeprefix("<").replace(hub.url, "") if 'rel="next"' in link else ""

    ask("/health")
    try:
        yield ask
    finally:
        connection.close()


# ---- search -----------------------------------------------------------------------------------------------------


def search(report: Report, work: Path, count: int, asked: int) -> None:
    """Searches over many repositories, all public and then 95 % private, by somebody who may see few of them."""
    for private in (0.0, 0.95):
        root = work / f"root-{private:g}"
        with Hub(root):
            pass
        grace = _fill(root, count, private)
        with Hub(root) as hub:
            callers = {"nobody": "", "a member of two organisations": grace, "an admin": hub.token}
            for limit, (who, token) in product((20, 100, 1000), callers.items()):
                with _connected(hub, token) as ask:
                    queries = [urlencode({**query, "limit": limit}) for query in _queries(random.Random(3), asked)]
                    taken = [ask(f"/api/models?{query}")[0] for query in queries]
                what = f"{count:,} repositories, {100 * private:.0f} % private, {who}, pages of {limit}"
                report.bound(what, taken, "ms", 100, quantile=0.95)


def _queries(chosen: random.Random, asked: int) -> Iterator[dict[str, str]]:
    """Searches of every kind: common words, rare ones, two at once, two letters, what nobody has, tags and sorts."""
    kinds = [
        lambda: {"search": chosen.choice(_WORDS)},
        lambda: {"search": f"{chosen.choice(_WORDS)}-{chosen.randrange(10**5):05d}"},
        lambda: {"search": f"{chosen.choice(_WORDS)} {chosen.choice(_WORDS)}"},
        lambda: {"search": chosen.choice(_WORDS)[:2]},
        lambda: {"search": "nobodyhasthis"},
        lambda: {"filter": chosen.choice(_WORDS), "sort": "downloads"},
        lambda: {"search": chosen.choice(_WORDS), "sort": "lastModified"},
        lambda: {"author": f"org-{chosen.randrange(100):03d}", "sort": "createdAt"},
    ]
    for number in range(asked):
        yield kinds[number % len(kinds)]()


def _fill(root: Path, count: int, private: float) -> str:
    """Write repositories straight into the records: names of two words, tags of a card, no files.

    Gives the token of grace, who belongs to two of the hundred organisations that own them.
    """
    import sqlalchemy as sa

    from enfold.hub.records import HubRoot, Records, accounts, tokens
    from enfold.hub.records.schema import Repository, RepositoryTag, now
    from enfold.hub.records.search import TABLE

    chosen = random.Random(1)
    records = Records(HubRoot.open(root).database)
    try:
        with records.write() as session:
            grace = accounts.create_user(session, "grace")
            owners = [accounts.create_organization(session, f"org-{number:03d}") for number in range(100)]
            for owner in owners[:2]:
                accounts.add_member(session, owner, grace)
            token = tokens.create_token(session, grace, "bench")
            ids = [owner.id for owner in owners]
        for start in range(0, count, 5000):
            rows, tagged, texts = [], [], []
            for number in range(start, min(start + 5000, count)):
                owner, name = number % 100, f"{chosen.choice(_WORDS)}-{chosen.choice(_WORDS)}-{number:05d}"
                tags = ["transformers", *chosen.sample(_WORDS, 3), "license:apache-2.0"]
                full_name = f"org-{owner:03d}/{name}"
                rows.append(
                    {
                        "id": number + 1,
                        "uid": f"{number:032x}",
                        "type": "model",
                        "account_id": ids[owner],
                        "name": name,
                        "full_name": full_name,
                        "folded": full_name,
                        "private": chosen.random() < private,
                        "sha": f"{number:040x}",
                        "downloads": int(chosen.paretovariate(0.5)) % 10**7,
                        "likes": int(chosen.paretovariate(0.8)) % 10**5,
                        "trending": chosen.random(),
                        "tags": tags,
                        "card": {"tags": tags, "license": "apache-2.0"},
                        "created_at": now(),
                        "updated_at": now(),
                    }
                )
                tagged += [{"tag": tag, "repository_id": number + 1} for tag in tags]
                texts.append({"rowid": number + 1, "text": f"{full_name} {' '.join(tags)}"})
            with records.write() as session:
                session.execute(sa.insert(Repository), rows)
                session.execute(sa.insert(RepositoryTag), tagged)
                session.execute(sa.insert(TABLE), texts)
    finally:
        records.close()
    return token


# ---- start ------------------------------------------------------------------------------------------------------


def start(report: Report, work: Path, runs: int) -> None:
    """From the command to the first answer."""
    first, later, torch = [], [], False
    for number in range(runs):
        root = work / f"root-{number}"
        first.append(_until_served(root)[0])
        taken, loaded = _until_served(root)
        later.append(taken)
        torch = torch or loaded
    report.bound("existing root, until it serves", later, "s", 1.5)
    report.bound("first start, with all migrations", first, "s", 4)
    report.row("libraries of torch in the server", [float(torch)], "", target="0", met=not torch)


def _until_served(root: Path) -> tuple[float, bool]:
    port = free_port()
    started = time.perf_counter()
    with process(serve_command(root, port), ready=lambda running: wait_for_port(port)) as running:
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
                if answer.status == 200:
                    break
        taken = time.perf_counter() - started
        return taken, "libtorch" in Path(f"/proc/{running.pid}/maps").read_text()
