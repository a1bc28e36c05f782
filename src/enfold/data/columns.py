"""Which column holds the texts and which the labels: by the name given, by usual names, by what is in them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from enfold.data.tables import kind_of
from enfold.errors import DataError, near

__all__ = ["Columns", "find_columns", "find_text_column", "known_name"]

_TEXT_NAMES = (
    *(
        "text",
        "texts",
        "sentence",
        "sentences",
        "review",
        "reviews",
        "message",
        "content",
        "comment",
        "body",
        "document",
    ),
    *("tweet", "post", "utterance", "question", "query", "description", "headline", "title", "sms", "email", "snippet"),
    *("文本", "内容", "评论", "句子", "texte", "texto", "testo"),
)
_LABEL_NAMES = (
    *("label", "labels", "class", "classes", "category", "categories", "target", "sentiment", "intent", "topic"),
    *("tag", "emotion", "polarity", "annotation", "gold", "y", "标签", "类别", "分类", "étiquette", "etiqueta"),
)
_SAMPLE = 5000
# Above this share of different values a column is no label: it names rows, not classes.
_MOST_DISTINCT = 0.5
_LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that matter, and how they were found."""

    text: str
    label: str
    found: str = "as given"
    """``as given``, ``by name`` or ``by content``; the weaker of the two columns."""


def known_name(name: str) -> bool:
    """Whether a name is one that text or label columns usually have."""
    return name.strip().casefold() in (*_TEXT_NAMES, *_LABEL_NAMES)


def find_columns(table: pl.DataFrame, *, text: str | None = None, label: str | None = None, source: str) -> Columns:
    """Find the text column and the label column.

    A name that is given must be there. Otherwise the usual names are looked for, without regard to case, then
    the contents: texts are long, different and made of words; labels are few and short.

    Args:
        table: the data.
        text: name of the text column (``--text``).
        label: name of the label column (``--label``).
        source: what to call the data in messages.

    Raises:
        DataError: a named column is not there (the message lists those that are and the nearest), holds the
            wrong kind of value, or none or several columns could be meant.
    """
    label_column = _named(table, label, "label", source) if label is not None else None
    text_column, text_how = _text_column(table, text, source, without=label_column)
    how = [text_how, "as given"]
    if label_column is None:
        label_column, how[1] = _label_column(table, source, without=text_column)
    elif label_column == text_column:
        raise DataError(f"column {text!r} of {source} cannot be both text and label")
    weakest = max(how, key=("as given", "by name", "by content").index)
    return Columns(text_column, label_column, weakest)


def find_text_column(table: pl.DataFrame, *, text: str | None = None, source: str) -> str:
    """Find the text column of data that has no labels, as for prediction.

    Raises:
        DataError: as in :func:`find_columns`.
    """
    return _text_column(table, text, source, without=None)[0]


def _named(table: pl.DataFrame, name: str, kind: str, source: str) -> str:
    if name not in table.columns:
        known = ", ".join(table.columns)
        raise DataError(f"column {name!r} not in {source}; it has: {known}{near(name, table.columns)}")
    return name


def _text_column(table: pl.DataFrame, name: str | None, source: str, without: str | None) -> tuple[str, str]:
    if name is not None:
        _named(table, name, "text", source)
        _require_texts(table, name, source)
        return name, "as given"
    others = [column for column in table.columns if column != without]
    strings = [column for column in others if table.schema[column] == pl.String]
    if found := _usual(strings, _TEXT_NAMES):
        return found, "by name"
    # A column of mixed values under a usual name: say which row is wrong rather than look elsewhere.
    if found := _usual([column for column in others if table.schema[column] == pl.Object], _TEXT_NAMES):
        _require_texts(table, found, source)
    likely = {column: length for column in strings if (length := _text_length(table[column]))}
    if likely:
        longest = max(likely, key=lambda column: likely[column])
        rivals = [column for column in likely if column != longest and 2 * likely[column] > likely[longest]]
        if not rivals:
            return longest, "by content"
        both = ", ".join(sorted([longest, *rivals]))
        raise DataError(
            f"more than one column of {source} could hold the texts: {both}; name it: text='{longest}' (--text)"
        )
    if len(strings) == 1 and len(others) == 1:
        return strings[0], "by content"
    raise DataError(f"no column of {source} looks like texts; it has: {_described(table)}; name it: text='…' (--text)")


def _label_column(table: pl.DataFrame, source: str, without: str) -> tuple[str, str]:
    others = [column for column in table.columns if column != without and not table.schema[column].is_nested()]
    if found := _usual(others, _LABEL_NAMES):
        return found, "by name"
    likely = [column for column in others if _label_like(table[column])]
    if len(likely) == 1:
        return likely[0], "by content"
    if likely:
        raise DataError(
            f"more than one column of {source} could hold the labels: {', '.join(likely)}; "
            f"name it: label='{likely[0]}' (--label)"
        )
    raise DataError(
        f"no column of {source} looks like labels; it has: {_described(table)}; name it: label='…' (--label)"
    )


def _usual(columns: list[str], names: tuple[str, ...]) -> str | None:
    by_folded: dict[str, str] = {}
    for column in columns:
        by_folded.setdefault(column.strip().casefold(), column)
    return next((by_folded[name] for name in names if name in by_folded), None)


def _require_texts(table: pl.DataFrame, column: str, source: str) -> None:
    dtype = table.schema[column]
    if dtype == pl.String:
        return
    if dtype == pl.Object:
        for row, value in enumerate(table[column].to_list(), 1):
            if value is not None and not isinstance(value, str):
                raise DataError(
                    f"row {row} of column {column!r} in {source} is a {kind_of(value)} ({value!r}), not a text"
                )
    raise DataError(f"column {column!r} of {source} holds {_kind(dtype)}, not texts; it has: {_described(table)}")


def _text_length(column: pl.Series) -> float:
    """Mean length in characters if the values look like texts (words, or a script without blanks), else 0."""
    values = column.head(_SAMPLE).drop_nulls().str.strip_chars()
    values = values.filter(values != "")
    if not values.len():
        return 0.0
    of_words = values.str.contains(r"\s|[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff]").mean()
    distinct = values.n_unique() / values.len()
    return float(values.str.len_chars().mean()) if of_words >= 0.3 and distinct > 0.1 else 0.0  # type: ignore[operator,arg-type]


def _label_like(column: pl.Series) -> bool:
    values = column.head(_SAMPLE).drop_nulls()
    if column.dtype == pl.Object or column.dtype.is_nested() or column.dtype.is_temporal() or not values.len():
        return False
    distinct = values.n_unique()
    if not 2 <= distinct <= max(2, _MOST_DISTINCT * values.len()):
        return False
    if column.dtype == pl.String:
        return bool(values.str.len_chars().mean() <= _LONGEST_LABEL)  # type: ignore[operator]
    return not column.dtype.is_float() or distinct <= 20


def _described(table: pl.DataFrame) -> str:
    return ", ".join(f"{name} ({_kind(dtype)})" for name, dtype in table.schema.items())


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.String:
        return "texts"
    if dtype.is_integer():
        return "whole numbers"
    if dtype.is_numeric():
        return "numbers"
    if dtype == pl.Boolean:
        return "true/false"
    if dtype == pl.Object:
        return "values of mixed types"
    return "lists or objects" if dtype.is_nested() else str(dtype)
