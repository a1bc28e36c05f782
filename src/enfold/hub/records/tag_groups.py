"""The tags that repositories have, in the groups that clients offer them by."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.likes import readable
from enfold.hub.records.principals import Principal
from enfold.hub.records.schema import Repository, RepositoryTag

__all__ = ["tags_by_group"]

_MOST = 10_000
_GROUP = re.compile(r"([a-z][a-z0-9_]{1,40}):(.+)", re.DOTALL)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,4})?")


def tags_by_group(session: Session, principal: Principal, type: str) -> dict[str, list[str]]:
    """The tags of the repositories of a type that ``principal`` may read, the most frequent first.

    A tag with a facet before it (``license:mit``) is in the group of that name. Of the others, tasks are in
    ``pipeline_tag``, libraries in ``library``, codes of languages in ``language``, and what is left in ``other``.
    """
    seen = (Repository.type == type) & readable(principal)
    counted = session.execute(
        sa.select(RepositoryTag.tag)
        .join(Repository, Repository.id == RepositoryTag.repository_id)
        .where(seen)
        .group_by(RepositoryTag.tag)
        .order_by(sa.func.count().desc(), RepositoryTag.tag)
        .limit(_MOST)
    )
    tasks = set(session.scalars(sa.select(Repository.pipeline_tag).where(seen).distinct()))
    libraries = set(session.scalars(sa.select(Repository.library_name).where(seen).distinct()))
    groups: dict[str, list[str]] = {}
    for (tag,) in counted:
        match = _GROUP.fullmatch(tag)
        if match is not None:
            group = match.group(1)
        elif tag in tasks:
            group = "pipeline_tag"
        elif tag in libraries:
            group = "library"
        else:
            group = "language" if _LANGUAGE.fullmatch(tag) else "other"
        groups.setdefault(group, []).append(tag)
    return groups
