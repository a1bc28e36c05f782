"""Model folders: what is read, what is refused and how it is said, and that saving is safe."""

from __future__ import annotations

import errno
import json
import logging
from pathlib import Path

import pytest
import torch
from model_examples import tiny
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import enfold
from enfold.errors import CheckpointError, EnfoldError, InputError
from enfold.values import LabelSet


@pytest.fixture
def folder(tmp_path):
    tiny().save_pretrained(tmp_path)
    return tmp_path


def change(folder, **tensors):
    """Write the folder's tensors again, with some set, or left out where None."""
    weights = load_file(folder / "model.safetensors") | {name.replace("__", "."): own for name, own in tensors.items()}
    kept = {name: tensor.contiguous() for name, tensor in weights.items() if tensor is not None}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def rename(folder, how):
    weights = load_file(folder / "model.safetensors")
    save_file({how(name): tensor for name, tensor in weights.items()}, folder / "model.safetensors")


class TestReading:
    def test_a_model_comes_in_evaluation_mode_and_says_nothing(self, folder, caplog):
        model = enfold.BertForSequenceClassification.from_pretrained(folder)
        assert not model.training
        assert model.loading_report == type(model.loading_report)()
        assert not caplog.records
        for name, tensor in tiny().state_dict().items():
            assert torch.equal(model.state_dict()[name], tensor)

    def test_a_new_head_is_said_and_initialised_as_bert_does(self, tmp_path, caplog):
        tiny("Model", hidden_size=64).save_pretrained(tmp_path)
        with caplog.at_level(logging.WARNING):
            model = enfold.BertForTokenClassification.from_pretrained(tmp_path, num_labels=500, initializer_range=0.02)
        assert model.loading_report.initialised == ("classifier.weight", "classifier.bias")
        assert "BertForTokenClassification: newly initialised, so train before use: classifier.weight" in caplog.text
        assert model.classifier.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert model.classifier.weight.mean().item() == pytest.approx(0, abs=1e-3)
        assert model.classifier.bias.eq(0).all()
        assert model.loading_report.unused == ("pooler.dense.bias", "pooler.dense.weight")

    def test_a_config_that_is_given_takes_labels_and_keys_and_stays_as_it_is(self, folder):
        config = enfold.BertConfig.from_pretrained(folder, dtype=None)
        before = config.to_dict()
        model = enfold.AutoModelForTokenClassification.from_pretrained(
            folder,
            config=config,
            labels=LabelSet(("O", "PER", "LOC")),
            ignore_mismatched_sizes=True,
            hidden_dropout_prob=0.2,
        )
        assert model.labels.names == ("O", "PER", "LOC") and model.classifier.out_features == 3
        assert model.config.hidden_dropout_prob == 0.2
        assert config.to_dict() == before
        with pytest.raises(InputError, match="does not take .hiden_size"):
            enfold.BertModel.from_pretrained(folder, config=config, hiden_size=3)

    def test_a_new_model_begins_as_bert_does(self):
        model = tiny("ForMaskedLM", initializer_range=0.02, vocab_size=2000)
        words = model.bert.embeddings.word_embeddings.weight
        assert words[1:].std().item() == pytest.approx(0.02, rel=0.05)
        assert words[0].eq(0).all()
        assert model.bert.embeddings.LayerNorm.weight.eq(1).all()
        assert model.cls.predictions.bias.eq(0).all()
        assert model.cls.predictions.decoder.weight is words

    def test_tensors_of_other_heads_are_left_alone(self, tmp_path):
        tiny("ForPreTraining").save_pretrained(tmp_path)
        model = enfold.BertForSequenceClassification.from_pretrained(tmp_path)
        assert set(model.loading_report.initialised) == {"classifier.weight", "classifier.bias"}
        assert "cls.seq_relationship.weight" in model.loading_report.unused

    def test_legacy_names(self, folder):
        expected = enfold.BertForSequenceClassification.from_pretrained(folder).state_dict()
        rename(
            folder,
            lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ),
        )
        change(folder, bert__embeddings__position_ids=torch.arange(40)[None])
        found = enfold.BertForSequenceClassification.from_pretrained(folder).state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())

    def test_a_missing_or_a_superfluous_prefix(self, folder, tmp_path):
        stack = enfold.BertModel.from_pretrained(folder)
        assert stack.loading_report.unused == ("classifier.bias", "classifier.weight")
        stack.save_pretrained(tmp_path / "stack")
        again = enfold.BertForSequenceClassification.from_pretrained(tmp_path / "stack")
        assert torch.equal(again.bert.pooler.dense.weight, stack.pooler.dense.weight)
        assert set(again.loading_report.initialised) == {"classifier.weight", "classifier.bias"}

    def test_sharded_files(self, folder):
        weights = load_file(folder / "model.safetensors")
        names = sorted(weights)
        shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
        for file, own in shards.items():
            save_file({name: weights[name] for name in own}, folder / file)
        index = {"weight_map": {name: file for file, own in shards.items() for name in own}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        (folder / "model.safetensors").unlink()
        model = enfold.BertForSequenceClassification.from_pretrained(folder)
        assert all(torch.equal(model.state_dict()[name], weights[name]) for name in names)
        (folder / "model-00002-of-00002.safetensors").unlink()
        with pytest.raises(CheckpointError, match="model-00002-of-00002.safetensors is named by .* but is not in"):
            enfold.BertForSequenceClassification.from_pretrained(folder)

    @pytest.mark.parametrize("argument", ["dtype", "torch_dtype"])
    def test_the_precision_is_the_files_unless_asked_for(self, folder, argument):
        assert enfold.AutoModel.from_pretrained(folder).dtype == torch.float32
        model = enfold.BertForSequenceClassification.from_pretrained(folder, **{argument: "bfloat16"})
        assert model.dtype == torch.bfloat16
        assert model.config.dtype == "bfloat16"
        model.save_pretrained(folder)
        for wanted in (None, "auto"):
            assert enfold.AutoModel.from_pretrained(folder, dtype=wanted).dtype == torch.bfloat16
        assert enfold.AutoModel.from_pretrained(folder, dtype=torch.float32).dtype == torch.float32

    @pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the list of mapped files is Linux's")
    def test_values_are_mapped_not_copied_and_the_file_is_never_written_through(self, folder):
        before = (folder / "model.safetensors").read_bytes()
        model = enfold.BertForSequenceClassification.from_pretrained(folder)
        assert str(folder / "model.safetensors") in Path("/proc/self/maps").read_text()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
        assert (folder / "model.safetensors").read_bytes() == before

    def test_labels_by_number_and_by_name(self, folder):
        fresh = {"ignore_mismatched_sizes": True}
        model = enfold.BertForSequenceClassification.from_pretrained(folder, num_labels=5, **fresh)
        assert model.labels.names == tuple(f"LABEL_{n}" for n in range(5))
        assert model.num_labels == 5
        names = LabelSet(("ham", "spam"))
        assert enfold.AutoModelForSequenceClassification.from_pretrained(folder, labels=names).labels == names
        model = enfold.BertForSequenceClassification.from_pretrained(folder, id2label={0: "a", 1: "b"})
        assert model.labels.names == ("a", "b")
        assert model.config.label2id == {"a": 0, "b": 1}
        model = enfold.BertForSequenceClassification.from_pretrained(folder, label2id={"a": 1, "b": 0})
        assert model.labels.names == ("b", "a")
        assert enfold.AutoModel.from_pretrained(folder).labels is None

    def test_keys_of_the_config_can_be_set(self, folder):
        model = enfold.BertForSequenceClassification.from_pretrained(folder, hidden_dropout_prob=0.3)
        assert model.dropout.p == 0.3
        with pytest.raises(InputError, match="from_pretrained does not take 'device_map': no such key in the config"):
            enfold.BertForSequenceClassification.from_pretrained(folder, device_map="auto")

    def test_the_revision_follows_the_content(self, folder):
        first = enfold.AutoModel.from_pretrained(folder).revision
        assert len(first) == 16
        assert enfold.AutoModel.from_pretrained(folder).revision == first
        change(folder, classifier__bias=torch.ones(2))
        assert enfold.AutoModel.from_pretrained(folder).revision != first
        assert tiny().revision == ""

    @pytest.mark.parametrize(
        ("index", "message"),
        [
            ("{", "is not an index of weights"),
            ('{"metadata": {}}', "is not an index of weights"),
            ('{"weight_map": {"a": "../a.safetensors"}}', "names files that are not shards of its folder"),
        ],
    )
    def test_an_index_that_is_none(self, folder, index, message):
        (folder / "model.safetensors").rename(folder / "other.safetensors")
        (folder / "model.safetensors.index.json").write_text(index)
        with pytest.raises(CheckpointError, match=message):
            enfold.AutoModel.from_pretrained(folder)

    def test_the_root_class_reads_nothing_itself(self, folder):
        with pytest.raises(
            InputError, match="PreTrainedModel is no model of its own; use AutoModel… or the class of a family"
        ):
            enfold.PreTrainedModel.from_pretrained(folder)


class TestTies:
    def test_the_decoder_is_tied_when_config_and_file_say_so(self, tmp_path):
        tiny("ForMaskedLM").save_pretrained(tmp_path)
        with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
            names = set(file.keys())
            assert "cls.predictions.decoder.weight" not in names
            assert "cls.predictions.bias" in names
            assert file.metadata() == {"format": "pt"}
        model = enfold.BertForMaskedLM.from_pretrained(tmp_path)
        assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
        assert model.cls.predictions.decoder.bias is model.cls.predictions.bias

    def test_equal_copies_in_the_file_are_tied(self, tmp_path):
        tiny("ForMaskedLM").save_pretrained(tmp_path)
        words = load_file(tmp_path / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
        change(tmp_path, cls__predictions__decoder__weight=words.clone())
        model = enfold.BertForMaskedLM.from_pretrained(tmp_path)
        assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight

    def test_differing_tensors_are_never_tied(self, tmp_path, caplog):
        tiny("ForMaskedLM").save_pretrained(tmp_path)
        other = torch.randn(50, 32)
        change(tmp_path, cls__predictions__decoder__weight=other)
        model = enfold.BertForMaskedLM.from_pretrained(tmp_path)
        assert torch.equal(model.cls.predictions.decoder.weight, other)
        assert not torch.equal(model.bert.embeddings.word_embeddings.weight, other)
        assert "differing tensors, kept apart: cls.predictions.decoder.weight" in caplog.text
        model.save_pretrained(tmp_path)
        again = enfold.BertForMaskedLM.from_pretrained(tmp_path)
        assert torch.equal(again.cls.predictions.decoder.weight, other)

    def test_a_bias_under_either_name_is_enough(self, tmp_path):
        tiny("ForMaskedLM").save_pretrained(tmp_path)
        change(tmp_path, cls__predictions__bias=None, cls__predictions__decoder__bias=torch.full((50,), 3.0))
        model = enfold.BertForMaskedLM.from_pretrained(tmp_path)
        assert model.cls.predictions.bias.eq(3).all()
        assert not model.loading_report.initialised


class TestRefusals:
    def refused(self, folder, **arguments):
        with pytest.raises(CheckpointError) as caught:
            enfold.BertForSequenceClassification.from_pretrained(folder, **arguments)
        return str(caught.value)

    def test_a_missing_tensor(self, folder):
        name = "bert.encoder.layer.1.output.dense.bias"
        change(folder, **{name.replace(".", "__"): None})
        assert f"does not fit BertForSequenceClassification; missing: {name}" in self.refused(folder)

    def test_half_a_head(self, folder):
        change(folder, classifier__bias=None)
        assert "missing: classifier.bias" in self.refused(folder)

    def test_a_wrongly_shaped_tensor(self, folder):
        change(folder, bert__pooler__dense__weight=torch.zeros(32, 31))
        message = self.refused(folder)
        assert "wrongly shaped: bert.pooler.dense.weight is [32, 31], the config asks for [32, 32]" in message

    def test_another_number_of_labels(self, folder):
        message = self.refused(folder, num_labels=3)
        assert "classifier.weight is [2, 32], the config asks for [3, 32]" in message
        assert "ignore_mismatched_sizes=True starts them anew" in message
        model = enfold.BertForSequenceClassification.from_pretrained(folder, num_labels=3, ignore_mismatched_sizes=True)
        assert model.loading_report.mismatched == ("classifier.weight", "classifier.bias")

    def test_a_stack_of_another_shape_cannot_be_ignored_away(self, folder):
        assert "ignore_mismatched_sizes" not in self.refused(folder, intermediate_size=65)

    def test_a_tensor_that_nothing_explains(self, folder):
        change(folder, bert__encoder__layer__2__output__dense__bias=torch.zeros(32))
        assert "unknown: bert.encoder.layer.2.output.dense.bias" in self.refused(folder)

    def test_everything_wrong_is_said_at_once(self, folder):
        change(folder, bert__pooler__dense__bias=torch.zeros(3), classifier__bias=None, stranger=torch.zeros(1))
        message = self.refused(folder)
        for part in ("missing: classifier.bias", "wrongly shaped: bert.pooler.dense.bias", "unknown: stranger"):
            assert part in message

    @pytest.mark.parametrize("kept", [0, 5, 5000])
    def test_a_file_cut_short(self, folder, kept):
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:kept])
        assert f"model.safetensors is damaged or cut short ({kept} bytes)" in self.refused(folder)

    def test_a_pickle(self, folder):
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        message = self.refused(folder)
        assert "holds only pickled weights (pytorch_model.bin), which can run any code" in message
        assert f"enfold convert {folder} OUT" in message

    def test_no_weights_at_all(self, folder):
        (folder / "model.safetensors").unlink()
        assert "looked for model.safetensors and model.safetensors.index.json" in self.refused(folder)

    def test_a_precision_that_is_none(self, folder):
        assert "dtype 'int7' is not a floating precision" in self.refused(folder, dtype="int7")


class TestSaving:
    def test_into_the_folder_it_was_read_from(self, folder):
        model = enfold.BertForSequenceClassification.from_pretrained(folder)
        expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        for _ in range(3):
            model.save_pretrained(folder)
        assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())
        again = enfold.BertForSequenceClassification.from_pretrained(folder)
        assert all(torch.equal(tensor, expected[name]) for name, tensor in again.state_dict().items())
        assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]

    def test_shards_of_an_earlier_save_are_removed(self, folder):
        (folder / "old-1.safetensors").write_bytes(b"")
        (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "old-1.safetensors"}}')
        enfold.BertForSequenceClassification.from_pretrained(folder).save_pretrained(folder)
        assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]

    def test_a_full_disk_leaves_the_old_files_whole(self, folder, monkeypatch):
        before = (folder / "model.safetensors").read_bytes()

        def full(tensors, path, metadata):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("enfold.models.weights.save_file", full)
        with pytest.raises(EnfoldError, match="the disk is full: .*model.safetensors was not written"):
            tiny().save_pretrained(folder)
        assert (folder / "model.safetensors").read_bytes() == before
        assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]

    def test_what_it_does_not_do_is_refused_by_name(self, folder):
        with pytest.raises(InputError, match="save_pretrained does not take 'push_to_hub'"):
            tiny().save_pretrained(folder, push_to_hub=True)

    def test_config_says_what_was_saved(self, folder):
        config = json.loads((folder / "config.json").read_text())
        assert config["architectures"] == ["BertForSequenceClassification"]
        assert config["model_type"] == "bert"
        assert config["dtype"] == config["torch_dtype"] == "float32"
