"""Who may ask: this machine's own programs, and from elsewhere those that have the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving_examples import Promoted, call

from enfold.errors import SettingsError
from enfold.feedback import FeedbackStore
from enfold.serving import ServingSettings, background_server, create_app


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
def test_a_server_on_loopback_answers_to_its_own_names(server: str, host: str):
    assert call(server, "/health", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", ""]
)
def test_a_page_that_points_its_own_name_at_loopback_is_refused(server: str, host: str):
    answer = call(server, "/predict", {"text": "see you"}, Host=host)
    assert (answer.status, answer.error["code"]) == (421, "unknown_host")
    assert "it answers for: 127.0.0.1, [::1], localhost" in answer.error["message"]


def test_no_other_origin_is_allowed(server: str):
    answer = call(
        server, "/predict", method="OPTIONS", Origin="https://evil.example", Access_Control_Request_Method="POST"
    )
    assert answer.status == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_name_may_be_allowed_for_a_server_behind_a_proxy(models: Path, store: FeedbackStore):
    settings = ServingSettings(port=0, allowed_hosts=("spam.example",))
    with background_server(lambda: create_app(Promoted(models), store, settings), settings) as url:
        assert call(url, "/health", Host="spam.example").status == 200
        assert call(url, "/health", Host="localhost").status == 200
        assert call(url, "/health", Host="ham.example").status == 421


@pytest.fixture(scope="module")
def guarded(models: Path, store: FeedbackStore):
    settings = ServingSettings(port=0, host="0.0.0.0", api_key="correct horse")
    with background_server(lambda: create_app(Promoted(models), store, settings), settings) as url:
        yield url.replace("0.0.0.0", "127.0.0.1")


@pytest.mark.parametrize("path", ["/predict", "/feedback", "/metrics", "/docs", "/openapi.json", "/nothing"])
@pytest.mark.parametrize(
    "key", [None, "", "Bearer", "Bearer wrong", "Basic correct horse", "correct horse", "Bearer é"]
)
def test_everything_but_health_needs_the_key(guarded: str, path: str, key: str | None):
    headers = {} if key is None else {"Authorization": key}
    answer = call(guarded, path, {"text": "a"} if path in ("/predict", "/feedback") else None, **headers)
    assert (answer.status, answer.error["code"]) == (401, "unauthorized")
    assert answer.error["message"] == "this server needs its API key, sent as: Authorization: Bearer KEY"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_with_the_key_all_is_open(guarded: str):
    for given in ("Bearer correct horse", "bearer correct horse"):
        assert call(guarded, "/predict", {"text": "see you"}, Authorization=given).status == 200
    assert call(guarded, "/docs", Authorization="Bearer correct horse").status == 200
    assert call(guarded, "/health").status == 200


def test_a_server_with_a_key_that_listens_everywhere_answers_to_any_name(guarded: str):
    assert call(guarded, "/health", Host="spam.example").status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "spam.example", ""])
def test_an_address_others_can_reach_needs_a_key(host: str):
    with pytest.raises(SettingsError) as error:
        ServingSettings(host=host)
    assert str(error.value) == (
        f"host={host!r} can be reached from other machines, so it needs an api_key; or listen on 127.0.0.1"
    )
    assert ServingSettings(host=host, api_key="key").host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_none(host: str):
    assert ServingSettings(host=host).on_loopback


def test_all_faults_of_the_settings_are_said_at_once():
    with pytest.raises(SettingsError) as error:
        ServingSettings(port=70_000, max_texts=0, max_queue=-1, api_key="a\nb", poll_seconds=0)
    assert str(error.value) == (
        "max_texts=0 must be at least 1; max_queue=-1 must be at least 1; poll_seconds=0 must be at least 0.01; "
        "port=70000 must lie between 0 and 65535; max_queue=-1 must be at least max_texts=0; "
        "api_key must be printable ASCII, at least one character"
    )
