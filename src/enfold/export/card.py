"""The model card of an exported model."""

from __future__ import annotations

import json
from collections.abc import Sequence

from enfold.export.check import Figure
from enfold.pipelines.exported import Exported

__all__ = ["model_card"]

_ENGINES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}


def model_card(exported: Exported, figures: Sequence[Figure], name: str) -> str:
    """Front matter that the Hub reads, then what a person asks first."""
    engine = _ENGINES[exported.runtime]
    revision = f" at revision {exported.source_revision}" if exported.source_revision else ""
    opset = f", opset {exported.opset}" if exported.opset else ""
    lines = [
        "---",
        "library_name: enfold",
        f"pipeline_tag: {exported.task}",
        f"tags: {json.dumps([exported.runtime, exported.format])}",
        "---",
        "",
        f"# {name}",
        "",
        f"{exported.source}{revision} for {engine}, in {exported.format}{opset}.",
        "",
        *([f"Labels: {', '.join(exported.labels)}.", ""] if exported.labels else []),
        "```python",
        "from enfold import pipeline",
        "",
        f'ask = pipeline("{exported.task}", "{name}", runtime="{exported.runtime}")',
        "```",
        "",
        "## Self-test against the model it was made of",
        "",
        "| figure | value | allowed |",
        "|---|---|---|",
        *(
            f"| {one.name} | {one.value:.6g} | {'at least' if one.at_least else 'at most'} {one.bound:g} |"
            for one in figures
        ),
        "",
        f"Made with {', '.join(f'{library} {version}' for library, version in exported.versions.items())}.",
        "",
    ]
    return "\n".join(lines)
