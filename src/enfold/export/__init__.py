"""Trained encoders as graphs that run without torch: ONNX and OpenVINO."""

from enfold.export.exporting import FORMATS, export_model
from enfold.pipelines.exported import Exported

__all__ = ["FORMATS", "Exported", "export_model"]
