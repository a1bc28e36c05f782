"""Ways round the rule that were thought of: another's ids, old names, cookies, headers that claim to be a proxy's."""

from __future__ import annotations

import json

import pytest
from kept_secret import LARGE, MISSING, PRIVATE, Secrets

from enfold.hub.records import Grant, accounts, tokens
from enfold.hub.records.repositories import find_repository

OPEN = "/api/models/bob/open"


def refused(kept: Secrets, method: str, path: str, secret: str, unknown: str, **more: object) -> int:
    """Bob asks with something of alice's and with something of nobody's, in the path or the body: the same answer."""
    answers = []
    for name in (secret, unknown):
        sent = {key: json.loads(json.dumps(value).replace("{}", name)) for key, value in more.items()}
        answer = kept.ask("bob", method, path.replace("{}", name), **sent)
        answers.append((answer.status_code, answer.text.replace(name, "NAME"), answer.headers.get("x-error-code")))
    assert answers[0] == answers[1]
    return answers[0][0]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{OPEN}/revision/{{}}", None),
        ("GET", f"{OPEN}/tree/{{}}", None),
        ("GET", f"{OPEN}/commits/{{}}", None),
        ("GET", f"{OPEN}/compare/main..{{}}", None),
        ("GET", "/bob/open/resolve/{}/a", None),
        ("GET", "/bob/open/raw/{}/a", None),
        ("POST", f"{OPEN}/paths-info/{{}}", {"paths": ["a"]}),
        ("POST", f"{OPEN}/branch/stolen", {"startingPoint": "{}"}),
        ("POST", f"{OPEN}/tag/{{}}", {"tag": "stolen"}),
        ("POST", f"{OPEN}/revert/main", {"commit": "{}"}),
    ],
)
def test_a_commit_of_another_repository_is_no_revision_here(
    kept: Secrets, method: str, path: str, body: dict[str, object] | None
) -> None:
    assert refused(kept, method, path, kept["commit"], "0" * 40, json=body) == 404


def test_a_commit_that_no_ref_leads_to_is_no_revision(kept: Secrets) -> None:
    api = kept.hub.api("bob")
    api.create_branch("bob/open", branch="dropped")
    made = api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="bob/open", revision="dropped")
    assert kept.ask("bob", "GET", f"{OPEN}/tree/{made.oid}").status_code == 200
    api.delete_branch("bob/open", branch="dropped")
    for path in (f"{OPEN}/tree/{made.oid}", f"{OPEN}/revision/{made.oid}", f"/bob/open/resolve/{made.oid}/x"):
        assert kept.ask("bob", "GET", path).status_code == 404


def test_a_large_file_of_anothers_is_not_committed_by_its_name(kept: Secrets) -> None:
    for size in (len(LARGE), 1, None):
        answers = []
        for oid in (kept["oid"], "f" * 64):
            value = {"path": "taken.bin", "algo": "sha256", "oid": oid, **({} if size is None else {"size": size})}
            lines = [{"key": "header", "value": {"summary": "x"}}, {"key": "lfsFile", "value": value}]
            content = "".join(json.dumps(line) + "\n" for line in lines)
            answer = kept.ask("bob", "POST", f"{OPEN}/commit/main", content=content)
            answers.append((answer.status_code, answer.text.replace(oid, "OID")))
        assert answers[0] == answers[1] and answers[0][0] in (400, 422)


def test_a_pointer_that_was_committed_as_a_text_gives_no_bytes(kept: Secrets) -> None:
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{kept['oid']}\nsize {len(LARGE)}\n"
    line = {"key": "file", "value": {"path": "pointer.txt", "content": text, "encoding": "utf-8"}}
    content = json.dumps({"key": "header", "value": {"summary": "x"}}) + "\n" + json.dumps(line) + "\n"
    answer = kept.ask("bob", "POST", f"{OPEN}/commit/main", content=content)
    if answer.status_code == 200:
        found = kept.ask("bob", "GET", "/bob/open/resolve/main/pointer.txt")
        assert LARGE not in found.content
        assert kept["oid"] not in found.headers.get("x-linked-etag", "")
    else:
        assert answer.status_code in (400, 422)


def test_copies_go_neither_from_nor_to_what_is_hidden(kept: Secrets) -> None:
    target = {"target": {"type": "model", "name": "{}"}, "files": [{"sha256": "f" * 64}]}
    assert refused(kept, "POST", f"{OPEN}/lfs-files/duplicate", PRIVATE, MISSING, json=target) == 404
    files = {"target": {"type": "model", "name": "bob/open"}, "files": [{"sha256": "{}"}]}
    assert refused(kept, "POST", f"{OPEN}/lfs-files/duplicate", kept["oid"], "f" * 64, json=files) == 200
    assert kept.batch("bob", "bob/open", "download", kept["oid"], len(LARGE))["error"]["code"] == 404


def test_an_old_name_of_a_hidden_repository_leads_nowhere(kept: Secrets) -> None:
    api = kept.hub.api("alice")
    api.create_repo("alice/before73", private=True)
    api.move_repo("alice/before73", "alice/after73")
    for who in ("bob", None):
        for path in ("/api/models/{}", "/api/models/{}/tree/main", "/{}/resolve/main/README.md", "/{}/tree/main"):
            answers = []
            for name in ("alice/before73", MISSING):
                answer = kept.ask(who, "GET", path.replace("{}", name))
                answers.append((answer.status_code, answer.text.replace(name, "NAME").replace(name[6:], "NAME")))
                assert "after73" not in answer.text + str(answer.headers)
            assert answers[0] == answers[1]
    assert api.repo_info("alice/before73").id == "alice/after73", "alice is led to it"


def test_the_cookie_of_a_browser_opens_pages_alone(kept: Secrets) -> None:
    browser = kept.browsers["alice"]
    assert browser.get(f"/{PRIVATE}").status_code == 200
    place = kept["place"]
    for path in (
        f"/api/models/{PRIVATE}",
        "/api/whoami-v2",
        f"/{PRIVATE}/resolve/main/a",
        f"/{PRIVATE}/raw/main/a",
        f"/{PRIVATE}.git/info/refs?service=git-upload-pack",
        f"{place}/v2/reconstructions/{kept['file']}",
        f"{place}/v1/chunks/default/{kept['chunk']}",
    ):
        assert browser.get(path).status_code == 401, path
    assert browser.get(f"/lfs/objects/{kept['oid']}?ticket=x").status_code == 403
    body = {"operation": "download", "objects": [{"oid": kept["oid"], "size": len(LARGE)}]}
    assert browser.client.post(f"/{PRIVATE}.git/info/lfs/objects/batch", json=body).status_code == 401
    assert browser.client.post("/api/repos/create", json={"name": "by-cookie"}).status_code == 401


def test_a_page_without_a_cookie_takes_no_token(kept: Secrets) -> None:
    assert kept.ask("alice", "GET", f"/{PRIVATE}").status_code == 404
    assert kept.ask("alice", "GET", "/settings/tokens").status_code == 303


def test_a_form_from_elsewhere_does_nothing(kept: Secrets) -> None:
    browser, key = kept.browsers["alice"], kept["form key of alice"]
    fields = {"owner": "alice", "name": "forged", "type": "model"}
    for sent, origin in (
        ({**fields, "form_key": key}, "https://evil.example"),
        ({**fields, "form_key": key}, "null"),
        ({**fields, "form_key": kept["form key of bob"]}, browser.url),
        (fields, browser.url),
    ):
        assert browser.post("/new", sent, Origin=origin).status_code == 403
    assert not kept.hub.api("alice").repo_exists("alice/forged")


def test_nobody_becomes_a_proxy_by_saying_so(kept: Secrets) -> None:
    claims = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    answer = kept.ask("bob", "POST", "/api/repos/create", json={"name": "addressed"}, headers=claims)
    assert answer.json()["url"] == f"{kept.hub.url}/bob/addressed"
    found = kept.ask("bob", "GET", f"{OPEN}/xet-read-token/main", headers=claims)
    assert found.json()["casUrl"].startswith(kept.hub.url)
    page = kept.ask("bob", "GET", "/api/models?limit=1", headers=claims)
    assert "evil.example" not in page.headers["link"]


def test_a_token_for_one_repository_shows_no_other(kept: Secrets) -> None:
    with kept.hub.records.read() as session:
        found = find_repository(session, "model", "alice/open")
        assert found is not None
        grant = Grant(repository_id=found.id, account_id=None, right="write")
    token = kept.hub.add_token("narrow", "alice", role="fineGrained", grants=[grant])
    assert token and kept.ask("narrow", "GET", "/api/models/alice/open").status_code == 200
    for path in ("/api/models/{}", "/{}/resolve/main/a", "/{}.git/info/refs?service=git-upload-pack"):
        answers = [kept.ask("narrow", "GET", path.replace("{}", name)) for name in (PRIVATE, MISSING)]
        assert [each.status_code for each in answers] == [404, 404]
    assert PRIVATE not in kept.ask("narrow", "GET", "/api/models?limit=1000").text


def test_a_ticket_ends_with_the_right_it_stood_for(kept: Secrets) -> None:
    hub = kept.hub
    with hub.records.write() as session:
        carol = accounts.create_user(session, "carol73")
        accounts.add_member(session, accounts.account(session, "lab", "org"), carol, "read")
        hub.tokens["carol73"] = tokens.create_token(session, carol, "test")
    api = hub.api("alice")
    api.upload_file(path_or_fileobj=LARGE, path_in_repo="large.bin", repo_id="lab/vault73")
    answer = kept.batch("carol73", "lab/vault73", "download", kept["oid"], len(LARGE))
    address = answer["actions"]["download"]["href"].removeprefix(hub.url)
    place, opened = kept.cas("carol73", "lab/vault73", "read")
    assert kept.ask(None, "GET", address).content == LARGE
    gone = kept.browse("alice", "POST", "/organizations/lab", {"do": "remove", "user": "carol73"})
    assert gone.status_code == 303
    assert kept.ask(None, "GET", address).status_code in (401, 403, 404)
    assert kept.ask(None, "GET", f"{place}/v2/reconstructions/{kept['file']}", headers=opened).status_code != 200
    assert kept.ask("carol73", "GET", "/api/models/lab/vault73").status_code == 404
