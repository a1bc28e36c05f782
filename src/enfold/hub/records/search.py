"""The text of a repository that search looks through, and the condition that finds it.

Both databases find substrings by their trigrams: FTS5 in SQLite, pg_trgm in PostgreSQL. A word of fewer than three
characters has no trigram and is looked for in the names instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from enfold.hub.records.schema import Repository

__all__ = ["TABLE", "found_by_index", "found_in_row", "put", "split", "words_of"]

TABLE = sa.table("repository_search", sa.column("rowid", sa.BigInteger), sa.column("text", sa.Text))
"""One row a repository, under its number."""
_LONGEST = 4000
_SHORTEST = 3


def put(session: Session, repository: Repository) -> None:
    """Write down what search finds a repository by: its name, its tags, its description."""
    text = " ".join([repository.full_name, *map(str, repository.tags or []), repository.description or ""])
    session.execute(sa.delete(TABLE).where(TABLE.c.rowid == repository.id))
    session.execute(sa.insert(TABLE).values(rowid=repository.id, text=text[:_LONGEST].lower()))


def words_of(search: str) -> list[str]:
    """A search as its words, in lower case; control characters separate words too."""
    plain = "".join(character if character.isprintable() else " " for character in search)
    return plain.lower().split()[:20]


def split(words: Sequence[str]) -> list[tuple[str, ...]]:
    """The words as the groups that are looked up together: all that have trigrams, and each other one alone."""
    long = tuple(word for word in words if len(word) >= _SHORTEST)
    return ([long] if long else []) + [(word,) for word in words if len(word) < _SHORTEST]


def found_by_index(group: tuple[str, ...], type: str, *, is_sqlite: bool) -> sa.Select[Any]:
    """The numbers of the repositories that have all words of a group, by an index."""
    if len(group[0]) < _SHORTEST:  # a look through the names alone, which are an index of their own
        named = aliased(Repository)
        return sa.select(named.id).where(named.type == type, named.folded.contains(group[0], autoescape=True))
    if is_sqlite:
        phrase = " AND ".join('"' + word.replace('"', '""') + '"' for word in group)
        return sa.select(TABLE.c.rowid).where(sa.literal_column("repository_search").op("MATCH")(phrase))
    return sa.select(TABLE.c.rowid).where(*(TABLE.c.text.contains(word, autoescape=True) for word in group))


def found_in_row(group: tuple[str, ...]) -> sa.ColumnElement[bool]:
    """The same as a condition on the row at hand."""
    if len(group[0]) < _SHORTEST:
        return Repository.folded.contains(group[0], autoescape=True)
    text = sa.select(TABLE.c.text).where(TABLE.c.rowid == Repository.id).scalar_subquery()
    return sa.and_(*(text.contains(word, autoescape=True) for word in group))
