"""Requests made from the hub's own description, with ids of things that are there: none ends in an error of the hub.

Second tier: ``ENFOLD_TEST_ALL=1`` runs it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import pytest
import xet_writing as written
from hypothesis import HealthCheck, Phase, given, settings
from kept_secret import LARGE, PRIVATE, Secrets, secrets_of_alice

if os.environ.get("ENFOLD_TEST_ALL") != "1":
    pytest.skip("requests made from the description are part of the second tier: ENFOLD_TEST_ALL=1 runs them",
                allow_module_level=True)  # fmt: skip
schemathesis = pytest.importorskip("schemathesis")


@schemathesis.serializer("application/x-ndjson")
def as_text(context: Any, value: Any) -> bytes:
    """The lines of a commit are described as a text."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


EXAMPLES_EACH = int(os.environ.get("ENFOLD_TEST_FUZZ_EXAMPLES", "40"))
LEAST_SHARE = 0.8
SPARE = "alice/spare73"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"

Answers = dict[str, Counter[int]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secrets]:
    with secrets_of_alice(tmp_path_factory.mktemp("hub") / "root") as found:
        api = found.hub.api("alice")
        api.create_repo(SPARE)
        api.update_repo_settings(SPARE, gated="manual")
        api.upload_file(path_or_fileobj=b"x", path_in_repo="folder/x", repo_id=PRIVATE)
        yield found


def values(kept: Secrets) -> dict[str, str]:
    """What stands in the pieces of addresses."""
    return {
        "kind": "models",
        "repo": PRIVATE,
        "place": PRIVATE,
        "status": "pending",
        "number": "1",
        "uid": kept["comment"],
        "namespace": "alice",
        "slug": kept["slug"].partition("/")[2],
        "user": "alice",
        "name": "bob",
        "revision": "main",
        "revisions": "dev..main",
        "branch": "dev",
        "tag": "v1",
        "path": "a",
        "prefix": "default",
        "xorb": kept["xorb"],
        "chunk": kept["chunk"],
        "file": kept["file"],
        "oid": kept["oid"],
        "upload": "0" * 32,
    }


def address(kept: Secrets, operation: str, **other: str) -> str:
    """An operation's address with ids that are there; a slash stays one, as clients write ``ns/name``."""
    found = {**values(kept), **other}
    if "/organizations/" in operation:
        found["name"] = "lab"
    if "/webhooks/" in operation:
        found["uid"] = kept["webhook"]
    if "/items/" in operation:
        found["uid"] = kept["item"]
    if "/cas/" in operation:
        found["place"] = kept["place"].removeprefix("/cas/")
    path = operation.split(" ")[1]
    return re.sub(r"\{(\w+)\}", lambda match: quote(found[match[1]], safe="/."), path)


def headers(kept: Secrets, operation: str) -> dict[str, str]:
    if "/cas/" in operation:
        return kept.cas("alice", PRIVATE)[1]
    return {"Authorization": f"Bearer {kept.hub.tokens['alice']}"}


def right_requests(kept: Secrets) -> dict[str, dict[str, Any]]:
    """For operations that need more than their address: a request that is right, as arguments for the client.

    ``pieces`` are put into the address. What deletes or merges comes last, and takes something that is spare.
    """
    range_query = urlsplit(kept["range"]).query
    new = b"new and large " * 90
    sent = kept.batch("alice", PRIVATE, "upload", hashlib.sha256(new).hexdigest(), len(new))["actions"]
    chunks = written.some_chunks(3, seed=21)
    shard = written.shard([written.file_entry([(written.some_chunks(4, seed=11), 0, 4)])])
    watched = {"url": "https://example.org/x", "watched": [{"type": "user", "name": "alice"}], "domains": ["repo"]}
    commit = json.dumps({"key": "header", "value": {"summary": "x"}}) + "\n"
    commit += json.dumps({"key": "file", "value": {"path": "b", "content": "eA==", "encoding": "base64"}}) + "\n"
    pull = kept.hub.api("alice").create_pull_request(SPARE, title="a title").num
    kept.hub.api("alice").upload_file(
        path_or_fileobj=b"x", path_in_repo="x", repo_id=SPARE, revision=f"refs/pr/{pull}", commit_message="x"
    )
    slug = kept.hub.api("alice").create_collection("spare", namespace="alice").slug
    kept.hub.ask("POST", f"/{SPARE}/ask-access", "bob")
    repo = "/api/{kind}/{repo}"
    return {
        "POST /oauth/device": {"data": {"client_id": "x"}},
        "POST /api/repos/create": {"json": {"name": "made73"}},
        "POST /api/repos/move": {"json": {"fromRepo": "alice/made73", "toRepo": "alice/moved73", "type": "model"}},
        "DELETE /api/repos/delete": {"json": {"name": "moved73", "organization": "alice"}},
        f"PUT {repo}/settings": {"json": {"description": "x"}},
        f"GET {repo}/user-access-request/{{status}}": {"pieces": {"repo": SPARE}},
        f"GET {repo}/tree/{{revision}}/{{path}}": {"pieces": {"path": "folder"}},
        f"POST {repo}/user-access-request/grant": {"json": {"user": "root"}, "pieces": {"repo": SPARE}},
        f"POST {repo}/user-access-request/handle": {
            "json": {"user": "bob", "status": "rejected"},
            "pieces": {"repo": SPARE},
        },
        f"POST {repo}/discussions": {"json": {"title": "a title", "description": "x"}},
        f"POST {repo}/discussions/{{number}}/comment": {"json": {"comment": "x"}},
        f"POST {repo}/discussions/{{number}}/comment/{{uid}}/edit": {"json": {"content": "x"}},
        f"POST {repo}/discussions/{{number}}/title": {"json": {"title": "another title"}},
        f"POST {repo}/discussions/{{number}}/status": {"json": {"status": "closed"}},
        f"POST {repo}/discussions/{{number}}/merge": {"json": {}, "pieces": {"repo": SPARE, "number": str(pull)}},
        "POST /api/collections": {"json": {"title": "x", "namespace": "alice"}},
        "PATCH /api/collections/{namespace}/{slug}": {"json": {"description": "x"}},
        "POST /api/collections/{namespace}/{slug}/items": {"json": {"item": {"type": "model", "id": SPARE}}},
        "PATCH /api/collections/{namespace}/{slug}/items/{uid}": {"json": {"note": "x"}},
        "DELETE /api/collections/{namespace}/{slug}": {"pieces": {"slug": slug.partition("/")[2]}},
        "POST /api/settings/webhooks": {"json": watched},
        "POST /api/settings/webhooks/{uid}": {"json": watched},
        f"POST {repo}/paths-info/{{revision}}": {"data": {"paths": ["a"]}},
        f"POST {repo}/branch/{{branch}}": {"json": {}, "pieces": {"branch": "made"}},
        f"DELETE {repo}/branch/{{branch}}": {"pieces": {"branch": "made"}},
        f"POST {repo}/tag/{{revision}}": {"json": {"tag": "made"}},
        f"DELETE {repo}/tag/{{tag}}": {"pieces": {"tag": "made"}},
        f"POST {repo}/super-squash/{{branch}}": {"json": {"message": "x"}},
        f"POST {repo}/revert/{{branch}}": {"json": {"commit": kept["commit"]}, "pieces": {"branch": "dev"}},
        f"POST {repo}/duplicate": {"json": {"repository": "alice/copied73"}},
        f"POST {repo}/preupload/{{revision}}": {"json": {"files": [{"path": "b", "size": 1, "sample": "eA=="}]}},
        f"POST {repo}/commit/{{revision}}": {"content": commit, "type": "application/x-ndjson"},
        f"POST {repo}/lfs-files/duplicate": {
            "json": {"target": {"type": "model", "name": SPARE}, "files": [{"sha256": kept["oid"]}]}
        },
        "POST /api/validate-yaml": {"json": {"content": "---\nlicense: mit\n---\n", "repoType": "model"}},
        "POST /cas/{place}/v1/xorbs/{prefix}/{xorb}": {
            "content": written.xorb_body(chunks),
            "pieces": {"xorb": written.xorb_name(chunks)},
        },
        "POST /cas/{place}/v1/shards": {"content": shard},
        "POST /cas/{place}/v2/shards": {"content": shard},
        "GET /cas/{place}/ranges/{xorb}": {"query": range_query},
        "PUT /lfs/objects/{oid}": {
            "content": new,
            "query": urlsplit(sent["upload"]["href"]).query,
            "pieces": {"oid": hashlib.sha256(new).hexdigest()},
        },
        "GET /lfs/objects/{oid}": {"query": f"ticket={kept['ticket to fetch']}"},
        "POST /lfs/objects/{oid}/verify": {
            "json": {"oid": kept["oid"], "size": len(LARGE)},
            "query": f"ticket={kept['ticket to verify']}",
        },
        "POST /{place}/info/lfs/objects/batch": {
            "json": {"operation": "download", "objects": [{"oid": kept["oid"], "size": len(LARGE)}]}
        },
        "GET /{place}/info/refs": {"query": "service=git-upload-pack"},
    }


def ask(kept: Secrets, operation: str, **more: Any) -> httpx2.Response:
    method, pieces, kind = operation.split(" ")[0], more.pop("pieces", {}), more.pop("type", None)
    query = more.pop("query", "")
    path = address(kept, operation, **pieces) + (f"?{query}" if query else "")
    sent = headers(kept, operation) | ({"Content-Type": kind} if kind else {})
    return kept.ask(None, method, path, headers=sent, **more)


def test_what_the_description_allows_never_ends_in_an_error_of_the_hub(kept: Secrets) -> None:
    answers: Answers = defaultdict(Counter)
    failures: list[str] = []

    def note(operation: str, answer: httpx2.Response) -> None:
        answers[operation][answer.status_code] += 1
        if answer.status_code >= 500 and answer.status_code != 507:
            failures.append(f"{answer.status_code} {operation}: {answer.request.url} {answer.text[:200]}")

    schema = schemathesis.openapi.from_dict(kept.ask(None, "GET", "/openapi.json").json())
    operations = [each.ok() for each in schema.get_all_operations()]
    right = right_requests(kept)
    ordered = sorted(operations, key=lambda each: (each.method == "delete", "merge" in each.path))
    for each in ordered:
        note(each.label, ask(kept, each.label, **right.get(each.label, {})))
    assert not set(right) - {each.label for each in operations}, "requests for operations that are not described"

    for each in operations:
        fuzz(kept, each, note)

    assert not failures, "\n".join(failures[:20])
    never = sorted(label for label, seen in answers.items() if not any(200 <= status < 300 for status in seen))
    share = 1 - len(never) / len(operations)
    total = sum(sum(seen.values()) for seen in answers.values())
    print(f"\n{total} requests to {len(operations)} operations, {share:.0%} of which answered 2xx at least once")
    for label in never:
        print(f"  never 2xx: {label} {dict(answers[label])}")
    assert share >= LEAST_SHARE, never


def fuzz(kept: Secrets, operation: Any, note: Any) -> None:
    """Queries, headers and bodies as the description has them, at an address that is there."""
    known = values(kept)
    pieces = {each.name: known[each.name] for each in operation.path_parameters}
    url, sent = address(kept, operation.label), headers(kept, operation.label)

    @settings(
        max_examples=EXAMPLES_EACH,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(path_parameters=pieces))
    def run(case: Any) -> None:
        made = case.as_transport_kwargs(base_url=kept.hub.url)
        extra = {name: value for name, value in (made.get("headers") or {}).items() if name.lower() != "authorization"}
        body = {name: made[name] for name in ("json", "data") if made.get(name) is not None}
        if isinstance(body.get("data"), bytes | str):
            body["content"] = body.pop("data")
        try:
            answer = kept.ask(
                None, operation.method.upper(), url, headers={**extra, **sent}, params=made.get("params") or {}, **body
            )
        except (httpx2.InvalidURL, ValueError, TypeError, UnicodeEncodeError):
            return  # the client cannot send such a thing
        note(operation.label, answer)

    run()
