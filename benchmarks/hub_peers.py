"""The servers that the hub is held against: blocking sendfile, a hub that discards, and a relay that counts.

python benchmarks/hub_peers.py sendfile --port 8001 --folder DIR
python benchmarks/hub_peers.py discard --port 8002
python benchmarks/hub_peers.py relay --port 8003 --to 8080 --count FILE
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

_COMMIT = "0" * 40


# ---- blocking sendfile ------------------------------------------------------------------------------------------


def serve_files(port: int, folder: Path) -> None:
    """A thread a connection, one sendfile after the other."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_send_files, args=(connection, folder), daemon=True).start()


def _send_files(connection: socket.socket, folder: Path) -> None:
    with connection, connection.makefile("rb") as lines:
        while first := lines.readline():
            method, target, _ = first.decode().split()
            headers = {}
            while line := lines.readline().strip():
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            path = folder / target.lstrip("/")
            size = path.stat().st_size
            start, behind, status = 0, size, "200 OK"
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))
            if asked:
                start, behind, status = int(asked[1]), int(asked[2]) + 1, "206 Partial Content"
            head = f"HTTP/1.1 {status}\r\nContent-Length: {behind - start}\r\n"
            head += f"Content-Range: bytes {start}-{behind - 1}/{size}\r\n" if asked else ""
            connection.sendall((head + "\r\n").encode())
            if method == "GET":
                with path.open("rb") as file:
                    while start < behind:
                        start += os.sendfile(connection.fileno(), file.fileno(), start, behind - start)


# ---- a hub that discards ----------------------------------------------------------------------------------------


def serve_discarding(port: int) -> None:
    """Answers what a client asks while it uploads, and keeps nothing of what it sends."""
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    base = f"http://127.0.0.1:{port}"

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = scope["path"]
        kept, more = bytearray(), True
        while more:
            message = await receive()
            body, more = message.get("body", b""), message.get("more_body", False)
            if path.endswith(("/batch", "/main")):
                kept += body
        status, answer, headers = _discarded(base, path, bytes(kept))
        data = json.dumps(answer).encode()
        headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        headers += [(b"content-length", str(len(data)).encode()), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
        backpressure=1024,
    )
    import asyncio

    asyncio.run(server.serve())


def _discarded(base: str, path: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
    if "/xet-write-token/" in path or "/xet-read-token/" in path:
        expires = int(time.time()) + 3600
        names = {
            "X-Xet-Access-Token": "token",
            "X-Xet-Token-Expiration": str(expires),
            "X-Xet-Cas-Url": f"{base}/cas",
        }
        return 200, {"accessToken": "token", "exp": expires, "casUrl": f"{base}/cas"}, names
    if "/preupload/" in path:
        files = json.loads(body)["files"]
        return 200, {"files": [_planned(file["path"]) for file in files]}, {}
    if "/commit/" in path:
        return 200, {"success": True, "commitOid": _COMMIT, "commitUrl": f"{base}/a/b/commit/{_COMMIT}"}, {}
    if path.endswith("/objects/batch"):
        asked = json.loads(body)
        return 200, {"transfer": _transfer(asked), "objects": [_place(base, asked, it) for it in asked["objects"]]}, {}
    if "/xorbs/" in path:
        return 200, {"was_inserted": True}, {}
    if path.endswith("/v1/shards"):
        return 200, {"result": 1}, {}
    if path.endswith("/v2/shards"):
        return 200, {"type": "result", "result": 1}, {}
    if "/chunks/" in path:
        return 404, {}, {}
    return 200, {}, {"ETag": '"part"'}


def _planned(path: str) -> dict[str, Any]:
    return {"path": path, "uploadMode": "lfs", "shouldIgnore": False, "oid": None}


def _transfer(asked: dict[str, Any]) -> str:
    return "multipart" if "multipart" in asked.get("transfers", []) else "basic"


def _place(base: str, asked: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    size, part = item["size"], 64 << 20
    upload: dict[str, Any] = {"href": f"{base}/lfs/{item['oid']}", "header": {}}
    if _transfer(asked) == "multipart":
        upload["header"] = {"chunk_size": str(part)}
        for number in range(1, -(-size // part) + 1):
            upload["header"][str(number)] = f"{base}/lfs/{item['oid']}/{number}"
    return {**item, "authenticated": True, "actions": {"upload": upload}}


# ---- a relay that counts ----------------------------------------------------------------------------------------


def serve_relay(port: int, to: int, count: Path) -> None:
    """Hand bytes on, and write the sum of those that clients sent into a file."""
    sent = [0]
    lock = threading.Lock()

    def hand_on(source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(1 << 18):
                if counted:
                    with lock:
                        sent[0] += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def write_down() -> None:
        while True:
            count.write_text(str(sent[0]))
            time.sleep(0.1)

    threading.Thread(target=write_down, daemon=True).start()
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", to))
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=hand_on, args=(near, far, True), daemon=True).start()
            threading.Thread(target=hand_on, args=(far, near, False), daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["sendfile", "discard", "relay"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--to", type=int)
    parser.add_argument("--count", type=Path)
    options = parser.parse_args()
    if options.role == "sendfile":
        serve_files(options.port, options.folder)
    elif options.role == "discard":
        serve_discarding(options.port)
    else:
        serve_relay(options.port, options.to, options.count)


if __name__ == "__main__":
    main()
