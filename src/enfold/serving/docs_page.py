"""The page at ``/docs``: the OpenAPI description as plain HTML, with no script and nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from enfold.web.pages import render

__all__ = ["docs_page"]


def docs_page(openapi: Mapping[str, Any]) -> str:
    """Render an OpenAPI description.

    Args:
        openapi: what ``/openapi.json`` serves.
    """
    return render(
        "api.html.j2",
        info=openapi["info"],
        paragraphs=_plain(openapi["info"]["description"]).split("\n\n"),
        operations=[
            _operation(method, path, operation)
            for path, methods in openapi["paths"].items()
            for method, operation in methods.items()
        ],
        bodies={name: _body(schema) for name, schema in openapi["components"]["schemas"].items()},
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{method}-{path.strip('/').replace('/', '-')}",
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "description": _plain(operation.get("description", "")),
        "body": _name(_content(operation.get("requestBody", {})).get("schema", {})),
        "answers": [_answer(status, answer) for status, answer in sorted(operation.get("responses", {}).items())],
    }


def _answer(status: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    content = _content(answer)
    return {
        "status": status,
        "meaning": _plain(answer.get("description", "")),
        "code": content.get("example", {}).get("error", {}).get("code", ""),
        "body": _name(content.get("schema", {})),
    }


def _body(schema: Mapping[str, Any]) -> dict[str, Any]:
    required = schema.get("required", [])
    return {
        "description": _plain(schema.get("description", "")),
        "examples": [json.dumps(example, indent=2, ensure_ascii=False) for example in schema.get("examples", [])],
        "fields": [
            {
                "name": name,
                "type": _type(field),
                "required": name in required,
                "meaning": _plain(field.get("description", "") or _meaning_inside(field)),
            }
            for name, field in schema.get("properties", {}).items()
        ],
    }


def _content(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a body or an answer consists of; each has one media type here."""
    contents: Mapping[str, Mapping[str, Any]] = part.get("content", {})
    return next(iter(contents.values()), {})


def _meaning_inside(field: Mapping[str, Any]) -> str:
    return next((part["description"] for part in field.get("anyOf", []) if part.get("description")), "")


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _plain(text: str) -> str:
    """Markdown as plain text: the marks around code go."""
    return text.strip().replace("`", "")


def _type(field: Mapping[str, Any]) -> str:
    """A field's type in words: ``text``, ``list of Judgement``, ``'right' or 'wrong'``."""
    if "$ref" in field:
        return _name(field)
    if "enum" in field:
        return " or ".join(repr(value) for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(part) for part in field["anyOf"] if part.get("type") != "null")
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), Mapping):
        return f"object of {_type(field['additionalProperties'])}"
    kind = field.get("format", field.get("type", ""))
    return {"string": "text", "date-time": "time"}.get(kind, kind)
