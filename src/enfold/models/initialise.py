"""How new weights begin, in one place.

    linear weight, embedding       normal(0, std), std = the config's ``initializer_range``
    the padding row of embeddings  0
    linear bias, other parameters  0
    buffers                        0
    norm weight, bias              1, 0
    fixed sines and cosines        themselves

(Devlin et al., 2019, use a truncated normal; the PyTorch versions since then this one.)
"""

from __future__ import annotations

from collections.abc import Container

import torch
from torch import Tensor, nn

from enfold.layers.norms import RMSNorm

__all__ = ["initialise", "resized_rows"]


@torch.no_grad()
def initialise(model: nn.Module, std: float, only: Container[str] | None = None) -> None:
    """Fill the parameters and buffers of ``model``, weights at random; those named in ``only``, or all."""
    for path, module in model.named_modules():
        for name, buffer in module.named_buffers(recurse=False):
            if only is None or f"{path}.{name}".lstrip(".") in only:
                buffer.zero_()
        for name, parameter in module.named_parameters(recurse=False):
            if only is not None and f"{path}.{name}".lstrip(".") not in only:
                continue
            if isinstance(module, RMSNorm) or not parameter.requires_grad:
                begin = getattr(module, "begin", None)
                if begin is not None:  # a part that knows how it begins
                    begin()
            elif isinstance(module, nn.LayerNorm):
                parameter.fill_(1.0 if name == "weight" else 0.0)
            elif name == "weight":
                parameter.normal_(0.0, std)
                if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                    parameter[module.padding_idx].zero_()
            else:
                parameter.zero_()


@torch.no_grad()
def resized_rows(old: Tensor, rows: int, std: float | None) -> nn.Parameter:
    """The first ``rows`` of a table; rows beyond its end start at the old rows' mean, or at random with ``std``."""
    new = old.new_empty(rows, *old.shape[1:])
    kept = min(rows, old.shape[0])
    new[:kept] = old[:kept]
    if std is None:
        new[kept:] = old.float().mean(0).to(old.dtype)
    else:
        new[kept:].normal_(0.0, std)
    return nn.Parameter(new, requires_grad=old.requires_grad)
