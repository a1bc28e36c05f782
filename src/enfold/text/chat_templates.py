"""Where chat templates are kept, and which of several is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from enfold.errors import CheckpointError, InputError, near

if TYPE_CHECKING:
    from enfold.text.tokenizer import Tokenizer

__all__ = ["ChatTemplates", "chat_templates_in", "choose_template", "read_chat_templates", "templates_of"]

ChatTemplates: TypeAlias = str | dict[str, str] | None
"""One template, several by name, or none."""

TEMPLATE_FILE = "chat_template.jinja"
TEMPLATE_FOLDER = "additional_chat_templates"


def read_chat_templates(folder: Path, config: Mapping[str, Any]) -> ChatTemplates:
    """The chat templates of a model folder.

    Files come before what ``tokenizer_config.json`` holds: ``chat_template.jinja`` is the default one, and those in
    ``additional_chat_templates/`` are named by their files.

    Args:
        folder: the model folder.
        config: its ``tokenizer_config.json``.

    Raises:
        CheckpointError: a template is not text.
    """
    found: dict[str, str] = {}
    files = [folder / TEMPLATE_FILE, *sorted((folder / TEMPLATE_FOLDER).glob("*.jinja"))]
    for file in files:
        if file.is_file():
            try:
                text = file.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise CheckpointError(f"{file} is damaged: invalid UTF-8 at byte {error.start}") from error
            found["default" if file is files[0] else file.stem] = text
    if not found:
        return plain(config.get("chat_template"))
    return found["default"] if list(found) == ["default"] else found


def chat_templates_in(metadata: Mapping[str, Any]) -> ChatTemplates:
    """The chat templates in the metadata of a GGUF file: ``tokenizer.chat_template``, and named ones behind a dot."""
    key = "tokenizer.chat_template"
    named = {name.removeprefix(f"{key}."): text for name, text in metadata.items() if name.startswith(f"{key}.")}
    default = metadata.get(key)
    if not named:
        return default
    return named if default is None else {"default": default, **named}


def plain(value: Any) -> ChatTemplates:
    """A template as ``tokenizer_config.json`` holds it: a text, or a list of ``{"name": …, "template": …}``.

    Raises:
        CheckpointError: it is neither.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = [{"name": name, "template": template} for name, template in value.items()]
    try:
        named = {one["name"]: one["template"] for one in value}
    except (TypeError, KeyError) as error:
        raise CheckpointError("chat_template is neither a text nor a list of named ones") from error
    if not all(isinstance(part, str) for item in named.items() for part in item):
        raise CheckpointError("chat_template is neither a text nor a list of named ones")
    return named


def templates_of(tokenizer: Tokenizer) -> ChatTemplates:
    """The chat templates that a tokenizer came with."""
    return plain(tokenizer.options.other.get("chat_template"))


def choose_template(templates: ChatTemplates, wanted: str | None = None, *, tools: bool = False) -> str:
    """The template to use.

    Args:
        templates: those of the tokenizer.
        wanted: the name of one of them, or a template itself.
        tools: whether there are tools: then one named ``tool_use`` comes before the default.

    Raises:
        InputError: there is none, or none is the default.
    """
    if isinstance(templates, dict):
        names = sorted(templates)
        if wanted is not None:
            if wanted not in templates and wanted.isidentifier():
                raise InputError(f"no chat template {wanted!r}; there are: {', '.join(names)}{near(wanted, names)}")
            return templates.get(wanted, wanted)
        for name in ("tool_use", "default") if tools else ("default",):
            if name in templates:
                return templates[name]
        raise InputError(f"none of the chat templates is the default; name one: chat_template={names[0]!r}, …")
    chosen = wanted if wanted is not None else templates
    if chosen is None:
        raise InputError(
            "this tokenizer has no chat template; pass one: chat_template='{% for message in messages %}…'"
        )
    return chosen
