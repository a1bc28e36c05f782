"""The keys of ``config.json`` that rotary positions have, in the older spelling and the newer one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from enfold.errors import InputError
from enfold.layers.specs import RotarySpec
from enfold.models.config import PreTrainedConfig

__all__ = ["STRETCHED", "RotaryConfig", "rotary_spec"]

STRETCHED = ("llama3", "yarn", "longrope")  # kinds that look at the longest row of an earlier training


def rotary_spec(parameters: dict[str, Any], head_width: int, capacity: int) -> RotarySpec:
    """What an attention needs of one kind of ``rope_parameters``.

    Args:
        parameters: ``rope_type``, ``rope_theta`` and the settings of that type.
        head_width: of the attention's heads.
        capacity: the longest row the model was made for.
    """
    own = dict(parameters)
    share, theta = own.pop("partial_rotary_factor", 1.0), own.pop("rope_theta")
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
    return RotarySpec(
        width=int(head_width * share), theta=theta, capacity=capacity, scaling=tuple(sorted(frozen.items()))
    )


class RotaryConfig(PreTrainedConfig):
    """A config with ``rope_parameters``; ``rope_theta`` and ``rope_scaling`` are the same, older, and written too.

    Attributes:
        theta_key, share_key: the older names of the base, and of the share of each head that turns.
        default_theta: the base where a file names none.
        default_share: the share where a file names none; None where whole heads turn and nothing else is possible.
        rope_parameters: ``rope_type``, ``rope_theta`` and the settings of that type.
    """

    theta_key: ClassVar[str] = "rope_theta"
    share_key: ClassVar[str] = "partial_rotary_factor"
    default_theta: ClassVar[float] = 10_000.0
    default_share: ClassVar[float | None] = None

    rope_parameters: dict[str, Any] | None = None

    def __init__(self, **values: Any) -> None:
        theta, share = values.pop(self.theta_key, None), values.pop(self.share_key, None)
        scaling = values.pop("rope_scaling", None)
        own = copy.deepcopy(scaling or values.get("rope_parameters") or {})
        own.setdefault("rope_theta", self.default_theta if theta is None else theta)
        share = self.default_share if share is None else share
        if share is not None:
            own.setdefault("partial_rotary_factor", share)
        own.setdefault("rope_type", own.get("type", "default"))
        super().__init__(**{**values, "rope_parameters": own})
        share = own.get("partial_rotary_factor", 1.0)
        if self.default_share is None and share != 1.0:
            raise InputError(
                f"partial_rotary_factor={share!r} is not supported for model type {self.model_type!r}: "
                "its heads turn as a whole (only 1.0)"
            )
        if own["rope_type"] in STRETCHED:
            outside = getattr(self, "original_max_position_embeddings", None)
            if outside is not None:  # some files have it beside the other settings, and there it wins
                own["original_max_position_embeddings"] = outside
            own.setdefault("original_max_position_embeddings", self.max_position_embeddings)  # type: ignore[attr-defined]
            self.rope_parameters = own

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> PreTrainedConfig:
        """Build from the contents of a ``config.json``; ``overrides`` win, in whichever spelling they come."""
        values, own = dict(values), dict(values.get("rope_parameters") or {})
        older = {cls.theta_key: "rope_theta", cls.share_key: "partial_rotary_factor"}
        if "rope_parameters" in overrides:
            for key in (*older, "rope_scaling"):
                values.pop(key, None)
        elif own:
            for key, name in older.items():
                if key in overrides:
                    own[name] = overrides[key]
                if name in own:
                    values[key] = own[name]
            values["rope_parameters"] = own
            values.setdefault("rope_scaling", None)
        return super().from_dict(values, **overrides)

    def to_json(self) -> dict[str, Any]:
        """What ``config.json`` gets: both spellings."""
        values = super().to_json()
        own = dict(self.rope_parameters or {})
        values[self.theta_key] = own.pop("rope_theta", self.default_theta)
        if "partial_rotary_factor" in own:
            values[self.share_key] = own.pop("partial_rotary_factor")
        if own.get("rope_type", "default") != "default":
            values["rope_scaling"] = own
        return dict(sorted(values.items()))

    def rotary(self, head_width: int) -> RotarySpec:
        """What an attention with heads of that width needs."""
        own = {"rope_theta": self.default_theta} | (self.rope_parameters or {})
        return rotary_spec(own, head_width, self.max_position_embeddings)  # type: ignore[attr-defined]
