"""How good a classifier is, how sure that is, where it fails, and whether another one is better.

``evaluate(model, data)`` gives a :class:`Report`; :mod:`enfold.evaluation.html` writes it as one page.
"""

from enfold.evaluation.answers import Answers, LabelledRows, answer
from enfold.evaluation.baseline import Baseline, tfidf_baseline
from enfold.evaluation.comparison import compare, mcnemar, paired_bootstrap
from enfold.evaluation.evaluate import evaluate, report_on
from enfold.evaluation.rows import labelled_rows
from enfold.values.reports import Comparison, Metric, PairedDifference, Report

__all__ = [
    "Answers",
    "Baseline",
    "Comparison",
    "LabelledRows",
    "Metric",
    "PairedDifference",
    "Report",
    "answer",
    "compare",
    "evaluate",
    "labelled_rows",
    "mcnemar",
    "paired_bootstrap",
    "report_on",
    "tfidf_baseline",
]
