"""How good a model is, how sure that is, where it fails, and whether another one is better.

``evaluate(model, data)`` gives a :class:`Report`; :mod:`enfold.evaluation.html` writes it as one page.
Entities, translations, summaries and language models have scores of their own: `entity_scores`, `bleu`, `rouge`,
`perplexity`.
"""

from enfold.evaluation.answers import Answers, LabelledRows, answer
from enfold.evaluation.baseline import Baseline, tfidf_baseline
from enfold.evaluation.bleu import BleuScore, bleu
from enfold.evaluation.comparison import compare, mcnemar, paired_bootstrap
from enfold.evaluation.entities import EntityScores, TypeScores, entity_scores
from enfold.evaluation.evaluate import evaluate, report_on
from enfold.evaluation.perplexity import Perplexity, perplexity
from enfold.evaluation.rouge import Overlap, RougeScores, rouge
from enfold.evaluation.rows import labelled_rows
from enfold.values.reports import Comparison, Metric, PairedDifference, Report

__all__ = [
    "Answers",
    "Baseline",
    "BleuScore",
    "Comparison",
    "EntityScores",
    "LabelledRows",
    "Metric",
    "Overlap",
    "PairedDifference",
    "Perplexity",
    "Report",
    "RougeScores",
    "TypeScores",
    "answer",
    "bleu",
    "compare",
    "entity_scores",
    "evaluate",
    "labelled_rows",
    "mcnemar",
    "paired_bootstrap",
    "perplexity",
    "report_on",
    "rouge",
    "tfidf_baseline",
]
