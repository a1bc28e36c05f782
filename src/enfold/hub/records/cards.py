"""What the head of ``main`` says about a repository: its card, and the tags, library and task that follow from it.

These columns are derived: they can be dropped and made again from the files.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import sqlalchemy as sa
import yaml
from sqlalchemy.orm import Session

from enfold.hub.records import search
from enfold.hub.records.schema import Repository, RepositoryTag

__all__ = ["CardFault", "card_text", "check_card", "describe", "read_card", "tags_of"]

_HEADER = re.compile(r"\A(?:\ufeff)?\s*---[ \t]*\r?\n(.*?)(?:\r?\n)?^---[ \t]*$", re.DOTALL | re.MULTILINE)
_LONGEST = 200_000
_DEEPEST = 20
_MOST_TAGS = 500
_LONGEST_TAG = 200
_ARXIV = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})")
_FACETS = ("task_categories", "task_ids", "size_categories", "language", "multilinguality", "annotations_creators")


class CardFault(ValueError):
    """The header of a card that is not YAML, or not a mapping; the message says where."""


class _Loader(yaml.SafeLoader):
    """YAML without aliases, by which a short text becomes a very large one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias; compose anything else."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed here", self.peek_event().start_mark)
        return super().compose_node(parent, index)


def read_card(readme: str) -> dict[str, Any] | None:
    """The YAML header of a ``README.md``, or None when it has none.

    Raises:
        CardFault: the header cannot be read.
    """
    match = _HEADER.match(readme)
    if match is None:
        return None
    header = match.group(1)
    if len(header) > _LONGEST:
        raise CardFault(f"the header of the card has {len(header)} characters; at most {_LONGEST} are read")
    try:
        data = yaml.load(header, _Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 2}, column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise CardFault(f"the header of the card is not YAML: {problem}{where}") from None
    except (ValueError, RecursionError) as error:
        raise CardFault(f"the header of the card cannot be read: {error}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise CardFault("the header of the card is not a mapping of names to values")
    return {str(key): _plain(value, 0) for key, value in data.items()}


def check_card(card: dict[str, Any]) -> None:
    """Refuse a card whose names of one meaning hold something else.

    Raises:
        CardFault: one does.
    """
    results = card.get("model-index")
    if results is not None and not isinstance(results, list):
        raise CardFault('"model-index" in the header of the card is not a list of results')


def card_text(readme: str) -> str:
    """A ``README.md`` without its header, whether or not that can be read."""
    match = _HEADER.match(readme)
    return readme if match is None else readme[match.end() :]


def describe(
    session: Session, repository: Repository, *, sha: str, readme: str | None, config: dict[str, Any] | None = None
) -> None:
    """Write down what the files at the head of ``main`` say of a repository.

    Args:
        session: a writing transaction.
        repository: which.
        sha: the head.
        readme: the text of ``README.md``, if there is one; a card that cannot be read counts as none.
        config: what ``config.json`` says, if there is one.
    """
    try:
        card = read_card(readme) if readme is not None else None
    except CardFault:
        card = None
    repository.sha = sha
    repository.card = card
    repository.config = config
    repository.library_name = _text((card or {}).get("library_name"))
    repository.pipeline_tag = _text((card or {}).get("pipeline_tag"))
    if repository.type == "space":
        repository.sdk = _text((card or {}).get("sdk")) or repository.sdk
    tags = tags_of(repository.type, card or {}, readme or "")
    if config is not None and repository.type == "model":
        tags = list(dict.fromkeys([*tags, *filter(None, [_text(config.get("model_type"))])]))
    repository.tags = tags
    session.execute(sa.delete(RepositoryTag).where(RepositoryTag.repository_id == repository.id))
    session.add_all(RepositoryTag(tag=tag, repository_id=repository.id) for tag in tags)
    search.put(session, repository)


def tags_of(type: str, card: dict[str, Any], readme: str = "") -> list[str]:
    """The tags that follow from a card, in a stable order, each once."""
    tags: list[str] = []
    if type == "model":
        tags += _texts(card.get("library_name")) + _texts(card.get("pipeline_tag"))
        tags += _texts(card.get("tags")) + _texts(card.get("language"))
        tags += [f"dataset:{each}" for each in _texts(card.get("datasets"))]
        tags += [f"base_model:{each}" for each in _texts(card.get("base_model"))]
    elif type == "dataset":
        tags += [f"{facet}:{each}" for facet in _FACETS for each in _texts(card.get(facet))]
        tags += _texts(card.get("tags"))
    else:
        tags += _texts(card.get("sdk")) + _texts(card.get("tags"))
    tags += [f"license:{each}" for each in _texts(card.get("license"))]
    tags += [f"arxiv:{number}" for number in _ARXIV.findall(readme[:_LONGEST])]
    return [tag[:_LONGEST_TAG] for tag in dict.fromkeys(tags)][:_MOST_TAGS]


def _texts(value: Any) -> list[str]:
    """A value that may be one text or several, as a list of texts."""
    found = [_text(each) for each in (value if isinstance(value, list) else [value])]
    return [each for each in found if each]


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _plain(value: Any, depth: int) -> Any:
    """A YAML value as JSON can hold it; dates become text, and a value that is nested too deeply is left out."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {str(key): _plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)
