"""The pipelines know no family: every kind of stack goes through the same door as in transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_models import SENTENCES, bytes_without_types, wordpiece

from enfold import pipeline

SIZES = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
PAIR = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
}
TAGS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
FAMILIES: dict[str, dict[str, Any]] = {
    "roberta": {**SIZES, "max_position_embeddings": 66, "type_vocab_size": 1},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64},
    "electra": {**SIZES, "embedding_size": 16, "max_position_embeddings": 64},
    "albert": {**SIZES, "embedding_size": 16, "max_position_embeddings": 64},
    "mpnet": {**SIZES, "max_position_embeddings": 66},
    "bart": {**PAIR, "max_position_embeddings": 64},
    "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64},
}
BYTES = {"roberta", "bart", "mpnet", "t5", "gpt2"}


def reference(family: str, head: str, folder: Path, **settings: Any) -> Any:
    """A tiny random model of transformers with that head, and the tokenizer beside it, as a folder."""
    tokenizer = (bytes_without_types if family in BYTES else wordpiece)(64)
    if family == "distilbert":
        tokenizer = tokenizer.with_options(model_input_names=("input_ids", "attention_mask"))
    config = transformers.AutoConfig.for_model(
        family,
        **FAMILIES[family],
        **settings,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        decoder_start_token_id=tokenizer.sep_token_id,
    )
    kind = getattr(transformers, f"AutoModel{head}")
    torch.manual_seed(3)
    model = kind.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


def encoded(tokenizer: Any, *texts: str) -> dict[str, torch.Tensor]:
    return dict(tokenizer(*texts, return_tensors="pt"))


@pytest.mark.parametrize("family", ["roberta", "distilbert", "electra", "albert", "mpnet", "t5", "gpt2"])
def test_tags_of_tokens(family: str, tmp_path: Path):
    model, tokenizer = reference(family, "ForTokenClassification", tmp_path, id2label=TAGS)
    find = pipeline("token-classification", tmp_path, aggregation_strategy="none")
    for text, prediction in zip(SENTENCES[:4], find(SENTENCES[:4]), strict=True):
        with torch.no_grad():
            scores = model(**encoded(tokenizer, text)).logits[0].softmax(-1)
        (encoding,) = tokenizer.encode_batch([text])
        kept = [row for row, (start, end) in zip(scores, encoding.offsets, strict=True) if text[start:end].strip()]
        expected = [float(row.max()) for row in kept if int(row.argmax())]
        assert [entity.score for entity in prediction.entities] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("family", ["roberta", "distilbert", "electra", "albert", "mpnet", "bart", "t5", "gpt2"])
def test_answers(family: str, tmp_path: Path):
    model, tokenizer = reference(family, "ForQuestionAnswering", tmp_path)
    (prediction,) = pipeline("question-answering", tmp_path, max_answer_tokens=200)("Who met Ada?", SENTENCES[0])
    with torch.no_grad():
        output = model(**encoded(tokenizer, "Who met Ada?", SENTENCES[0]))
    (encoding,) = tokenizer.encode_batch(["Who met Ada?"], [SENTENCES[0]])
    inside = [place for place, of in enumerate(encoding.sequence_ids) if of == 1]
    start, end = output.start_logits[0], output.end_logits[0]
    scores = {(i, j): float(start[i] + end[j]) for i in inside for j in inside if i <= j}
    first, last = max(scores, key=scores.__getitem__)
    assert (prediction.start, prediction.end) == (encoding.offsets[first][0], encoding.offsets[last][1])
    best = np.exp(scores[first, last] - np.logaddexp.reduce(list(scores.values())))
    assert prediction.score == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("family", ["roberta", "distilbert", "electra", "albert", "bart", "t5", "gpt2"])
def test_labels_of_pairs(family: str, tmp_path: Path):
    names = {0: "contradiction", 1: "neutral", 2: "entailment"}
    model, tokenizer = reference(family, "ForSequenceClassification", tmp_path, id2label=names)
    (prediction,) = pipeline("zero-shot-classification", tmp_path)(SENTENCES[1], ["prize", "food"])
    with torch.no_grad():
        logits = [
            model(**encoded(tokenizer, SENTENCES[1], f"This example is {x}.")).logits[0, 2] for x in ("prize", "food")
        ]
    expected = torch.stack(logits).softmax(0).tolist()
    scores = dict(zip(prediction.labels, prediction.scores, strict=True))
    assert scores == pytest.approx(dict(zip(("prize", "food"), expected, strict=True)), abs=1e-4)


@pytest.mark.parametrize("family", ["roberta", "distilbert", "electra", "albert", "mpnet", "bart"])
def test_masks(family: str, tmp_path: Path):
    model, tokenizer = reference(family, "ForMaskedLM", tmp_path)
    text = f"Ada met {tokenizer.mask_token} in London"
    (prediction,) = pipeline("fill-mask", tmp_path, top_k=4)(text)
    batch = encoded(tokenizer, text)
    with torch.no_grad():
        place = batch["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        values, ids = model(**batch).logits[0, place].softmax(-1).topk(4)
    assert [one.token_id for one in prediction.masks[0].candidates] == ids.tolist()
    assert [one.score for one in prediction.masks[0].candidates] == pytest.approx(values.tolist(), rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors(family: str, tmp_path: Path):
    model, tokenizer = reference(family, "", tmp_path)
    (prediction,) = pipeline("feature-extraction", tmp_path)(SENTENCES[0])
    with torch.no_grad():
        # Of a family that is not trained to read its input again, the encoder.
        reads = model.encoder if family == "t5" else model
        expected = reads(**encoded(tokenizer, SENTENCES[0])).last_hidden_state[0].numpy()
    assert np.abs(prediction.vectors - expected).max() < 1e-4 * np.abs(expected).max()
