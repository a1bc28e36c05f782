"""Whatever address bob asks with alice's names, ids, hashes and tickets, he learns nothing; each route has its case.

The list of routes is the application's own: a route that is added without a case here fails the first test.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import xet_writing as written
from kept_secret import LARGE, MISSING, PRIVATE, Secrets

from enfold.hub.pages.page import PageRoute
from enfold.hub.server.routes import routers

API, WEB = "/api/{kind:kind}/{repo:repo}", "/{place:place}"
OTHER_HASH, NOBODY = hashlib.sha256(b"of nobody").hexdigest(), "0" * 24


@dataclass(frozen=True)
class Form:
    """What a page's form sends."""

    fields: tuple[tuple[str, str], ...] = ()


def form(**fields: str) -> Form:
    return Form(tuple(fields.items()))


# The routes of one repository, with a body that is right for each. Bob must be answered as for a missing one.
REPOSITORY: dict[str, Any] = {
    f"GET {API}": None,
    f"GET {API}/auth-check": None,
    f"GET {API}/auth-check/write": None,
    f"PUT {API}/settings": {"description": "x"},
    f"GET {API}/user-access-request/{{status}}": None,
    f"POST {API}/user-access-request/handle": {"user": "bob", "status": "accepted"},
    f"POST {API}/user-access-request/grant": {"user": "bob"},
    f"GET {API}/discussions": None,
    f"POST {API}/discussions": {"title": "a title", "description": "x"},
    f"GET {API}/discussions/{{number}}": None,
    f"POST {API}/discussions/{{number}}/comment": {"comment": "x"},
    f"POST {API}/discussions/{{number}}/comment/{{uid}}/edit": {"content": "x"},
    f"POST {API}/discussions/{{number}}/comment/{{uid}}/hide": None,
    f"POST {API}/discussions/{{number}}/title": {"title": "a title"},
    f"POST {API}/discussions/{{number}}/status": {"status": "open"},
    f"POST {API}/discussions/{{number}}/merge": {},
    f"POST {API}/like": None,
    f"DELETE {API}/like": None,
    f"GET {API}/likers": None,
    f"GET {API}/revision/{{revision:piece}}": None,
    f"GET {API}/tree/{{revision:piece}}": None,
    f"GET {API}/tree/{{revision:piece}}/{{path:pieces}}": None,
    f"POST {API}/paths-info/{{revision:piece}}": {"paths": ["a"]},
    f"GET {API}/refs": None,
    f"POST {API}/branch/{{branch:piece}}": {},
    f"DELETE {API}/branch/{{branch:piece}}": None,
    f"POST {API}/tag/{{revision:piece}}": {"tag": "v2"},
    f"DELETE {API}/tag/{{tag:piece}}": None,
    f"GET {API}/commits/{{revision:piece}}": None,
    f"GET {API}/commits/{{revision:piece}}/{{path:pieces}}": None,
    f"GET {API}/compare/{{revisions:piece}}": None,
    f"POST {API}/super-squash/{{branch:piece}}": {"message": "x"},
    f"POST {API}/revert/{{branch:piece}}": {"commit": "main"},
    f"POST {API}/duplicate": {"repository": "bob/copy"},
    f"POST {API}/preupload/{{revision:piece}}": {"files": [{"path": "b", "size": 1, "sample": "YQ=="}]},
    f"POST {API}/commit/{{revision:piece}}": '{"key":"header","value":{"summary":"x"}}\n',
    f"GET {API}/xet-write-token/{{revision:piece}}": None,
    f"GET {API}/xet-read-token/{{revision:piece}}": None,
    f"POST {API}/lfs-files/duplicate": {"target": {"type": "model", "name": "bob/open"}, "files": []},
    f"POST {WEB}/ask-access": None,
    f"POST {WEB}/info/lfs/objects/batch": {"operation": "upload", "objects": [{"oid": OTHER_HASH, "size": 1}]},
    f"POST {WEB}/info/lfs/locks/verify": {},
    f"GET {WEB}/info/refs": None,
    f"POST {WEB}/git-upload-pack": "0000",
    f"POST {WEB}/git-receive-pack": "0000",
    f"GET {WEB}/resolve/{{revision:piece}}/{{path:pieces}}": None,
    f"HEAD {WEB}/resolve/{{revision:piece}}/{{path:pieces}}": None,
    f"GET {WEB}/raw/{{revision:piece}}/{{path:pieces}}": None,
    f"HEAD {WEB}/raw/{{revision:piece}}/{{path:pieces}}": None,
    f"GET {WEB}": None,
    f"GET {WEB}/settings": None,
    f"POST {WEB}/settings": form(do="change", private="yes", description="x"),
    f"GET {WEB}/tree/{{revision:piece}}/{{path:pieces}}": None,
    f"GET {WEB}/tree/{{revision:piece}}": None,
    f"GET {WEB}/blob/{{revision:piece}}/{{path:pieces}}": None,
    f"GET {WEB}/view/{{revision:piece}}/{{path:pieces}}": None,
    f"GET {WEB}/commits/{{revision:piece}}/{{path:pieces}}": None,
    f"GET {WEB}/commits/{{revision:piece}}": None,
    f"GET {WEB}/commit/{{oid:piece}}": None,
    f"GET {WEB}/discussions": None,
    f"GET {WEB}/discussions/new": None,
    f"POST {WEB}/discussions/new": form(title="a title", words="x"),
    f"GET {WEB}/discussions/{{number:int}}": None,
    f"POST {WEB}/discussions/{{number:int}}": form(words="x", do="comment"),
    f"GET {WEB}/access": None,
    f"POST {WEB}/access": form(words="x"),
    f"GET {WEB}/settings/access": None,
    f"POST {WEB}/settings/access": form(user="bob", do="grant"),
    f"GET {WEB}/branches": None,
    f"POST {WEB}/branches": form(do="branch", name="stolen", start="main"),
    f"GET {WEB}/edit/{{revision:piece}}": None,
    f"GET {WEB}/edit/{{revision:piece}}/{{path:pieces}}": None,
    f"POST {WEB}/edit/{{revision:piece}}": form(path="b", content="x", title="x"),
    f"POST {WEB}/edit/{{revision:piece}}/{{path:pieces}}": form(path="a", content="x", title="x"),
    f"GET {WEB}/likers": None,
    f"POST {WEB}/like": form(do="like"),
    f"GET {WEB}/upload/{{revision:piece}}/{{path:pieces}}": None,
    f"GET {WEB}/upload/{{revision:piece}}": None,
    f"POST {WEB}/upload/{{revision:piece}}/{{path:pieces}}": form(title="x"),
    f"POST {WEB}/upload/{{revision:piece}}": form(title="x"),
}

# Lists and profiles: alice's hidden things are in none that bob can ask for.
LISTS: dict[str, str] = {
    "GET /api/{kind:kind}": "/api/models?full=true&limit=1000",
    "GET /api/collections": "/api/collections",
    "GET /api/users/{user:piece}/likes": "/api/users/alice/likes",
    "GET /api/users/{name:piece}/overview": "/api/users/alice/overview",
    "GET /api/users/{name:piece}/followers": "/api/users/alice/followers",
    "GET /api/users/{name:piece}/following": "/api/users/alice/following",
    "GET /api/organizations/{name:piece}/overview": "/api/organizations/lab/overview",
    "GET /api/organizations/{name:piece}/members": "/api/organizations/lab/members",
    "GET /api/organizations/{name:piece}/followers": "/api/organizations/lab/followers",
    "GET /api/organizations/{name:piece}/settings/repositories": "/api/organizations/lab/settings/repositories",
    "GET /api/settings/repositories": "/api/settings/repositories",
    "GET /api/settings/webhooks": "/api/settings/webhooks",
    "GET /api/models-tags-by-type": "/api/models-tags-by-type",
    "GET /api/datasets-tags-by-type": "/api/datasets-tags-by-type",
    "GET /api/whoami-v2": "/api/whoami-v2",
    "GET /health": "/health",
    "GET /metrics": "/metrics",
    "GET /": "/",
    "GET /models": "/models?q=vault73",
    "GET /datasets": "/datasets?q=vault73",
    "GET /spaces": "/spaces?q=vault73",
    "GET /search": "/search?q=vault73",
    "GET /collections": "/collections?q=vault73",
    "GET /collections/new": "/collections/new",
    "GET /settings/webhooks": "/settings/webhooks",
    "GET /settings": "/settings",
    "GET /settings/tokens": "/settings/tokens",
    "GET /organizations/{name:piece}": "/organizations/lab",
    "GET /organizations/new": "/organizations/new",
    "GET /new": "/new",
    "GET /login": "/login?next=/alice/open",
    "GET /login/device": "/login/device",
    "GET /avatars/{name:piece}": "/avatars/alice.svg",
}

# Routes behind which nothing of anybody's lies: what is sent to them is the whole of what they know.
NOTHING_KEPT = {
    "GET /assets/{name:piece}",
    "POST /api/validate-yaml",
    "POST /v1/telemetry",
    "POST /cas/{place:piece}/v1/telemetry",
    "POST /oauth/device",
    "POST /api/settings/webhooks",
    "POST /api/collections",
    "POST /api/users/{name:piece}/follow",
    "DELETE /api/users/{name:piece}/follow",
    "POST /api/organizations/{name:piece}/follow",
    "DELETE /api/organizations/{name:piece}/follow",
    "POST /logout",
    "POST /settings",
    "POST /settings/tokens",
    "POST /organizations/new",
    "POST /settings/webhooks",
    "POST /collections/new",
}

Case = Callable[[Secrets], None]
CASES: dict[str, Case] = {}


def case(*routes: str) -> Callable[[Case], Case]:
    """Say which routes a case tries."""

    def keep(function: Case) -> Case:
        CASES.update(dict.fromkeys(routes, function))
        return function

    return keep


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        yield from [route] if hasattr(route, "path") else _flat(route.original_router.routes)


HUB_ROUTES = {
    f"{method} {route.path}": route
    for router in routers()
    for route in _flat(router.routes)
    for method in sorted(route.methods)
}


def test_every_route_has_a_case_and_every_case_a_route() -> None:
    told = [*REPOSITORY, *LISTS, *NOTHING_KEPT, *CASES]
    assert sorted(told) == sorted(set(told)), "one case a route"
    assert sorted(set(HUB_ROUTES) - set(told)) == [], "routes without a case"
    assert sorted(set(told) - set(HUB_ROUTES)) == [], "cases without a route"


def send(kept: Secrets, who: str | None, route: str, repo: str) -> httpx2.Response:
    """A route of a repository, asked as its clients ask it."""
    method, template = route.split(" ")
    values = {
        "kind": "models",
        "repo": repo,
        "place": repo,
        "status": "pending",
        "number": "1",
        "uid": kept["comment"],
        "revision": "main",
        "branch": "dev",
        "tag": "v1",
        "path": "a",
        "oid": kept["commit"],
        "revisions": "main..main",
    }
    path = re.sub(r"\{(\w+)[^}]*\}", lambda match: values[match.group(1)], template)
    body = REPOSITORY[route]
    if template.endswith("/info/refs"):
        path += "?service=git-upload-pack"
    if isinstance(HUB_ROUTES[route], PageRoute):
        return kept.browse(who, method, path, dict(body.fields) if body else None)
    more: dict[str, Any] = {}
    if body is not None:
        text = body if isinstance(body, str) else json.dumps(body)
        more = {"content": text, "headers": {"Content-Type": "application/json"}}
    return kept.ask(who, method, path, **more)


def seen(answer: httpx2.Response, repo: str) -> tuple[int, str, dict[str, str]]:
    """All that can be learnt from an answer, with the name that was asked for taken out."""
    kept = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id", "set-cookie")}
    kept.pop("content-length", None)
    owner, name = repo.split("/")

    def neutral(text: str) -> str:
        for form in (repo, f"{owner}%2F{name}", name):
            text = text.replace(form, "REPO")
        return text

    return answer.status_code, neutral(answer.text), {key: neutral(value) for key, value in kept.items()}


@pytest.mark.parametrize("route", REPOSITORY)
def test_a_hidden_repository_is_answered_like_a_missing_one(kept: Secrets, route: str) -> None:
    for who in ("bob", None):
        there, missing = (seen(send(kept, who, route, repo), repo) for repo in (PRIVATE, MISSING))
        assert there == missing
        assert there[0] in ((404,) if who else (401, 404, 303)), there
        assert "whisper" not in there[1]


@pytest.mark.parametrize("route", LISTS)
def test_no_list_names_what_is_hidden(kept: Secrets, route: str) -> None:
    address = LISTS[route]
    page = isinstance(HUB_ROUTES[route], PageRoute)
    for who in ("bob", None):
        answer = kept.browse(who, "GET", address) if page else kept.ask(who, "GET", address)
        assert answer.status_code < 500 and answer.status_code != 422, answer.text
        asked = address.partition("q=")[2]
        text = answer.text.replace(f'value="{asked}"', "") if asked else answer.text
        for secret in (PRIVATE, "lab/vault73", "whisper", kept["slug"], kept["webhook"]):
            assert secret not in text
    theirs = kept.ask("alice", "GET", "/api/models?full=true&limit=1000").text
    assert PRIVATE in theirs and "lab/vault73" in theirs, "they are there, for alice"


def alike(kept: Secrets, method: str, path: str, secret: str, unknown: str, **more: Any) -> httpx2.Response:
    """Ask with a thing of alice's and with one of nobody's: bob must be answered the same."""
    answers = []
    for name in (secret, unknown):
        answer = kept.ask(more.get("who", "bob"), method, path.replace("{}", name), json=more.get("json"))
        headers = {key: value for key, value in answer.headers.items() if key not in ("date", "x-request-id")}
        headers.pop("content-length", None)
        text = json.dumps([answer.text, headers]).replace(name, "NAME")
        answers.append((answer.status_code, text, answer))
    assert answers[0][:2] == answers[1][:2]
    return answers[0][2]


@case("POST /api/repos/create", "DELETE /api/repos/delete", "POST /api/repos/move")
def making_moving_and_deleting(kept: Secrets) -> None:
    for method, path, body in (
        ("POST", "/api/repos/create", {"name": "{}", "organization": "alice"}),
        ("POST", "/api/repos/create", {"name": "{}", "organization": "lab"}),
        ("DELETE", "/api/repos/delete", {"name": "{}", "organization": "alice"}),
        ("POST", "/api/repos/move", {"fromRepo": "alice/{}", "toRepo": "bob/mine", "type": "model"}),
        ("POST", "/api/repos/move", {"fromRepo": "bob/open", "toRepo": "alice/{}", "type": "model"}),
    ):
        answers = []
        for name in ("vault73", "nought73"):
            sent = json.loads(json.dumps(body).replace("{}", name))
            answer = kept.ask("bob", method, path, json=sent)
            answers.append((answer.status_code, answer.text.replace(name, "NAME")))
        assert answers[0] == answers[1]
        assert answers[0][0] in (403, 404)


@case(
    "GET /api/collections/{namespace:piece}/{slug:piece}",
    "PATCH /api/collections/{namespace:piece}/{slug:piece}",
    "DELETE /api/collections/{namespace:piece}/{slug:piece}",
    "POST /api/collections/{namespace:piece}/{slug:piece}/items",
    "PATCH /api/collections/{namespace:piece}/{slug:piece}/items/{uid}",
    "DELETE /api/collections/{namespace:piece}/{slug:piece}/items/{uid}",
)
def collections_of_others(kept: Secrets) -> None:
    unknown = f"alice/vault73-{NOBODY}"
    one, item = "/api/collections/{}", f"/api/collections/{{}}/items/{kept['item']}"
    thing = {"item": {"type": "model", "id": "bob/open"}}
    for method, path, body in (
        ("GET", one, None),
        ("PATCH", one, {"title": "x"}),
        ("DELETE", one, None),
        ("POST", f"{one}/items", thing),
        ("PATCH", item, {"note": "x"}),
        ("DELETE", item, None),
    ):
        assert alike(kept, method, path, kept["slug"], unknown, json=body).status_code == 404
    mine = kept.ask("bob", "POST", "/api/collections", json={"title": "mine", "namespace": "bob"}).json()["slug"]
    for kind, names in (("model", (PRIVATE, MISSING)), ("collection", (kept["slug"], unknown))):
        answers = [
            kept.ask("bob", "POST", f"/api/collections/{mine}/items", json={"item": {"type": kind, "id": name}})
            for name in names
        ]
        assert [each.status_code for each in answers] == [404, 404]
    answer = kept.ask("bob", "DELETE", f"/api/collections/{mine}/items/{kept['item']}")
    assert answer.status_code == 404, "an item of alice's, through a collection of his own"


@case(
    "GET /api/settings/webhooks/{uid}",
    "POST /api/settings/webhooks/{uid}",
    "DELETE /api/settings/webhooks/{uid}",
    "POST /api/settings/webhooks/{uid}/enable",
    "POST /api/settings/webhooks/{uid}/disable",
)
def webhooks_of_others(kept: Secrets) -> None:
    one = "/api/settings/webhooks/{}"
    body = {"url": "https://example.org/", "watched": [], "domains": []}
    for method, path, sent in (
        ("GET", one, None),
        ("POST", one, body),
        ("DELETE", one, None),
        ("POST", f"{one}/enable", None),
        ("POST", f"{one}/disable", None),
    ):
        assert alike(kept, method, path, kept["webhook"], NOBODY, json=sent).status_code == 404


@case(
    "POST /cas/{place:piece}/v1/xorbs/{prefix}/{xorb:piece}",
    "POST /cas/{place:piece}/v1/shards",
    "POST /cas/{place:piece}/v2/shards",
    "GET /cas/{place:piece}/v1/chunks/{prefix}/{chunk:piece}",
    "GET /cas/{place:piece}/v2/reconstructions/{file:piece}",
    "GET /cas/{place:piece}/v1/reconstructions/{file:piece}",
    "GET /cas/{place:piece}/ranges/{xorb:piece}",
)
def the_store_of_pieces(kept: Secrets) -> None:
    place, opened = kept.cas("bob", "bob/open")
    unknown = written.some_chunks(4, seed=12)
    names = {
        "v1/chunks/default/": (kept["chunk"], written.shown(written.chunk_hash(unknown[0]))),
        "v2/reconstructions/": (kept["file"], written.file_name(unknown)),
        "v1/reconstructions/": (kept["file"], written.file_name(unknown)),
    }
    for path, pair in names.items():
        answers = [kept.ask(None, "GET", f"{place}/{path}{name}", headers=opened) for name in pair]
        assert [each.status_code for each in answers] == [404, 404]
        assert answers[0].text.replace(pair[0], "NAME") == answers[1].text.replace(pair[1], "NAME")
        # His token is not good at alice's place, nor without the place.
        assert kept.ask(None, "GET", f"{kept['place']}/{path}{pair[0]}", headers=opened).status_code in (401, 403)
        assert kept.ask(None, "GET", f"{place}/{path}{pair[0]}").status_code == 401
    chunks = written.some_chunks(4, seed=11)
    for version in ("v1", "v2"):
        refused = []
        for each in (chunks, unknown):
            shard = written.shard([written.file_entry([(each, 0, len(each))])])
            answer = kept.ask(None, "POST", f"{place}/{version}/shards", headers=opened, content=shard)
            refused.append((answer.status_code, answer.text.replace(written.xorb_name(each), "XORB")))
            there = f"{kept['place']}/{version}/shards"
            assert kept.ask(None, "POST", there, headers=opened, content=shard).status_code in (401, 403)
        assert refused[0] == refused[1] and refused[0][0] == 400, "another's xorb, and one of nobody's"
    body = written.xorb_body(chunks)
    there = f"{kept['place']}/v1/xorbs/default/{kept['xorb']}"
    assert kept.ask(None, "POST", there, headers=opened, content=body).status_code in (401, 403)
    new = [
        kept.ask(None, "POST", f"{place}/v1/xorbs/default/{written.xorb_name(each)}", headers=opened, content=content)
        for each, content in ((chunks, body), (unknown, written.xorb_body(unknown)))
    ]
    assert [each.json() for each in new] == [{"was_inserted": True}] * 2, "stored already, and not told"
    moved = kept["range"].replace(kept["xorb"], OTHER_HASH)
    assert kept.ask("bob", "GET", moved).status_code == 403, "an address that was signed for another xorb"
    longer = re.sub(r"end=(\d+)", lambda match: f"end={int(match[1]) - 1}", kept["range"])
    assert kept.ask("bob", "GET", longer).status_code == 403, "and for another range"


@case(
    "PUT /lfs/objects/{oid:piece}",
    "GET /lfs/objects/{oid:piece}",
    "POST /lfs/objects/{oid:piece}/verify",
    "PUT /lfs/uploads/{upload:piece}/{number:int}",
    "POST /lfs/uploads/{upload:piece}",
)
def large_files(kept: Secrets) -> None:
    oid, size = kept["oid"], len(LARGE)
    of_bob = kept.batch("bob", "bob/open", "download", oid, size)
    of_nobody = kept.batch("bob", "bob/open", "download", OTHER_HASH, size)
    assert of_bob["error"] == of_nobody["error"], "stored already, and answered like a file that nobody has"
    assert "upload" in kept.batch("bob", "bob/open", "upload", oid, size)["actions"]
    mine = {
        name: action["href"].partition("ticket=")[2]
        for name, action in kept.batch("bob", "bob/open", "upload", OTHER_HASH, size)["actions"].items()
    }
    tickets = [*mine.values(), "", "x" * 40]
    for ticket in tickets:  # his own, for another file; none; one that was made up
        assert kept.ask("bob", "GET", f"/lfs/objects/{oid}?ticket={ticket}").status_code == 403
        put = kept.ask("bob", "PUT", f"/lfs/objects/{oid}?ticket={ticket}", content=LARGE)
        assert put.status_code == 403
        asked = kept.ask("bob", "POST", f"/lfs/objects/{oid}/verify?ticket={ticket}", json={"oid": oid, "size": size})
        assert asked.status_code == 403
        part = kept.ask("bob", "PUT", f"/lfs/uploads/{'0' * 32}/1?ticket={ticket}", content=b"x")
        assert part.status_code == 403
        whole = kept.ask("bob", "POST", f"/lfs/uploads/{'0' * 32}?ticket={ticket}", json={"oid": oid, "parts": []})
        assert whole.status_code == 403
    for other in ("ticket to send", "ticket to verify"):  # alice's, for another method
        assert kept.ask(None, "GET", f"/lfs/objects/{oid}?ticket={kept[other]}").status_code == 403
    assert kept.ask(None, "GET", f"/lfs/objects/{OTHER_HASH}?ticket={kept['ticket to fetch']}").status_code == 403


@case("POST /oauth/token")
def device_codes(kept: Secrets) -> None:
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    for code in ("x" * 40, kept["webhook"]):
        answer = kept.ask(
            None, "POST", "/oauth/token", data={"grant_type": grant, "device_code": code, "client_id": "x"}
        )
        assert answer.status_code == 400 and "access_token" not in answer.text


@case(
    "POST /login",
    "POST /login/device",
    "GET /setup",
    "POST /setup",
    "GET /join",
    "POST /join",
    "GET /password",
    "POST /password",
)
def ways_in(kept: Secrets) -> None:
    answers = [
        kept.browse(None, "POST", "/login", {"name": name, "password": "not the one of anybody"})
        for name in ("alice", "nobody-of-this-name")
    ]
    texts = [each.text.replace("nobody-of-this-name", "alice") for each in answers]
    assert texts[0] == texts[1] and all(each.status_code >= 400 for each in answers), "who is here is not told"
    assert kept.browse(None, "POST", "/login/device", {"code": "ABCD-EFGH", "answer": "allow"}).status_code >= 400
    for path in ("/setup", "/join", "/password"):
        for key in ("", "x" * 40):
            assert kept.browse(None, "GET", f"{path}?key={key}").status_code >= 400
            sent = {"name": "eve", "password": "a long sentence of hers", "again": "a long sentence of hers"}
            assert kept.browse(None, "POST", f"{path}?key={key}", sent).status_code >= 400


@case("GET /collections/{namespace:piece}/{slug:piece}", "POST /collections/{namespace:piece}/{slug:piece}")
def pages_of_collections(kept: Secrets) -> None:
    unknown = f"alice/vault73-{NOBODY}"
    for who in ("bob", None):
        for method, fields in (
            ("GET", None),
            ("POST", {"do": "delete"}),
            ("POST", {"do": "add", "type": "model", "name": "bob/open"}),
        ):
            answers = []
            for slug in (kept["slug"], unknown):
                answer = kept.browse(who, method, f"/collections/{slug}", fields)
                text = answer.text.replace(slug, "SLUG").replace(quote(slug, safe=""), "SLUG")
                answers.append((answer.status_code, text.replace(slug.partition("/")[2], "SLUG")))
            assert answers[0] == answers[1]
            assert answers[0][0] in (401, 403, 404) and (who is None or answers[0][0] == 404)


@case("GET /settings/webhooks/{uid:piece}", "POST /settings/webhooks/{uid:piece}")
def pages_of_webhooks(kept: Secrets) -> None:
    for method, fields in (("GET", None), ("POST", {"do": "delete"}), ("POST", {"do": "disable"})):
        answers = []
        for uid in (kept["webhook"], NOBODY):
            answer = kept.browse("bob", method, f"/settings/webhooks/{uid}", fields)
            answers.append((answer.status_code, answer.text.replace(uid, "UID")))
        assert answers[0] == answers[1] and answers[0][0] == 404
        assert kept.browse(None, method, f"/settings/webhooks/{kept['webhook']}", fields).status_code in (303, 401, 403)
    assert kept.ask("alice", "GET", f"/api/settings/webhooks/{kept['webhook']}").json()["webhook"]["disabled"] is False


@case(
    "GET /admin",
    "GET /admin/jobs",
    "GET /admin/quotas",
    "POST /admin/quotas",
    "POST /admin",
    "GET /admin/invitations",
    "POST /admin/invitations",
    "GET /admin/audit",
)
def pages_of_admins(kept: Secrets) -> None:
    for path in ("/admin", "/admin/invitations", "/admin/audit", "/admin/jobs", "/admin/quotas"):
        assert kept.browse("bob", "GET", path).status_code in (403, 404)
        assert kept.browse(None, "GET", path).status_code == 303, "sent to sign in"
    for path in ("/admin", "/admin/invitations", "/admin/quotas"):
        sent = {"user": "alice", "do": "suspend"}
        assert kept.browse("bob", "POST", path, sent).status_code in (403, 404)
        assert kept.browse(None, "POST", path, sent).status_code in (401, 403)


@case("POST /settings/tokens/revoke", "POST /new", "POST /organizations/{name:piece}")
def forms_of_others(kept: Secrets) -> None:
    kept.browse("bob", "POST", "/settings/tokens/revoke", {"name": "test", "user": "alice"})
    assert kept.ask("alice", "GET", "/api/whoami-v2").status_code == 200, "bob's own token of that name was meant"
    kept.hub.add_token("bob", "bob")
    for owner in ("alice", "lab"):
        answers = []
        for name in ("vault73", "nought73"):
            answer = kept.browse("bob", "POST", "/new", {"owner": owner, "name": name, "type": "model"})
            answers.append((answer.status_code, answer.text.replace(name, "NAME")))
        assert answers[0] == answers[1] and answers[0][0] >= 400
    for fields in ({"do": "role", "user": "bob", "role": "admin"}, {"do": "remove", "user": "alice"}):
        assert kept.browse("bob", "POST", "/organizations/lab", fields).status_code in (403, 404)
    members = kept.ask("alice", "GET", "/api/organizations/lab/members").json()
    assert [each["user"] for each in members] == ["alice"]


@pytest.mark.parametrize("named", sorted({function.__name__: function for function in CASES.values()}))
def test_what_is_anothers_opens_nothing(kept: Secrets, named: str) -> None:
    next(function for function in CASES.values() if function.__name__ == named)(kept)


@pytest.mark.parametrize("route", REPOSITORY)
def test_the_addresses_are_real_ones(kept: Secrets, route: str) -> None:
    """For alice each of them is answered: it is not the address that made it look missing. Changes come last."""
    answer = send(kept, "alice", route, PRIVATE)
    assert answer.status_code < 500, answer.text
    assert answer.headers.get("x-error-code") != "RepoNotFound"
    assert "There is nothing at this address" not in answer.text
