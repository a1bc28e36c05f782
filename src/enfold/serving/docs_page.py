"""The page at ``/docs``: the OpenAPI description as plain HTML, with no script and nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

__all__ = ["docs_page"]


def docs_page(openapi: Mapping[str, Any]) -> str:
    """Render an OpenAPI description.

    Args:
        openapi: what ``/openapi.json`` serves.
    """
    environment = Environment(
        loader=PackageLoader("enfold.serving", "templates"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("enfold.web") / "style.css"
    return environment.get_template("docs.html").render(
        info=openapi["info"],
        operations=[
            _operation(method, path, operation)
            for path, methods in openapi["paths"].items()
            for method, operation in methods.items()
        ],
        schemas={name: _fields(schema) for name, schema in openapi["components"]["schemas"].items()},
        style=style.read_text(encoding="utf-8") if style.is_file() else "",
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    body = _first_schema(operation.get("requestBody", {}).get("content", {}))
    return {
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "body": _name(body),
        "responses": [
            {
                "status": status,
                "description": response.get("description", ""),
                "body": _name(_first_schema(response.get("content", {}))),
            }
            for status, response in sorted(operation.get("responses", {}).items())
        ],
    }


def _fields(schema: Mapping[str, Any]) -> dict[str, Any]:
    required = schema.get("required", [])
    return {
        "description": schema.get("description", ""),
        "examples": [json.dumps(example, indent=2, ensure_ascii=False) for example in schema.get("examples", [])],
        "fields": [
            {
                "name": name,
                "type": _type(field),
                "required": name in required,
                "description": field.get("description", "") or _described_inside(field),
            }
            for name, field in schema.get("properties", {}).items()
        ],
    }


def _described_inside(field: Mapping[str, Any]) -> str:
    return next((part["description"] for part in field.get("anyOf", []) if part.get("description")), "")


def _first_schema(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((body.get("schema", {}) for body in content.values()), {})


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


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
    return {"string": "text", "date-time": "time"}.get(
        field.get("format", field.get("type", "")), field.get("type", "")
    )
