"""The tables of the reference pages, made from the code, so that they cannot say anything else.

    python docs/reference.py            write them into the pages
    python docs/reference.py --check    say which page is out of date; exit status 1 if one is

A table stands in a page between ``<!-- made by docs/reference.py: NAME -->`` and ``<!-- end -->``. What lies outside
of such a pair is written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

DOCS = Path(__file__).parent
_PART = re.compile(
    r"(?P<head><!-- made by docs/reference\.py: (?P<name>[a-z-]+) -->\n).*?(?P<tail><!-- end -->)", re.DOTALL
)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(' '.join(str(cell).split()) for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """A piece of code inside a table; a bar would end its cell."""
    return f"`{text}`".replace("|", "\\|")


# ---- enfold.toml ------------------------------------------------------------------------------------------------


def settings() -> str:
    """Every section of ``enfold.toml`` with its keys."""
    from enfold.project.settings import Settings

    parts = []
    for name, section in Settings.model_fields.items():
        kind: Any = section.annotation
        summary = _sentence((kind.__doc__ or "").split(": ", 1)[-1])
        rows = [
            (
                code(key),
                _values(field),
                "required" if field.is_required() else _default(field.default),
                (field.description or "").replace("``", "`").replace("|", "\\|"),
            )
            for key, field in kind.model_fields.items()
        ]
        parts += [f"## `[{name}]`", summary, table(("key", "value", "default", "meaning"), rows)]
    return "\n\n".join(parts)


def _default(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, float):
        return code(f"{round(value, 6):g}")
    if isinstance(value, str):
        return code(f'"{value}"')
    return code(str(value))


def _values(field: Any) -> str:
    """Which values a setting may have, in words."""
    kind = field.annotation
    choices = [choice for part in (kind, *get_args(kind)) if get_origin(part) is Literal for choice in get_args(part)]
    if choices:
        return " or ".join(code(f'"{choice}"') for choice in choices)
    if bool in (kind, *get_args(kind)):
        return "`true` or `false`"
    if get_origin(kind) is dict:
        return "table of texts"
    if get_origin(kind) is list:
        return "list of texts"
    plain = {int, float}.intersection((kind, *get_args(kind)))
    if not plain:
        return "text"
    bounds = {
        name: getattr(item, name) for item in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(item, name)
    }
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    limits = [f"{words[name]} {bounds[name]:,}".replace(",", " ") for name in words if name in bounds]
    return " ".join(["whole number" if plain == {int} else "number", *limits])


def _sentence(text: str) -> str:
    words = " ".join(text.split())
    return words[:1].upper() + words[1:]


# ---- the command line -------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name, with what typer knows of it."""
    from typer.main import get_command

    from enfold.cli.main import app

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        parts = getattr(command, "commands", None)
        if parts is None:
            yield name, command
        for part, inner in (parts or {}).items():
            yield from below(f"{name} {part}", inner)

    yield from below("enfold", get_command(app))


def command_line() -> str:
    """Every command with its arguments and options."""
    parts = []
    for name, command in commands():
        rows = [_parameter(parameter) for parameter in command.params]
        usage = " ".join([name, *(_placeholder(one) for one in command.params if _is_argument(one)), "[OPTIONS]"])
        parts += [f"## `{name}`", _sentence(command.help), code(usage), table(("", "default", "meaning"), rows)]
    return "\n\n".join(parts)


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _placeholder(parameter: Any) -> str:
    name = parameter.name.upper()
    return f"{name}..." if parameter.nargs == -1 else name


def _parameter(parameter: Any) -> tuple[str, str, str]:
    if _is_argument(parameter):
        return code(_placeholder(parameter)), "required" if parameter.required else "", parameter.help
    names = [*parameter.opts, *parameter.secondary_opts]
    if not parameter.is_flag:
        names[0] += f" {parameter.name.upper()}"
    default = "" if parameter.is_flag or parameter.default is None else code(str(parameter.default))
    environment = f"`${parameter.envvar}`" if parameter.envvar else ""
    return ", ".join(map(code, names)), default or environment, parameter.help


# ---- the HTTP service -------------------------------------------------------------------------------------------


def openapi() -> dict[str, Any]:
    """The description that ``/openapi.json`` serves; no model is needed for it."""
    from enfold.serving import create_app

    return create_app(None, None).openapi()  # type: ignore[arg-type]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every route."""
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def routes() -> str:
    """Every route in a line."""
    return table(
        ("route", "what it does"),
        ((code(f"{method} {path}"), operation["summary"]) for path, method, operation in operations()),
    )


def bodies() -> str:
    """What goes over the wire, field by field."""
    schemas = openapi()["components"]["schemas"]
    parts = []
    for name in ("PredictRequest", "PredictionMessage", "FeedbackRequest", "Judgement", "HealthResponse"):
        rows = [
            (code(key), _type(field), _described(field).replace("|", "\\|"))
            for key, field in schemas[name]["properties"].items()
        ]
        summary = " ".join((schemas[name].get("description") or "").split())
        parts += [f"**{name}**: {summary}", table(("field", "type", "meaning"), rows)]
    return "\n\n".join(parts)


def refusals() -> str:
    """Every status but 200, with the routes that answer it."""
    found: dict[tuple[str, str], list[str]] = {}
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            if status != "200":
                found.setdefault((status, response["description"]), []).append(f"{method} {path}")
    rows = [(status, meaning, ", ".join(map(code, where))) for (status, meaning), where in sorted(found.items())]
    return table(("status", "meaning", "routes"), rows)


def metrics() -> str:
    """Every series of ``/metrics``."""
    from enfold.serving import create_app

    service = create_app(None, None).state.service  # type: ignore[arg-type]
    rows = []
    for family in sorted(service.metrics.registry.collect(), key=lambda family: family.name):
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        rows.append((code(family.name + suffix), family.type, family.documentation))
    return table(("series", "kind", "meaning"), rows)


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    if "enum" in field:
        return " or ".join(code(json_text(value)) for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(part) for part in field["anyOf"] if part.get("type") != "null")
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object":
        return f"object of {_type(field['additionalProperties'])}" if "additionalProperties" in field else "object"
    return {"string": "text", "integer": "whole number"}.get(field.get("type", ""), field.get("type", ""))


def json_text(value: Any) -> str:
    """A value as JSON writes it."""
    return f'"{value}"' if isinstance(value, str) else str(value)


def _described(field: dict[str, Any]) -> str:
    inside = (part.get("description", "") for part in field.get("anyOf", []))
    return " ".join((field.get("description") or next(filter(None, inside), "")).split())


# ---- training, sources, names -----------------------------------------------------------------------------------


def training_arguments() -> str:
    """The names that ``TrainingArguments`` honours, translates and refuses."""
    from dataclasses import MISSING, fields

    from enfold.training import TrainingArguments
    from enfold.training.argument_names import ALREADY_SO, FORMER_NAMES, NOT_HONOURED

    honoured = [
        f"`{field.name}` ({'none' if field.default in (None, MISSING) else field.default})"
        for field in fields(TrainingArguments)
    ]
    former = [(code(name), _spelled(new.word or new.new)) for name, new in sorted(FORMER_NAMES.items())]
    already = [(code(name), why) for name, why in sorted(ALREADY_SO.items())]
    refused = [code(name) for name in sorted(NOT_HONOURED)]
    return "\n\n".join(
        [
            "Honoured, with their defaults:",
            ", ".join(honoured) + ".",
            "Spellings of version 4 that are translated, with a warning that names the new one:",
            table(("written", "taken as"), former),
            "Accepted with any value, because what they ask for happens anyway:",
            table(("argument", "why"), already),
            "Accepted at their default only, and refused by name with any other value:",
            ", ".join(refused) + ".",
        ]
    )


def _spelled(now: str) -> str:
    """The present spelling of an argument, with what is said of it in plain words."""
    name, blank, words = now.partition(" ")
    return code(name) + blank + words


def starters() -> str:
    """The short names of models and data that come from the package index."""
    from enfold.hub import STARTERS

    rows = [
        (code(one.name), one.kind, one.about, one.licence, code(one.reference.split("/", 1)[0]))
        for one in STARTERS.values()
    ]
    return table(("name", "kind", "what it is", "licence", "comes from"), rows)


def model_names() -> str:
    """The model classes and what they are for."""
    from enfold.models.auto import family_class_names

    names = [code(name) for name in family_class_names()]
    return ", ".join(names) + "."


def families() -> str:
    """A line for each file of an architecture."""
    import pkgutil
    from importlib import import_module
    from statistics import median

    from enfold.models import families as folder

    rows, sizes = [], []
    for name in sorted(module.name for module in pkgutil.iter_modules(folder.__path__)):
        module = import_module(f"{folder.__name__}.{name}")
        family = module.FAMILY
        sizes.append(len(Path(module.__file__ or "").read_text(encoding="utf-8").splitlines()))
        types = [f"{code(config.model_type)} ({prefix}…)" for prefix, config in family.members.items()]
        classes = [code(suffix) for suffix in (*family.stacks, *family.heads)]
        tokenizers = [code(one) for one in family.tokenizers if not one.endswith("Fast")]
        rows.append((code(f"{name}.py"), ", ".join(types), ", ".join(classes), ", ".join(tokenizers), str(sizes[-1])))
    types = sum(row[1].count("(") for row in rows)
    found = f"{len(rows)} files, {types} model types; {max(sizes)} lines at most, {median(sizes):g} in the median."
    return "\n\n".join([table(("file", "model types", "classes", "tokenizers", "lines"), rows), found])


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("settings.md", settings),
    "commands": ("command-line.md", command_line),
    "routes": ("serving.md", routes),
    "bodies": ("serving.md", bodies),
    "refusals": ("serving.md", refusals),
    "metrics": ("serving.md", metrics),
    "training-arguments": ("training.md", training_arguments),
    "starters": ("sources.md", starters),
    "model-names": ("models.md", model_names),
    "families": ("families.md", families),
}
"""Name of a table: the page it stands in, and what makes it."""


def renewed(page: str, text: str) -> str:
    """A page's text with its tables made anew.

    Raises:
        KeyError: the page has a table that is not one of its own.
        ValueError: a table of the page is missing.
    """
    mine = {name: make for name, (where, make) in PARTS.items() if where == page}
    found = [match["name"] for match in _PART.finditer(text)]
    if sorted(found) != sorted(mine):
        raise ValueError(f"{page} has the tables {sorted(found)}, and should have {sorted(mine)}")
    return _PART.sub(lambda match: f"{match['head']}\n{mine[match['name']]()}\n\n{match['tail']}", text)


def pages() -> list[str]:
    """The pages that hold such a table."""
    return sorted({page for page, _ in PARTS.values()})


def main(arguments: Sequence[str]) -> int:
    """Write the tables, or with ``--check`` only compare."""
    stale = []
    for page in pages():
        path = DOCS / page
        text = path.read_text(encoding="utf-8")
        if (new := renewed(page, text)) != text:
            stale.append(page)
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    done = "out of date" if "--check" in arguments else "written"
    print(f"{done}: {', '.join(stale)}" if stale else "all tables are up to date")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
