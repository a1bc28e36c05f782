"""BERT and all its heads compute what ``transformers``' do: outputs, losses, gradients, states, whatever the mask."""

from __future__ import annotations

import logging

import pytest
import torch
from bert_cases import CONFIGS, HEADS, POOLED, bert_inputs, bert_pair, classes, settings_of
from checkers import (
    MASKS,
    SEQ,
    TOLERANCE,
    Pair,
    assert_close,
    assert_same_gradients,
    assert_same_outputs,
    assert_same_state,
    attention_mask,
    gradients,
    make_pair,
)
from self_checkers import assert_packed_is_padded, assert_same_in_training, assert_zeros_at_padding

from enfold.layers import door
from enfold.models import pack

PER_PLACE = ("ForTokenClassification", "ForMaskedLM", "ForPreTraining")
PACKABLE = [head for head in HEADS if head != "ForMultipleChoice"]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("head", HEADS)
def test_outputs_loss_gradients_hidden_states_and_attentions(head: str, config: str, mask: str) -> None:
    assert_same_outputs(bert_pair(head, config), bert_inputs(head, config, mask))


SEVERAL = torch.tensor([[1.0, 0, 0, 1, 1]] * 2 + [[0.0, 1, 0, 0, 1]] * 2)


@pytest.mark.parametrize("mask", ["none", "left"])
@pytest.mark.parametrize(
    ("stated", "found", "labels"),
    [
        ("multi_label_classification", "multi_label_classification", SEVERAL),
        (None, "multi_label_classification", SEVERAL),
        ("regression", "regression", torch.tensor([0.5, -2.0, 3.0, 1.0])),
        (None, "regression", torch.tensor([[0.5], [-2.0], [3.0], [1.0]])),
        ("regression", "regression", torch.linspace(-3, 3, 20).view(4, 5)),
    ],
    ids=["several", "several, unstated", "a number", "a number, unstated", "numbers"],
)
def test_losses_of_several_labels_and_of_numbers(
    stated: str | None, found: str, labels: torch.Tensor, mask: str
) -> None:
    head, outputs = "ForSequenceClassification", 5 if labels.numel() > 4 else 1
    pair = bert_pair(head, "gelu", num_labels=outputs, problem_type=stated)
    assert_same_outputs(pair, bert_inputs(head, "gelu", mask) | {"labels": labels})
    assert pair.ours.config.problem_type == pair.theirs.config.problem_type == found


@pytest.mark.parametrize("mask", ["none", "right"])
def test_a_stack_without_a_pooler(mask: str) -> None:
    pair = make_pair(*classes("Model"), settings_of("Model", "gelu"), add_pooling_layer=False)
    assert "pooler.dense.weight" not in pair.ours.state_dict()
    assert_same_outputs(pair, bert_inputs("Model", "gelu", mask))


@pytest.mark.parametrize("mask", MASKS)
def test_the_attention_that_transformers_takes_by_default(mask: str) -> None:
    pair = bert_pair("ForTokenClassification", "gelu")
    pair.theirs.set_attn_implementation("sdpa")
    inputs = bert_inputs("ForTokenClassification", "gelu", mask)
    ours, theirs = pair.ours(**inputs), pair.theirs(**inputs)
    assert_close("loss", ours.loss, theirs.loss, TOLERANCE)
    assert_same_gradients(gradients(pair.ours, ours.loss), gradients(pair.theirs, theirs.loss), TOLERANCE)


@pytest.mark.parametrize("head", HEADS)
def test_without_labels_there_is_no_loss(head: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "right")
    inputs = {name: values for name, values in inputs.items() if "label" not in name and "positions" not in name}
    ours = pair.ours(**inputs)
    assert "loss" not in ours
    assert list(ours.keys()) == list(pair.theirs(**inputs).keys())


@pytest.mark.parametrize("head", HEADS)
def test_tuples_have_the_same_order(head: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "none")
    asked = inputs | {"return_dict": False, "output_hidden_states": True, "output_attentions": True}
    ours, theirs = pair.ours(**asked), pair.theirs(**asked)
    theirs = tuple(output for output in theirs if output != ())  # cross-attentions, of which there are none
    assert isinstance(ours, tuple)
    assert len(ours) == len(theirs)
    for number, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        if isinstance(other, tuple):
            assert [states.shape for states in own] == [states.shape for states in other]
        else:
            assert_close(f"output {number}", own, other, TOLERANCE)


@pytest.mark.parametrize("config", CONFIGS)
def test_one_row_of_positions_serves_the_whole_batch(config: str) -> None:
    head = "ForTokenClassification"
    inputs = bert_inputs(head, config, "holes") | {"position_ids": torch.arange(SEQ).flip(0)[None] + 3}
    assert_same_outputs(bert_pair(head, config), inputs)


# ---- the rules of the door ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["right", "left", "holes"])
@pytest.mark.parametrize("head", PER_PLACE)
def test_labels_at_masked_places_count_as_in_transformers_and_are_warned_of_once(
    head: str, mask: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_warned", set())
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", mask)
    right = pair.ours(**inputs).loss
    inputs["labels"] = torch.randint(0, 5, inputs["labels"].shape)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert_same_outputs(pair, inputs)
    messages = [record.getMessage() for record in caplog.records if "at masked places" in record.getMessage()]
    assert len(messages) == 1, messages
    assert abs(float(pair.ours(**inputs).loss.detach()) - float(right.detach())) > 1e-3


def _seen(kind: str) -> torch.Tensor:
    """A mask of what each place may look at: each row in two parts, the first masked place too."""
    side = torch.arange(SEQ) < 4
    own = (side[:, None] == side[None, :]).expand(4, SEQ, SEQ).clone()
    own[1] = torch.ones(SEQ, SEQ).tril().bool()
    own[2, :, 6:] = False
    own[2, :, 0] = True
    return {
        "3-D": own,
        "4-D": own[:, None],
        "4-D by head": torch.stack([own, own | own.flip(0), torch.ones_like(own), own], 1),
        "4-D of keys": attention_mask("left")[:, None, None, :].bool(),
        "4-D of one row": own[1:2, None],
    }[kind]


@pytest.mark.parametrize("form", ["added", "boolean"])
@pytest.mark.parametrize("kind", ["4-D", "4-D by head", "4-D of keys", "4-D of one row"])
@pytest.mark.parametrize("head", ["ForTokenClassification", "ForSequenceClassification"])
def test_masks_of_four_dimensions(head: str, kind: str, form: str) -> None:
    pair, inputs, seen = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "none"), _seen(kind)
    added = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    if form == "added":
        assert_same_outputs(pair, inputs | {"attention_mask": added})
        return
    # The attention of transformers that shows its weights adds a boolean mask up, so theirs is given numbers.
    ours, theirs = pair.ours(**inputs, attention_mask=seen), pair.theirs(**inputs, attention_mask=added)
    assert_close("logits", ours.logits, theirs.logits, TOLERANCE)
    assert_same_gradients(gradients(pair.ours, ours.loss), gradients(pair.theirs, theirs.loss), TOLERANCE)


@pytest.mark.parametrize("precision", [torch.bool, torch.long, torch.float32])
def test_a_mask_of_three_dimensions_says_what_each_place_sees(precision: torch.dtype) -> None:
    head = "ForTokenClassification"
    pair, inputs, seen = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "none"), _seen("3-D")
    added = torch.zeros(4, 1, SEQ, SEQ).masked_fill(~seen[:, None], torch.finfo(torch.float32).min)
    ours, theirs = pair.ours(**inputs, attention_mask=seen.to(precision)), pair.theirs(**inputs, attention_mask=added)
    assert_close("logits", ours.logits, theirs.logits, TOLERANCE)
    assert_same_gradients(gradients(pair.ours, ours.loss), gradients(pair.theirs, theirs.loss), TOLERANCE)


@pytest.mark.parametrize("head", PER_PLACE[:2])
def test_a_row_without_any_real_place_leaves_the_others_alone(head: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "right")
    inputs["attention_mask"][2] = 0
    inputs["labels"][2] = -100
    assert_same_outputs(pair, inputs)


@pytest.mark.parametrize("head", POOLED[::2])
def test_a_pooled_row_without_any_real_place_is_what_the_default_attention_gives(head: str) -> None:
    pair, inputs = bert_pair(head, "gelu"), bert_inputs(head, "gelu", "right")
    inputs["attention_mask"][2] = 0
    pair.theirs.set_attn_implementation("sdpa")  # the other one looks at all of such a row
    ours, theirs = pair.ours.double()(**inputs), pair.theirs.double()(**inputs)
    assert_close("logits", ours.logits, theirs.logits, TOLERANCE)
    assert_same_gradients(gradients(pair.ours, ours.loss), gradients(pair.theirs, theirs.loss), TOLERANCE)


@pytest.mark.parametrize("mask", ["right", "left", "holes"])
@pytest.mark.parametrize("head", ["Model", *PER_PLACE, "ForQuestionAnswering", "ForMultipleChoice"])
def test_padding_comes_back_as_zeros(head: str, mask: str) -> None:
    assert_zeros_at_padding(bert_pair(head, "gelu").ours, bert_inputs(head, "gelu", mask))


# ---- packed calls, training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", PACKABLE)
def test_a_packed_call_is_the_padded_call(head: str) -> None:
    spans = head == "ForQuestionAnswering"
    assert_packed_is_padded(bert_pair(head, "gelu").ours, bert_inputs(head, "gelu", "right"), same_loss=not spans)


def test_a_packed_loss_of_spans_is_over_each_rows_own_places() -> None:
    pair, inputs = bert_pair("ForQuestionAnswering", "gelu"), bert_inputs("ForQuestionAnswering", "gelu", "right")
    lengths = inputs["attention_mask"].sum(1).tolist()
    rows = [
        {name: values[row : row + 1, :length] for name, values in inputs.items() if values.dim() == 2}
        | {name: inputs[name][row : row + 1] for name in ("start_positions", "end_positions")}
        for row, length in enumerate(lengths)
    ]
    inside = [
        [int(row[f"{side}_positions"]) < length for row, length in zip(rows, lengths, strict=True)]
        for side in ("start", "end")
    ]
    packed = pack([row["input_ids"][0].tolist() for row in rows], [row["token_type_ids"][0].tolist() for row in rows])
    found = pair.ours(
        input_ids=packed.input_ids,
        token_type_ids=packed.token_type_ids,
        layout=packed.layout,
        start_positions=inputs["start_positions"],
        end_positions=inputs["end_positions"],
    )
    losses = [[], []]
    for number, row in enumerate(rows):
        alone = pair.theirs(**row)
        for side, name in enumerate(("start", "end")):
            if inside[side][number]:
                at = row[f"{name}_positions"].clamp(min=0)
                losses[side].append(torch.nn.functional.cross_entropy(alone[f"{name}_logits"], at))
    expected = sum(torch.stack(side).mean() for side in losses) / 2
    assert_close("loss", found.loss, expected, TOLERANCE)


def _without_dropout(head: str) -> Pair:
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    return bert_pair(head, "gelu", **off)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
@pytest.mark.parametrize("mask", ["right", "left"])
@pytest.mark.parametrize("head", HEADS)
def test_training_without_dropout_is_evaluation(head: str, mask: str, checkpointing: bool) -> None:
    assert_same_in_training(_without_dropout(head).ours, bert_inputs(head, "gelu", mask), checkpointing=checkpointing)


def test_both_have_the_same_names_shapes_and_shared_tensors_when_made_anew() -> None:
    for head in HEADS:
        for config in CONFIGS:
            own, other = classes(head)
            settings = settings_of(head, config)
            assert_same_state(own(own.config_class(**settings)), other(other.config_class(**settings)))
