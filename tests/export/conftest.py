"""What is exported once for all tests: a folder for each kind of head, beside the model it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from exported_models import TEXTS, made, without_types, wordpiece

from enfold.export import Exported, export_model

TAGS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}


class Made(NamedTuple):
    model: Any
    folder: Path
    exported: Exported


@pytest.fixture(scope="package")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="package")
def classifier(root: Path) -> Made:
    model = made("BertForSequenceClassification", wordpiece(), id2label={0: "good", 1: "bad", 2: "neither"})
    return Made(model, root / "classifier", export_model(model, root / "classifier", texts=TEXTS))


@pytest.fixture(scope="package")
def classifier_in_bytes(root: Path, classifier: Made) -> Made:
    folder = root / "bytes"
    return Made(classifier.model, folder, export_model(classifier.model, folder, format="int8", texts=TEXTS))


@pytest.fixture(scope="package")
def tagger(root: Path) -> Made:
    model = made("BertForTokenClassification", wordpiece(), id2label=TAGS)
    return Made(model, root / "tagger", export_model(model, root / "tagger", texts=TEXTS))


@pytest.fixture(scope="package")
def answerer(root: Path) -> Made:
    tokenizer = wordpiece().with_options(model_input_names=("input_ids", "attention_mask"))
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    model = made("DistilBertForQuestionAnswering", tokenizer, **sizes)
    pairs = [("who is in london", text) for text in TEXTS if text]
    return Made(model, root / "answerer", export_model(model, root / "answerer", texts=pairs))


@pytest.fixture(scope="package")
def embedder(root: Path) -> Made:
    """A folder of sentence-transformers, RoBERTa's kind: without token types, first token, length 1."""
    import json

    model = made("RobertaModel", without_types(), pad_token_id=1)
    source = root / "sentences"
    model.save_pretrained(source)
    model.tokenizer.save_pretrained(source)
    steps = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    listed = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in steps]
    (source / "modules.json").write_text(json.dumps(listed))
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    return Made(source, root / "embedder", export_model(source, root / "embedder", texts=TEXTS))
