"""What goes in and what comes out: padded and packed inputs, masks, outputs, and what is refused."""

from __future__ import annotations

import pickle
import threading

import pytest
import torch
import transformers
from model_examples import TINY, padded, tiny
from torch.utils import _pytree as pytree

import enfold
from enfold.errors import InputError
from enfold.layers import door
from enfold.models import ModelOutput, pack
from enfold.models.auto import family_class, family_class_names

LENGTHS = [9, 4, 7]


def packed_of(batch):
    mask = batch["attention_mask"].bool()
    rows = [ids[real].tolist() for ids, real in zip(batch["input_ids"], mask, strict=True)]
    types = [ids[real].tolist() for ids, real in zip(batch["token_type_ids"], mask, strict=True)]
    packed = pack(rows, types)
    return {"input_ids": packed.input_ids, "token_type_ids": packed.token_type_ids, "layout": packed.layout}


def reference(ours, head="Model"):
    theirs = getattr(transformers, f"Bert{head}")(transformers.BertConfig(**TINY)).eval()
    theirs.load_state_dict(ours.state_dict())
    return theirs


class TestPackedInputs:
    def test_they_equal_padded_ones(self):
        batch = padded(LENGTHS)
        real = batch["attention_mask"].bool()
        labels = torch.where(real, batch["input_ids"] % 3, -100)
        model = tiny("ForTokenClassification", num_labels=3)
        found = model(**packed_of(batch), labels=labels[real], output_hidden_states=True)
        expected = model(**batch, labels=labels, output_hidden_states=True)
        torch.testing.assert_close(found.logits, expected.logits[real])
        torch.testing.assert_close(found.loss, expected.loss)
        for own, other in zip(found.hidden_states, expected.hidden_states, strict=True):
            torch.testing.assert_close(own, other[real])
        assert expected.logits[~real].eq(0).all()

    def test_rows_of_sequence_heads(self):
        batch, labels = padded(LENGTHS), torch.tensor([1, 0, 1])
        model = tiny()
        found, expected = model(**packed_of(batch), labels=labels), model(**batch, labels=labels)
        torch.testing.assert_close(found.logits, expected.logits)
        torch.testing.assert_close(found.loss, expected.loss)

    def test_the_loss_of_spans_is_over_each_rows_own_tokens(self):
        batch = padded(LENGTHS)
        model = tiny("ForQuestionAnswering")
        starts, ends = torch.tensor([2, 0, 99]), torch.tensor([8, 3, 6])
        found = model(**packed_of(batch), start_positions=starts, end_positions=ends)
        assert found.start_logits.shape == (sum(LENGTHS),)

        def mean(logits, positions):
            rows = zip(logits.split(LENGTHS), positions.tolist(), LENGTHS, strict=True)
            return -torch.stack([own.log_softmax(0)[at] for own, at, n in rows if at < n]).mean()

        expected = (mean(found.start_logits, starts) + mean(found.end_logits, ends)) / 2
        torch.testing.assert_close(found.loss, expected)

    def test_masks_and_layouts_do_not_go_together(self):
        batch = padded(LENGTHS)
        with pytest.raises(InputError, match="packed inputs take no attention_mask"):
            tiny()(**packed_of(batch), attention_mask=batch["attention_mask"])

    def test_flat_ids_need_a_layout(self):
        with pytest.raises(InputError, match=r"inputs must be \(batch, seq\), or \(tokens,\) with a layout"):
            tiny()(torch.tensor([1, 2, 3]))


class TestMasks:
    @pytest.fixture(scope="class")
    def models(self):
        ours = tiny("Model")
        return ours, reference(ours)

    def both(self, models, **inputs):
        ours, theirs = models
        with torch.no_grad():
            return ours(**inputs), theirs(**inputs)

    @pytest.mark.parametrize("kind", ["choices", "scores", "heads"])
    def test_four_dimensions(self, models, kind):
        ids = padded([6, 6])["input_ids"]
        causal = torch.ones(6, 6).tril().bool().expand(2, 1, 6, 6)
        mask = {
            "choices": causal,
            "scores": torch.zeros(2, 1, 6, 6).masked_fill(~causal, torch.finfo(torch.float32).min),
            "heads": torch.randn(2, 4, 6, 6),
        }[kind]
        found, expected = self.both(models, input_ids=ids, attention_mask=mask)
        torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state, atol=1e-5, rtol=1e-4)

    def test_three_dimensions_are_never_misread(self, models):
        ids = padded([6, 6])["input_ids"]
        square = torch.ones(6, 6).tril().long().expand(2, 6, 6)
        found = models[0](ids, attention_mask=square)
        expected = models[0](ids, attention_mask=square[:, None].bool())
        assert torch.equal(found.last_hidden_state, expected.last_hidden_state)

    def test_a_row_that_is_all_padding(self, models, monkeypatch):
        batch = padded([5, 5, 5]) | {"attention_mask": torch.tensor([[1] * 5, [0] * 5, [1, 1, 1, 0, 0]])}
        found, expected = self.both(models, **batch)
        torch.testing.assert_close(found.pooler_output, expected.pooler_output, atol=1e-5, rtol=1e-4)
        assert found.last_hidden_state[1].eq(0).all()
        token_head = tiny("ForTokenClassification")
        assert token_head(**batch).logits[1].eq(0).all()
        nothing = batch | {"attention_mask": torch.zeros(3, 5, dtype=torch.long)}
        assert token_head(**nothing).logits.eq(0).all()

    def test_labels_at_masked_places_count_as_in_transformers(self, monkeypatch, caplog):
        monkeypatch.setattr(door, "_warned", set())
        ours = tiny("ForMaskedLM")
        batch = padded(LENGTHS)
        batch["labels"] = batch["input_ids"].clone()
        found, expected = ours(**batch), reference(ours, "ForMaskedLM")(**batch)
        torch.testing.assert_close(found.loss, expected.loss)
        assert "labels other than -100 stand at masked places" in caplog.text

    def test_positions_and_vectors_may_be_given(self, models):
        batch = padded(LENGTHS)
        real = batch["attention_mask"].bool()
        for positions in (torch.randint(0, 40, (3, 9)), torch.randint(0, 40, (1, 9))):
            found, expected = self.both(models, **batch, position_ids=positions)
            torch.testing.assert_close(
                found.last_hidden_state[real], expected.last_hidden_state[real], atol=1e-5, rtol=1e-4
            )
        ids = batch.pop("input_ids")
        vectors = models[0].get_input_embeddings()(ids)
        found = models[0](inputs_embeds=vectors, **batch)
        assert torch.equal(found.last_hidden_state, models[0](ids, **batch).last_hidden_state)
        with pytest.raises(InputError, match="give exactly one of input_ids and inputs_embeds"):
            models[0](ids, inputs_embeds=vectors)


class TestOutputs:
    def test_hidden_states_and_attentions_are_those_of_transformers(self):
        ours = tiny("ForTokenClassification")
        theirs = reference(ours, "ForTokenClassification")
        theirs.set_attn_implementation("eager")
        batch = padded(LENGTHS)
        real = batch["attention_mask"].bool()
        with torch.no_grad():
            found = ours(**batch, output_hidden_states=True, output_attentions=True)
            expected = theirs(**batch, output_hidden_states=True, output_attentions=True)
        assert len(found.hidden_states) == len(expected.hidden_states) == 3
        for own, other in zip(found.hidden_states, expected.hidden_states, strict=True):
            torch.testing.assert_close(own[real], other[real], atol=1e-5, rtol=1e-4)
        assert len(found.attentions) == len(expected.attentions) == 2
        for own, other in zip(found.attentions, expected.attentions, strict=True):
            visible = real[:, None, :, None].expand_as(other)
            torch.testing.assert_close(own[visible], other[visible], atol=1e-5, rtol=1e-4)
            assert own[~visible].eq(0).all()

    def test_the_config_can_ask_for_them(self):
        model = tiny(output_hidden_states=True, output_attentions=True)
        output = model(**padded(LENGTHS))
        assert len(output.hidden_states) == 3
        assert len(output.attentions) == 2
        assert model(**padded(LENGTHS), output_attentions=False).attentions is None

    def test_threads_see_their_own(self):
        model, results = tiny("Model"), {}

        def run(length):
            for _ in range(5):
                output = model(**padded([length] * 2), output_hidden_states=True, output_attentions=True)
            results[length] = [tuple(state.shape) for state in output.hidden_states], len(output.attentions)

        threads = [threading.Thread(target=run, args=(length,)) for length in (5, 9, 13)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == {length: ([(2, length, 32)] * 3, 2) for length in (5, 9, 13)}
        assert not any(module._forward_hooks for module in model.modules())

    def test_by_name_by_key_and_by_position(self):
        output = tiny()(**padded(LENGTHS), labels=torch.tensor([0, 1, 0]))
        assert isinstance(output, ModelOutput)
        assert output.keys() == ["loss", "logits"]
        assert output["logits"] is output.logits is output[1]
        assert output[:2] == (output.loss, output.logits)
        assert dict(output.items()).keys() == {"loss", "logits"}
        assert "hidden_states" not in output
        assert output.get("hidden_states", 3) == 3
        assert len(output) == 2
        with pytest.raises(KeyError, match="no 'attentions' in this output; it has: loss, logits"):
            output["attentions"]

    def test_without_labels_the_first_is_the_logits(self):
        assert tiny()(**padded(LENGTHS))[0].shape == (3, 2)

    @pytest.mark.parametrize("how", ["call", "config"])
    def test_tuples(self, how):
        model = tiny(return_dict=how == "call")
        result = model(**padded(LENGTHS), **({"return_dict": False} if how == "call" else {}))
        assert isinstance(result, tuple)
        assert result[0].shape == (3, 2)

    def test_a_pytree(self):
        output = tiny()(**padded(LENGTHS))
        doubled = pytree.tree_map(lambda tensor: tensor * 2, output)
        assert type(doubled) is type(output)
        assert torch.equal(doubled.logits, output.logits * 2)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"input_ids": 50}, r"example 1, position 2: token id 50 is outside the vocabulary \(0 to 49\)"),
            ({"input_ids": -1}, r"example 1, position 2: token id -1 is outside the vocabulary"),
            ({"token_type_ids": 2}, r"example 1, position 2: token type 2 is not one of 0 to 1"),
            ({"position_ids": 40}, r"example 1 reaches position 40, but the model has positions 0 to 39"),
        ],
    )
    @pytest.mark.parametrize("kind", ["padded", "left", "packed"])
    def test_ids_outside_their_table(self, changes, message, kind):
        batch = padded(LENGTHS) | {"position_ids": torch.arange(9).repeat(3, 1)}
        for name, value in changes.items():
            batch[name][1, 2] = value
        if kind == "left":
            batch["attention_mask"][1] = torch.tensor([0, 1, 1, 1, 0, 0, 0, 0, 0])
        if kind == "packed":
            positions = batch["position_ids"][batch["attention_mask"].bool()]
            batch = packed_of(batch) | {"position_ids": positions}
        with pytest.raises(InputError, match=message):
            tiny("ForTokenClassification")(**batch)

    def test_a_row_longer_than_the_positions(self):
        with pytest.raises(InputError, match=r"example 0 reaches position 40, .* truncate to 40 tokens"):
            tiny()(torch.ones(2, 41, dtype=torch.long))

    def test_choices_need_three_dimensions(self):
        with pytest.raises(InputError, match=r"multiple choice takes inputs of \(batch, choices, seq\)"):
            tiny("ForMultipleChoice")(torch.ones(2, 3, dtype=torch.long))


class TestNames:
    def test_what_tutorials_reach_for(self):
        model = tiny()
        assert model.base_model is model.bert
        assert model.bert.base_model is model.bert
        assert model.classifier.out_features == 2
        assert len(model.bert.encoder.layer) == 2
        assert model.bert.encoder.layer[0].attention.self.query.weight.shape == (32, 32)
        assert model.device == torch.device("cpu")
        assert model.num_parameters() == sum(parameter.numel() for parameter in model.parameters())
        for parameter in model.bert.encoder.layer[:1].parameters():
            parameter.requires_grad = False
        assert model.num_parameters(only_trainable=True) < model.num_parameters()

    def test_parameters_have_the_published_names_in_the_published_order(self):
        for head in ("ForSequenceClassification", "ForPreTraining"):
            ours = tiny(head)
            theirs = reference(ours, head)
            assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]

    def test_classes_are_real_ones(self):
        kind = enfold.BertForSequenceClassification
        assert kind is family_class("BertForSequenceClassification")
        assert isinstance(tiny(), kind)
        assert issubclass(kind, enfold.PreTrainedModel)
        assert kind.__module__ == "enfold"
        assert pickle.loads(pickle.dumps(kind)) is kind
        model = pickle.loads(pickle.dumps(tiny()))
        assert torch.equal(model.classifier.weight, tiny().classifier.weight)

    def test_the_registry_answers_for_its_names_only(self):
        assert {"BertModel", "BertConfig", "BertForMaskedLM", "BertTokenizer"} <= set(family_class_names())
        for name in family_class_names():
            assert family_class(name) is not None
        for name in ("Bert", "BertForEverything", "ForMaskedLM", "GPT3Model"):
            assert family_class(name) is None
        with pytest.raises(AttributeError, match="module 'enfold' has no name 'BertForEverything'"):
            enfold.BertForEverything  # noqa: B018

    def test_auto_classes_choose_by_the_folder(self, tmp_path):
        tiny("ForPreTraining").save_pretrained(tmp_path)
        for name in dir(enfold):
            if name.startswith("AutoModel") and name != "AutoModelForSeq2SeqLM":
                model = getattr(enfold, name).from_pretrained(tmp_path)
                own = {"AutoModel": "Model", "AutoModelForCausalLM": "LMHeadModel"}
                assert type(model).__name__ == "Bert" + own.get(name, name.removeprefix("AutoModel"))
        config = enfold.AutoConfig.from_pretrained(tmp_path)
        assert type(enfold.AutoModelForMaskedLM.from_config(config)) is enfold.BertForMaskedLM

    def test_a_config_of_another_class_is_refused(self):
        class OtherConfig(enfold.models.PreTrainedConfig):
            model_type = "other"

        with pytest.raises(InputError, match="BertModel takes a BertConfig, not OtherConfig"):
            enfold.BertModel(OtherConfig())


class TestResizing:
    @pytest.mark.parametrize("head", ["Model", "ForSequenceClassification", "ForMaskedLM"])
    def test_word_vectors_are_kept_and_new_ones_start_at_the_mean(self, head, tmp_path):
        model = tiny(head)
        old = model.get_input_embeddings().weight.detach().clone()
        table = model.resize_token_embeddings(53, pad_to_multiple_of=4)
        assert table.num_embeddings == model.config.vocab_size == 56
        assert torch.equal(table.weight[:50], old)
        torch.testing.assert_close(table.weight[50:], old.mean(0).expand(6, -1))
        assert model.get_input_embeddings() is table
        model(torch.tensor([[1, 55]]))
        if head == "ForMaskedLM":
            assert model.cls.predictions.decoder.weight is table.weight
            assert model.cls.predictions.decoder.bias is model.cls.predictions.bias
            assert model(torch.tensor([[1, 55]])).logits.shape == (1, 2, 56)
        model.save_pretrained(tmp_path)
        again = type(model).from_pretrained(tmp_path)
        assert again.get_input_embeddings().num_embeddings == 56

    def test_fewer(self):
        model = tiny("ForMaskedLM")
        model.resize_token_embeddings(20)
        assert model(torch.tensor([[1, 19]])).logits.shape == (1, 2, 20)
        with pytest.raises(InputError, match="token id 20 is outside the vocabulary"):
            model(torch.tensor([[20]]))

    def test_the_same_number_changes_nothing(self):
        model = tiny()
        table = model.get_input_embeddings()
        assert model.resize_token_embeddings() is table
        assert model.resize_token_embeddings(50) is table
        with pytest.raises(InputError, match="at least one word vector; asked for 0"):
            model.resize_token_embeddings(0)

    def test_untied_decoders_grow_by_themselves(self):
        model = tiny("ForMaskedLM", tie_word_embeddings=False)
        old = model.cls.predictions.decoder.weight.detach().clone()
        model.resize_token_embeddings(52, mean_resizing=False)
        assert torch.equal(model.cls.predictions.decoder.weight[:50], old)
        assert model.cls.predictions.decoder.weight is not model.get_input_embeddings().weight


def test_a_model_that_ties_nothing_is_resized_and_saved(tmp_path):
    model = tiny("ForMaskedLM", tie_word_embeddings=False)
    model.resize_token_embeddings(53)
    batch = padded([5, 3])
    model.save_pretrained(tmp_path)
    again = enfold.BertForMaskedLM.from_pretrained(tmp_path)
    assert torch.equal(again(**batch).logits, model(**batch).logits)
