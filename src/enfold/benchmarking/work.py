"""How much a model computes and reads, counted from its linear maps."""

from __future__ import annotations

from itertools import chain
from typing import Any

__all__ = ["linear_operations", "weights_read"]


def linear_operations(model: Any, tokens: int, new_tokens: int = 0) -> float:
    """Multiplications and additions of the linear maps of the blocks, and of a vocabulary's scores.

    A decoder runs its blocks once for each token that it reads or writes. Of a pair, the encoder does so for those that
    are read, the decoder for those that are written. The vocabulary is scored once for each token that is written.
    Attention itself, embeddings and small heads are not counted.

    Args:
        model: a model of Enfold.
        tokens: that it reads.
        new_tokens: that it writes.
    """
    stack = model.base_model
    if getattr(model, "is_encoder_decoder", False):
        total = _of(stack.encoder.blocks) * tokens + _of(stack.decoder.blocks) * (new_tokens or tokens)
    else:
        total = _of(stack.blocks) * (tokens + new_tokens)
    if new_tokens and model.scores_path is not None:
        total += _of([model.get_submodule(model.scores_path)]) * new_tokens
    return float(total)


def weights_read(model: Any) -> float:
    """Bytes of weights that are read to write one token: of the blocks that write, and of the vocabulary's scores."""
    stack = model.base_model
    blocks = stack.decoder.blocks if getattr(model, "is_encoder_decoder", False) else stack.blocks
    parts = [*blocks, *([model.get_submodule(model.scores_path)] if model.scores_path is not None else [])]
    return float(sum(_bytes(module) for part in parts for module in _maps(part)))


def _of(parts: Any) -> int:
    """Twice the multiplications for one token; a block that is shared counts each time it is run."""
    return sum(2 * module.in_features * module.out_features for part in parts for module in _maps(part))


def _maps(part: Any) -> list[Any]:
    return [module for module in part.modules() if hasattr(module, "in_features") and hasattr(module, "out_features")]


def _bytes(module: Any) -> int:
    own = chain(module.parameters(recurse=False), module.buffers(recurse=False))
    return sum(tensor.numel() * tensor.element_size() for tensor in own)
