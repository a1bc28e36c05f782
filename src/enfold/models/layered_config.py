"""The keys of ``config.json`` of stacks whose blocks are of several kinds, each with rotary positions of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from enfold.errors import InputError, near
from enfold.layers.specs import RotarySpec
from enfold.models.config import PreTrainedConfig
from enfold.models.rotary_config import STRETCHED, rotary_spec

__all__ = ["FULL", "SLIDING", "LayeredConfig"]

FULL, SLIDING = "full_attention", "sliding_attention"


class LayeredConfig(PreTrainedConfig):
    """A config with ``layer_types``, and ``rope_parameters`` for each of them.

    Attributes:
        thetas: kind to the older name of its base, and the base where a file names none.
        every_key: the older key that says that each so-many-th block sees the whole row.
        every: what it is where a file says nothing.
        layer_types: the kind of each block.
        rope_parameters: kind to ``rope_type``, ``rope_theta`` and the settings of that type.
    """

    thetas: ClassVar[Mapping[str, tuple[str, float]]]
    every_key: ClassVar[str]
    every: ClassVar[int]

    layer_types: list[str] | None = None
    rope_parameters: dict[str, Any] | None = None

    def __init__(self, **values: Any) -> None:
        """Take fields by name, older spellings too.

        Raises:
            InputError: there is no such kind of block, or there are more kinds than blocks.
        """
        scaling, own = values.pop("rope_scaling", None), copy.deepcopy(values.pop("rope_parameters", None) or {})
        for kind, (older, default) in self.thetas.items():
            theta = values.pop(older, default)
            settings = own[kind] = (own.get(kind) or {}) | (scaling or {})
            settings.setdefault("rope_type", settings.get("type", "default"))
            settings.setdefault("rope_theta", theta)
        super().__init__(**{**values, "rope_parameters": own})
        depth, capacity = self.num_hidden_layers, self.max_position_embeddings  # type: ignore[attr-defined]
        for kind in self.thetas:
            if own[kind]["rope_type"] in STRETCHED:
                own[kind].setdefault("original_max_position_embeddings", capacity)
        self.rope_parameters = own
        if self.layer_types is None:
            every = getattr(self, self.every_key, self.every)
            self.layer_types = [SLIDING if number % every else FULL for number in range(depth)]
        known = list(self.thetas)
        for kind in self.layer_types:
            if kind not in known:
                raise InputError(f"no layer type {kind!r}; there are: {', '.join(known)}{near(kind, known)}")
        if len(self.layer_types) != depth:
            raise InputError(f"layer_types names {len(self.layer_types)} blocks, num_hidden_layers is {depth}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> PreTrainedConfig:
        """Build from the contents of a ``config.json``; ``overrides`` win, older names of bases too."""
        values, own = dict(values), copy.deepcopy(dict(values.get("rope_parameters") or {}))
        for kind, (older, _) in cls.thetas.items():
            if older in overrides and "rope_parameters" not in overrides:
                values[older] = overrides[older]
                own[kind] = (own.get(kind) or {}) | {"rope_theta": overrides[older]}
                values["rope_parameters"] = own
        return super().from_dict(values, **overrides)

    def to_json(self) -> dict[str, Any]:
        """What ``config.json`` gets: the older names of the bases too."""
        thetas = {older: self._settings(kind)["rope_theta"] for kind, (older, _) in self.thetas.items()}
        return dict(sorted((super().to_json() | thetas).items()))

    def rotary(self, kind: str, head_width: int) -> RotarySpec:
        """What an attention of that kind, with heads of that width, needs."""
        return rotary_spec(self._settings(kind), head_width, self.max_position_embeddings)  # type: ignore[attr-defined]

    def _settings(self, kind: str) -> dict[str, Any]:
        return dict((self.rope_parameters or {})[kind])
