"""The two one-liners: ``model.predict(texts)`` and ``evaluate(model, data)``, on a real model."""

import torch

import enfold
from enfold import BertConfig, BertForSequenceClassification, Tokenizer, evaluate


def _model(folder):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "free", "prize", "see", "you"]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        id2label={0: "ham", 1: "spam"},
    )
    model = BertForSequenceClassification(config).eval()
    model.tokenizer = Tokenizer.from_pretrained(folder / "vocab.txt", model_max_length=16)
    return model


def test_a_report_agrees_with_the_models_own_predictions(tmp_path):
    model = _model(tmp_path)
    texts = ["free prize", "see you", "you see free", "prize " * 30]
    predicted = [prediction.label for prediction in model.predict(texts)]
    report = evaluate(model, [{"text": text, "label": label} for text, label in zip(texts, predicted, strict=True)])
    assert report["accuracy"].value == 1.0
    numbers = [model.labels.index(label) for label in predicted]
    numbered = [{"text": text, "label": number} for text, number in zip(texts, numbers, strict=True)]
    assert evaluate(model, numbered).confusion == report.confusion
    assert isinstance(report, enfold.Report)
