"""BLEU (Papineni et al., 2002) as everyone reports it: by sacreBLEU (Post, 2018), with its signature.

BLEU depends on how texts are cut into words, so a number without that says little. It is computed by the library that
settled this, from plain texts, and the signature says how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from enfold.errors import InputError, require

__all__ = ["BleuScore", "bleu"]


@dataclass(frozen=True, slots=True)
class BleuScore:
    """The BLEU of a set of translations."""

    score: float
    """From 0 to 100."""
    precisions: tuple[float, ...]
    """Of one to four words, from 0 to 100."""
    brevity_penalty: float
    """Below 1 where the translations are shorter than the references."""
    length: int
    """Words of the translations."""
    reference_length: int
    """Words of the references."""
    signature: str
    """How it was computed; to be given with the number."""

    def __str__(self) -> str:
        return f"BLEU {self.score:.2f} ({self.signature})"


def bleu(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str]],
    *,
    tokenize: str = "13a",
    lowercase: bool = False,
) -> BleuScore:
    """Compare translations with those that are right.

    Args:
        predictions: what was written, as plain text.
        references: for each the translation that is right, or several; as many for every text.
        tokenize: how texts are cut into words: ``"13a"`` for most languages, ``"zh"`` for Chinese, ``"char"``, or
            another that sacreBLEU has.
        lowercase: whether case does not count.

    Raises:
        InputError: the numbers of texts differ, there are none, or ``tokenize`` is unknown.
        MissingExtra: sacreBLEU is not installed.
    """
    sacrebleu = require("sacrebleu", extra="translation", purpose="BLEU")
    if len(predictions) != len(references):
        raise InputError(f"{len(predictions)} predictions but {len(references)} references: there must be as many")
    if not len(predictions):
        raise InputError("there are no texts to score; give at least one")
    rows = [[one] if isinstance(one, str) else list(one) for one in references]
    counts = {len(row) for row in rows}
    if counts != {len(rows[0])} or not rows[0]:
        raise InputError(f"texts have {', '.join(map(str, sorted(counts)))} references: every text needs as many")
    known = sorted(sacrebleu.BLEU.TOKENIZERS)
    if tokenize not in known:
        raise InputError(f"tokenize={tokenize!r} is unknown; sacreBLEU has: {', '.join(known)}")
    metric = sacrebleu.BLEU(tokenize=tokenize, lowercase=lowercase)
    found = metric.corpus_score(list(predictions), [list(column) for column in zip(*rows, strict=True)])
    return BleuScore(
        score=found.score,
        precisions=tuple(found.precisions),
        brevity_penalty=found.bp,
        length=found.sys_len,
        reference_length=found.ref_len,
        signature=str(metric.get_signature()),
    )
