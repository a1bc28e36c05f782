"""Activation functions by the names that ``config.json`` files use."""

from __future__ import annotations

from torch import nn

from enfold.errors import InputError, near

__all__ = ["ACTIVATIONS", "activation"]

ACTIVATIONS: dict[str, type[nn.Module] | tuple[type[nn.Module], dict[str, str]]] = {
    "gelu": nn.GELU,
    "gelu_new": (nn.GELU, {"approximate": "tanh"}),
    "gelu_pytorch_tanh": (nn.GELU, {"approximate": "tanh"}),
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
}


def activation(name: str) -> nn.Module:
    """The activation of that name.

    Raises:
        InputError: no such activation is known; the message lists those that are.
    """
    if name not in ACTIVATIONS:
        known = sorted(ACTIVATIONS)
        raise InputError(f"no activation {name!r}; there are: {', '.join(known)}{near(name, known)}")
    kind = ACTIVATIONS[name]
    return kind[0](**kind[1]) if isinstance(kind, tuple) else kind()
