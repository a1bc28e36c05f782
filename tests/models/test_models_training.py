"""Models in training: dropout, gradients, checkpointing, mixed precision, and ``torch.compile``."""

from __future__ import annotations

import copy

import pytest
import torch
from model_examples import STILL, padded, tiny
from torch._dynamo.utils import counters

import enfold
from enfold.errors import InputError
from enfold.models import pack

LENGTHS = [9, 4, 7]
LABELS = torch.tensor([0, 1, 1])


def gradients(model, **inputs):
    model.zero_grad()
    model(**inputs).loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


def assert_same(found, expected, **tolerance):
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=lambda text, name=name: f"{name}: {text}", **tolerance)


class TestDropout:
    def test_it_is_on_in_training_only_and_repeats_with_the_seed(self):
        model, batch = tiny(), padded(LENGTHS)
        assert torch.equal(model(**batch).logits, model(**batch).logits)
        model.train()
        torch.manual_seed(1)
        first = model(**batch).logits
        assert not torch.equal(first, model(**batch).logits)
        torch.manual_seed(1)
        assert torch.equal(first, model(**batch).logits)

    @pytest.mark.parametrize("kind", ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"])
    def test_each_kind_has_an_effect_of_its_own(self, kind):
        keys = STILL | {"classifier_dropout": 0.0}
        model = tiny(**keys | {kind: 0.5}).train()
        still = tiny(**keys).train()
        batch = padded(LENGTHS)
        assert not torch.allclose(model(**batch).logits, still(**batch).logits)

    def test_padded_and_packed_training_take_the_same_course(self):
        """The choices are drawn for packed tokens, so that padding changes none of them."""
        model, batch = tiny().train(), padded([6, 6, 6])
        wider = {name: torch.nn.functional.pad(tensor, (0, 3)) for name, tensor in batch.items()}
        torch.manual_seed(4)
        expected = gradients(model, **batch, labels=LABELS)
        torch.manual_seed(4)
        assert_same(gradients(model, **wider, labels=LABELS), expected)


def test_gradient_checkpointing_changes_nothing_but_memory():
    model, batch = tiny().train(), padded(LENGTHS)
    torch.manual_seed(2)
    expected = gradients(model, **batch, labels=LABELS)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    assert model.is_gradient_checkpointing
    assert model.bert.is_gradient_checkpointing
    calls = []
    hook = model.bert.encoder.layer[0].register_forward_pre_hook(lambda *anything: calls.append(1))
    torch.manual_seed(2)
    assert_same(gradients(model, **batch, labels=LABELS), expected)
    assert len(calls) == 2
    hook.remove()
    model.gradient_checkpointing_disable()
    assert not model.is_gradient_checkpointing
    with pytest.raises(InputError, match="gradient checkpointing does not take 'determinism_check'"):
        model.gradient_checkpointing_enable({"determinism_check": "none"})


def test_mixed_precision_stays_near():
    model, batch = tiny(**STILL).train(), padded(LENGTHS)
    expected = gradients(model, **batch, labels=LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(**batch, labels=LABELS)
    model.zero_grad()
    output.loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.dtype == torch.float32
        error = (parameter.grad - expected[name]).norm()
        assert error <= 0.1 * expected[name].norm() + 1e-3, name


def test_dropout_under_mixed_precision():
    model = tiny().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(**padded(LENGTHS), labels=LABELS).loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    model = tiny()
    other = copy.deepcopy(model).to(dtype)
    found = other(**padded(LENGTHS), labels=LABELS)
    assert found.logits.dtype == dtype
    torch.testing.assert_close(found.logits.float(), model(**padded(LENGTHS)).logits, atol=0.1, rtol=0.05)
    found.loss.backward()


def test_the_vector_of_padding_gets_no_gradient():
    model = tiny(pad_token_id=3).train()
    batch = padded(LENGTHS)
    batch["input_ids"][0, 2] = 3
    grad = gradients(model, **batch, labels=LABELS)["bert.embeddings.word_embeddings.weight"]
    assert grad[3].eq(0).all()
    assert grad[batch["input_ids"][0, 1]].ne(0).any()


@pytest.mark.parametrize(
    ("keys", "labels", "kind"),
    [
        ({"num_labels": 1}, torch.tensor([0.5, -1.0, 2.0]), "regression"),
        ({"num_labels": 3}, torch.tensor([0, 2, 1]), "single_label_classification"),
        ({"num_labels": 3}, torch.tensor([[0.0, 1, 1], [0, 0, 0], [1, 0, 1]]), "multi_label_classification"),
    ],
)
def test_the_first_labels_decide_what_kind_of_problem_it_is(keys, labels, kind):
    model = tiny(**keys)
    assert model.config.problem_type is None
    assert model(**padded(LENGTHS), labels=labels).loss.isfinite()
    assert model.config.problem_type == kind


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device to move the model to")
def test_a_model_on_a_gpu_gives_what_it_gives_on_the_cpu():
    model, batch = tiny(), padded(LENGTHS)
    expected = gradients(model, **batch, labels=LABELS)
    model.to("cuda")
    assert model.device.type == "cuda"
    found = gradients(model, labels=LABELS.cuda(), **{name: tensor.cuda() for name, tensor in batch.items()})
    assert_same({name: tensor.cpu() for name, tensor in found.items()}, expected, atol=1e-4, rtol=1e-3)


class TestCompiling:
    """20 batches of different sizes and counts take at most 2 compilations, and give what eager code gives.

    PyTorch always compiles a size of 1 separately, so these batches have two rows and more.
    """

    @pytest.fixture(autouse=True)
    def _from_the_start(self):
        torch._dynamo.reset()
        counters.clear()
        yield
        torch._dynamo.reset()

    def batches(self, kind):
        generator = torch.Generator().manual_seed(0)
        for number in range(20):
            rows = int(torch.randint(2, 9, (), generator=generator))
            lengths = torch.randint(2, 30, (rows,), generator=generator).tolist()
            batch = padded(lengths, seed=number)
            if kind == "packed":
                packed = pack([ids[:n].tolist() for ids, n in zip(batch["input_ids"], lengths, strict=True)])
                batch = {"input_ids": packed.input_ids, "layout": packed.layout}
            yield batch | {"labels": torch.randint(0, 2, (rows,), generator=generator)}

    @pytest.mark.parametrize("kind", ["padded", "packed"])
    def test_outputs_gradients_and_the_number_of_compilations(self, kind):
        model = tiny(**STILL, num_hidden_layers=1).train()
        compiled = torch.compile(model, backend="aot_eager")
        for batch in self.batches(kind):
            expected = gradients(model, **batch)
            logits = model(**batch).logits
            model.zero_grad()
            output = compiled(**batch)
            torch.testing.assert_close(output.logits, logits)
            output.loss.backward()
            found = {name: parameter.grad for name, parameter in model.named_parameters()}
            assert_same(found, expected, atol=1e-5, rtol=1e-4)
        assert counters["stats"]["unique_graphs"] <= 2
        assert not counters["graph_break"]

    def test_dropout_is_compiled_too(self):
        compiled = torch.compile(tiny(num_hidden_layers=1).train(), backend="aot_eager")
        losses = [compiled(**padded(LENGTHS), labels=LABELS).loss for _ in range(3)]
        assert len({float(loss.detach()) for loss in losses}) == 3
        losses[-1].backward()

    def test_hidden_states_come_out_of_compiled_models(self):
        model = tiny(num_hidden_layers=1)
        compiled = torch.compile(model, backend="aot_eager")
        found = compiled(**padded(LENGTHS), output_hidden_states=True)
        expected = model(**padded(LENGTHS), output_hidden_states=True)
        real = padded(LENGTHS)["attention_mask"].bool()
        for own, other in zip(found.hidden_states, expected.hidden_states, strict=True):
            torch.testing.assert_close(own[real], other[real])


def test_a_tutorial_loop_learns():
    torch.manual_seed(0)
    config = enfold.BertConfig(
        vocab_size=20, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    model = enfold.BertForSequenceClassification(config)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    ids = torch.randint(1, 20, (64, 8))
    labels = (ids == 7).any(1).long()
    model.train()
    for _ in range(60):
        optimiser.zero_grad()
        model(ids, labels=labels).loss.backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        assert (model(ids).logits.argmax(-1) == labels).float().mean() > 0.95
