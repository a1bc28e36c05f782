"""The application around the routes: addresses, errors, ids, proxies, limits, names that routes take."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hub_on_loopback import Hub, hub_on_loopback
from starlette.testclient import TestClient

from enfold.errors import SettingsError
from enfold.hub.records.names import AFTER_REPOSITORY, RESERVED
from enfold.hub.server.errors import HubError, install_errors
from enfold.hub.server.limits import RateLayer
from enfold.hub.server.origins import ForwardedLayer
from enfold.hub.server.paths import PathLayer, RepositoryAddress, renamed
from enfold.hub.server.routes import ROUTERS, first_pieces
from enfold.hub.server.settings import HubSettings


@pytest.fixture(scope="module")
def echo() -> TestClient:
    """Routes that answer with what they were called with."""
    app = FastAPI(redirect_slashes=False)
    install_errors(app)

    @app.get("/api/{kind:kind}/{repo:repo}/tree/{revision:piece}")
    @app.get("/api/{kind:kind}/{repo:repo}/tree/{revision:piece}/{path:pieces}")
    async def tree(kind: str, repo: str, revision: str, path: str = "") -> list[str]:
        return [kind, repo, revision, path]

    @app.get("/{place:place}/resolve/{revision:piece}/{path:pieces}")
    async def resolve(place: str, revision: str, path: str) -> list[str]:
        return [place, revision, path]

    @app.get("/api/{kind:kind}/{repo:repo}")
    async def info(kind: str, repo: str) -> list[str]:
        return [kind, repo]

    app.add_middleware(PathLayer)
    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/models/ns/m/tree/main/a/b", ["models", "ns/m", "main", "a/b"]),
        ("/api/models/ns/m/tree/refs%2Fpr%2F1/a%2Fb", ["models", "ns/m", "refs/pr/1", "a/b"]),
        ("/api/models/ns/m/tree/refs%2Fpr%2F1", ["models", "ns/m", "refs/pr/1", ""]),
        ("/api/models/gpt2/tree/main", ["models", "gpt2", "main", ""]),
        ("/api/models/gpt2/tree/tree/main", ["models", "gpt2", "tree", "main"]),
        ("/api/datasets/ns%2Fm/tree/main/x", ["datasets", "ns/m", "main", "x"]),
        ("/api/spaces/ns/m", ["spaces", "ns/m"]),
        ("/api/models/gpt2", ["models", "gpt2"]),
        ("/api/models/ns/m/tree/main/a%20b%3F%23%25.txt", ["models", "ns/m", "main", "a b?#%.txt"]),
        ("/api/models/ns/m/tree/main/%252F", ["models", "ns/m", "main", "%2F"]),  # decoded once
        ("/api/models/ns/m/tree/a%252Fb/x", ["models", "ns/m", "a%2Fb", "x"]),
        ("/api/models/ns/m/tree/main/%E6%A8%A1%E5%9E%8B", ["models", "ns/m", "main", "模型"]),
        ("/ns/m/resolve/main/a/b", ["ns/m", "main", "a/b"]),
        ("/gpt2/resolve/main/resolve/b", ["gpt2", "main", "resolve/b"]),
        ("/datasets/ns/m/resolve/refs%2Fconvert%2Fparquet/a", ["datasets/ns/m", "refs/convert/parquet", "a"]),
        ("/datasets/squad/resolve/main/a", ["datasets/squad", "main", "a"]),
    ],
)
def test_each_piece_of_an_address_is_decoded_once(echo: TestClient, path: str, expected: list[str]) -> None:
    assert echo.get(path).json() == expected


@pytest.mark.parametrize("path", ["/api/models/ns/m/tree/main/%ff", "/api/models/%C3", "/api/models/a%2", "/a%zz"])
def test_addresses_that_are_no_escaped_utf8(echo: TestClient, path: str) -> None:
    answer = echo.get(path)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("the address is not UTF-8")


def test_repositories_in_web_addresses() -> None:
    assert RepositoryAddress.of_place("datasets/ns/m.git") == RepositoryAddress("dataset", "ns/m")
    assert RepositoryAddress.of_place("ns/m") == RepositoryAddress("model", "ns/m")
    assert RepositoryAddress("space", "ns/m").place == "spaces/ns/m"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/models/old/m/tree/main/old/m", "/api/models/new/n/tree/main/old/m"),
        ("/api/datasets/old%2Fm", "/api/datasets/new/n"),
        ("/datasets/old/m/resolve/main/x", "/datasets/new/n/resolve/main/x"),
        ("/old/m.git/info/refs", "/new/n.git/info/refs"),
        ("/gpt2/resolve/a%2Fb/x", "/new/n/resolve/a%2Fb/x"),
    ],
)
def test_the_same_address_under_another_name(path: str, expected: str) -> None:
    assert renamed(path, "new/n") == expected


def test_an_error_is_in_headers_and_body(hub: Hub) -> None:
    answer = hub.ask("GET", "/api/models/alice/never", "alice")
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RepoNotFound")
    assert answer.headers["x-error-message"] == answer.json()["error"] == "Repository not found"
    answer = hub.ask("GET", "/nothing/at%20all/here/x", "alice")
    assert (answer.status_code, answer.json()["error"]) == (404, "nothing is at /nothing/at%20all/here/x")
    answer = hub.ask("DELETE", "/api/whoami-v2", "alice")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    answer = hub.ask("POST", "/api/repos/create", "alice", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 400 and "the body is not JSON" in answer.json()["error"]
    answer = hub.ask("POST", "/api/repos/create", "alice", json={})
    assert (answer.status_code, answer.json()["error"]) == (422, "name is missing")


def test_a_message_in_a_header_is_one_line_of_latin_1() -> None:
    error = HubError(400, "bad\r\nname: 模型 é")
    assert error.headers is not None
    assert error.headers["X-Error-Message"] == "bad name: ?? é"
    assert error.body == {"error": "bad\r\nname: 模型 é"}


def test_bodies_that_are_too_large(hub: Hub) -> None:
    for more in ({"content": b"x" * 2_000_001}, {"content": iter([b"x" * 1_000_001] * 2)}):
        answer = hub.ask("POST", "/api/repos/create", "alice", headers={"content-type": "application/json"}, **more)
        assert answer.status_code == 413
        assert answer.json()["error"] == "the body is larger than 2000000 bytes; send less at once"


def test_request_ids(hub: Hub) -> None:
    assert hub.ask("GET", "/health", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert hub.ask("GET", "/health", headers={"X-Amzn-Trace-Id": "trace-2"}).headers["x-request-id"] == "trace-2"
    first, second = (hub.ask("GET", "/health").headers["x-request-id"] for _ in range(2))
    assert first != second and re.fullmatch("[0-9a-f]{32}", first)


def test_health_and_metrics(hub: Hub) -> None:
    assert hub.ask("GET", "/health").json() == {"status": "ok"}
    shown = hub.ask("GET", "/metrics").text
    assert 'enfold_http_requests_total{method="GET",route="/health",status="200"}' in shown


def test_the_description_names_the_pieces(hub: Hub) -> None:
    paths = hub.ask("GET", "/openapi.json").json()["paths"]
    assert "/api/{kind}/{repo}/revision/{revision}" in paths
    names = {each["name"] for each in paths["/api/{kind}/{repo}/revision/{revision}"]["get"]["parameters"]}
    assert {"kind", "repo", "revision", "expand", "blobs"} <= names


def test_the_public_address_is_used_when_there_is_one(tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root", public_url="https://hub.example.org/") as hub:
        answer = hub.ask("POST", "/api/repos/create", "alice", json={"name": "m", "type": "dataset"})
        assert answer.json()["url"] == "https://hub.example.org/datasets/alice/m"


def called_with(headers: dict[str, str], client: str) -> dict[str, Any]:
    """What an application inside the layer sees of a request from ``client``."""
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope, headers=dict(scope["headers"]))

    layer = ForwardedLayer(app, networks=tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "::1"))))
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "scheme": "http", "client": (client, 5), "headers": [(b"host", b"inner"), *raw]}
    asyncio.run(layer(scope, None, None))  # type: ignore[arg-type]
    return seen


FORWARDED = {
    "X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.1.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "hub.org",
}


def test_a_trusted_proxy_is_believed() -> None:
    for client in ("10.0.0.7", "::1", "::ffff:10.0.0.7"):
        seen = called_with(FORWARDED, client)
        assert (seen["client"][0], seen["scheme"], seen["headers"][b"host"]) == ("203.0.113.9", "https", b"hub.org")
    assert called_with({"X-Forwarded-Host": 'a"b/'}, "10.0.0.7")["headers"] == {b"host": b"inner"}


def test_nobody_else_is() -> None:
    seen = called_with(FORWARDED, "203.0.113.1")
    assert (seen["client"][0], seen["scheme"]) == ("203.0.113.1", "http")
    assert seen["headers"] == {b"host": b"inner"}


def test_too_many_requests(tmp_path: Path) -> None:
    with hub_on_loopback(tmp_path / "root", requests_per_minute=3) as hub:
        answers = [hub.ask("GET", "/api/whoami-v2", "alice") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
        assert "at most 3 a minute" in answers[-1].json()["error"]
        assert hub.ask("GET", "/api/whoami-v2", "bob").status_code == 200, "another's requests are another's"
        assert hub.ask("GET", "/health").status_code == 200


def test_a_bucket_fills_again_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from enfold.hub.server import limits

    moment = [0.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(limits, "_MOST_CALLERS", 3)
    layer = RateLayer(None, per_minute=2)  # type: ignore[arg-type]
    assert [layer._take(b"a") for _ in range(3)] == [None, None, 30.0]
    moment[0] = 30.0
    assert layer._take(b"a") is None
    for caller in (b"b", b"c", b"d", b"e"):
        layer._take(caller)
    assert list(layer._buckets) == [b"c", b"d", b"e"]


def test_every_first_piece_of_a_route_is_no_name_for_an_account(hub: Hub) -> None:
    assert {"api", "health", "metrics"} <= first_pieces()
    for piece in first_pieces():
        with pytest.raises(Exception, match="reserved"):
            hub.add_user(piece)
    assert not {piece for piece in first_pieces() if "." not in piece} - RESERVED - {"v1"}


def test_every_piece_after_a_repository_is_no_name_for_one() -> None:
    paths = [str(getattr(route, "path", "")) for router in ROUTERS for route in router.routes]
    pieces = {match for path in paths for match in re.findall(r"\{(?:repo:repo|place:place)\}/([^/{]+)", path)}
    assert pieces, "routes with a repository in them"
    assert pieces <= AFTER_REPOSITORY


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 70_000}, "port=70000 must lie between 0 and 65535"),
        ({"public_url": "hub.example.org"}, "public_url='hub.example.org' must look like https://"),
        ({"trusted_proxies": ("10.0.0.1/8",)}, "'10.0.0.1/8' is no network in CIDR form"),
        (
            {"tls_key": Path("nowhere.pem")},
            "tls_certificate and tls_key are needed together; tls_key=nowhere.pem is no",
        ),
        (
            {"requests_per_minute": 0, "max_file_bytes": 1},
            "requests_per_minute=0 .*; max_file_bytes=1 must be at least",
        ),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        HubSettings(root=tmp_path, **settings)


def test_which_settings_let_tokens_cross_a_network_in_the_clear(tmp_path: Path) -> None:
    assert HubSettings(root=tmp_path, host="0.0.0.0").exposed
    assert not HubSettings(root=tmp_path).exposed
    assert not HubSettings(root=tmp_path, host="0.0.0.0", trusted_proxies=("10.0.0.0/8",)).exposed
