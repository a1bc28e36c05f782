"""The keys of ``config.json`` that rotary positions have, in the older spelling and the newer one."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from enfold.layers.specs import RotarySpec
from enfold.models.config import PreTrainedConfig

__all__ = ["RotaryConfig"]


class RotaryConfig(PreTrainedConfig):
    """A config with ``rope_parameters``; ``rope_theta`` and ``rope_scaling`` are the same, older, and written too.

    Attributes:
        default_theta: the base where a file names none.
        rope_parameters: ``rope_type``, ``rope_theta`` and the settings of that type.
    """

    default_theta: ClassVar[float] = 10_000.0

    rope_parameters: dict[str, Any] | None = None

    def __init__(self, **values: Any) -> None:
        theta, scaling = values.pop("rope_theta", None), values.pop("rope_scaling", None)
        given = values.get("rope_parameters")
        own = copy.deepcopy(given if given else (scaling or {}))
        if "type" in own:
            own.setdefault("rope_type", own["type"])
            del own["type"]
        own.setdefault("rope_theta", self.default_theta if theta is None else theta)
        own.setdefault("rope_type", "default")
        super().__init__(**{**values, "rope_parameters": own})

    def to_json(self) -> dict[str, Any]:
        """What ``config.json`` gets: both spellings."""
        values = super().to_json()
        own = dict(self.rope_parameters or {})
        values["rope_theta"] = own.pop("rope_theta", self.default_theta)
        if own.get("rope_type", "default") != "default":
            values["rope_scaling"] = own
        return dict(sorted(values.items()))

    def rotary(self, head_width: int, *, share: float = 1.0) -> RotarySpec:
        """What an attention with heads of that width needs; ``share`` of each head turns."""
        own = dict(self.rope_parameters or {})
        share = own.pop("partial_rotary_factor", share)
        theta = own.pop("rope_theta", self.default_theta)
        frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
        return RotarySpec(
            width=int(head_width * share),
            theta=theta,
            capacity=self.max_position_embeddings,  # type: ignore[attr-defined]
            scaling=tuple(sorted(frozen.items())),
        )
