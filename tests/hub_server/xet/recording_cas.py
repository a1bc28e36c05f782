"""A hub of one process and one user, just large enough for the real client's uploads and downloads.

It is made of Enfold's own parts (``enfold.hub.store``, ``enfold.hub.xet``), checks nothing of users, and remembers
every request, so that a test can say what went over the wire.
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from enfold.errors import InputError
from enfold.hub.store.blobs import LocalBlobs
from enfold.hub.store.lfs_files import LargeFiles
from enfold.hub.store.xet_files import XetFile, XetFiles
from enfold.hub.store.xorbs import Xorbs
from enfold.hub.xet import RangePastEnd, dedup_answer, reconstruction_v1, reconstruction_v2

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RECONSTRUCTIONS = {"v1": reconstruction_v1, "v2": reconstruction_v2}


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    range: str | None
    sent: int
    status: int


class RecordingHub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, root: Path, *, versions: tuple[str, ...] = ("v1", "v2")) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.versions = versions
        self.blobs = LocalBlobs(root / "blobs", tmp=root / "tmp")
        self.xorbs = Xorbs(self.blobs)
        self.xet_files = XetFiles(self.xorbs)
        self.large_files = LargeFiles(self.blobs)
        self.files: dict[str, XetFile] = {}
        self.tree: dict[str, str] = {}
        self.chunks: dict[str, str] = {}
        self.seen: list[Seen] = []
        self.refusals: list[str] = []
        self.kept_xorbs: list[tuple[str, bytes]] = []
        self.kept_shards: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def file_at(self, path: str) -> XetFile:
        return next(file for file in self.files.values() if file.content.sha256 == self.tree[path])

    def sent_to(self, pattern: str) -> list[Seen]:
        return [seen for seen in self.seen if re.search(pattern, seen.path)]

    def __enter__(self) -> RecordingHub:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RecordingHub

    def do_GET(self) -> None:
        self._route()

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass

    def _route(self) -> None:
        self.length = int(self.headers.get("Content-Length", 0))
        address = urlsplit(self.path)
        for method, pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, address.path)
            if found and self.command in method.split():
                try:
                    answer(self, *found.groups())
                except RangePastEnd as error:
                    self._answer(416, {"error": str(error)})
                except InputError as error:
                    self.server.refusals.append(str(error))
                    self._answer(400, {"error": str(error)})
                return
        self._answer(404, {"error": "no such route"})

    def _body(self) -> bytes:
        data = self.rfile.read(self.length)
        self.length = 0
        return data

    def _answer(self, status: int, value: Any, *, headers: dict[str, str] | None = None) -> None:
        sent = int(self.headers.get("Content-Length", 0))
        self._body()
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.server.seen.append(Seen(self.command, self.path, self.headers.get("Range"), sent, status))

    def token(self, kind: str) -> None:
        expires = int(time.time()) + 3600
        value = {"accessToken": kind, "exp": expires, "casUrl": f"{self.server.url}/cas/1"}
        self._answer(
            200,
            value,
            headers={
                "X-Xet-Access-Token": kind,
                "X-Xet-Token-Expiration": str(expires),
                "X-Xet-Cas-Url": value["casUrl"],
            },
        )

    def preupload(self) -> None:
        files = json.loads(self._body())["files"]
        answers = [
            {
                "path": file["path"],
                "uploadMode": "lfs",
                "shouldIgnore": False,
                "oid": self.server.tree.get(file["path"]),
            }
            for file in files
        ]
        self._answer(200, {"files": answers})

    def commit(self) -> None:
        known = {file.content.sha256 for file in self.server.files.values()}
        for line in self._body().splitlines():
            entry = json.loads(line)
            if entry["key"] == "lfsFile":
                value = entry["value"]
                if value["oid"] not in known:
                    self._answer(422, {"error": f"{value['oid']} was not uploaded"})
                    return
                self.server.tree[value["path"]] = value["oid"]
        url = f"{self.server.url}/one/model/commit/{COMMIT}"
        self._answer(200, {"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})

    def resolve(self, path: str) -> None:
        file = self.server.file_at(path)
        headers = {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{file.content.sha256}"',
            "X-Linked-Etag": f'"{file.content.sha256}"',
            "X-Linked-Size": str(file.content.size),
            "X-Xet-Hash": file.hash,
            "Link": f'<{self.server.url}/api/models/one/model/xet-read-token/{COMMIT}>; rel="xet-auth"',
        }
        self._answer(200, b"".join(self.server.large_files.read(file.content)), headers=headers)

    def xorb(self, name: str) -> None:
        kept = bytearray()
        with self.server.xorbs.receive(name) as upload:
            while self.length:
                piece = self.rfile.read(min(self.length, 100_000))
                self.length -= len(piece)
                kept += piece
                upload.write(piece)
            _, new = upload.commit()
        self.server.kept_xorbs.append((name, bytes(kept)))
        self._answer(200, {"was_inserted": new})

    def shard(self, version: str) -> None:
        if version not in self.server.versions:
            self._answer(404, {})
            return
        body = self._body()
        self.server.kept_shards.append(body)
        for file in self.server.xet_files.accept(body):
            self.server.files[file.hash] = file
            self.server.chunks.update(file.queryable)
        if version == "v1":
            self._answer(200, {"result": 1})
        else:
            self._answer(200, b'{"type":"result","result":1}\n', headers={"Content-Type": "application/x-ndjson"})

    def chunk(self, name: str) -> None:
        xorb = self.server.chunks.get(name)
        if xorb is None:
            self._answer(404, {})
            return
        now = int(time.time())
        index = self.server.xorbs.index(xorb)
        self._answer(200, dedup_answer([(xorb, index)], key=bytes(range(1, 33)), now=now, expires=now + 3600))

    def reconstruction(self, version: str, name: str) -> None:
        file = self.server.files.get(name)
        if version not in self.server.versions or file is None:
            self._answer(404, {})
            return
        start, end = 0, None
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(asked[1]), int(asked[2]) + 1 if asked[2] else None
        index_of = self.server.xorbs.index
        self._answer(
            200,
            RECONSTRUCTIONS[version](file.terms, index_of=index_of, url_for=self._url, start=start, end=end),
        )

    def _url(self, xorb: str, start: int, end: int) -> str:
        return f"{self.server.url}/plain/{xorb}?signed={start}-{end}"

    def plain(self, name: str) -> None:
        assert self.headers.get("Authorization") is None
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
        signed = parse_qs(urlsplit(self.path).query)["signed"][0].split("-")
        assert asked, f"one range is expected, not {self.headers['Range']}"
        start, end = int(asked[1]), int(asked[2]) + 1
        assert int(signed[0]) <= start < end <= int(signed[1])
        size = self.server.xorbs.index(name).plain_size
        data = b"".join(self.server.xorbs.read_plain(name, start, end - start))
        self._answer(206, data, headers={"Content-Range": f"bytes {start}-{end - 1}/{size}"})


_ROUTES = [
    ("GET", r"/api/models/one/model/xet-(write|read)-token/.+", _Answers.token),
    ("POST", r"/api/models/one/model/preupload/main", _Answers.preupload),
    ("POST", r"/api/models/one/model/commit/main", _Answers.commit),
    ("GET HEAD", r"/one/model/resolve/[^/]+/(.+)", _Answers.resolve),
    ("POST", r"/cas/1/v1/xorbs/default/([^/]+)", _Answers.xorb),
    ("POST", r"/cas/1/(v[12])/shards", _Answers.shard),
    ("GET", r"/cas/1/v1/chunks/default/([^/]+)", _Answers.chunk),
    ("GET", r"/cas/1/(v[12])/reconstructions/([^/]+)", _Answers.reconstruction),
    ("GET", r"/plain/([^/]+)", _Answers.plain),
]
