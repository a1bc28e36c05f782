"""An index of documents by their vectors, kept in a folder and searched exactly or approximately.

Exact search is a matrix product, done a block of documents at a time so that memory stays bounded. Approximate search
goes through a graph (Malkov and Yashunin, 2020, "Efficient and Robust Approximate Nearest Neighbor Search Using
Hierarchical Navigable Small World Graphs") of the `usearch` package, an extra.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from enfold.errors import CheckpointError, InputError, require
from enfold.files import atomic_folder, read_json, write_json
from enfold.pipelines.scores import normalised, top

__all__ = ["SearchIndex"]

_BLOCK = 65536
_FORMAT = 1
_FILES = {"about": "index.json", "vectors": "vectors.npy", "documents": "documents.jsonl", "graph": "graph.usearch"}


class SearchIndex:
    """Documents and their vectors. Immutable; threads may share one.

    Args:
        documents: the texts.
        vectors: one a document, float32, *shape* ``(documents, width)``.
        measure: ``cosine`` or ``dot``.
        model: revision of the model that made the vectors.
        pooling: fingerprint of the pooling that made them.
        graph: of an approximate index; `approximate` makes one.

    Raises:
        InputError: there are no documents, or the numbers of documents and vectors differ.
    """

    def __init__(
        self,
        documents: Sequence[str],
        vectors: np.ndarray,
        *,
        measure: str = "cosine",
        model: str = "",
        pooling: str = "",
        graph: Any = None,
    ) -> None:
        if not len(documents):
            raise InputError("there are no documents to index: give at least one")
        if vectors.ndim != 2 or len(documents) != len(vectors):
            raise InputError(f"{len(documents)} documents but vectors of shape {vectors.shape}: give one for each")
        self.documents = documents
        self.measure = measure
        self.model = model
        self.pooling = pooling
        self._vectors = vectors
        self._graph = graph

    @classmethod
    def of(cls, documents: Sequence[str], vectors: np.ndarray, *, measure: str = "cosine", **about: str) -> SearchIndex:
        """From vectors of any length; for the cosine they are brought to length 1 once, here."""
        unit = normalised(vectors) if measure == "cosine" else vectors
        return cls(documents, np.ascontiguousarray(unit, dtype=np.float32), measure=measure, **about)

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return int(self._vectors.shape[1])

    @property
    def is_approximate(self) -> bool:
        """Whether it is searched through a graph."""
        return self._graph is not None

    def approximate(self) -> SearchIndex:
        """The same documents, searched through a graph: much faster from some 100,000 documents on, not always right.

        Raises:
            MissingExtra: usearch is not installed.
        """
        usearch = require("usearch.index", extra="search", purpose="approximate search")
        graph = usearch.Index(ndim=self.width, metric="ip", dtype="f32")
        graph.add(np.arange(len(self), dtype=np.uint64), np.asarray(self._vectors))
        return SearchIndex(
            self.documents, self._vectors, measure=self.measure, model=self.model, pooling=self.pooling, graph=graph
        )

    def search(self, queries: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray]:
        """The documents nearest to each query.

        Args:
            queries: *Shape:* ``(queries, width)``.
            top_k: how many; fewer where there are fewer documents.

        Returns:
            numbers of documents and their scores, each of *shape* ``(queries, top_k)``, the best first; of equal ones,
            the earlier document.

        Raises:
            InputError: the queries are of another width, or ``top_k`` is less than 1.
        """
        if top_k < 1:
            raise InputError(f"top_k={top_k} must be at least 1")
        if queries.ndim != 2 or queries.shape[1] != self.width:
            raise InputError(f"queries of shape {queries.shape} do not fit an index of width {self.width}")
        unit = normalised(queries) if self.measure == "cosine" else queries
        unit = np.ascontiguousarray(unit, dtype=np.float32)
        if self._graph is not None:
            return self._search_graph(unit, min(top_k, len(self)))
        return self._search_all(unit, min(top_k, len(self)))

    def _search_all(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        numbers = np.empty((len(queries), 0), dtype=np.int64)
        scores = np.empty((len(queries), 0), dtype=np.float32)
        for start in range(0, len(self), _BLOCK):
            block = np.asarray(self._vectors[start : start + _BLOCK])
            found = queries @ block.T
            places = np.stack([top(row, count) for row in found])
            numbers = np.concatenate([numbers, places + start], axis=1)
            scores = np.concatenate([scores, np.take_along_axis(found, places, axis=1)], axis=1)
            order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
            numbers, scores = np.take_along_axis(numbers, order, axis=1), np.take_along_axis(scores, order, axis=1)
        return numbers, scores

    def _search_graph(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        rows = [self._graph.search(query, count).keys.astype(np.int64) for query in queries]
        numbers = np.stack([np.pad(row, (0, count - len(row)), constant_values=-1) for row in rows])
        # The graph's own distances lose digits; the scores of what it found are cheap to have exactly.
        scores = np.einsum("qkw,qw->qk", np.asarray(self._vectors)[numbers], queries)
        scores = np.where(numbers < 0, -np.inf, scores)
        order = np.argsort(-scores, axis=1, kind="stable")
        return np.take_along_axis(numbers, order, axis=1), np.take_along_axis(scores, order, axis=1)

    # ---- files --------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write the index into a folder; one that was there is replaced once the new one is whole.

        Raises:
            EnfoldError: the disk is full.
        """
        with atomic_folder(folder) as target:
            np.save(target / _FILES["vectors"], np.asarray(self._vectors))
            with (target / _FILES["documents"]).open("w", encoding="utf-8") as file:
                for document in self.documents:
                    file.write(json.dumps(document, ensure_ascii=False) + "\n")
            if self._graph is not None:
                self._graph.save(str(target / _FILES["graph"]))
            about = {
                "format": _FORMAT,
                "documents": len(self),
                "width": self.width,
                "measure": self.measure,
                "model": self.model,
                "pooling": self.pooling,
                "approximate": self.is_approximate,
            }
            write_json(target / _FILES["about"], about)

    @classmethod
    def open(cls, folder: str | Path) -> SearchIndex:
        """Open an index; its vectors stay on disk and are mapped into memory.

        Raises:
            CheckpointError: the folder holds no index, a part is missing, or the parts do not fit together.
            MissingExtra: it is an approximate one, and usearch is not installed.
        """
        place = Path(folder)
        if not (place / _FILES["about"]).is_file():
            raise CheckpointError(f"no search index in {place}: it has no {_FILES['about']}")
        try:
            about = read_json(place / _FILES["about"])
            if about["format"] != _FORMAT:
                raise CheckpointError(f"the index in {place} has format {about['format']}; this Enfold reads {_FORMAT}")
            vectors = np.load(place / _FILES["vectors"], mmap_mode="r")
            with (place / _FILES["documents"]).open(encoding="utf-8") as file:
                documents = [json.loads(line) for line in file]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise CheckpointError(f"the index in {place} is damaged: {error}; index the documents again") from error
        if vectors.shape != (about["documents"], about["width"]) or len(documents) != about["documents"]:
            raise CheckpointError(
                f"the index in {place} is damaged: {about['documents']} documents of width {about['width']} were "
                f"written, {len(documents)} documents and vectors of shape {vectors.shape} are there; index them again"
            )
        graph = None
        if about["approximate"]:
            usearch = require("usearch.index", extra="search", purpose="an approximate index")
            graph = usearch.Index.restore(str(place / _FILES["graph"]))
            if graph is None:
                raise CheckpointError(f"the index in {place} is damaged: {_FILES['graph']} cannot be read")
        return cls(
            documents, vectors, measure=about["measure"], model=about["model"], pooling=about["pooling"], graph=graph
        )
