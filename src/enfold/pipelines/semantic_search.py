"""Semantic search: the documents nearest in meaning to a query, by the vectors a model makes of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from enfold.errors import InputError
from enfold.pipelines.batching import chunks_of_texts
from enfold.pipelines.embedding import EmbeddingPipeline, required_texts
from enfold.pipelines.reading import EncodedText, spoken_text
from enfold.pipelines.search_index import SearchIndex
from enfold.values import ScoredText, SearchPrediction

if TYPE_CHECKING:
    from enfold.text import Tokenizer

__all__ = ["SemanticSearchPipeline"]

_CHUNK_TEXTS = 1024
_CHUNK_CHARACTERS = 2_000_000


class SemanticSearchPipeline(EmbeddingPipeline[EncodedText, SearchPrediction]):
    """Search documents by meaning. Safe to use from several threads; each index is a value of its own.

    A long document has one vector, of all its tokens; cut it into passages where they should be found one by one.

    Args:
        model: any model that has hidden states, or a :class:`HiddenRuntime`.
        tokenizer: the tokenizer the model was trained with.
        index: what is searched: an index, a folder that holds one, or documents; calls may give another.
        top_k: documents a query gets.
        query_prompt: the name of the checkpoint's prompt for queries; the one named ``query`` where there is one.
        document_prompt: that for documents; the one named ``document`` or ``passage`` where there is one.
        settings: as `EmbeddingPipeline` takes them.

    Raises:
        InputError: the index is of another model; the sizes contradict each other or the model.
    """

    task = "semantic-search"

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        index: SearchIndex | str | Path | Sequence[str] | None = None,
        top_k: int = 10,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(model, tokenizer, **settings)
        if top_k < 1:
            raise InputError(f"top_k={top_k} must be at least 1")
        self.top_k = top_k
        prompts = self.pooling.prompts
        self.query_prompt = query_prompt or ("query" if "query" in prompts else None)
        self.document_prompt = document_prompt or next(
            (name for name in ("document", "passage") if name in prompts), None
        )
        self.index: SearchIndex | None = None
        if isinstance(index, (str, Path)):
            self.index = self.checked(SearchIndex.open(index))
        elif isinstance(index, SearchIndex):
            self.index = self.checked(index)
        elif index is not None:
            self.index = self.index_of(index)

    def index_of(self, documents: Sequence[str]) -> SearchIndex:
        """An index of these documents; `SearchIndex.save` keeps it, `SearchIndex.approximate` makes it faster.

        Raises:
            InputError: there are no documents, or one is not a text.
        """
        texts = required_texts(documents, name="documents")
        vectors = self.embed(texts, prompt=self.document_prompt)
        about = {"model": self.revision, "pooling": self.pooling.fingerprint}
        return SearchIndex.of(texts, vectors, measure=self.pooling.measure, **about)

    def __call__(
        self,
        queries: str | Sequence[str],
        documents: Sequence[str] | SearchIndex | None = None,
        *,
        top_k: int | None = None,
    ) -> list[SearchPrediction]:
        """One prediction a query; always a list, in the order of the queries.

        Args:
            queries: one query or several.
            documents: what to search: an index or texts; the pipeline's own index where None.
            top_k: documents a query gets, where it should differ from the pipeline's own.

        Raises:
            InputError: there is nothing to search, the index is of another model, or a query is empty.
        """
        given = [queries] if isinstance(queries, str) else queries
        return list(self.stream(given, documents, top_k=top_k))

    def stream(
        self,
        queries: Iterable[str],
        documents: Sequence[str] | SearchIndex | None = None,
        *,
        top_k: int | None = None,
    ) -> Iterator[SearchPrediction]:
        """Answer queries as they come, in order and in bounded memory."""
        index = self._index(documents)
        count = self.top_k if top_k is None else top_k
        spoken = (spoken_text(query, f"query {number}", "ask for something") for number, query in enumerate(queries))
        for chunk in chunks_of_texts(spoken, max_texts=_CHUNK_TEXTS, max_characters=_CHUNK_CHARACTERS):
            read = list(self.embedded(chunk, prompt=self.query_prompt))
            numbers, scores = index.search(np.stack([vector for _, vector in read]), count)
            for (text, _), own, of in zip(read, numbers, scores, strict=True):
                yield self._prediction(text, index, own, of)

    def encode(self, queries: Sequence[str]) -> list[EncodedText]:
        """Tokenise queries into the windows the model reads."""
        return self.read(queries, prompt=self.query_prompt)

    def decide(self, query: EncodedText, outputs: Sequence[np.ndarray]) -> SearchPrediction:
        """Search the pipeline's own index for one query; ``outputs`` are the hidden states of its windows."""
        index = self._index(None)
        numbers, scores = index.search(self.pool(query, outputs)[None], self.top_k)
        return self._prediction(query, index, numbers[0], scores[0])

    def checked(self, index: SearchIndex) -> SearchIndex:
        """The index, once it is sure that its vectors can be compared with those made here.

        Raises:
            InputError: it was made by another model or another pooling.
        """
        for what, theirs, ours in (
            ("model", index.model, self.revision),
            ("pooling", index.pooling, self.pooling.fingerprint),
        ):
            if theirs != ours:
                raise InputError(
                    f"the index was made by the {what} {theirs or 'without a name'}, and queries are read by "
                    f"{ours or 'one without a name'}: their vectors cannot be compared; index the documents again"
                )
        return index

    def _index(self, documents: Sequence[str] | SearchIndex | None) -> SearchIndex:
        if isinstance(documents, SearchIndex):
            return self.checked(documents)
        if documents is not None:
            return self.index_of(documents)
        if self.index is None:
            raise InputError("there is nothing to search: give documents, or make the pipeline with index=")
        return self.index

    def _prediction(
        self, query: EncodedText, index: SearchIndex, numbers: np.ndarray, scores: np.ndarray
    ) -> SearchPrediction:
        hits = tuple(
            ScoredText(int(number), index.documents[int(number)], float(score))
            for number, score in zip(numbers, scores, strict=True)
            if number >= 0
        )
        return SearchPrediction(**self.about(query), hits=hits)
