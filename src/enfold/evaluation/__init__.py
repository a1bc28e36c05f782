"""How good a classifier is, how sure that is, where it fails, and whether another one is better.

``evaluate(model, data)`` gives a :class:`Report`; :mod:`enfold.evaluation.html` writes it as one page.
"""

from enfold.evaluation.answers import Answers, LabelledRows, answer
from enfold.evaluation.baseline import Baseline, tfidf_baseline
from enfold.evaluation.comparison import compare, mcnemar, paired_bootstrap
from enfold.evaluation.entities import EntityScores, TypeScores, entity_scores
from enfold.evaluation.evaluate import evaluate, report_on
from enfold.evaluation.rows import labelled_rows
from enfold.values.reports import Comparison, Metric, PairedDifference, Report

__all__ = [
    "Answers",
    "Baseline",
    "Comparison",
    "EntityScores",
    "LabelledRows",
    "Metric",
    "PairedDifference",
    "Report",
    "TypeScores",
    "answer",
    "compare",
    "entity_scores",
    "evaluate",
    "labelled_rows",
    "mcnemar",
    "paired_bootstrap",
    "report_on",
    "tfidf_baseline",
]
