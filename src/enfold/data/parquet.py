"""Parquet files written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from enfold.files import atomic_file

__all__ = ["plain_disk_errors", "write_parquet"]


@contextmanager
def plain_disk_errors() -> Iterator[None]:
    """Raise a full disk as the OSError it is; Polars wraps it in an error of its own."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        if os.strerror(errno.ENOSPC) in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


def write_parquet(table: pl.DataFrame, path: str | Path) -> None:
    """Write a table atomically.

    Raises:
        EnfoldError: the disk is full.
    """
    with atomic_file(path) as temporary, plain_disk_errors():
        table.write_parquet(temporary)
