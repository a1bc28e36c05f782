"""Forgetting a person across a project: the database, the results of stages, reports and predictions."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from enfold.feedback import Forgotten, Found, purge_files
from enfold.files import read_json
from enfold.project.publish import Lineage

if TYPE_CHECKING:
    from enfold.project.project import Project

MADE_HERE = ("runs", "models", "improvements", "report.html")
"""What in a project the project itself made, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectForgotten:
    """What was removed, where it was, and what still carries it."""

    database: Forgotten
    files: tuple[Found, ...]
    """Files that held the texts, and what was done with each."""
    trained: tuple[str, ...]
    """Revisions of the models that were trained on the texts: weights cannot be edited, only trained anew."""
    served: bool
    """Whether one of those is in service now."""


def forget(project: Project, user: str) -> ProjectForgotten:
    """Remove one user's texts; see `Project.forget`.

    The files come first and the database last, so that an interruption leaves the list of what is still to remove.
    Files that `enfold predict` and `enfold feedback export` wrote for the project are among them, wherever they lie;
    the project's data file is not the project's to change.
    """
    with project.feedback() as store:
        leaving = store.would_forget(user)
        files = _purge(project, leaving, user)
        gone = store.forget(user)
    trained = _trained_on(project.folder / "models", set(gone.judged_content_ids) - set(gone.still_held))
    return ProjectForgotten(
        database=gone, files=tuple(files), trained=trained, served=project.service.revision() in trained
    )


def _purge(project: Project, leaving: Forgotten, user: str) -> list[Found]:
    written = [Path(path) for path in read_json(project.outputs)] if project.outputs.is_file() else []
    pairs = zip(leaving.texts, leaving.content_ids, strict=True)
    texts = [text for text, identity in pairs if identity not in leaving.still_held]
    found: list[Found] = []
    for path in [*(project.folder / name for name in MADE_HERE), *written]:
        if path.exists():
            found += purge_files(path, texts, users=[user])
    # What an interrupted stage left may hold texts in forms of its own; the stage begins again without it.
    for scratch in (project.folder / "runs").glob("*/*.partial"):
        shutil.rmtree(scratch, ignore_errors=True)
    return found


def _trained_on(models: Path, content_ids: set[str]) -> tuple[str, ...]:
    lineages = [Lineage.read(file.parent) for file in sorted(models.glob("*/lineage.json"))]
    return tuple(one.revision for one in lineages if content_ids & set(one.corrections))
