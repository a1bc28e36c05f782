"""A trained model as a folder of its own: weights, tokenizer, card, metrics, and where it all came from."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from enfold import __version__
from enfold.files import atomic_folder, fingerprint, read_json, write_json
from enfold.values.reports import Report

REVISION_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a model was made of, so that every one of its answers can be traced back."""

    revision: str
    parent: str | None
    """Revision of the model that was in service when this one was trained."""
    base: str
    """What training started from, with its revision."""
    data: str
    """The data reference, with the fingerprint of its content."""
    rows: dict[str, int]
    """Rows in each split."""
    corrections: tuple[str, ...]
    """Content ids of the corrected texts that were trained on."""
    stages: dict[str, str]
    """Key of each stage's result under ``runs/``."""
    settings: dict[str, Any]
    versions: dict[str, str]
    format: str
    """Weight format: float32 or int8."""
    made: str

    @classmethod
    def read(cls, model: Path) -> Lineage:
        """Read the lineage beside a model."""
        content = read_json(model / "lineage.json")
        return cls(**content | {"corrections": tuple(content["corrections"])})


def versions() -> dict[str, str]:
    """Versions of Python, of Enfold and of the libraries that decide a result."""
    libraries = ("torch", "tokenizers", "safetensors", "polars", "scikit-learn", "numpy")
    found = {library: metadata.version(library) for library in libraries}
    return {"enfold": __version__, "python": platform.python_version(), **found}


def publish(models: Path, product: Path, *, report: Report, project: str, **lineage: Any) -> Lineage:
    """Put a product, a folder with weights and tokenizer, among the models under a revision made of its content.

    Args:
        models: the folder of all models.
        product: the folder to copy.
        report: how good it is on the test set.
        project: name of the project, for the card.
        **lineage: the fields of `Lineage` but for revision, versions and date.

    Returns:
        The lineage as it was written. The same product published twice stays as it was the first time.
    """
    revision = fingerprint(product)[:REVISION_LENGTH]
    folder = models / revision
    if (folder / "lineage.json").is_file():
        return Lineage.read(folder)
    record = Lineage(
        revision=revision,
        versions=versions(),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        **lineage,
    )
    with atomic_folder(folder) as temporary:
        shutil.copytree(product, temporary, dirs_exist_ok=True)
        write_json(temporary / "metrics.json", report.to_json())
        write_json(temporary / "lineage.json", asdict(record))
        (temporary / "README.md").write_text(_card(record, report, project), encoding="utf-8")
    return record


def _card(lineage: Lineage, report: Report, project: str) -> str:
    """The model card: front matter that the Hub reads, then what a person asks first."""
    # JSON is valid YAML, and quotes whatever needs it.
    results = [
        {"type": metric.name, "value": round(metric.value, 5), "name": metric.name.replace("_", " ")}
        for metric in report.metrics
    ]
    index = [
        {
            "name": project,
            "results": [
                {
                    "task": {"type": report.task},
                    "dataset": {"name": project, "type": project, "split": "test"},
                    "metrics": results,
                }
            ],
        }
    ]
    lines = [
        "---",
        "library_name: enfold",
        f"pipeline_tag: {report.task}",
        f"tags: {json.dumps(['text-classification', lineage.format])}",
        f"model-index: {json.dumps(index, ensure_ascii=False)}",
        "---",
        "",
        f"# {project}",
        "",
        f"Classifies a text as one of: {', '.join(report.labels)}.",
        "",
        *_bullets(
            f"Fine-tuned from {lineage.base}",
            f"Trained on {lineage.rows.get('train', 0)} rows of {lineage.data}"
            + (f", {len(lineage.corrections)} of them corrected by users" if lineage.corrections else ""),
            f"Weights: {lineage.format}",
            f"Made on {lineage.made[:10]} with Enfold {lineage.versions['enfold']}",
        ),
        "",
        f"## Scores on {report.rows} test rows, with 95 % intervals",
        "",
        "| metric | value | from | to |",
        "|---|---|---|---|",
        *(f"| {m.name} | {m.value:.4f} | {m.low:.4f} | {m.high:.4f} |" for m in report.metrics),
        "",
        "## Limits",
        "",
        "The scores hold for texts like those of the test set. `lineage.json` says what the model was made of, "
        "`metrics.json` holds every score, by class and by length.",
        "",
    ]
    return "\n".join(lines)


def _bullets(*lines: str) -> Sequence[str]:
    return [f"- {line}" for line in lines]
