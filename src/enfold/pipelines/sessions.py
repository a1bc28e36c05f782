"""The engines that run an exported graph on a processor without torch: ONNX Runtime and OpenVINO."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from enfold.errors import CheckpointError, require

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SESSIONS", "OnnxSession", "OpenVinoSession", "Session"]


class Session(Protocol):
    """A graph that is loaded. It may be called from several threads."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run one batch: inputs by name to the graph's first output."""


class OnnxSession:
    """A graph run by ONNX Runtime.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        CheckpointError: the file cannot be opened.
    """

    def __init__(self, file: Path) -> None:
        engine: Any = require("onnxruntime", extra="export", purpose='runtime="onnx"')
        options = engine.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = engine.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its kinds of errors have no common parent of their own
            raise CheckpointError(f"ONNX Runtime cannot open {file}: {_first_line(error)}") from error

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run one batch."""
        found: np.ndarray = self._session.run(None, dict(inputs))[0]
        return found


class OpenVinoSession:
    """A graph run by OpenVINO in float32, one request a thread.

    Raises:
        MissingExtra: OpenVINO is not installed.
        CheckpointError: the file cannot be opened.
    """

    def __init__(self, file: Path) -> None:
        engine: Any = require("openvino", extra="openvino", purpose='runtime="openvino"')
        # Without this a processor with bfloat16 products rounds to them, and answers depend on the machine.
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        try:
            self._model = engine.Core().compile_model(str(file), "CPU", settings)
        except RuntimeError as error:
            raise CheckpointError(f"OpenVINO cannot open {file}: {_first_line(error)}") from error
        self._requests = threading.local()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run one batch."""
        if not hasattr(self._requests, "own"):
            self._requests.own = self._model.create_infer_request()
        found: np.ndarray = self._requests.own.infer(dict(inputs))[0].copy()  # the request's memory is used again
        return found


SESSIONS: dict[str, type[OnnxSession] | type[OpenVinoSession]] = {"onnx": OnnxSession, "openvino": OpenVinoSession}
"""By the name of the runtime."""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
