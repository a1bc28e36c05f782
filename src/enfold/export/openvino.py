"""From an ONNX graph to OpenVINO's own files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enfold.errors import EnfoldError, require
from enfold.export.graph import save_graph

if TYPE_CHECKING:
    import onnx

__all__ = ["save_openvino"]


def save_openvino(graph: onnx.ModelProto, file: Path) -> None:
    """Write ``model.xml`` and ``model.bin``.

    The graph is read by the runtime itself, not by its command-line converter, which reports its use over the network.

    Raises:
        MissingExtra: OpenVINO is not installed.
        EnfoldError: it cannot read the graph.
    """
    engine: Any = require("openvino", extra="openvino", purpose="enfold export --to openvino")
    with tempfile.TemporaryDirectory(prefix="enfold-export-") as scratch:
        source = Path(scratch) / "model.onnx"
        save_graph(graph, source)
        try:
            engine.save_model(engine.Core().read_model(str(source)), str(file), compress_to_fp16=False)
        except RuntimeError as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise EnfoldError(f"OpenVINO cannot read the graph: {reason[0][:300]}") from error
