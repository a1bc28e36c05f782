"""From what users said of predictions to what is held to be right of each text.

The rule, in words:

1. Texts are told apart by their content id, so that two spellings that differ in case or blanks are one text.
2. Each user has one vote per text: the last thing said of it. All who gave no name are one user.
   ``right`` is a vote for the predicted label, ``label`` a vote for the label given, ``wrong`` a vote against the
   predicted label and for none.
3. A label wins when more users support it than oppose it. A user opposes a label by voting for another one, or
   against this one. So at most one label can win, and a tie has no winner.
4. When no label wins, but more users voted against a label than for it, and this is so of one label alone, the text is
   *rejected*: what it is not is known, what it is is not. Where there are just two labels the other one is
   ``expected``; where there are more, nothing is.
5. Everything else is a conflict: it does not train, it does not measure, and it is listed.
6. Two more kinds of conflict: a vote for a label that the project no longer has, and a winner that contradicts the
   label which the project's own data give to the same text. Data are not overruled by feedback; a wrong row there is
   for the owner of the data to correct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from enfold.feedback.judgements import Judgement
from enfold.values import LabelSet

__all__ = ["Conflict", "Resolved", "resolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A text of which it is settled what its users hold to be right."""

    content_id: str
    text: str
    predicted: str
    """What was predicted when it was last judged."""
    label: str | None
    """The right label; none when all that is known is that ``predicted`` is not."""
    expected: str | None
    """The label a model must give to be right: ``label``, or the other one of two after a rejection."""
    supporters: tuple[str | None, ...]
    """The users whose vote won, sorted; None stands for all who gave no name."""
    prediction_ids: tuple[str, ...]
    """The predictions on which their votes were given."""
    moments: tuple[datetime, ...]
    """When those votes were given."""
    models: tuple[str, ...]
    """Revisions of the models that had made the predictions."""

    @property
    def corrects(self) -> bool:
        """Whether the model was wrong."""
        return self.label != self.predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A text that its users do not agree on, or whose label cannot be used."""

    content_id: str
    text: str
    votes: tuple[str, ...]
    """One line per vote: ``alice: spam``, ``bob: not ham``, ``no name: ham``."""
    reason: str


def resolve(
    judgements: Iterable[Judgement], *, labels: LabelSet, known: Mapping[str, str] | None = None
) -> tuple[list[Resolved], list[Conflict]]:
    """Settle each judged text, by the rule at the top of this file.

    Args:
        judgements: in any order; of two given at the same moment the later in the sequence is the last.
        labels: of the project as it is now.
        known: the labels of the project's own data by content id, where they have the text.

    Returns:
        The settled texts and the conflicts, each sorted by content id: the order never depends on who came first.
    """
    texts: dict[str, list[Judgement]] = {}
    for judgement in sorted(judgements, key=lambda one: one.at):
        texts.setdefault(judgement.content_id, []).append(judgement)
    resolved: list[Resolved] = []
    conflicts: list[Conflict] = []
    for identity in sorted(texts):
        settled = _settle(texts[identity], labels, (known or {}).get(identity))
        if isinstance(settled, Conflict):
            conflicts.append(settled)
        else:
            resolved.append(settled)
    return resolved, conflicts


def _settle(judgements: Sequence[Judgement], labels: LabelSet, known: str | None) -> Resolved | Conflict:
    """Settle one text from its judgements, oldest first."""
    last = judgements[-1]
    votes = list({judgement.user: judgement for judgement in judgements}.values())

    def conflict(reason: str) -> Conflict:
        lines = sorted(f"{vote.user or 'no name'}: {vote.label or f'not {vote.predicted}'}" for vote in votes)
        return Conflict(content_id=last.content_id, text=last.text, votes=tuple(lines), reason=reason)

    gone = sorted({vote.label for vote in votes if vote.label is not None and vote.label not in labels})
    if gone:
        return conflict(f"{', '.join(map(repr, gone))} is not a label any more; there are: {', '.join(labels)}")
    support = Counter(vote.label for vote in votes if vote.label is not None)
    against = Counter(vote.predicted for vote in votes if vote.label is None)
    winner = next((name for name in support if support[name] > support.total() - support[name] + against[name]), None)
    refused = [name for name in against if against[name] > support[name]]
    if winner is not None:
        label: str | None = winner
        expected: str | None = winner
        winning = [vote for vote in votes if vote.label == winner]
    elif len(refused) == 1:
        label = None
        others = [name for name in labels if name != refused[0]]
        expected = others[0] if len(labels) == 2 and len(others) == 1 else None
        winning = [vote for vote in votes if vote.label is None and vote.predicted == refused[0]]
    else:
        return conflict("the users do not agree: no label has more users for it than against it")
    if known is not None and (refused[0] == known if expected is None else expected != known):
        return conflict(f"the project's data give this text the label {known!r}; correct it there if it is wrong")
    return Resolved(
        content_id=last.content_id,
        text=last.text,
        predicted=refused[0] if label is None else last.predicted,
        label=label,
        expected=expected,
        supporters=tuple(sorted((vote.user for vote in winning), key=lambda user: (user is None, user or ""))),
        prediction_ids=tuple(vote.prediction_id for vote in winning),
        moments=tuple(vote.at for vote in winning),
        models=tuple(dict.fromkeys(vote.model for vote in winning)),
    )
