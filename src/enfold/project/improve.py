"""Corrections become training data, and the model made of them has to show that it is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.markup import escape

from enfold.data import NearDuplicates
from enfold.errors import ServiceError
from enfold.feedback import Limits, Plan, Resolved, plan
from enfold.feedback.judgements import Judgement
from enfold.files import read_json, write_json
from enfold.project.build import Build, build, write_page
from enfold.project.candidate import compare_on_feedback
from enfold.project.gate import Verdict
from enfold.project.publish import Lineage
from enfold.project.settings import FeedbackSettings
from enfold.values import LabelSet

if TYPE_CHECKING:
    from enfold.project.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """What came of one call of ``improve``."""

    outcome: str
    """``promoted``, ``waiting for review``, ``not promoted``, ``not enough evidence`` or ``nothing to learn``."""
    served: str
    """Revision of the model in service before."""
    candidate: str | None
    """Revision of the candidate; none when there was nothing to train on."""
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    """What a person should look at: bursts, one user who supplies most, conflicts."""
    verdict: Verdict | None
    record: Path
    """Where all of this is written down."""


def limits_of(settings: FeedbackSettings) -> Limits:
    """The rules' numbers as the project sets them."""
    return Limits(
        held_back=settings.held_back,
        minimum_held_back=settings.minimum_held_back,
        max_source_share=settings.max_source_share,
        max_per_source=settings.max_per_source,
        burst=settings.burst,
        trusted=frozenset(settings.trusted),
    )


def plan_feedback(
    judgements: Sequence[Judgement],
    *,
    settings: FeedbackSettings,
    labels: LabelSet,
    known: Mapping[str, str],
    improvements: Path,
) -> Plan:
    """Decide by the stated rules which judged texts train and which measure.

    Args:
        judgements: all there are.
        settings: of the project's feedback.
        labels: of the project.
        known: the labels of the project's own data, by content id.
        improvements: the records of earlier improvements: what they held back stays held back.
    """
    texts = {one.content_id: one.text for one in judgements}
    groups = NearDuplicates(list(texts.values())).groups()
    before = {
        item["content_id"]
        for record in sorted(improvements.glob("*/record.json"))
        for item in read_json(record)["feedback"]["held_back"]
    }
    return plan(
        judgements,
        labels=labels,
        limits=limits_of(settings),
        known=known,
        groups=dict(zip(texts, map(str, groups), strict=True)),
        held_back_before=before,
    )


def table_of(texts: Sequence[Resolved], *, expected: bool = False) -> pl.DataFrame:
    """Resolved texts as rows with ``id``, ``text``, ``label`` and ``user``, in the order of their content ids.

    Args:
        texts: what became of judgements.
        expected: take the label that a model must give to be right, which a rejection has too.
    """
    ordered = sorted(texts, key=lambda text: text.content_id)
    return pl.DataFrame(
        {
            "id": [text.content_id for text in ordered],
            "text": [text.text for text in ordered],
            "label": [text.expected if expected else text.label for text in ordered],
            "user": [next((user for user in text.supporters if user), None) for text in ordered],
        },
        schema={"id": pl.String, "text": pl.String, "label": pl.String, "user": pl.String},
    )


def write_record(improvements: Path, **content: Any) -> Path:
    """Keep what was decided and why; one folder an improvement, named by its moment."""
    now = datetime.now(UTC)
    folder = improvements / now.strftime("%Y-%m-%dT%H-%M-%S.%fZ")
    verdict = content.pop("verdict", None)
    plan_made: Plan = content.pop("plan")
    record = {
        "at": now.isoformat(timespec="seconds"),
        **content,
        "verdict": verdict.to_json() if verdict is not None else None,
        "sources": [asdict(source) for source in plan_made.sources],
        "feedback": plan_made.to_json(),
    }
    write_json(folder / "record.json", record)
    return folder / "record.json"


def improve(project: Project, *, review: bool) -> Improvement:
    """Make a candidate of the data and the corrections, compare it, and decide; see `Project.improve`."""
    served = project.service.folder().name
    settings, console, improvements = project.settings, project.console, project.folder / "improvements"
    with project.feedback() as store:
        judgements = store.judgements()
    known = _known_labels(project)
    planned = plan_feedback(
        judgements, settings=settings.feedback, labels=project.labels, known=known, improvements=improvements
    )
    console.print(
        f"{len(judgements)} judgements: {len(planned.training)} texts to train on, {len(planned.held_back)} held back, "
        f"{len(planned.left_out)} left out, {len(planned.conflicts)} in conflict",
        highlight=False,
    )
    for warning in planned.warnings:
        console.print(f"[yellow]look at[/yellow] {escape(warning)}", highlight=False)

    if not planned.training:
        reasons = (f"nothing to learn: no judged text is left to train on, of {len(judgements)} judgements",)
        return _conclude(project, planned, "nothing to learn", served=served, reasons=reasons)
    if planned.shortage:
        # A candidate that cannot be measured is not worth the training.
        return _conclude(project, planned, "not enough evidence", served=served, reasons=(planned.shortage,))

    made = build(project.folder, settings, console=console, corrections=table_of(planned.training), previous=served)
    if made.revision == served:
        reasons = ("the candidate is the model in service: these corrections are in it already",)
        return _conclude(project, planned, "nothing to learn", served=served, reasons=reasons, made=made)
    verdict = compare_on_feedback(
        project.folder,
        settings,
        made,
        served=served,
        labels=project.labels,
        held_back=table_of(planned.held_back, expected=True),
    )
    outcome = "not promoted"
    if verdict.promote:
        outcome = "waiting for review" if review else "promoted"
    return _conclude(
        project, planned, outcome, served=served, reasons=tuple(verdict.reasons), made=made, verdict=verdict
    )


def learnt_corrections(project: Project) -> pl.DataFrame | None:
    """What the model in service has learnt from corrections and is still in the database; None for nothing."""
    if project.service.revision() is None:
        return None
    learnt = set(Lineage.read(project.service.folder()).corrections)
    if not learnt:
        return None
    with project.feedback() as store:
        judgements = store.judgements()
    # What the data hold was weighed when these were learnt.
    planned = plan_feedback(
        judgements,
        settings=project.settings.feedback,
        labels=project.labels,
        known={},
        improvements=project.folder / "improvements",
    )
    texts = [text for text in planned.training if text.content_id in learnt]
    return table_of(texts) if texts else None


def _known_labels(project: Project) -> dict[str, str]:
    """The labels of the project's own data by content id, as the model in service was prepared with them."""
    stage = Lineage.read(project.service.folder()).stages["prepare"]
    table = project.folder / "runs" / "prepare" / stage / "table.parquet"
    if not table.is_file():
        raise ServiceError(f"{table} is gone, which says what the data hold; make it again with: enfold run")
    rows = pl.read_parquet(table).filter(pl.col("source") == "data")
    return dict(zip(rows["id"].to_list(), rows["label"].to_list(), strict=True))


def _conclude(
    project: Project,
    planned: Plan,
    outcome: str,
    *,
    served: str,
    reasons: tuple[str, ...],
    made: Build | None = None,
    verdict: Verdict | None = None,
) -> Improvement:
    """Write the record first, then promote: a promotion without its reasons never stands."""
    candidate = made.revision if made is not None and made.revision != served else None
    record = write_record(
        project.folder / "improvements",
        outcome=outcome,
        served=served,
        candidate=candidate,
        reasons=list(reasons),
        verdict=verdict,
        plan=planned,
    )
    sentence = f"{outcome}: {reasons[0]}"
    if outcome == "promoted" and candidate is not None:
        project.service.promote(candidate, reason="; ".join(reasons))
        sentence = f"Model {candidate} takes the place of {served}: {reasons[0]}."
    elif candidate is not None:
        sentence = f"Model {served} stays in service, {outcome}: {reasons[0]}."
        if outcome == "waiting for review":
            sentence += f" To put it in service: enfold promote {candidate}"
    for reason in reasons:
        project.console.print(f"- {reason}", highlight=False, markup=False)
    if made is not None and candidate is not None:
        page = project.folder / "report.html"
        write_page(page, made, title=project.settings.project.name, verdict=sentence)
    project.console.print(f"[bold]{outcome}[/bold]; record: {record}", highlight=False)
    return Improvement(
        outcome=outcome,
        served=served,
        candidate=candidate,
        reasons=reasons,
        warnings=tuple(planned.warnings),
        verdict=verdict,
        record=record,
    )
