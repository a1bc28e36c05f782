"""Models with int8 weights, and their folders."""

from __future__ import annotations

from typing import Any

__all__ = ["original_config"]

MODEL_TYPE = "enfold-quantised"


def original_config(values: dict[str, Any]) -> dict[str, Any]:
    """The config of the model inside, for a folder of quantised weights; else the config itself."""
    return values["original"] if values.get("model_type") == MODEL_TYPE else values
