"""How large the inputs of each linear map get on a few texts, and which maps int8 costs most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from enfold.layers.int8 import smoothing
from enfold.layers.linear import TransposedLinear, quantise_linear
from enfold.models.encoder_decoder import EncoderDecoderModel

if TYPE_CHECKING:
    from enfold.models.pretrained import PreTrainedModel

__all__ = ["Calibration", "calibrate"]

_BUDGET = 0.01
"""What the maps that become int8 may cost in all, added up; about one per cent of a perplexity."""
_LOOKED_AT = 64  # tokens of the text by which maps are judged


@dataclass(eq=False)
class Calibration:
    """What was learned.

    Attributes:
        input_scales: by the name of a map, (inputs,) what its inputs are multiplied by. Maps of one input share it.
        lost: by the names of the maps of one input, how far the model's outputs move when these alone are int8: the
            mean Kullback-Leibler divergence of its answers, or for a model without answers the squared relative change
            of its states.
    """

    input_scales: dict[str, Tensor] = field(default_factory=dict)
    lost: dict[tuple[str, ...], float] = field(default_factory=dict)

    @property
    def kept(self) -> set[str]:
        """The costliest maps, which stay as they are, so that the others cost no more than 0.01 in all."""
        total = 0.0
        kept: set[str] = set()
        for names in sorted(self.lost, key=lambda names: self.lost[names]):
            total += self.lost[names]
            if total > _BUDGET:
                kept.update(names)
        return kept


@torch.inference_mode()
def calibrate(
    model: PreTrainedModel, linears: Mapping[str, nn.Linear | TransposedLinear], rows: Sequence[Sequence[int]]
) -> Calibration:
    """Run a model over a few texts and look at the inputs of its maps.

    Args:
        model: in floating point and in evaluation mode; of a pair, both stacks read the texts.
        linears: the maps, by name.
        rows: token ids of each text.
    """
    largest: dict[str, Tensor] = {}
    together: dict[str, list[str]] = {}
    last: list[Any] = [None, ""]  # the input that came last, and the first map that got it

    def look(name: str, hidden: Tensor) -> None:
        if last[0] is not hidden:
            last[:] = [hidden, name]
        if name not in largest:
            together.setdefault(last[1], []).append(name)
        own = hidden.detach().abs().flatten(0, -2).amax(0).float()
        largest[name] = torch.maximum(largest[name], own) if name in largest else own

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
    found = Calibration()
    text = torch.tensor([max((list(row) for row in rows), key=len)[:_LOOKED_AT]], device=model.device)
    wanted = _read(model, text)
    for names in together.values():
        most = torch.stack([largest[name] for name in names]).amax(0)
        scale = smoothing(most, [_weight(linears[name]) for name in names])
        for name in names:
            owner, _, leaf = name.rpartition(".")
            int8 = quantise_linear(linears[name], "int8", input_scale=scale).eval()
            model.get_submodule(owner).add_module(leaf, int8)
        moved = _distance(_read(model, text), wanted)
        for name in names:
            owner, _, leaf = name.rpartition(".")
            model.get_submodule(owner).add_module(leaf, linears[name])
            found.input_scales[name] = scale
        found.lost[tuple(names)] = moved
    return found


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
