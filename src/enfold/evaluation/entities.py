"""How well entities are found: precision, recall and F1 of exact stretches (Tjong Kim Sang and De Meulder, 2003,
"Introduction to the CoNLL-2003 Shared Task", section 4).

A predicted entity is right when the text has one with the same first and last character and the same type. Nothing is
said of tokens: two models with different tokenizers are compared on the same stretches of characters, and the numbers
equal those of the CoNLL evaluation where entities begin and end at words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from enfold.errors import InputError, LabelError
from enfold.values import Span

__all__ = ["EntityScores", "TypeScores", "entity_scores"]


@dataclass(frozen=True, slots=True)
class TypeScores:
    """The counts of one type, or of all, and the scores they give.

    A precision without predictions, and a recall without right entities, is 0; so is an F1 without either.
    """

    right: int
    """Entities of the texts."""
    predicted: int
    """Entities a model found."""
    both: int
    """Entities a model found that are right."""

    @property
    def precision(self) -> float:
        """The share of what was found that is right."""
        return self.both / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of what is right that was found."""
        return self.both / self.right if self.right else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of the two."""
        return 2 * self.both / (self.right + self.predicted) if self.right + self.predicted else 0.0


@dataclass(frozen=True, slots=True)
class EntityScores:
    """The scores of a set of texts.

    Attributes:
        micro: all entities counted together.
        types: by type, sorted by name.
    """

    micro: TypeScores
    types: Mapping[str, TypeScores]

    @property
    def macro_f1(self) -> float:
        """The mean of the types' F1, each type counting the same; 0 where there are no types."""
        return sum(scores.f1 for scores in self.types.values()) / len(self.types) if self.types else 0.0

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers a report shows: micro precision, recall and F1, macro F1, and the F1 of each type."""
        return {
            "precision": self.micro.precision,
            "recall": self.micro.recall,
            "f1": self.micro.f1,
            "macro_f1": self.macro_f1,
            **{f"f1_{name}": scores.f1 for name, scores in self.types.items()},
        }


def entity_scores(right: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]]) -> EntityScores:
    """Compare the entities of texts with those a model found.

    An entity counts once, however often it is listed. A type that only one side has is a type too, with an F1 of 0.

    Args:
        right: the entities of each text.
        predicted: what the model found in each, in the same order.

    Raises:
        InputError: the numbers of texts differ, or there are none.
        LabelError: an entity has no label.
    """
    if len(right) != len(predicted):
        raise InputError(f"{len(right)} texts with right entities but {len(predicted)} with predicted ones")
    if not len(right):
        raise InputError("there are no texts to score; give at least one")
    counts: dict[str, Counter[str]] = {"right": Counter(), "predicted": Counter(), "both": Counter()}
    for number, (mine, theirs) in enumerate(zip(right, predicted, strict=True)):
        known, found = _keys(mine, number), _keys(theirs, number)
        for name, keys in (("right", known), ("predicted", found), ("both", known & found)):
            counts[name].update(kind for _, _, kind in keys)
    names = sorted({*counts["right"], *counts["predicted"]})
    types = {name: TypeScores(*(counts[side][name] for side in ("right", "predicted", "both"))) for name in names}
    return EntityScores(TypeScores(*(counts[side].total() for side in ("right", "predicted", "both"))), types)


def _keys(spans: Iterable[Span], number: int) -> set[tuple[int, int, str]]:
    keys = set()
    for span in spans:
        if span.label is None:
            raise LabelError(f"the entity {span.text!r} at {span.start}-{span.end} of text {number} has no label")
        keys.add((span.start, span.end, span.label))
    return keys
