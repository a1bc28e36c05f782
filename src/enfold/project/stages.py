"""Stages whose results are kept under a key made of what went in: inputs, settings and the code itself."""

from __future__ import annotations

import functools
import hashlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from enfold.files import atomic_folder, fingerprint_of, read_json, write_json

KEY_LENGTH = 16


@dataclass(frozen=True, slots=True)
class StageResult:
    """A finished stage: where its files lie, the key that names its inputs, and whether it had to run."""

    name: str
    key: str
    folder: Path
    reused: bool
    seconds: float


@functools.cache
def code_version(packages: tuple[str, ...]) -> str:
    """Fingerprint of the source of some of Enfold's packages or files, and of the libraries that decide their results.

    A change of the code that a stage runs makes its old results stale; a change elsewhere does not.
    """
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for package in sorted(packages):
        source = root / package
        for file in [source] if source.is_file() else sorted(source.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode())
            digest.update(file.read_bytes())
    for library in ("torch", "tokenizers", "polars", "scikit-learn"):
        digest.update(f"{library}={metadata.version(library)}".encode())
    return digest.hexdigest()


def run_stage(
    root: Path,
    name: str,
    *,
    inputs: Mapping[str, Any],
    packages: tuple[str, ...],
    work: Callable[[Path, Path], None],
) -> StageResult:
    """Carry out a stage, or find that it was carried out before with the same inputs.

    Args:
        root: the folder of all stages' results; this one's is ``root/name/key``.
        inputs: everything that decides the result: fingerprints and settings, JSON-serialisable.
        packages: the packages of Enfold whose code decides the result.
        work: called with a result folder, which becomes visible only when it returns, and a scratch folder that
            survives an interruption, so that the next call can go on from it.
    """
    key = fingerprint_of({"stage": name, "inputs": dict(inputs), "code": code_version(packages)})[:KEY_LENGTH]
    folder = root / name / key
    if (folder / "stage.json").is_file():
        seconds = float(read_json(folder / "stage.json")["seconds"])
        return StageResult(name, key, folder, reused=True, seconds=seconds)
    scratch = root / name / f"{key}.partial"
    started = time.perf_counter()
    with atomic_folder(folder) as result:
        work(result, scratch)
        seconds = time.perf_counter() - started
        record = {"stage": name, "key": key, "inputs": dict(inputs), "seconds": round(seconds, 3)}
        write_json(result / "stage.json", record | {"finished": datetime.now(UTC).isoformat(timespec="seconds")})
    shutil.rmtree(scratch, ignore_errors=True)
    return StageResult(name, key, folder, reused=False, seconds=seconds)
