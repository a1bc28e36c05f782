"""Every refusal has the one shape, the right status, and says what is wrong."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from serving_examples import call

from enfold.serving import ServingSettings, background_server, create_app

BODIES: list[tuple[Any, int, str, str, str | None]] = [
    (b"", 422, "empty_body", "the body is empty: send a JSON object", None),
    (b'{"text": "a', 400, "invalid_json", "the body is not JSON: Unterminated string starting at character 9", None),
    (b"\x00", 400, "invalid_json", "the body is not JSON: Expecting value at character 0", None),
    (b'{"text": "\xff"}', 400, "invalid_utf8", "the body is not UTF-8: byte 10 is wrong", None),
    (b'{"text": ' + b"[" * 9_000, 400, "invalid_json", "the body is nested too deeply", None),
    (b"[1]", 422, "invalid_body", "the body must be a JSON object", None),
    (b"null", 422, "invalid_body", "the body must be a JSON object", None),
    ({}, 422, "invalid_field", "give either text or texts", None),
    ({"text": "a", "texts": ["b"]}, 422, "invalid_field", "give either text or texts", None),
    ({"tekst": "a"}, 422, "unknown_field", "tekst is no field of this request", "tekst"),
    ({"text": 5}, 422, "invalid_field", "text is wrong: Input should be a valid string", "text"),
    ({"texts": "see you"}, 422, "invalid_field", "texts is wrong: Input should be a valid list", "texts"),
    ({"texts": ["a", 5]}, 422, "invalid_field", "texts.1 is wrong: Input should be a valid string", "texts.1"),
    ({"texts": []}, 422, "no_texts", "texts is empty: give at least one", "texts"),
    ({"text": ""}, 422, "empty_text", "text is empty: nothing to classify", "text"),
    ({"text": " \n"}, 422, "empty_text", "text is empty: nothing to classify", "text"),
    ({"texts": ["a", ""]}, 422, "empty_text", "texts.1 is empty: nothing to classify", "texts.1"),
    ({"text": "ab\0c"}, 422, "invalid_text", "text holds a NUL character at 2", "text"),
    (
        {"text": "ab\ud800"},
        422,
        "invalid_text",
        "text holds half of a surrogate pair, which is no character, at 2",
        "text",
    ),
    ({"text": "a" * 4001}, 422, "text_too_long", "text has 4001 characters; at most 4000", "text"),
    (
        {"texts": ["a"] * 17},
        422,
        "too_many_texts",
        "17 texts in one request; at most 16: send them in several",
        "texts",
    ),
    ({"text": "a", "user": ""}, 422, "invalid_field", "user is empty", "user"),
    ({"text": "a", "user": "u" * 201}, 422, "invalid_field", "user is wrong", "user"),
    ({"text": "a" * 30_000}, 413, "body_too_large", "the body is larger than 20000 bytes; send less at once", None),
]


@pytest.mark.parametrize(("body", "status", "code", "message", "field"), BODIES)
def test_a_body_that_is_no_prediction_request(
    server: str, body: Any, status: int, code: str, message: str, field: str | None
):
    answer = call(server, "/predict", body)
    assert answer.status == status
    assert answer.error["code"] == code
    assert answer.error["message"].startswith(message)
    assert answer.error.get("field") == field


def test_all_faults_are_listed(server: str):
    error = call(server, "/predict", {"texts": ["", "a", "b\0"], "user": "ada"}).error
    assert [(fault["code"], fault["field"]) for fault in error["faults"]] == [
        ("empty_text", "texts.0"),
        ("invalid_text", "texts.2"),
    ]
    error = call(server, "/predict", {"tekst": "a", "user": 5}).error
    assert {fault["field"] for fault in error["faults"]} == {"tekst", "user"}


@pytest.mark.parametrize(
    ("path", "method", "status", "code", "message"),
    [
        ("/nothing", "GET", 404, "not_found", "nothing is at /nothing; see /docs"),
        ("/predict/", "GET", 404, "not_found", "nothing is at /predict/; see /docs"),
        ("/predict", "GET", 405, "method_not_allowed", "/predict does not take GET; it takes POST"),
        ("/health", "DELETE", 405, "method_not_allowed", "/health does not take DELETE; it takes GET"),
        ("/metrics", "PUT", 405, "method_not_allowed", "/metrics does not take PUT; it takes GET"),
    ],
)
def test_a_place_or_method_there_is_not(server: str, path: str, method: str, status: int, code: str, message: str):
    answer = call(server, path, method=method)
    assert (answer.status, answer.error["code"], answer.error["message"]) == (status, code, message)


@pytest.mark.parametrize(
    "given", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_body_that_is_not_declared_as_json(server: str, given: str):
    answer = call(server, "/predict", b'{"text": "a"}', Content_Type=given)
    assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")
    assert "application/json" in answer.error["message"]


def test_json_with_a_character_set_is_json(server: str):
    assert call(server, "/predict", {"text": "a"}, Content_Type="application/json; charset=utf-8").status == 200


def raw(url: str, *pieces: bytes) -> bytes:
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"


def test_a_body_that_grows_too_large_without_saying_so_is_refused(server: str):
    chunk = b"1000\r\n" + b"a" * 0x1000 + b"\r\n"
    answer = raw(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 5)
    assert answer.startswith(b"HTTP/1.1 413")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "body_too_large"


def test_a_body_sent_in_pieces_is_read_whole(server: str):
    pieces = [b"5\r\n" + piece + b"\r\n" for piece in (b'{"tex', b't": "', b"see y", b'ou"} ')] + [b"0\r\n\r\n"]
    assert raw(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *pieces).startswith(b"HTTP/1.1 200")


def test_a_request_that_is_no_http_does_no_harm(server: str):
    assert b"400" in raw(server, b"\x16\x03\x01 hello\r\n\r\n")
    assert call(server, "/health").status == 200


def test_a_fault_of_the_server_is_a_500_in_the_same_shape_and_says_nothing_of_its_inside(models, caplog):
    """The recorder is the outside world: here it has a fault nobody foresaw."""
    from serving_examples import Promoted

    class Broken:
        def record(self, entries) -> None: ...

        def judge(self, feedback, *, labels) -> None:
            raise ZeroDivisionError("secret detail")

    settings = ServingSettings(port=0)
    with background_server(lambda: create_app(Promoted(models), Broken(), settings), settings) as url:
        answer = call(url, "/feedback", {"prediction_id": "x", "kind": "right"})
        assert call(url, "/health").status == 200
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert b"secret" not in answer.raw
    assert "POST /feedback failed" in caplog.text
    assert "secret detail" in caplog.text
