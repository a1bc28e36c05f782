"""From a table as it came to one that can be trained on: mended, named, without twins, split, profiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from enfold.data.columns import Columns, find_columns
from enfold.data.corrections import Corrected, apply_corrections, read_corrections
from enfold.data.duplicates import NearDuplicates
from enfold.data.labels import label_names, require_classes
from enfold.data.parquet import write_parquet
from enfold.data.profile import Lengths, Profile
from enfold.data.repair import repair_texts
from enfold.data.rows import Contradiction, DistinctRows, Row, distinct_rows
from enfold.data.splits import SPLITS, Assignment, Shares, Split, SplitLedger, assign_splits
from enfold.data.streaming import MAX_TEXT_BYTES, require_usable_texts
from enfold.data.suspicious import Suspicious, disagreeing_groups, doubtful_labels, excerpt
from enfold.errors import DataError
from enfold.files import read_json, write_json
from enfold.values import LabelSet

__all__ = ["Prepared", "prepare"]

_LEFT_OUT = {"id": pl.String, "text": pl.String, "label": pl.String, "source": pl.String, "reason": pl.String}
_MOST_SUSPICIOUS = 50
_MOST_NOTED = 10
_TIMES_TOO_LONG = 10


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set ready for training."""

    table: pl.DataFrame
    """Columns ``id`` (content id), ``text``, ``label``, ``split`` (train, validation, test), ``group`` (of near
    duplicates), ``tokens`` (if they were counted) and ``source`` (``data``, or ``feedback`` where a correction gave the
    label), ordered by id."""
    labels: LabelSet
    ledger: SplitLedger
    """With this table's rows; save it where the next preparation finds it."""
    profile: Profile
    left_out: pl.DataFrame
    """Rows that were not taken, with columns ``id``, ``text``, ``label``, ``source`` and ``reason``."""

    def split(self, name: Split) -> pl.DataFrame:
        """The rows of one split."""
        return self.table.filter(pl.col("split") == name)

    def save(self, folder: str | Path) -> None:
        """Write ``table.parquet``, ``left_out.parquet``, ``splits.parquet``, ``labels.json`` and ``profile.json``.

        Raises:
            EnfoldError: the disk is full.
        """
        folder = Path(folder)
        write_parquet(self.table, folder / "table.parquet")
        write_parquet(self.left_out, folder / "left_out.parquet")
        self.ledger.save(folder / "splits.parquet")
        write_json(folder / "labels.json", list(self.labels))
        write_json(folder / "profile.json", self.profile.to_json())

    @classmethod
    def load(cls, folder: str | Path) -> Prepared:
        """Read what :meth:`save` wrote."""
        folder = Path(folder)
        return cls(
            table=pl.read_parquet(folder / "table.parquet"),
            labels=LabelSet(tuple(read_json(folder / "labels.json"))),
            ledger=SplitLedger.load(folder / "splits.parquet"),
            profile=Profile.from_json(read_json(folder / "profile.json")),
            left_out=pl.read_parquet(folder / "left_out.parquet"),
        )


def prepare(
    table: pl.DataFrame,
    columns: Columns,
    *,
    source: str,
    shares: Shares | None = None,
    ledger: SplitLedger | None = None,
    corrections: pl.DataFrame | None = None,
    count_tokens: Callable[[list[str]], list[int]] | None = None,
    context: int | None = None,
    max_text_bytes: int = MAX_TEXT_BYTES,
    check_labels: bool = True,
) -> Prepared:
    """Mend, name, deduplicate, split and profile a table of labelled texts.

    The result depends on the rows and the ledger, not on the order of rows. Of exact duplicates (see
    :func:`enfold.data.content_id`) one is kept, with the label most of them have; where none has a majority, none is
    kept. Near duplicates are kept, together in one split.

    Args:
        table: the data.
        columns: which columns hold texts and labels; see :func:`find_columns`.
        source: what to call the data in messages.
        shares: of the splits; by default 80 % training, 10 % validation, 10 % test.
        ledger: the splits so far. Rows in it keep theirs.
        corrections: columns ``text`` and ``label``, at most one right label a text: training rows only. One whose
            text is a training row's replaces its label; one in the group of a validation or test row, with a label
            the data does not have, or against another correction of the same text is left out.
        count_tokens: a tokenizer's; gives the column ``tokens`` and lengths in tokens.
        context: tokens the model reads at once, for the share beyond it.
        max_text_bytes: a text above is an error.
        check_labels: look for doubtful labels with a TF-IDF model as well as among near duplicates.

    Returns:
        The table, its labels in the order of their names, the ledger with the new rows, and the profile.

    Raises:
        DataError: nothing can be trained on this; names the column, row or class and the way out.
        MissingExtra: ftfy or rensa is not installed.
    """
    shares = shares or Shares()
    columns = find_columns(table, text=columns.text, label=columns.label, source=source)
    require_usable_texts(table[columns.text], source=source, max_text_bytes=max_text_bytes)
    texts, repairs = repair_texts(table[columns.text].fill_null("").to_list())
    if not any(texts):
        raise DataError(
            f"all {len(texts)} texts in column {columns.text!r} of {source} are empty; is it the right column? (--text)"
        )
    names = label_names(table[columns.label], source=source)
    distinct = distinct_rows(texts, names.names)
    rows = distinct.rows
    require_classes([row.label for row in rows], source=source, rows=[row.number for row in rows])
    labels = LabelSet.of(row.label for row in rows)

    given = read_corrections(corrections)
    near = NearDuplicates([row.text for row in rows] + [correction.text for correction in given])
    assigned = assign_splits([row.id for row in rows], [row.label for row in rows], near, shares=shares, ledger=ledger)
    corrected = apply_corrections(given, rows, assigned, near, names)

    prepared = _table(rows, assigned, corrected)
    if count_tokens is not None:
        counts = pl.Series("tokens", count_tokens(prepared["text"].to_list()), dtype=pl.Int64)
        prepared = prepared.insert_column(prepared.width - 1, counts)
    suspicious = _suspicious(prepared, distinct.contradictions, check_labels)
    sizes = Counter(prepared["group"].to_list())
    profile = Profile(
        source=source,
        text_column=columns.text,
        label_column=columns.label,
        rows=table.height,
        kept=prepared.height - len(corrected.added),
        corrections=len(corrected.added) + len(corrected.relabelled),
        classes=_balance(prepared, labels),
        lengths=_lengths(prepared, context),
        empty_texts=distinct.empty,
        unlabelled=distinct.unlabelled,
        exact_duplicates=distinct.exact,
        contradictory=distinct.contradictory,
        near_groups=sum(count > 1 for count in sizes.values()),
        near_rows=sum(count for count in sizes.values() if count > 1),
        left_out=len(assigned.left_out),
        repairs=repairs,
        suspicious=suspicious[:_MOST_SUSPICIOUS],
        suspicious_found=len(suspicious),
        notes=[
            *names.notes,
            *_contradiction_notes(distinct.contradictions),
            *_far_too_long(rows),
            *assigned.notes,
            *_left_out_notes(assigned),
            *corrected.notes(),
        ],
    )
    return Prepared(prepared, labels, assigned.ledger, profile, _left_out(rows, assigned, distinct, corrected))


def _table(rows: Sequence[Row], assigned: Assignment, corrected: Corrected) -> pl.DataFrame:
    records = []
    for position, row in enumerate(rows):
        split = assigned.splits[position]
        if split is not None:
            label = corrected.relabelled.get(row.id)
            origin = "data" if label is None else "feedback"
            records.append((row.id, row.text, label or row.label, split, assigned.groups[position], origin))
    for correction, group in corrected.added:
        records.append((correction.id, correction.text, correction.label, "train", group, "feedback"))
    records.sort()
    names = ("id", "text", "label", "split", "group", "source")
    return pl.DataFrame(records, schema=dict.fromkeys(names, pl.String), orient="row")


def _left_out(rows: Sequence[Row], assigned: Assignment, distinct: DistinctRows, corrected: Corrected) -> pl.DataFrame:
    records = [
        (rows[position].id, rows[position].text, rows[position].label, "data", reason)
        for position, reason in assigned.left_out.items()
    ]
    for found in distinct.contradictions:
        if found.chosen is None:
            records.append((found.id, found.text, " / ".join(found.counts), "data", "the same text has several labels"))
    for correction, reason in corrected.left_out:
        records.append((correction.id, correction.text, correction.label, "feedback", reason))
    return pl.DataFrame(sorted(records), schema=_LEFT_OUT, orient="row")


def _balance(prepared: pl.DataFrame, labels: LabelSet) -> dict[str, dict[str, int]]:
    counts = Counter(zip(prepared["label"].to_list(), prepared["split"].to_list(), strict=True))
    return {name: {split: counts[name, split] for split in SPLITS if counts[name, split]} for name in labels}


def _lengths(prepared: pl.DataFrame, context: int | None) -> Lengths:
    if "tokens" in prepared.columns:
        return Lengths.of(prepared["tokens"].to_list(), unit="tokens", context=context)
    return Lengths.of(prepared["text"].str.len_chars().to_list(), unit="characters")


def _suspicious(
    prepared: pl.DataFrame, contradictions: Sequence[Contradiction], check_labels: bool
) -> list[Suspicious]:
    """Of the data's own rows; those of feedback are their users' and are judged where they come in."""
    found = [
        Suspicious(item.id, excerpt(item.text), other, item.chosen or "", "the same text has several labels", 1.0)
        for item in contradictions
        for other in item.counts
        if other != item.chosen
    ]
    own = prepared.filter(pl.col("source") == "data")
    columns = [own[name].to_list() for name in ("id", "text", "label", "group")]
    found += disagreeing_groups(*columns)
    if check_labels:
        named = {row.id for row in found}
        found += [row for row in doubtful_labels(*columns) if row.id not in named]
    return found


def _far_too_long(rows: Sequence[Row]) -> list[str]:
    """Texts far beyond all others: often several rows in one, after a quote that was not closed in time."""
    lengths = sorted(len(row.text) for row in rows)
    usual = lengths[int(0.95 * (len(lengths) - 1))]
    long = sorted(
        (row for row in rows if len(row.text) > max(_TIMES_TOO_LONG * usual, 1000)), key=lambda row: row.number
    )
    if not long:
        return []
    shown = ", ".join(f"row {row.number} ({len(row.text):,} characters)" for row in long[:_MOST_NOTED])
    return [
        f"far longer than the others (95 % have at most {usual:,} characters), perhaps several rows in one: {shown}"
    ]


def _contradiction_notes(contradictions: Sequence[Contradiction]) -> list[str]:
    notes = []
    for item in contradictions[:_MOST_NOTED]:
        counts = ", ".join(f"{label} ({count})" for label, count in item.counts.items())
        became = f"taken as {item.chosen}" if item.chosen is not None else "left out"
        notes.append(f"the same text has several labels, {counts}: {excerpt(item.text, 60)!r}, {became}")
    if len(contradictions) > _MOST_NOTED:
        notes.append(f"{len(contradictions) - _MOST_NOTED} more texts have several labels")
    return notes


def _left_out_notes(assigned: Assignment) -> list[str]:
    reasons = Counter(assigned.left_out.values())
    return [f"rows left out to keep the splits apart, {reason}: {count}" for reason, count in sorted(reasons.items())]
