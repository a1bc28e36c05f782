"""What a model of ten seconds reaches: word and character n-grams, weighed by TF-IDF, and logistic regression.

A transformer that does not beat it has not earned its cost. Characters make it work where words are not set
apart by blanks, as in Chinese, and forgive misspelling elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enfold.errors import DataError, InputError
from enfold.files import fingerprint_of
from enfold.values import ClassPrediction, LabelSet

__all__ = ["Baseline", "tfidf_baseline"]


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline; it answers as a pipeline does."""

    labels: LabelSet
    revision: str
    _classifier: Any

    def __call__(self, texts: str | Sequence[str]) -> list[ClassPrediction]:
        """Predict one text or many; always a list."""
        texts = [texts] if isinstance(texts, str) else list(texts)
        if not texts:
            return []
        words = self._classifier[0].transformer_list[0][1].build_tokenizer()
        scores = self._classifier.predict_proba(texts)  # (texts, labels)
        return [
            ClassPrediction(
                model=self.revision,
                tokens=len(words(text)),
                label=self.labels.names[int(row.argmax())],
                score=float(row.max()),
                scores=dict(zip(self.labels, map(float, row), strict=True)),
            )
            for text, row in zip(texts, scores, strict=True)
        ]

    predict = __call__


def tfidf_baseline(
    train_texts: Sequence[str],
    train_labels: Sequence[str],
    *,
    seed: int = 0,
    max_rows: int = 50_000,
    max_features: int = 100_000,
) -> Baseline:
    """Fit the baseline.

    Args:
        train_texts: texts of the training split.
        train_labels: their labels, by name.
        seed: of the sample of rows and of the solver.
        max_rows: rows that are fitted; of more, a random sample is taken, as the baseline should stay quick.
        max_features: most frequent n-grams kept, of words and of characters each.

    Raises:
        DataError: there are no rows, only one class, or every text is blank.
        InputError: texts and labels differ in number.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    if len(train_texts) != len(train_labels):
        raise InputError(f"the baseline got {len(train_texts)} texts and {len(train_labels)} labels")
    labels = LabelSet.of(train_labels)
    if len(labels) < 2:
        raise DataError(f"the baseline needs rows of at least two classes; it got {len(labels)}")
    revision = fingerprint_of([list(train_texts), list(train_labels), seed, max_rows, max_features])[:12]
    if len(train_texts) > max_rows:
        chosen = np.random.default_rng(seed).permutation(len(train_texts))[:max_rows]
        train_texts, train_labels = [train_texts[row] for row in chosen], [train_labels[row] for row in chosen]
    words = TfidfVectorizer(
        token_pattern=r"(?u)\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True, max_features=max_features
    )
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, max_features=max_features)
    classifier = make_pipeline(
        make_union(words, characters), LogisticRegression(C=10.0, max_iter=300, random_state=seed)
    )
    try:
        classifier.fit(list(train_texts), list(train_labels))
    except ValueError as error:
        if "empty vocabulary" in str(error):
            raise DataError("the baseline found no words: every training text is blank") from None
        raise
    # A sample may have missed a rare class: the classes are those that were fitted.
    return Baseline(LabelSet(tuple(map(str, classifier.classes_))), f"tfidf-{revision}", classifier)
