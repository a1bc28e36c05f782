"""A real proxy on loopback between two hubs: it keeps what was asked, and can change or cut what is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

__all__ = ["Asked", "Between", "Reply", "between"]


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Reply:
    """An answer; ``cut`` breaks the connection after so many bytes of the body."""

    status: int
    headers: dict[str, str]
    body: bytes
    cut: int | None = None


@dataclass
class Between:
    """The proxy's address and what it does."""

    url: str
    behind: str
    asked: list[Asked] = field(default_factory=list)
    change: Callable[[Asked, Reply], Reply | None] | None = None
    is_down: bool = False

    def mend(self) -> None:
        self.change, self.is_down = None, False
        self.asked.clear()

    def count(self, method: str, ending: str) -> int:
        return sum(each.method == method and each.path.partition("?")[0].endswith(ending) for each in self.asked)


@contextmanager
def between(behind: str) -> Iterator[Between]:
    """Stand before the server at ``behind`` while the block runs."""
    parts = urlsplit(behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            running.asked.append(asked)
            if running.is_down:
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=20)
            try:
                connection.request(self.command, self.path, body=body or None, headers=headers)
                answer = connection.getresponse()
                dropped = ("transfer-encoding", "content-length", "connection")
                passed = {name: value for name, value in answer.headers.items() if name.lower() not in dropped}
                reply = Reply(answer.status, passed, answer.read())
            finally:
                connection.close()
            if running.change is not None:
                reply = running.change(asked, reply) or reply
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body[: reply.cut])

        do_GET = do_POST = do_HEAD = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = Between(f"http://127.0.0.1:{server.server_address[1]}", behind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
