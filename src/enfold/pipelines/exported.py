"""Folders of exported models: what stands in ``export.json``, which is all that a runtime without torch needs to know.

Such a folder holds the graph (``model.onnx``, or ``model.xml`` and ``model.bin``), perhaps its weights beside it
(``model.onnx.data``), the tokenizer, and ``export.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from enfold.errors import CheckpointError, near
from enfold.files import read_json, write_json
from enfold.values import LabelSet

__all__ = ["DESCRIPTION", "GRAPHS", "PRODUCTS", "Exported", "is_exported"]

DESCRIPTION = "export.json"
GRAPHS = {"onnx": "model.onnx", "openvino": "model.xml"}
"""The runtimes, and the file of the graph that each opens."""
PRODUCTS = "int8-check.onnx"
"""A small graph beside one of bytes, that says whether this machine multiplies them rightly: ones to their number."""
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an exported model is.

    Attributes:
        runtime: what runs it, a key of `GRAPHS`.
        format: of the weights, ``float32`` or ``int8``.
        task: what it was exported for.
        head: the end of the class name of the model it was made of, such as ``ForSequenceClassification``; empty for
            hidden states.
        revision: 16 hex digits of the graph and its weights; predictions carry it.
        source: the model it was made of, as it was named.
        source_revision: which weights those were.
        inputs: the names the graph reads, in order.
        labels: names of the columns of the logits, in order; empty where there are none.
        problem_type: what the outputs of a sequence classifier are.
        max_length: the longest sequence the model reads, special tokens included; None where it knows no bound.
        pad_id: the token id that fills rows of a batch.
        opset: the version of the operators of an ONNX graph.
        in_float: the kinds of maps that an int8 graph leaves in float32.
        versions: of the libraries that made it.
        check: what the self-test found, by the name of each figure.
    """

    runtime: str
    format: str
    task: str
    head: str
    revision: str
    source: str
    source_revision: str
    inputs: tuple[str, ...]
    labels: tuple[str, ...] = ()
    problem_type: str | None = None
    max_length: int | None = None
    pad_id: int = 0
    opset: int | None = None
    in_float: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    check: Mapping[str, float] = field(default_factory=dict)

    @property
    def label_set(self) -> LabelSet:
        """The labels as a set."""
        return LabelSet(self.labels)

    def write(self, folder: Path) -> None:
        """Write ``export.json``."""
        write_json(folder / DESCRIPTION, {"version": _VERSION, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Exported:
        """Read ``export.json``.

        Raises:
            CheckpointError: there is none, it is damaged, or a newer Enfold wrote it.
        """
        file = folder / DESCRIPTION
        if not file.is_file():
            raise CheckpointError(
                f"{folder} holds no exported model (no {DESCRIPTION}): make one with enfold export MODEL --out FOLDER"
            )
        try:
            values: dict[str, Any] = dict(read_json(file))
            version = values.pop("version", None)
        except (ValueError, TypeError) as error:
            raise CheckpointError(f"{file} is damaged ({error}): export the model again") from error
        if version != _VERSION:
            raise CheckpointError(
                f"{file} is of version {version}; this Enfold reads {_VERSION}: export the model again"
            )
        try:
            found = cls(**values | {name: tuple(values[name]) for name in ("inputs", "labels", "in_float")})
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{file} is damaged ({error}): export the model again") from error
        if found.runtime not in GRAPHS:
            known = list(GRAPHS)
            raise CheckpointError(f"{file}: no runtime {found.runtime!r}; there are: {', '.join(known)}")
        if not (folder / GRAPHS[found.runtime]).is_file():
            raise CheckpointError(f"{folder} has no {GRAPHS[found.runtime]}: export the model again")
        return found

    def require_runtime(self, wanted: str, folder: Path) -> None:
        """Refuse another runtime than the one the folder was made for.

        Raises:
            CheckpointError: it was made for another, or there is no such runtime.
        """
        if wanted not in GRAPHS:
            known = list(GRAPHS)
            raise CheckpointError(f"no runtime {wanted!r}; there are: {', '.join(known)}{near(wanted, known)}")
        if wanted != self.runtime:
            raise CheckpointError(
                f"{folder} was exported for {self.runtime}: take runtime={self.runtime!r}, or export it "
                f"with --to {wanted}"
            )


def is_exported(reference: Any) -> bool:
    """Whether a reference is a folder of an exported model, seen from its files."""
    return isinstance(reference, (str, Path)) and (Path(reference) / DESCRIPTION).is_file()
