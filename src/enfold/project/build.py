"""From settings, data and corrections to a finished model: prepare, train, evaluate, compress, report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from enfold.evaluation import Answers, Report, answer, report_on, tfidf_baseline
from enfold.evaluation.html import ReportPage, write_report
from enfold.files import fingerprint, read_json, write_json
from enfold.hub import Located, locate
from enfold.models import AutoModelForSequenceClassification
from enfold.project import prepare, train
from enfold.project.publish import REVISION_LENGTH, Lineage, publish
from enfold.project.score import keep_answers, labelled, read_answers, rows_fingerprint, score
from enfold.project.settings import Settings
from enfold.project.stages import StageResult, run_stage
from enfold.text import Tokenizer
from enfold.values import LabelSet
from enfold.values.reports import Decision

BASELINE = "TF-IDF baseline"
_EVALUATING = ("evaluation", "project/build.py")
_CALIBRATION_TEXTS = 64
_COMPRESSING = ("compression", "models", "layers", "text", "pipelines", "project/build.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A finished model with everything that is known of it."""

    lineage: Lineage
    folder: Path
    """Of the model, among the project's models."""
    rows: prepare.PreparedRows
    report: Report
    """On the test set, of the model as it is served."""
    decision: Decision | None
    """On compression; none where none was asked for."""
    history: list[dict[str, Any]]
    """The training log."""

    @property
    def revision(self) -> str:
        """Of the model."""
        return self.lineage.revision


def build(
    folder: Path,
    settings: Settings,
    *,
    console: Console,
    corrections: pl.DataFrame | None = None,
    previous: str | None = None,
) -> Build:
    """Carry out the stages of the loop, each only if what goes into it has changed.

    Args:
        folder: of the project.
        settings: of the project.
        console: where progress is told.
        corrections: ``text``, ``label``, ``user`` of what users corrected; None for none.
        previous: revision of the model in service, to compare with.

    Raises:
        EnfoldError: the data, a reference or a setting is wrong; nothing half-written is left.
    """
    root, labels = folder / "runs", LabelSet(tuple(settings.data.labels))
    data = locate_data(folder, settings)
    base = locate(_relative(folder, settings.model.base))

    def tell(stage: StageResult) -> None:
        state = "unchanged" if stage.reused else f"done in {stage.seconds:.1f} s"
        console.print(f"[bold]{stage.name}[/bold] [dim]{state}, runs/{stage.name}/{stage.key}[/dim]")

    rows = prepare.prepare_rows(
        root, folder / "splits.parquet", settings=settings, data=data, base=base, corrections=corrections
    )
    tell(rows.stage)
    if not rows.stage.reused:
        console.print(rows.profile)

    trained = _train(root, settings, base, rows)
    tell(trained)
    model = trained.folder / "model"

    evaluated = _evaluate(root, settings, model, rows, labels)
    tell(evaluated)
    console.print(str(Report.from_json(read_json(evaluated.folder / "report.json"))), highlight=False, markup=False)

    product, decision, stages = model, None, [rows.stage, trained, evaluated]
    if settings.compression.format != "none":
        compressed = _compress(root, settings, model, rows)
        tell(compressed)
        stages.append(compressed)
        decision = Decision.from_json(read_json(compressed.folder / "decision.json"))
        console.print(decision.reason, highlight=False, markup=False)
        if decision.kept:
            product = compressed.folder / "model"

    report = _report(folder, settings, product, model, evaluated.folder, rows, labels, previous=previous)
    lineage = publish(
        folder / "models",
        product,
        report=report,
        project=settings.project.name,
        parent=previous,
        base=f"{settings.model.base} ({base.revision})",
        data=f"{settings.data.file} ({data.revision})",
        rows={split: rows.rows(split).height for split in ("train", "validation", "test")},
        corrections=tuple(rows.table.filter(pl.col("source") == "feedback")["id"].sort().to_list()),
        stages={stage.name: stage.key for stage in stages},
        settings=settings.model_dump(),
        format=decision.format if decision and decision.kept else "float32",
    )
    return Build(
        lineage=lineage,
        folder=folder / "models" / lineage.revision,
        rows=rows,
        report=report,
        decision=decision,
        history=read_json(trained.folder / "history.json"),
    )


def locate_data(folder: Path, settings: Settings) -> Located:
    """Find the data file of a project."""
    return locate(_relative(folder, settings.data.file), kind="data")


def write_page(path: Path, made: Build, *, title: str, verdict: str | None = None) -> None:
    """Write the HTML report on a build."""
    write_report(
        path,
        ReportPage(
            title=title,
            report=made.report,
            verdict=verdict,
            profile=made.rows.profile.to_json(),
            history=made.history,
            decision=made.decision,
            lineage=asdict(made.lineage),
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        ),
    )


def _relative(folder: Path, reference: str) -> str:
    """A path in the settings is meant from the settings file."""
    beside = folder / reference
    return str(beside) if beside.exists() else reference


def _revision(folder: Path) -> str:
    return fingerprint(folder)[:REVISION_LENGTH]


def _train(root: Path, settings: Settings, base: Located, rows: prepare.PreparedRows) -> StageResult:
    inputs = {
        "rows": rows.content,
        "base": base.revision,
        "labels": settings.data.labels,
        "max_length": settings.model.max_length,
        "settings": settings.training.model_dump(),
    }

    def work(result: Path, scratch: Path) -> None:
        train.train(result, scratch, settings=settings, base=base, table=rows.table)

    return run_stage(root, "train", inputs=inputs, packages=train.PACKAGES, work=work)


def _evaluate(root: Path, settings: Settings, model: Path, rows: prepare.PreparedRows, labels: LabelSet) -> StageResult:
    """The trained model on the test rows, beside the baseline."""
    inputs = {
        "model": _revision(model),
        "train": rows_fingerprint(rows.rows("train")),
        "test": rows_fingerprint(rows.rows("test")),
        "settings": settings.evaluation.model_dump(),
    }
    source = f"{settings.project.name}, test split"

    def work(result: Path, scratch: Path) -> None:
        del scratch
        answers = score(root, model, _revision(model), rows.rows("test"), labels, source=source)
        others: dict[str, Answers] = {}
        if settings.evaluation.baseline:
            training = labelled(rows.rows("train"), source)
            baseline = tfidf_baseline(training.texts, training.labels, seed=settings.training.seed)
            others[BASELINE] = answer(baseline, labelled(rows.rows("test"), source), labels=answers.labels)
            keep_answers(others[BASELINE], result / "baseline.parquet")
        report = report_on(answers, others=others, resamples=settings.evaluation.resamples)
        write_json(result / "report.json", report.to_json())

    return run_stage(root, "evaluate", inputs=inputs, packages=_EVALUATING, work=work)


def _compress(root: Path, settings: Settings, model: Path, rows: prepare.PreparedRows) -> StageResult:
    """The compressed form, if it is worth keeping on this machine; training rows calibrate, validation rows decide."""
    inputs = {
        "model": _revision(model),
        "rows": rows_fingerprint(rows.rows("validation")),
        "training_rows": rows_fingerprint(rows.rows("train")),
        "settings": settings.compression.model_dump(),
    }

    def work(result: Path, scratch: Path) -> None:
        del scratch
        from enfold.compression import decide, quantise

        tokenizer = Tokenizer.from_pretrained(model)
        trained = AutoModelForSequenceClassification.from_pretrained(model)
        training = labelled(rows.rows("train"), "the training rows").texts
        calibration = training[:: max(1, len(training) // _CALIBRATION_TEXTS)][:_CALIBRATION_TEXTS]
        compressed = quantise(trained, format=settings.compression.format, texts=calibration)
        validation = labelled(rows.rows("validation"), "the validation rows")
        decision = decide(
            trained,
            tokenizer,
            validation.texts,
            validation.labels,
            candidate=compressed,
            format=settings.compression.format,
            bound=settings.compression.max_accuracy_loss / 100,
        )
        write_json(result / "decision.json", decision.to_json())
        if decision.kept:
            compressed.save_pretrained(result / "model")
            tokenizer.save_pretrained(result / "model")

    return run_stage(root, "compress", inputs=inputs, packages=_COMPRESSING, work=work)


def _report(
    folder: Path,
    settings: Settings,
    product: Path,
    model: Path,
    evaluated: Path,
    rows: prepare.PreparedRows,
    labels: LabelSet,
    *,
    previous: str | None,
) -> Report:
    """The report on the model as it is served, beside the baseline, its own float32 form and the model before it."""
    root, test = folder / "runs", rows.rows("test")
    source = f"{settings.project.name}, test split"
    answers = score(root, product, _revision(product), test, labels, source=source)
    others: dict[str, Answers] = {}
    if (evaluated / "baseline.parquet").is_file():
        others[BASELINE] = read_answers(evaluated / "baseline.parquet", model="tfidf", source=source)
    if product != model:
        others["before compression"] = score(root, model, _revision(model), test, labels, source=source)
    if previous not in (None, _revision(product)):
        others["model in service"] = score(root, folder / "models" / previous, previous, test, labels, source=source)
    return report_on(answers, others=others, resamples=settings.evaluation.resamples)
