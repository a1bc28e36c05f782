"""The angles of rotary positions, and the ways in which rows longer than the model was made for are reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from enfold.errors import InputError, near
from enfold.layers.packing import Layout
from enfold.layers.specs import RotarySpec

__all__ = ["Rotary"]

_GROWING = ("dynamic", "longrope")  # kinds whose angles depend on the length of the row


class Rotary(nn.Module):
    """Cosines and sines of each token's angles (Su et al., 2021), computed in float32 and held by nothing."""

    def __init__(self, spec: RotarySpec) -> None:
        """Choose the scaling.

        Raises:
            InputError: there is no such ``rope_type``, or one of its settings is missing.
        """
        super().__init__()
        self.spec = spec
        self._settings = dict(spec.scaling)
        kind = self._settings.get("rope_type", "default")
        if kind not in _KINDS:
            known = sorted(_KINDS)
            raise InputError(f"no rope_type {kind!r}; there are: {', '.join(known)}{near(str(kind), known)}")
        self._kind = kind
        self._ready: dict[tuple[Any, ...], tuple[Tensor, float]] = {}
        self.inverse(1, torch.device("cpu"))  # settings that are missing are found here, not at the first call

    def inverse(self, length: int, device: torch.device) -> tuple[Tensor, float]:
        """The angles a place, (rotated width / 2,), and what cosines and sines are multiplied by.

        Args:
            length: of the row, on which some kinds depend.
            device: where they go.
        """
        depends = 0
        if self._kind in _GROWING and length > self._original:
            depends = length if self._kind == "dynamic" else self._original + 1  # longrope has two sets of angles
        ready = self._ready.get((depends, device))  # another thread may clear them at any time
        if ready is None:
            with torch.device("cpu"):
                try:
                    angles, factor = _KINDS[self._kind](self.spec, self._settings, max(length, 1))
                except KeyError as error:
                    raise InputError(f"rope_type {self._kind!r} needs {error.args[0]!r} in rope_parameters") from None
            if len(self._ready) > 8:
                self._ready.clear()
            ready = self._ready[depends, device] = (angles.to(device), factor)
        return ready

    @property
    def _original(self) -> int:
        """The longest row without other angles."""
        if self._kind == "dynamic":
            return self.spec.capacity
        return self._settings.get("original_max_position_embeddings") or self.spec.capacity

    def forward(self, positions: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """Cosines and sines, (tokens, rotated width) each.

        Args:
            positions: (tokens,) places.
            layout: where each row lies. A row's angles depend on its own length alone (in ``transformers`` on the
                longest of the batch), so that an answer never depends on its neighbours.
        """
        angles, factor = self._angles(layout.kv_lengths.tolist, layout.q_lengths, positions.device)
        return _waves(positions, angles, factor)

    def step(self, positions: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The same for one token a row, behind so many: (rows or 1, rotated width) each."""
        ones = torch.ones(len(lengths), dtype=torch.long)
        angles, factor = self._angles(lambda: [length + 1 for length in lengths], ones, positions.device)
        alike = angles.dim() == 1 and min(lengths) == max(lengths)
        return _waves(positions[:1] if alike else positions, angles, factor)

    def _angles(
        self, lengths_of: Callable[[], list[int]], counts: Tensor, device: torch.device
    ) -> tuple[Tensor, float | Tensor]:
        """The angles a place, (rotated width / 2,) or (tokens, rotated width / 2), and the factor likewise."""
        if self._kind not in _GROWING:
            return self.inverse(1, device)
        lengths = lengths_of()
        if max(lengths, default=0) <= self._original:
            return self.inverse(1, device)
        rows = [self.inverse(length, device) for length in lengths]
        counts = counts.to(device)
        angles = torch.repeat_interleave(torch.stack([own for own, _ in rows]), counts, 0)
        factors = torch.tensor([factor for _, factor in rows], device=device)
        return angles, torch.repeat_interleave(factors, counts)[:, None]


def _waves(positions: Tensor, angles: Tensor, factor: float | Tensor) -> tuple[Tensor, Tensor]:
    turned = positions[:, None].float() * angles
    turned = torch.cat([turned, turned], -1)
    return turned.cos() * factor, turned.sin() * factor


def _plain(spec: RotarySpec, theta: float | None = None) -> Tensor:
    at = torch.arange(0, spec.width, 2, dtype=torch.int64).float() / spec.width
    return 1.0 / ((spec.theta if theta is None else theta) ** at)


def _default(spec: RotarySpec, settings: dict[str, Any], length: int) -> tuple[Tensor, float]:
    return _plain(spec), 1.0


def _linear(spec: RotarySpec, settings: dict[str, Any], length: int) -> tuple[Tensor, float]:
    """Places are divided by the factor (Chen et al., 2023)."""
    return _plain(spec) / settings["factor"], 1.0


def _dynamic(spec: RotarySpec, settings: dict[str, Any], length: int) -> tuple[Tensor, float]:
    """The base grows with the row once it is longer than the model was made for."""
    capacity, factor = spec.capacity, settings["factor"]
    length = max(length, capacity)
    theta = spec.theta * ((factor * length / capacity) - (factor - 1)) ** (spec.width / (spec.width - 2))
    return _plain(spec, theta), 1.0


def _yarn(spec: RotarySpec, settings: dict[str, Any], length: int) -> tuple[Tensor, float]:
    """Slow waves are stretched, fast ones kept, those between blended (Peng et al., 2023)."""
    original = settings.get("original_max_position_embeddings") or spec.capacity
    factor = settings.get("factor") or spec.capacity / original
    mscale, mscale_all = settings.get("mscale"), settings.get("mscale_all_dim")
    attention = settings.get("attention_factor")

    def magnitude(own: float = 1.0) -> float:
        return 1.0 if factor <= 1 else 0.1 * own * math.log(factor) + 1.0

    if attention is None:
        attention = magnitude(mscale) / magnitude(mscale_all) if mscale and mscale_all else magnitude()

    def wave(turns: float) -> float:
        return spec.width * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(spec.theta))

    low, high = wave(settings.get("beta_fast") or 32), wave(settings.get("beta_slow") or 1)
    if settings.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, spec.width - 1)
    high = high + 0.001 if low == high else high
    stretched = ((torch.arange(spec.width // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    plain = _plain(spec)
    return plain / factor * stretched + plain * (1 - stretched), attention


def _longrope(spec: RotarySpec, settings: dict[str, Any], length: int) -> tuple[Tensor, float]:
    """Each wave has a factor of its own, another one for long rows (Ding et al., 2024)."""
    original = settings.get("original_max_position_embeddings") or spec.capacity
    factor = settings.get("factor") or spec.capacity / original
    attention = settings.get("attention_factor")
    if attention is None:
        attention = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    own = torch.tensor(settings["long_factor" if length > original else "short_factor"], dtype=torch.float32)
    return 1.0 / (
        own * spec.theta ** (torch.arange(0, spec.width, 2, dtype=torch.int64).float() / spec.width)
    ), attention


def _llama3(spec: RotarySpec, settings: dict[str, Any], length: int) -> tuple[Tensor, float]:
    """Long waves are stretched, short ones kept, those between blended (Grattafiori et al., 2024, section 3.2)."""
    factor, low, high = settings["factor"], settings["low_freq_factor"], settings["high_freq_factor"]
    original = settings["original_max_position_embeddings"]
    plain = _plain(spec)
    waves = 2 * math.pi / plain
    blend = (original / waves - low) / (high - low)
    between = (1 - blend) * plain / factor + blend * plain
    scaled = torch.where(waves > original / low, plain / factor, plain)
    return torch.where((waves >= original / high) & (waves <= original / low), between, scaled), 1.0


_KINDS: dict[str, Callable[[RotarySpec, dict[str, Any], int], tuple[Tensor, float]]] = {
    "default": _default,
    "linear": _linear,
    "dynamic": _dynamic,
    "yarn": _yarn,
    "longrope": _longrope,
    "llama3": _llama3,
}
