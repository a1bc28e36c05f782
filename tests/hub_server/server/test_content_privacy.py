"""Nobody learns from any address of content whether a private repository is there."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute
from hub_on_loopback import Hub

from enfold.hub.server.routes import commit, duplicate, history, refs, resolve, trees

ROUTES = sorted(
    {
        (method, route.path)
        for module in (commit, duplicate, history, refs, resolve, trees)
        for route in module.router.routes
        if isinstance(route, APIRoute) and "{" in route.path
        for method in route.methods
    }
)
VALUES = {"kind": "models", "revision": "main", "branch": "dev", "tag": "v1", "path": "a", "revisions": "main..main"}
BODIES = {
    "commit": '{"key":"header","value":{"summary":"x"}}\n',
    "preupload": '{"files":[]}',
    "tag": '{"tag":"v2"}',
    "duplicate": '{"repository":"bob/copy"}',
    "revert": '{"commit":"main"}',
    "paths-info": '{"paths":["a"]}',
}


@pytest.fixture(scope="module")
def private(hub: Hub) -> str:
    api = hub.api("alice")
    api.create_repo("alice/private", private=True)
    api.upload_file(path_or_fileobj=b"secret", path_in_repo="a", repo_id="alice/private")
    api.create_branch("alice/private", branch="dev")
    api.create_tag("alice/private", tag="v1")
    hub.add_token("reader", "alice", role="read")
    return "alice/private"


def ask(hub: Hub, method: str, template: str, repo: str, user: str | None) -> tuple[int, str, dict[str, str]]:
    values = {**VALUES, "repo": repo, "place": repo}
    path = re.sub(r"\{(\w+)[^}]*\}", lambda match: values[match.group(1)], template)
    after = next((piece for piece in path.split(repo)[1].split("/") if piece), "")
    body = BODIES.get(after, "{}") if method in ("POST", "PUT") else None
    answer = hub.ask(method, path, user, content=body, headers={"Content-Type": "application/json"})
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status_code, answer.text.replace(repo, "REPO"), headers


@pytest.mark.parametrize(("method", "template"), ROUTES)
def test_private_and_missing_look_alike(hub: Hub, private: str, method: str, template: str) -> None:
    for user, status in (("bob", 404), (None, 401)):
        there = ask(hub, method, template, private, user)
        missing = ask(hub, method, template, "alice/missing", user)
        assert there == missing
        assert there[0] == status
        assert there[2]["x-error-code"] == "RepoNotFound"


@pytest.mark.parametrize(("method", "template"), ROUTES)
def test_the_owner_is_answered(hub: Hub, private: str, method: str, template: str) -> None:
    """The addresses above are real ones: for alice they are anything but a missing repository or an error."""
    status, _, headers = ask(hub, method, template, private, "alice")
    assert status < 500 and status != 422
    assert headers.get("x-error-code") != "RepoNotFound"


@pytest.mark.parametrize(("method", "template"), [each for each in ROUTES if each[0] in ("POST", "PUT", "DELETE")])
def test_a_token_that_only_reads_changes_nothing(hub: Hub, private: str, method: str, template: str) -> None:
    if "paths-info" in template:
        return
    status, _, headers = ask(hub, method, template, private, "reader")
    assert status in (403, 409), "409: the copy that alice made above is there"
    assert "x-error-code" not in headers
