"""A trained model on a Hub: its files, a card that the Hub reads, its scores, and what it was made of.

What leaves this machine is chosen, not filtered: no text, no path, no user, no setting of the service. Data and models
of this machine are named by their fingerprints alone.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from enfold.files import read_json, write_json
from enfold.hub import HubRepository, LocalPath, parse
from enfold.hub.client import MODEL_FILES
from enfold.hub.pushing import Pushed, push
from enfold.hub.references import Kind
from enfold.project.publish import Lineage
from enfold.project.settings import Settings
from enfold.values.reports import Report

__all__ = ["publish_model"]

_OWN = ("README.md", "lineage.json", "metrics.json")
_PATHS_IN_CONFIGURATIONS = ("_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file")
_SCORES = ("task", "rows", "labels", "metrics", "classes", "confusion", "calibration", "versions")
_REVISION = re.compile(r"\(([0-9a-f]+)\)$")


def publish_model(
    folder: Path,
    repository: str,
    *,
    project: Path,
    settings: Settings,
    lineage: Lineage,
    report: Report,
    private: bool = False,
) -> Pushed:
    """Push one model of a project.

    Args:
        folder: of the model, as `enfold.project.publish.publish` made it.
        repository: ``owner/name`` on the Hub that ``HF_ENDPOINT`` names.
        project: folder of the project, from which its paths are meant.
        settings: of the project.
        lineage: of the model.
        report: its scores on the test rows.
        private: whether a repository that is made can be seen by its owners only.

    Raises:
        SourceError: see `enfold.hub.pushing.push`.
    """
    base = _source(settings.model.base, lineage.base, project, "model")
    data = _source(settings.data.file, lineage.data, project, "data")
    with tempfile.TemporaryDirectory(prefix="enfold-publish-") as name:
        written = Path(name)
        (written / "README.md").write_text(_card(settings, lineage, report, base, data), encoding="utf-8")
        write_json(written / "lineage.json", _lineage(settings, lineage, base, data))
        shown = report.to_json()
        write_json(written / "metrics.json", {key: shown[key] for key in _SCORES})
        files = {each: written / each for each in _OWN}
        for path in sorted(folder.iterdir()):
            if path.name in _OWN or not path.is_file() or not any(path.match(each) for each in MODEL_FILES):
                continue
            content = read_json(path) if path.suffix == ".json" else None
            if isinstance(content, dict) and any(key in content for key in _PATHS_IN_CONFIGURATIONS):
                plain = {key: value for key, value in content.items() if key not in _PATHS_IN_CONFIGURATIONS}
                write_json(written / path.name, plain)
                path = written / path.name
            files[path.name] = path
        message = f"Model {lineage.revision}, trained with Enfold {lineage.versions['enfold']}"
        return push(files, repository, message=message, private=private)


def _source(reference: str, described: str, project: Path, kind: Kind) -> dict[str, str]:
    """What may be told of a source: the name if it is a public one, and the revision or fingerprint."""
    found = _REVISION.search(described)
    revision = {"revision": found[1]} if found else {}
    if (project / reference).exists():
        return {"kind": "local", **revision}
    parsed = parse(reference, kind=kind)
    if isinstance(parsed, LocalPath):
        return {"kind": "local", **revision}
    if isinstance(parsed, HubRepository):
        return {"kind": "hub", "name": parsed.repository, **revision}
    return {"kind": "package", "name": reference, **revision}


def _lineage(settings: Settings, lineage: Lineage, base: dict[str, str], data: dict[str, str]) -> dict[str, Any]:
    chosen = {name: getattr(settings, name).model_dump() for name in ("training", "evaluation", "compression")}
    shares = {name: getattr(settings.data, name) for name in ("train", "validation", "test")}
    return {
        "revision": lineage.revision,
        "parent": lineage.parent,
        "base": base,
        "data": data,
        "rows": lineage.rows,
        "corrections": len(lineage.corrections),
        "stages": lineage.stages,
        "seed": settings.training.seed,
        "settings": {**chosen, "model": {"max_length": settings.model.max_length}, "data": shares},
        "versions": lineage.versions,
        "format": lineage.format,
        "made": lineage.made,
    }


def _card(settings: Settings, lineage: Lineage, report: Report, base: dict[str, str], data: dict[str, str]) -> str:
    project = settings.project
    metrics = [
        {"type": each.name, "value": round(each.value, 5), "name": each.name.replace("_", " ")}
        for each in report.metrics
    ]
    dataset = {"name": data.get("name", project.name), "type": data.get("name", project.name), "split": "test"}
    results = [{"task": {"type": report.task}, "dataset": dataset, "metrics": metrics}]
    front: dict[str, Any] = {
        "license": project.license,
        "language": project.language,
        "library_name": "enfold",
        "pipeline_tag": report.task,
        "tags": ["enfold", "transformers", report.task, lineage.format],
        "base_model": base["name"] if base["kind"] == "hub" else None,
        "datasets": [data["name"]] if data["kind"] == "hub" else None,
        "model-index": [{"name": project.name, "results": results}],
    }
    seed = settings.training.seed
    return "\n".join(
        [
            "---",
            # JSON is valid YAML, and quotes whatever needs it.
            *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items() if value),
            "---",
            "",
            f"# {project.name}",
            "",
            f"Classifies a text as one of: {', '.join(report.labels)}.",
            "",
            f"## Scores on {report.rows} test rows, with 95 % intervals",
            "",
            "| metric | value | from | to |",
            "|---|---|---|---|",
            *(f"| {each.name} | {each.value:.4f} | {each.low:.4f} | {each.high:.4f} |" for each in report.metrics),
            "",
            "The scores hold for texts like those of the test rows.",
            "",
            "## Lineage",
            "",
            f"- Fine-tuned from {_told(base, 'a model of its own')}",
            f"- Trained on {lineage.rows.get('train', 0)} rows of {_told(data, 'data of its own')}; "
            f"{len(lineage.corrections)} of all rows were corrected by users",
            f"- Weights: {lineage.format}; seed {seed}",
            f"- Made on {lineage.made[:10]} with Enfold {lineage.versions['enfold']}; revision {lineage.revision}",
            "",
            "`lineage.json` holds the settings and versions, `metrics.json` every score by class.",
            "",
        ]
    )


def _told(source: dict[str, str], unnamed: str) -> str:
    revision = f" ({source['revision']})" if "revision" in source else ""
    return source.get("name", unnamed) + revision
