"""The preparing stage: from the data file, and what users corrected, to rows that are clean and split for good."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from enfold.data import Profile, Shares, SplitLedger, find_columns, prepare, read_table
from enfold.data.labels import label_names
from enfold.errors import LabelError, near
from enfold.files import fingerprint_of, read_json
from enfold.hub import Located
from enfold.project.settings import Settings
from enfold.project.stages import StageResult, run_stage
from enfold.text import Tokenizer

PACKAGES = ("data", "text", "project/prepare.py")


@dataclass(frozen=True, slots=True)
class PreparedRows:
    """The rows of the project as every later stage reads them."""

    stage: StageResult
    table: pl.DataFrame
    """``id``, ``text``, ``label``, ``split``, ``group``, ``tokens``, ``source``."""
    profile: Profile

    def rows(self, split: str) -> pl.DataFrame:
        """The rows of one split."""
        return self.table.filter(pl.col("split") == split)

    @property
    def content(self) -> str:
        """Fingerprint of what trains and chooses: equal rows give an equal model."""
        parts = self.table.filter(pl.col("split") != "test").sort("id")
        return fingerprint_of([parts[name].to_list() for name in ("text", "label", "split")])


def prepare_rows(
    root: Path,
    ledger_path: Path,
    *,
    settings: Settings,
    data: Located,
    base: Located,
    corrections: pl.DataFrame | None,
) -> PreparedRows:
    """Read, repair, split and profile the data; corrections become rows that train.

    The ledger of splits lies outside the stage's result, because it outlives every result: it only ever grows.

    Args:
        root: where results of stages are kept.
        ledger_path: which text is in which split, for good.
        settings: of the project.
        data: the data file.
        base: the base model, whose tokenizer counts the tokens.
        corrections: ``text``, ``label``, ``user``; None for none.

    Raises:
        DataError: the file is not what the settings say.
        LabelError: the data holds a label that the settings do not.
    """
    inputs = {
        "data": data.revision,
        "settings": settings.data.model_dump(),
        "tokenizer": base.revision,
        "corrections": None if corrections is None else fingerprint_of(corrections.sort("text").to_dicts()),
    }

    def work(result: Path, scratch: Path) -> None:
        del scratch
        source = Path(settings.data.file).name
        table = read_table(
            data.path,
            source=source,
            encoding=settings.data.encoding,
            separator=settings.data.separator,
            header=settings.data.header,
        )
        columns = find_columns(table, text=settings.data.text, label=settings.data.label, source=source)
        if settings.data.rename:
            table = table.with_columns(_renamed(table[columns.label], settings.data.rename, source))
        tokenizer = Tokenizer.from_pretrained(base.path)
        prepared = prepare(
            table,
            columns,
            source=source,
            shares=Shares(train=settings.data.train, validation=settings.data.validation, test=settings.data.test),
            ledger=SplitLedger.load(ledger_path),
            corrections=corrections,
            count_tokens=tokenizer.count_tokens,
            context=settings.model.max_length or tokenizer.model_max_length,
        )
        _require_labels(settings.data.labels, list(prepared.labels), source)
        prepared.save(result)

    stage = run_stage(root, "prepare", inputs=inputs, packages=PACKAGES, work=work)
    kept = SplitLedger.load(stage.folder / "splits.parquet")
    ledger = SplitLedger.load(ledger_path)
    if not kept.splits.keys() <= ledger.splits.keys():
        ledger.with_rows(kept.splits).save(ledger_path)
    profile = Profile.from_json(read_json(stage.folder / "profile.json"))
    return PreparedRows(stage, pl.read_parquet(stage.folder / "table.parquet"), profile)


def _renamed(column: pl.Series, names: dict[str, str], source: str) -> pl.Series:
    """The label column with other names for some labels."""
    read = label_names(column, source=source)
    unknown = [name for name in names if name not in read.names]
    if unknown:
        known = sorted({name for name in read.names if name is not None})
        raise LabelError(
            f"data.rename names the label {unknown[0]!r}, which {source} does not have; it has: {', '.join(known)}"
        )
    return pl.Series(column.name, [None if name is None else names.get(name, name) for name in read.names])


def _require_labels(known: list[str], found: list[str], source: str) -> None:
    unknown = [label for label in found if label not in known]
    if unknown:
        raise LabelError(
            f"{source} has the label {unknown[0]!r}, which enfold.toml does not list; it lists: {', '.join(known)}"
            f"{near(unknown[0], known)}; correct the file, or add the label to data.labels"
        )
    absent = [label for label in known if label not in found]
    if absent:
        raise LabelError(
            f"enfold.toml lists the label {absent[0]!r}, and no row of {source} has it; it has: {', '.join(found)}; "
            "remove it from data.labels, or add rows"
        )
