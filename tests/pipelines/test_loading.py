"""``pipeline(task, model)``: from names to a pipeline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny as tiny_model
from tiny_models import wordpiece

from enfold import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    pipeline,
)
from enfold.errors import InputError
from enfold.pipelines import task_names
from enfold.pipelines.tasks import ALIASES


def test_a_folder_is_enough(folder: Path):
    for reference in (folder, str(folder)):
        assert pipeline("text-classification", model=reference)("see you")[0].label in ("ham", "spam")


def test_the_other_name_of_the_task(folder: Path):
    assert pipeline("sentiment-analysis", model=folder).task == "text-classification"
    assert pipeline("sentiment-analysis", model=folder)("see you")[0].label in ("ham", "spam")


def test_a_loaded_model_brings_its_tokenizer(folder: Path):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert pipeline("text-classification", model=model)("see you")[0].tokens == 4


def test_a_tokenizer_may_be_given(folder: Path):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    for tokenizer in (folder, AutoTokenizer.from_pretrained(folder)):
        assert pipeline("text-classification", model=model, tokenizer=tokenizer)("see you")[0].tokens == 4


def test_precision_is_chosen_at_loading(folder: Path):
    half = pipeline("text-classification", model=folder, dtype="bfloat16")("see you at six")[0]
    whole = pipeline("text-classification", model=folder)("see you at six")[0]
    assert half.score != whole.score
    assert half.score == pytest.approx(whole.score, abs=0.05)


def test_an_unknown_task_names_those_there_are():
    with pytest.raises(InputError) as error:
        pipeline("text-clasification", model="anything")
    known = [*task_names(), *ALIASES]
    assert str(error.value) == (
        f"no pipeline for task 'text-clasification'; there are: {', '.join(known)}; did you mean 'text-classification'?"
    )


def test_arguments_of_loading_do_not_go_with_a_loaded_model(folder: Path):
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with pytest.raises(InputError, match="revision, dtype: only for a model that is loaded here"):
        pipeline("text-classification", model=model, revision="main", dtype="bfloat16")


def tiny(**settings) -> BertForSequenceClassification:
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=19, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, **settings
        )
    )


def test_labels_without_names_are_numbered(folder: Path):
    classify = pipeline("text-classification", model=tiny(num_labels=3), tokenizer=folder)
    assert classify.labels.names == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert list(classify("see")[0].scores) == ["LABEL_0", "LABEL_1", "LABEL_2"]


def test_a_setting_the_pipeline_does_not_take_is_named(folder: Path):
    with pytest.raises(InputError) as error:
        pipeline("text-classification", model=folder, trunctation=True)
    assert str(error.value) == (
        "TextClassificationPipeline takes no 'trunctation'; it takes: max_length, max_tokens, mend, stride"
    )


def test_spellings_of_transformers_4_are_taken_with_a_word(folder: Path):
    model = tiny_model("ForQuestionAnswering", wordpiece())
    with pytest.warns(FutureWarning, match="handle_impossible_answer is now no_answer"):
        asking = pipeline("question-answering", model, handle_impossible_answer=True, max_answer_len=7, max_seq_len=20)
    assert (asking.no_answer, asking.max_answer_tokens, asking.max_length) == (True, 7, 20)
    with pytest.warns(FutureWarning, match="torch_dtype is now dtype"):
        half = pipeline("text-classification", model=folder, torch_dtype="bfloat16")("see you at six")[0]
    assert half.score == pipeline("text-classification", model=folder, dtype="bfloat16")("see you at six")[0].score


def test_a_checkpoint_whose_head_was_never_trained_is_refused(folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match="has no trained head for token-classification: classifier.weight, classifier"):
        pipeline("token-classification", model=bare(folder, tmp_path))


def test_a_checkpoint_of_another_head_is_refused_where_several_would_do(folder: Path):
    with pytest.raises(InputError) as error:
        pipeline("dialogue-state-tracking", model=folder, slots={"city": "Where?"})
    assert str(error.value) == (
        "dialogue-state-tracking needs a model with the head ForQuestionAnswering or ForTokenClassification; "
        "this checkpoint is of BertForSequenceClassification"
    )


def bare(folder: Path, tmp_path: Path) -> Path:
    """The same model without its head."""
    AutoModel.from_pretrained(folder).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    return tmp_path


def test_a_model_without_a_tokenizer_says_so():
    with pytest.raises(InputError, match="this model has no tokenizer"):
        pipeline("text-classification", model=tiny())


RUNTIME = """
import numpy as np
from enfold.values import LabelSet


class Lengths:
    '''A runtime that is not torch: it scores a text by its tokens.'''

    labels = LabelSet(("short", "long"))
    revision = "by-length"
    max_length = 32

    def logits(self, encodings):
        lengths = np.array([len(encoding) for encoding in encodings], dtype=np.float32)
        return np.stack([10 - lengths, lengths - 10], axis=1)
"""


def test_another_runtime_may_run_the_model_and_torch_is_then_not_imported(folder: Path, tmp_path: Path):
    (tmp_path / "by_length.py").write_text(RUNTIME)
    (tmp_path / "script.py").write_text(
        "import sys\n"
        "from by_length import Lengths\n"
        "from enfold import pipeline\n"
        "classify = pipeline('text-classification', model=Lengths(), tokenizer=sys.argv[1])\n"
        "print(*(p.label for p in classify(['see you', 'see you at six ' * 5])), 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "script.py", folder], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("short long False\n", "")


def test_a_runtime_does_not_know_its_tokenizer():
    names: dict = {}
    exec(RUNTIME, names)
    with pytest.raises(InputError, match="this model does not know its tokenizer: give tokenizer="):
        pipeline("text-classification", model=names["Lengths"]())
