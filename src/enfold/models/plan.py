"""What a head is made of, as data: what it reads, the steps from there to its outputs, and where they lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from enfold.layers.activations import activation
from enfold.layers.dropout import Dropout
from enfold.layers.linear import Linear
from enfold.layers.norms import norm
from enfold.layers.specs import NormSpec

if TYPE_CHECKING:
    from enfold.models.heads import Head

__all__ = ["Activation", "Dense", "Drop", "Norm", "Pick", "Plan", "Scale", "Step"]

Pick = Literal["pooled", "first", "first real", "last", "end", "eos", "mean", "mean of places"]


@dataclass(frozen=True)
class Dense:
    """A linear map at a path, to the stack's width or to the width that a key of the config names, if it is set."""

    path: str
    to: str | None = None
    bias: bool = True

    def build(self, width: int, config: Any, spec: Any) -> tuple[nn.Module, int]:
        """The module, and the width it gives."""
        wanted = (getattr(config, self.to) if self.to else None) or width
        return Linear(width, wanted, bias=self.bias), wanted


@dataclass(frozen=True)
class Norm:
    """A norm at a path; like the stack's own unless another is named."""

    path: str
    spec: Callable[[Any], NormSpec] | None = None

    def build(self, width: int, config: Any, spec: Any) -> tuple[nn.Module, int]:
        """The module, and the width it gives."""
        return norm(spec.norm if self.spec is None else self.spec(config), width), width


@dataclass(frozen=True)
class Activation:
    """An activation by name, or by the key of the config (``of``) that names it; none where that is None."""

    name: str = ""
    of: str = ""

    def build(self, width: int, config: Any, spec: Any) -> tuple[nn.Module, int]:
        """The module, and the width it gives."""
        name = getattr(config, self.of) if self.of else self.name
        return nn.Identity() if name is None else activation(name), width


@dataclass(frozen=True)
class Drop:
    """Dropout by the first of these keys of the config that is set; by a fixed share where none is."""

    keys: tuple[str, ...]
    otherwise: float = 0.0

    def build(self, width: int, config: Any, spec: Any) -> tuple[nn.Module, int]:
        """The module, and the width it gives."""
        found = (getattr(config, key, None) for key in self.keys)
        return Dropout(next((share for share in found if share is not None), self.otherwise)), width


class _Scaled(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden * self.by

    def extra_repr(self) -> str:
        return f"by={self.by}"


@dataclass(frozen=True)
class Scale:
    """Multiplication by a number computed from the config."""

    by: Callable[[Any], float]

    def build(self, width: int, config: Any, spec: Any) -> tuple[nn.Module, int]:
        """The module, and the width it gives."""
        return _Scaled(self.by(config)), width


Step = Dense | Norm | Activation | Drop | Scale


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A head of a family.

    Attributes:
        kind: the generic head.
        output: where the last linear map lies. Empty: the steps end with the scores, or, of heads that score the
            vocabulary, these are products with the word vectors.
        steps: what stands between the hidden states and that map.
        pick: what a head for whole texts reads: the stack's ``pooled`` first token, the state at the ``first`` place,
            at the ``first real`` one, at the ``last`` one that is not padding, at the ``end`` of the row, at the last
            ``eos`` token, the ``mean``, or the ``mean of places``, in which padding counts as zeros.
        output_bias: whether the last map has a bias.
        bias: where a bias of the vocabulary scores lies that checkpoints keep beside the map, if one does.
        buffer: where a fixed bias of the vocabulary scores lies, if there is one.
        attribute: under which attribute the stack lies; the family's own where None. Empty: the stack's parts are the
            model's own.
        stack: the suffix of the family's stack below the head.
        relation: of pre-training heads, the part that judges whole texts.
        tied: whether the last map may share the word vectors.
        depends: what else holds for a config: fields of the plan by name.
        unwritten: a pattern of the tensors that files leave out, since they are always the same.
    """

    kind: type[Head]
    output: str = "classifier"
    steps: tuple[Step, ...] = ()
    pick: Pick | None = None
    depends: Callable[[Any], Mapping[str, Any]] | None = None
    output_bias: bool = True
    bias: str | None = None
    buffer: str | None = None
    attribute: str | None = None
    stack: str = "Model"
    relation: Plan | None = None
    tied: bool = True
    unwritten: str | None = None

    def of(self, config: Any) -> Plan:
        """The plan as it is for a config."""
        return self if self.depends is None else replace(self, depends=None, **self.depends(config))

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the parts with weights lie; in a checkpoint they are all there or none is."""
        own = [step.path for step in self.steps if isinstance(step, (Dense, Norm))]
        return (*own, *(path for path in (self.output, self.bias) if path))

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The paths of the head's parts, those that come together in one group."""
        return (self.paths,) if self.relation is None else (self.paths, self.relation.paths)
