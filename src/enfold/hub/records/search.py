"""The text of a repository that search looks through, and the condition that finds it.

Both databases find substrings by their trigrams: FTS5 in SQLite, pg_trgm in PostgreSQL. A word of fewer than three
characters has no trigram and is looked for in the names instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.schema import Repository

__all__ = ["TABLE", "matches", "put", "words_of"]

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


def matches(words: Sequence[str], *, is_sqlite: bool) -> sa.ColumnElement[bool]:
    """The condition that a repository has all of the words, by the index."""
    short = [Repository.folded.contains(word, autoescape=True) for word in words if len(word) < _SHORTEST]
    long = [word for word in words if len(word) >= _SHORTEST]
    conditions: list[sa.ColumnElement[bool]] = list(short)
    if long and is_sqlite:
        query = " AND ".join('"' + word.replace('"', '""') + '"' for word in long)
        found = sa.select(TABLE.c.rowid).where(sa.literal_column("repository_search").op("MATCH")(query))
        conditions.append(Repository.id.in_(found))
    elif long:
        found = sa.select(TABLE.c.rowid).where(*(TABLE.c.text.contains(word, autoescape=True) for word in long))
        conditions.append(Repository.id.in_(found))
    return sa.and_(*conditions) if conditions else sa.true()
