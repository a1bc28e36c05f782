"""Every model type has the heads that ``transformers``' Auto classes give it, under the same class names."""

from __future__ import annotations

import pytest
import transformers
from transformers.models.auto import modeling_auto as theirs

import enfold
from enfold import errors
from enfold.models.auto import class_for, known_families

TASKS = {
    "Model": theirs.MODEL_MAPPING_NAMES,
    "ForSequenceClassification": theirs.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "ForTokenClassification": theirs.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
    "ForQuestionAnswering": theirs.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
    "ForMultipleChoice": theirs.MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES,
    "ForMaskedLM": theirs.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    "ForPreTraining": theirs.MODEL_FOR_PRETRAINING_MAPPING_NAMES,
    "ForNextSentencePrediction": theirs.MODEL_FOR_NEXT_SENTENCE_PREDICTION_MAPPING_NAMES,
    "ForCausalLM": theirs.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "ForSeq2SeqLM": theirs.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
}
TYPES = sorted(config.model_type for family in known_families() for config in family.members.values())


@pytest.mark.parametrize("model_type", TYPES)
def test_the_heads_of_a_model_type(model_type: str) -> None:
    expected = {task: names[model_type] for task, names in TASKS.items() if model_type in names}
    found = {}
    for task in TASKS:
        try:
            found[task] = class_for(model_type, task).__name__
        except errors.CheckpointError:
            continue
    assert found | expected == found
    for task, name in found.items():  # some have a head for a task that no mapping names, such as pre-training
        assert hasattr(transformers, name)
        assert getattr(enfold, name) is class_for(model_type, task)


def test_every_task_has_its_auto_class() -> None:
    for task in TASKS:
        assert getattr(enfold, "AutoModel" if task == "Model" else f"AutoModel{task}").suffix == task


def test_a_head_that_a_model_type_does_not_have_is_refused_with_those_it_has() -> None:
    config = enfold.DistilBertConfig(dim=8, n_heads=2, n_layers=1, hidden_dim=8, vocab_size=9)
    with pytest.raises(errors.CheckpointError, match=r"'distilbert' has no head ForCausalLM; it has: ForSequence"):
        enfold.AutoModelForCausalLM.from_config(config)


def test_an_unknown_model_type_is_refused_with_those_there_are() -> None:
    with pytest.raises(errors.CheckpointError, match=r"no model type 'robertha'; there are: .*did you mean 'roberta'"):
        enfold.AutoConfig.for_model("robertha")
