"""A small Hub on loopback: the endpoints a snapshot download needs, over real HTTP."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


@dataclass
class Hub:
    """Repositories by id: revision (branch or commit) to files."""

    repositories: dict[str, dict[str, dict[str, bytes]]]
    endpoint: str = ""
    token: str | None = None
    """With a token, every repository is private."""
    gated: bool = False
    broken: bool = False
    """Answers everything with an error of its own."""
    requests: list[str] = field(default_factory=list)

    def find(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        revisions = self.repositories[repository]
        if revision in revisions:
            return hashlib.sha1(f"{repository}@{revision}".encode()).hexdigest(), revisions[revision]
        for name, files in revisions.items():
            if hashlib.sha1(f"{repository}@{name}".encode()).hexdigest() == revision:
                return revision, files
        return None


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = urlsplit(self.path).path
            hub.requests.append(f"{self.command} {unquote(path)}")
            pieces = [unquote(piece) for piece in path.strip("/").split("/")]
            if pieces[0] == "api":
                kind, repository, what, revision = pieces[1], "/".join(pieces[2:4]), pieces[4], pieces[5]
            else:
                kind = "models"
                if pieces[0] == "datasets":
                    kind, pieces = "datasets", pieces[1:]
                repository, what, revision = "/".join(pieces[:2]), pieces[2], pieces[3]
            repository = repository if kind == "models" else f"datasets/{repository}"
            if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                return self.refuse(401, "RepoNotFound", "Repository not found", body)
            if hub.broken:
                return self.refuse(503, "", "Service unavailable", body)
            if hub.gated:
                return self.refuse(403, "GatedRepo", "Access to this repository is restricted", body)
            if repository not in hub.repositories:
                return self.refuse(404, "RepoNotFound", "Repository not found", body)
            found = hub.find(repository, revision)
            if found is None:
                return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}", body)
            commit, files = found
            if what == "revision":
                return self.send_json({"id": repository, "sha": commit}, body)
            if what == "tree":
                listing = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in files.items()
                ]
                return self.send_json(listing, body)
            name = "/".join(pieces[4:])
            if name not in files:
                return self.refuse(404, "EntryNotFound", "Entry not found", body)
            data = files[name]
            self.send_response(200)
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)
            return None

        def send_json(self, value: object, body: bool) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def refuse(self, status: int, code: str, text: str, body: bool) -> None:
            data = json.dumps({"error": text}).encode()
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", text)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
