"""Labelled text in: reading, mending, deduplicating, splitting, profiling, batching; and rows out again.

Names are resolved when first asked for, so that importing this package does not import Polars.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enfold.data.batching import token_budget_batches
    from enfold.data.columns import Columns, find_columns, find_text_column
    from enfold.data.duplicates import NearDuplicates, jaccard
    from enfold.data.identity import content_id, normal_form
    from enfold.data.preparation import Prepared, prepare
    from enfold.data.profile import Lengths, Profile
    from enfold.data.reading import iter_tables, read_table
    from enfold.data.repair import Repairs, repair_text, repair_texts
    from enfold.data.splits import Shares, Split, SplitLedger
    from enfold.data.streaming import iter_texts
    from enfold.data.suspicious import Suspicious
    from enfold.data.tables import as_table
    from enfold.data.writing import TableWriter

_HOMES = {
    "batching": ["token_budget_batches"],
    "columns": ["Columns", "find_columns", "find_text_column"],
    "duplicates": ["NearDuplicates", "jaccard"],
    "identity": ["content_id", "normal_form"],
    "preparation": ["Prepared", "prepare"],
    "profile": ["Lengths", "Profile"],
    "reading": ["iter_tables", "read_table"],
    "repair": ["Repairs", "repair_text", "repair_texts"],
    "splits": ["Shares", "Split", "SplitLedger"],
    "streaming": ["iter_texts"],
    "suspicious": ["Suspicious"],
    "tables": ["as_table"],
    "writing": ["TableWriter"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - in the order of the modules
    "token_budget_batches",
    "Columns",
    "find_columns",
    "find_text_column",
    "NearDuplicates",
    "jaccard",
    "content_id",
    "normal_form",
    "Prepared",
    "prepare",
    "Lengths",
    "Profile",
    "iter_tables",
    "read_table",
    "Repairs",
    "repair_text",
    "repair_texts",
    "Shares",
    "Split",
    "SplitLedger",
    "iter_texts",
    "Suspicious",
    "as_table",
    "TableWriter",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'enfold.data' has no name {name!r}")
    value = getattr(import_module(f"enfold.data.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
