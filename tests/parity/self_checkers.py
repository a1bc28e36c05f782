"""Shared checks of one of our models with itself: padding, packing, training mode, gradient checkpointing."""

from __future__ import annotations

from typing import Any

import torch
from checkers import (
    TOLERANCE,
    Inputs,
    assert_close,
    assert_same_gradients,
    gradients,
    has_places,
    projected,
    real_places,
    select,
)
from torch import nn

from enfold.models import pack


def assert_zeros_at_padding(model: nn.Module, inputs: Inputs) -> None:
    """Whatever has places comes back as zeros where the mask is 0."""
    real = real_places(inputs)
    assert real is not None and not bool(real.all()), "there is no padding to look at"
    with torch.no_grad():
        outputs = model(**inputs, output_hidden_states=True)
    fields = [(name, outputs[name]) for name in outputs if name not in ("hidden_states", "loss")]
    fields += [("hidden_states", states) for states in outputs["hidden_states"]]
    for name, values in fields:
        if has_places(name, values):
            assert not bool(values[~real].any()), f"{name} is not zero at padding"


def assert_packed_is_padded(model: nn.Module, inputs: Inputs, *, same_loss: bool = True) -> None:
    """A packed call gives what the call with padding at the right gives: outputs, loss and gradients.

    Args:
        model: the model.
        inputs: a batch padded at the right.
        same_loss: False for spans, whose padded loss is over padding too.
    """
    real = real_places(inputs)
    assert real is not None and not bool(real.all()), "the batch has no padding"
    named = [name for name in ("input_ids", "token_type_ids") if name in inputs]
    rows = [[row[own].tolist() for row, own in zip(inputs[name], real, strict=True)] for name in named]
    packed = pack(*rows)
    arguments: dict[str, Any] = {name: getattr(packed, name) for name in named} | {"layout": packed.layout}
    for name, values in inputs.items():
        if name not in (*named, "attention_mask"):
            arguments[name] = values[real] if values.shape == real.shape else values
    here, there = model(**inputs), model(**arguments)
    for name in here:
        if same_loss or name != "loss":
            assert_close(name, there[name], select(name, here[name], real), TOLERANCE)
    if same_loss:
        own = gradients(model, projected(there, None))
        assert_same_gradients(own, gradients(model, projected(here, real)), TOLERANCE)


def assert_same_in_training(model: nn.Module, inputs: Inputs, *, checkpointing: bool = False) -> None:
    """Training mode without dropout gives what evaluation mode gives, if asked with gradient checkpointing."""
    real = real_places(inputs)
    expected = model.eval()(**inputs)
    wanted = gradients(model, projected(expected, real))
    if checkpointing:
        model.gradient_checkpointing_enable()
    try:
        found = model.train()(**inputs)
        for name in expected:
            assert_close(name, select(name, found[name], real), select(name, expected[name], real), TOLERANCE)
        assert_same_gradients(gradients(model, projected(found, real)), wanted, TOLERANCE)
    finally:
        model.eval()
        if checkpointing:
            model.gradient_checkpointing_disable()
