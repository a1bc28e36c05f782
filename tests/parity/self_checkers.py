"""Shared checks of one of our models with itself: padding, packing, training mode, gradient checkpointing."""

from __future__ import annotations

from typing import Any

import torch
from checkers import (
    TOLERANCE,
    Inputs,
    Places,
    assert_close,
    assert_same_gradients,
    gradients,
    has_places,
    places_of,
    projected,
    real_places,
    select,
)
from torch import nn

from enfold.models import pack


def assert_zeros_at_padding(model: nn.Module, inputs: Inputs) -> None:
    """Whatever has places comes back as zeros where the mask is 0."""
    real = real_places(inputs)
    with torch.no_grad():
        outputs = model(**inputs, output_hidden_states=True)
    seen = 0
    for name in outputs:
        own = places_of(name, real)
        assert own is not None and not bool(own.all()), "there is no padding to look at"
        if name.startswith("decoder") and not isinstance(real, Places):
            continue  # a decoder that reads the inputs again reads their padding
        for values in outputs[name] if isinstance(outputs[name], tuple) else (outputs[name],):
            if name != "loss" and has_places(name, values, own):
                assert not bool(values[~own].any()), f"{name} is not zero at padding"
                seen += 1
    assert seen, "no output has places"


def assert_packed_is_padded(model: nn.Module, inputs: Inputs, *, same_loss: bool = True) -> None:
    """A packed call gives what the call with padding at the right gives: outputs, loss and gradients.

    Args:
        model: the model.
        inputs: a batch padded at the right; of a pair of stacks, both sides are packed.
        same_loss: False for spans, whose padded loss is over padding too.
    """
    real = real_places(inputs)
    arguments = packed_call(inputs)
    here, there = model(**inputs), model(**arguments)
    for name in here:
        if same_loss or name != "loss":
            assert_close(name, there[name], select(name, here[name], real), TOLERANCE)
    if same_loss:
        own = gradients(model, projected(there, None))
        assert_same_gradients(own, gradients(model, projected(here, real)), TOLERANCE)


def packed_call(inputs: Inputs) -> dict[str, Any]:
    """The arguments of the same call with packed tokens, on both sides where there are two."""
    real = real_places(inputs)
    sides = {"": real.encoder, "decoder_": real.own} if isinstance(real, Places) else {"": real}
    arguments: dict[str, Any] = {}
    for side, mask in sides.items():
        assert mask is not None and not bool(mask.all()), "the batch has no padding"
        named = [name for name in (f"{side}input_ids", f"{side}token_type_ids") if name in inputs]
        rows = [[row[own].tolist() for row, own in zip(inputs[name], mask, strict=True)] for name in named]
        packed = pack(*rows)
        arguments |= {name: getattr(packed, name.removeprefix(side)) for name in named}
        arguments[f"{side}layout"] = packed.layout
    own = real.own if isinstance(real, Places) else real
    for name, values in inputs.items():
        if name not in arguments and not name.endswith("attention_mask"):
            labels = isinstance(values, torch.Tensor) and values.shape == own.shape
            arguments[name] = values[own] if labels else values
    return arguments


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
