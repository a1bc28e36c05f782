"""What users said of predictions, and what becomes of it.

    store    the database: predictions as served, judgements on them (SQLite, or PostgreSQL by URL)
    rules    which judgements train, which are held back to measure, which do neither, and why
    purge    removing a person's texts from the files of a project

Only the database needs SQLAlchemy; its names are resolved when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from enfold.errors import UnknownPrediction, require
from enfold.feedback.judgements import Counts, Forgotten, Judgement
from enfold.feedback.purge import Found, purge_files
from enfold.feedback.resolving import Conflict, Resolved, resolve
from enfold.feedback.rules import Limits, Plan, plan

if TYPE_CHECKING:
    from enfold.feedback.store import FeedbackStore

__all__ = [
    "Conflict",
    "Counts",
    "FeedbackStore",
    "Forgotten",
    "Found",
    "Judgement",
    "Limits",
    "Plan",
    "Resolved",
    "UnknownPrediction",
    "plan",
    "purge_files",
    "resolve",
]


def __getattr__(name: str) -> Any:
    if name == "FeedbackStore":
        require("sqlalchemy", extra="serve", purpose="the feedback database")
        require("alembic", extra="serve", purpose="the feedback database")
        return import_module("enfold.feedback.store").FeedbackStore
    raise AttributeError(f"module 'enfold.feedback' has no name {name!r}")
