"""Runtimes of exported models: the same protocols as torch's runtime, without torch.

One class a kind of output, so that a pipeline sees which tasks a folder serves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from enfold.errors import CheckpointError
from enfold.pipelines.exported import GRAPHS, PRODUCTS, Exported
from enfold.pipelines.sessions import SESSIONS, Session
from enfold.values import Encoding, LabelSet

if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ExportedHiddenRuntime",
    "ExportedRuntime",
    "ExportedSequenceRuntime",
    "ExportedSpanRuntime",
    "ExportedTokenRuntime",
    "open_runtime",
]

_SPARE = 8
_SHARE = 16
"""Rows are run together while each lacks at most `_SPARE` places, or a `_SHARE`-th, of the longest."""


class ExportedRuntime:
    """What all share: a batch is cut into padded groups of rows of nearly one length.

    Padding is masked, and every activation that becomes bytes has scales of its own token, so that an answer does not
    depend on the rows beside it.

    Args:
        exported: what the graph is.
        session: the graph, loaded.
    """

    def __init__(self, exported: Exported, session: Session) -> None:
        self.exported = exported
        self._session = session

    @property
    def revision(self) -> str:
        """Revision of the exported model."""
        return self.exported.revision

    @property
    def max_length(self) -> int | None:
        """Longest sequence the model reads, special tokens included."""
        return self.exported.max_length

    def _rows(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """What the graph gives each encoding: ``(labels,)``, or ``(tokens, …)`` where it speaks of tokens."""
        found: list[Any] = [None] * len(encodings)
        for group in _groups([len(one) for one in encodings]):
            output = self._session(self._padded([encodings[place] for place in group]))
            for place, row in zip(group, output, strict=True):
                found[place] = row
        return found

    def _padded(self, encodings: Sequence[Encoding]) -> dict[str, np.ndarray]:
        shape = (len(encodings), max(map(len, encodings)))
        ids = np.full(shape, self.exported.pad_id, dtype=np.int64)
        mask, types = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, encoding in enumerate(encodings):
            length = len(encoding)
            ids[row, :length] = encoding.ids
            types[row, :length] = encoding.type_ids
            mask[row, :length] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        return {name: given[name] for name in self.exported.inputs}

    def _by_token(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        return [row[: len(one)] for row, one in zip(self._rows(encodings), encodings, strict=True)]


class _Labelled(ExportedRuntime):
    @property
    def labels(self) -> LabelSet:
        """Names of the columns of the logits."""
        return self.exported.label_set


class ExportedSequenceRuntime(_Labelled):
    """One row of logits for each text."""

    @property
    def problem_type(self) -> str:
        """What the outputs are."""
        return self.exported.problem_type or "single_label_classification"

    def logits(self, encodings: Sequence[Encoding]) -> np.ndarray:
        """Run one batch: float32, *shape* ``(len(encodings), labels)``."""
        return np.stack(self._rows(encodings))


class ExportedTokenRuntime(_Labelled):
    """One row of logits for each token."""

    def token_logits(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """Run one batch: of each encoding float32, *shape* ``(tokens, labels)``."""
        return self._by_token(encodings)


class ExportedSpanRuntime(ExportedRuntime):
    """Each token's scores as the start and as the end of an answer."""

    def span_logits(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """Run one batch: of each encoding float32, *shape* ``(tokens, 2)``."""
        return self._by_token(encodings)


class ExportedHiddenRuntime(ExportedRuntime):
    """The last hidden state of each token."""

    def hidden_states(self, encodings: Sequence[Encoding]) -> list[np.ndarray]:
        """Run one batch: of each encoding float32, *shape* ``(tokens, width)``."""
        return self._by_token(encodings)


_BY_HEAD: dict[str, type[ExportedRuntime]] = {
    "ForSequenceClassification": ExportedSequenceRuntime,
    "ForTokenClassification": ExportedTokenRuntime,
    "ForQuestionAnswering": ExportedSpanRuntime,
    "": ExportedHiddenRuntime,
}


def open_runtime(folder: Path, wanted: str | None = None) -> ExportedRuntime:
    """The runtime of a folder of an exported model.

    Args:
        folder: what ``enfold export`` wrote.
        wanted: ``onnx`` or ``openvino``; the one it was made for where None.

    Raises:
        CheckpointError: the folder is none, is damaged, or was made for another runtime; it holds bytes, and this
            machine's products of bytes are wrong.
        MissingExtra: the engine is not installed.
    """
    exported = Exported.read(folder)
    if wanted is not None:
        exported.require_runtime(wanted, folder)
    if exported.head not in _BY_HEAD:
        raise CheckpointError(
            f"{folder} has the head {exported.head!r}, which this Enfold does not know: export it again"
        )
    if exported.runtime == "onnx" and exported.format == "int8":
        _check_products(folder)
    session = SESSIONS[exported.runtime](folder / GRAPHS[exported.runtime])
    return _BY_HEAD[exported.head](exported, session)


def _check_products(folder: Path) -> None:
    """Refuse bytes on a processor that cuts off sums of their products, as some without instructions for them do."""
    if not (folder / PRODUCTS).is_file():
        raise CheckpointError(f"{folder} has no {PRODUCTS}: export the model again")
    run = SESSIONS["onnx"](folder / PRODUCTS)
    for rows in (1, 33):  # few and many rows take different ways
        ones = np.ones((rows, 64), dtype=np.float32)
        if not np.allclose(run({"x": ones}), 64, rtol=1e-3):
            raise CheckpointError(
                f"this processor's products of bytes are not exact, so that {folder} would answer wrongly here: export "
                "the model in float32"
            )


def _groups(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of rows that are run together, from the longest down."""
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        longest = lengths[group[0]] if group else 0
        if group and longest - lengths[place] > max(_SPARE, longest // _SHARE):
            yield group
            group = []
        group.append(place)
    if group:
        yield group
