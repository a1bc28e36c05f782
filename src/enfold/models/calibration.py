"""How large the inputs of each linear map get on a few texts, and which maps int8 costs most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from enfold.layers.int8 import range_of, smoothing
from enfold.layers.int8_blocks import fuses
from enfold.layers.linear import TransposedLinear, quantise_linear
from enfold.models.encoder_decoder import EncoderDecoderModel
from enfold.models.stack import Stack

if TYPE_CHECKING:
    from enfold.models.pretrained import PreTrainedModel

__all__ = ["Calibration", "calibrate"]

_BUDGET = 0.01
"""What the maps that become int8 may cost in all, added up; about one per cent of a perplexity."""
_BUDGET_OF_STATES = 0.0025
"""The same of a model without answers: vectors of texts then turn by some hundredths."""
_WORTH = 2.0
"""How many times as much as with a scale for each token a fixed range may cost: it is up to a third quicker."""
_JUDGING = 4  # every fourth text
_LOOKED_AT = 64  # tokens of each text by which maps are judged
_TEXTS = 8  # as many, of a model that gives one answer for a text; one that has answers for every token needs one text


@dataclass(eq=False)
class Calibration:
    """What was learned.

    Attributes:
        input_scales: by the name of a map, (inputs,) what its inputs are multiplied by. Maps of one input share it.
        input_ranges: by the name of a map, the fixed range of its inputs, where one will do.
        lost: by the names of the maps of one input, how far the model's outputs move when these alone are int8: the
            mean Kullback-Leibler divergence of its answers, or for a model without answers the squared relative change
            of its states.
        budget: what they may lose in all.
    """

    input_scales: dict[str, Tensor] = field(default_factory=dict)
    input_ranges: dict[str, Tensor] = field(default_factory=dict)
    lost: dict[tuple[str, ...], float] = field(default_factory=dict)
    budget: float = _BUDGET

    @property
    def kept(self) -> set[str]:
        """The costliest maps, which stay as they are, so that the others cost no more than the budget."""
        total = 0.0
        kept: set[str] = set()
        for names in sorted(self.lost, key=lambda names: self.lost[names]):
            total += self.lost[names]
            if total > self.budget:
                kept.update(names)
        return kept


@torch.inference_mode()
def calibrate(
    model: PreTrainedModel, linears: Mapping[str, nn.Linear | TransposedLinear], rows: Sequence[Sequence[int]]
) -> Calibration:
    """Run a model over a few texts and look at the inputs of its maps.

    Maps of stacks that read whole texts get fixed input ranges, unless that costs more than their share of the budget
    and more than twice what a scale for each token costs. What it costs is judged by every fourth text, which the
    ranges were not made of: with too few texts they do not hold what other texts bring.

    Args:
        model: in floating point and in evaluation mode; of a pair, both stacks read the texts.
        linears: the maps, by name.
        rows: token ids of each text.
    """
    judging = rows[::_JUDGING] if len(rows) > 1 else rows
    looked_at = [row for number, row in enumerate(rows) if number % _JUDGING] or rows
    seen = _look(model, linears, looked_at)
    texts = _judges(model, judging)
    wanted = [_read(model, text) for text in texts]
    found = Calibration(budget=_BUDGET if wanted[0][1] else _BUDGET_OF_STATES)
    readers, fused = _readers(model)

    def moved(names: Sequence[str], scale: Tensor | None, fixed: Tensor | None) -> float:
        for name in names:
            int8 = quantise_linear(linears[name], "int8", input_scale=scale, input_range=fixed).eval()
            _put(model, name, int8)
        try:
            return sum(_distance(_read(model, text), own) for text, own in zip(texts, wanted, strict=True)) / len(texts)
        finally:
            for name in names:
                _put(model, name, linears[name])

    for names, lowest, highest in seen:
        largest = torch.maximum(lowest.neg(), highest)
        scale: Tensor | None = smoothing(largest, [_weight(linears[name]) for name in names])
        lost = moved(names, scale, None)
        if all(linears[name] in readers for name in names):
            own = None if any(linears[name] in fused for name in names) else scale
            fixed = range_of(lowest, highest, own)
            lost_fixed = moved(names, own, fixed)
            if lost_fixed <= max(_WORTH * lost, found.budget / len(seen)):
                lost, scale = lost_fixed, own
                found.input_ranges |= dict.fromkeys(names, fixed)
        found.lost[names] = lost
        found.input_scales |= {} if scale is None else dict.fromkeys(names, scale)
    return found


def _look(
    model: PreTrainedModel, linears: Mapping[str, nn.Module], rows: Sequence[Sequence[int]]
) -> list[tuple[tuple[str, ...], Tensor, Tensor]]:
    """The maps that share an input, and (inputs,) the lowest and highest it gets."""
    lowest: dict[str, Tensor] = {}
    highest: dict[str, Tensor] = {}
    together: dict[str, list[str]] = {}
    last: list[Any] = [None, ""]  # the input that came last, and the first map that got it

    def look(name: str, hidden: Tensor) -> None:
        if last[0] is not hidden:
            last[:] = [hidden, name]
        if name not in lowest:
            together.setdefault(last[1], []).append(name)
        own = hidden.detach().flatten(0, -2).float()
        low, high = own.amin(0), own.amax(0)
        lowest[name] = torch.minimum(lowest[name], low) if name in lowest else low
        highest[name] = torch.maximum(highest[name], high) if name in highest else high

    hooks = [
        module.register_forward_pre_hook(lambda _, inputs, name=name: look(name, inputs[0]))
        for name, module in linears.items()
    ]
    try:
        for row in rows:
            _read(model, torch.tensor([list(row)], device=model.device))
    finally:
        for hook in hooks:
            hook.remove()
    return [
        (
            tuple(names),
            torch.stack([lowest[name] for name in names]).amin(0),
            torch.stack([highest[name] for name in names]).amax(0),
        )
        for names in together.values()
    ]


def _judges(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> list[Tensor]:
    """(1, tokens) each of the texts by which maps are judged."""
    longest = sorted((list(row)[:_LOOKED_AT] for row in rows), key=len, reverse=True)[:_TEXTS]
    texts = [torch.tensor([row], device=model.device) for row in longest]
    return texts if _read(model, texts[0])[0].shape[0] == 1 else texts[:1]


def _readers(model: nn.Module) -> tuple[set[nn.Module], set[nn.Module]]:
    """The modules of stacks that read whole texts, and of those the maps behind an activation that a product does."""
    blocks = [
        block
        for stack in model.modules()
        if isinstance(stack, Stack) and not stack.spec.causal
        for block in stack.blocks
        if not block.crosses
    ]
    return {module for block in blocks for module in block.reached()}, {
        block.part("down") for block in blocks if fuses(block)
    }


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, leaf = name.rpartition(".")
    model.get_submodule(owner).add_module(leaf, module)


def _read(model: Any, ids: Tensor) -> tuple[Tensor, bool]:
    """(places, width) scores, or hidden states and False."""
    stack = getattr(model, "stack", model)
    more = {"decoder_input_ids": ids} if isinstance(stack, EncoderDecoderModel) else {}
    output = model(input_ids=ids, **more)
    scores = next(
        (output[key] for key in ("logits", "prediction_logits", "start_logits") if output.get(key) is not None), None
    )
    return (output[0] if scores is None else scores).flatten(0, -2).float(), scores is not None


def _distance(found: tuple[Tensor, bool], wanted: tuple[Tensor, bool]) -> float:
    if not wanted[1] or wanted[0].shape[-1] == 1:
        return float((found[0] - wanted[0]).norm() / wanted[0].norm().clamp(min=1e-12)) ** 2
    first, second = wanted[0].log_softmax(-1), found[0].log_softmax(-1)
    return float((first.exp() * (first - second)).sum(-1).mean())


def _weight(module: nn.Linear | TransposedLinear) -> Tensor:
    return module.weight.t() if isinstance(module, TransposedLinear) else module.weight
