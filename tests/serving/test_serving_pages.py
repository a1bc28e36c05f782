"""/health, /metrics, /openapi.json and /docs."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving_examples import Promoted, call

import enfold


def test_health(server: str, models: Path):
    answer = call(server, "/health")
    pipeline = Promoted(models).load()
    assert answer.status == 200
    assert answer.body["status"] == "ok"
    assert answer.body["version"] == enfold.__version__
    assert 0 < answer.body["uptime_seconds"] < 600
    assert answer.body["model"]["revision"] == pipeline.revision
    assert answer.body["model"]["labels"] == ["ham", "spam"]
    assert answer.body["model"]["failure"] is None
    assert answer.body["queue"] == {"texts": 0, "characters": 0, "max_texts": 64, "max_characters": 2_000_000}


def series(url: str) -> dict[tuple[str, tuple], float]:
    text = call(url, "/metrics").raw.decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_what_happened(server: str, models: Path):
    before = series(server)

    def grown(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0)

    (prediction, _) = call(server, "/predict", {"texts": ["see you", "see you"]}).body["predictions"]
    call(server, "/feedback", {"prediction_id": prediction["id"], "kind": "wrong"})
    call(server, "/predict", {})
    for name in ("a", "b", "c"):
        call(server, f"/made/up/{name}")
    after = series(server)

    assert grown("enfold_predictions_total", label=prediction["label"]) == 2
    assert grown("enfold_feedback_total", kind="wrong") == 1
    assert grown("enfold_http_requests_total", route="/predict", method="POST", status="200") == 1
    assert grown("enfold_http_requests_total", route="/predict", method="POST", status="422") == 1
    assert grown("enfold_http_requests_total", route="unmatched", method="GET", status="404") == 3
    assert grown("enfold_http_request_seconds_count", route="/predict") == 2
    assert grown("enfold_batch_windows_sum") == 2
    assert grown("enfold_batch_tokens_sum") == 8
    assert grown("enfold_record_seconds_count") >= 1
    assert after["enfold_queue_texts", ()] == 0
    assert after["enfold_model_info", (("revision", Promoted(models).load().revision),)] == 1
    assert not any("made" in str(key) for key in after)


@pytest.fixture(scope="module")
def openapi(server: str) -> dict:
    answer = call(server, "/openapi.json")
    assert answer.status == 200
    return answer.body


def test_the_description_has_every_route(openapi: dict):
    assert {path: list(methods) for path, methods in openapi["paths"].items()} == {
        "/predict": ["post"],
        "/feedback": ["post"],
        "/health": ["get"],
        "/metrics": ["get"],
    }


@pytest.mark.parametrize("path", ["/predict", "/feedback"])
def test_the_description_has_examples_that_the_server_takes_and_every_error(server: str, openapi: dict, path: str):
    operation = openapi["paths"][path]["post"]
    assert operation["summary"]
    assert operation["description"]
    expected = {"200", "400", "401", "408", "413", "415", "421", "422", "500", "503"}
    assert set(operation["responses"]) == expected | ({"404"} if path == "/feedback" else set())
    for status, response in operation["responses"].items():
        if status != "200":
            content = response["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
            assert set(content["example"]["error"]) == {"code", "message"}
    body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    examples = openapi["components"]["schemas"][body]["examples"]
    assert len(examples) == 2
    for example in examples:
        assert call(server, path, example).status == {"/predict": 200, "/feedback": 404}[path]


def test_every_field_of_the_description_is_described(openapi: dict):
    schemas = openapi["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    for name, schema in schemas.items():
        assert schema["description"], name
    answer = schemas["PredictionMessage"]["properties"]
    assert all(field["description"] for field in answer.values())


class Links(HTMLParser):
    """Everything a page refers to, and what it has ids for."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            if name == "id":
                self.ids.add(value or "")


def test_the_page_needs_nothing_from_elsewhere_and_no_script(server: str):
    answer = call(server, "/docs")
    text = answer.raw.decode()
    page = Links()
    page.feed(text)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script" not in page.tags
    assert "http://" not in text
    assert "https://" not in text
    assert not re.search(r"@import|url\(", text)
    outside = [link for link in page.links if not link.startswith("#")]
    assert outside == ["openapi.json"]
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids


def test_the_page_shows_every_route_field_and_example(server: str, openapi: dict):
    text = call(server, "/docs").raw.decode()
    for path, methods in openapi["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in text
    for schema in openapi["components"]["schemas"].values():
        for field in schema.get("properties", {}):
            assert f"<code>{field}</code>" in text
    assert "You have won a prize! Call now." in text


def test_importing_the_package_imports_no_web_framework_and_no_torch():
    code = (
        "import enfold.serving, sys; print([name for name in ('fastapi', 'granian', 'torch') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
