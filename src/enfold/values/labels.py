"""Label names in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from enfold.errors import LabelError, near


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The names of the classes, in the order of the model's outputs.

    Numbers appear only inside a model; everywhere else a label is its name. The set is saved with the
    data, the model and every prediction, and two sets that differ are an error, never renumbered.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise LabelError(f"label names must differ; given more than once: {', '.join(map(repr, twice))}")

    @classmethod
    def of(cls, labels: Iterable[str]) -> LabelSet:
        """The distinct labels, sorted by name, so that the order of rows never decides a number."""
        return cls(tuple(sorted(set(labels))))

    @classmethod
    def from_id2label(cls, id2label: Mapping[int | str, str]) -> LabelSet:
        """Read the ``id2label`` of a ``config.json``, whose keys may be strings."""
        by_id = {int(key): name for key, name in id2label.items()}
        if sorted(by_id) != list(range(len(by_id))):
            raise LabelError(f"id2label must number its labels 0 to {len(by_id) - 1}; it has {sorted(by_id)}")
        return cls(tuple(by_id[index] for index in range(len(by_id))))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def index(self, name: str) -> int:
        """The number of a label inside the model.

        Raises:
            LabelError: there is no such label.
        """
        try:
            return self.names.index(name)
        except ValueError:
            known = ", ".join(self.names)
            raise LabelError(f"no label {name!r}; there are: {known}{near(str(name), self.names)}") from None

    def encode(self, labels: Sequence[str]) -> list[int]:
        """Names to numbers."""
        numbers = {name: number for number, name in enumerate(self.names)}
        return [numbers[label] if label in numbers else self.index(label) for label in labels]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """Numbers to names."""
        return [self.names[int(number)] for number in numbers]

    @property
    def id2label(self) -> dict[int, str]:
        """As ``config.json`` writes it."""
        return dict(enumerate(self.names))

    @property
    def label2id(self) -> dict[str, int]:
        """As ``config.json`` writes it."""
        return {name: number for number, name in enumerate(self.names)}

    def require_same(self, other: LabelSet, *, here: str, there: str) -> None:
        """Refuse to go on when two label sets differ, in names or in order.

        Args:
            other: the set to compare with.
            here: what this set belongs to, for the message (``"the model"``).
            there: what the other belongs to (``"reviews.csv"``).

        Raises:
            LabelError: they differ; the message names the labels only one side has.
        """
        if self.names == other.names:
            return
        only_here = [name for name in self.names if name not in other.names]
        only_there = [name for name in other.names if name not in self.names]
        if not only_here and not only_there:
            raise LabelError(
                f"{here} and {there} have the same labels in another order: "
                f"{list(self.names)} against {list(other.names)}"
            )
        parts = []
        if only_here:
            parts.append(f"only {here} has {', '.join(map(repr, only_here))}")
        if only_there:
            parts.append(f"only {there} has {', '.join(map(repr, only_there))}")
        raise LabelError(f"the labels of {here} and of {there} differ: {'; '.join(parts)}")
