"""What a family file gives: how its config reads, where its parts lie, which heads it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from enfold.layers.specs import PairSpec, StackSpec
from enfold.models.config import PreTrainedConfig
from enfold.models.plan import Plan
from enfold.models.shifting import behind_start_token

if TYPE_CHECKING:
    from enfold.models.pretrained import PreTrainedModel

__all__ = ["Family"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """An architecture.

    Attributes:
        attribute: the attribute under which a model with a head keeps its stack, such as ``bert``; checkpoints
            of models with a head put it before the stack's tensor names.
        members: the start of class names, such as ``Bert``, to the config class of that model type.
        spec: config to the spec of the stack, or of the pair of stacks.
        stacks: suffixes of class names to the kind of stack; ``Model`` is always there.
        heads: suffixes of class names, such as ``ForSequenceClassification``, to the plan of the head.
        tasks: the head that ``AutoModelFor…`` takes, where its suffix is not that of the task, such as
            ``{"ForCausalLM": "LMHeadModel"}``.
        shift: what a decoder reads to say given tokens (see ``enfold.models.shifting``).
        restores: whether models are trained to restore their input, and so read it, shifted, where the decoder is given
            nothing.
        always_shares: whether both stacks share their word vectors even where the config does not tie, which then only
            means the map to vocabulary scores.
        older: (pattern, replacement) pairs that turn legacy tensor names into present ones.
        written: pairs that turn tensor names into those that files have, where these are still the legacy ones.
        derived: patterns of tensors in files that are computed here, and so are not read.
        unread: paths of what files may hold and no class here reads.
        tokenizers: names of tokenizer classes that users of the family look for.
    """

    attribute: str
    members: Mapping[str, type[PreTrainedConfig]]
    spec: Callable[[Any], StackSpec | PairSpec]
    stacks: Mapping[str, type[PreTrainedModel]]
    heads: Mapping[str, Plan]
    tasks: Mapping[str, str] = field(default_factory=dict)
    shift: Callable[..., Tensor] = behind_start_token
    restores: bool = False
    always_shares: bool = False
    older: tuple[tuple[str, str], ...] = ()
    written: tuple[tuple[str, str], ...] = ()
    derived: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    tokenizers: tuple[str, ...] = ()
