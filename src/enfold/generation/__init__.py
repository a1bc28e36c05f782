"""Token by token: greedy, sampling, beam search, stopping, streaming.

One engine that knows token ids only. `generate` takes prompts as ids and returns `Generated` values; `stream` gives the
same piece by piece; `generate_compatible` takes and returns what ``model.generate`` does in ``transformers``. The names
are resolved when they are first asked for, so that reading a `GenerationConfig` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enfold.generation.compatible import generate_compatible
    from enfold.generation.config import GenerationConfig
    from enfold.generation.detokenise import Detokeniser
    from enfold.generation.engine import generate, stream
    from enfold.generation.results import Alternative, FinishReason, Generated, Piece
    from enfold.generation.streamers import TextIteratorStreamer, TextStreamer
    from enfold.generation.structured import Constraint

_HOMES = {
    "Alternative": "results",
    "Constraint": "structured",
    "Detokeniser": "detokenise",
    "FinishReason": "results",
    "Generated": "results",
    "GenerationConfig": "config",
    "Piece": "results",
    "TextIteratorStreamer": "streamers",
    "TextStreamer": "streamers",
    "generate": "engine",
    "generate_compatible": "compatible",
    "stream": "engine",
}

__all__ = [
    "Alternative",
    "Constraint",
    "Detokeniser",
    "FinishReason",
    "Generated",
    "GenerationConfig",
    "Piece",
    "TextIteratorStreamer",
    "TextStreamer",
    "generate",
    "generate_compatible",
    "stream",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"enfold.generation.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'enfold.generation' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
