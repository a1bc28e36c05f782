"""Forgetting a person across a project: the database, the results of stages, reports and predictions."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from enfold.feedback import Forgotten, Found, purge_files
from enfold.project.publish import Lineage

if TYPE_CHECKING:
    from enfold.project.project import Project

MADE_HERE = ("runs", "models", "improvements")
"""Folders of a project that hold only what the project itself made."""


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

    The user's own data file and files elsewhere, such as exported feedback, are not the project's to change.
    """
    with project.feedback() as store:
        gone = store.forget(user)
    texts = [text for text, identity in zip(gone.texts, gone.content_ids, strict=True) if identity not in gone.still_held]
    files: list[Found] = []
    for name in MADE_HERE:
        if (project.folder / name).is_dir():
            files += purge_files(project.folder / name, texts)
    files += _purge_reports(project.folder, texts)
    _drop_partial_runs(project.folder / "runs")
    trained = _trained_on(project.folder / "models", set(gone.judged_content_ids) - set(gone.still_held))
    return ProjectForgotten(
        database=gone, files=tuple(files), trained=trained, served=project.service.revision() in trained
    )


def _purge_reports(folder: Path, texts: list[str]) -> list[Found]:
    """The report lies beside files that are not the project's, so it is looked at alone."""
    report = folder / "report.html"
    if not report.is_file():
        return []
    alone = folder / "runs" / "report.purging"
    alone.mkdir(parents=True, exist_ok=True)
    try:
        report.replace(alone / report.name)
        found = purge_files(alone, texts)
        if (alone / report.name).is_file():
            (alone / report.name).replace(report)
        return [Found(path=report, action=item.action, rows=item.rows) for item in found]
    finally:
        shutil.rmtree(alone, ignore_errors=True)


def _drop_partial_runs(runs: Path) -> None:
    """What an interrupted stage left may hold texts in forms of its own; the stage begins again without it."""
    for scratch in runs.glob("*/*.partial"):
        shutil.rmtree(scratch, ignore_errors=True)


def _trained_on(models: Path, content_ids: set[str]) -> tuple[str, ...]:
    if not models.is_dir():
        return ()
    lineages = [Lineage.read(file.parent) for file in sorted(models.glob("*/lineage.json"))]
    return tuple(one.revision for one in lineages if content_ids & set(one.corrections))
