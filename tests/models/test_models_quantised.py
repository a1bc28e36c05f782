"""int8 models: near the original, kept in folders of their own, and no text depends on its neighbours."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
from model_examples import TINY, padded, tiny
from safetensors.torch import load_file

import enfold
from enfold.errors import CheckpointError, InputError
from enfold.layers.linear import Int8Linear
from enfold.models import pack
from enfold.models.quantised import is_quantised, quantise_model

LENGTHS = [9, 4, 7]


@pytest.fixture(scope="module")
def quantised():
    return quantise_model(tiny(id2label={0: "ham", 1: "spam"}))


def test_the_blocks_become_int8_and_nothing_else(quantised):
    original = tiny()
    kinds = {name: type(module) for name, module in quantised.named_modules()}
    for name, module in original.named_modules():
        if isinstance(module, torch.nn.Linear):
            expected = Int8Linear if name.startswith("bert.encoder.layer.") else torch.nn.Linear
            assert issubclass(kinds[name], expected), name
    assert not is_quantised(original)
    assert is_quantised(quantised)
    assert not quantised.training


def test_scores_stay_near(quantised):
    batch = padded(LENGTHS)
    with torch.no_grad():
        found, expected = quantised(**batch).logits, tiny()(**batch).logits
    assert (found - expected).abs().max() < 0.1 * expected.abs().max()


def test_the_original_is_untouched():
    model = tiny()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    small = quantise_model(model)
    with torch.no_grad():
        small.bert.embeddings.word_embeddings.weight.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_model_in_half_precision_computes_in_float32_around_its_products():
    small = quantise_model(tiny().to(torch.bfloat16))
    batch = padded(LENGTHS)
    with torch.no_grad():
        found, expected = small(**batch).logits, tiny()(**batch).logits
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.1 * expected.abs().max()


class TestFolders:
    @pytest.fixture
    def folder(self, quantised, tmp_path):
        quantised.save_pretrained(tmp_path)
        return tmp_path

    def test_plain_bytes_and_scales(self, folder):
        assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.int8.safetensors"]
        tensors = load_file(folder / "model.int8.safetensors")
        weight = tensors["bert.encoder.layer.0.output.dense.weight"]
        assert weight.dtype == torch.int8
        scale = tensors["bert.encoder.layer.0.output.dense.weight_scale"]
        original = tiny().bert.encoder.layer[0].output.dense.weight
        assert (weight * scale[:, None] - original).abs().max() <= scale.max() / 2 + 1e-6
        config = json.loads((folder / "config.json").read_text())
        assert config["model_type"] == "enfold-quantised"
        assert config["original"]["hidden_size"] == 32

    def test_they_open_as_what_they_were(self, folder, quantised):
        for kind in (enfold.AutoModelForSequenceClassification, enfold.BertForSequenceClassification):
            again = kind.from_pretrained(folder)
            assert type(again) is enfold.BertForSequenceClassification
            assert again.labels.names == ("ham", "spam")
            assert torch.equal(again(**padded(LENGTHS)).logits, quantised(**padded(LENGTHS)).logits)
        again.save_pretrained(folder)
        assert enfold.AutoConfig.from_pretrained(folder).hidden_size == 32
        stack = enfold.AutoModel.from_pretrained(folder)
        assert is_quantised(stack)
        assert set(stack.loading_report.unused) == {"classifier.weight", "classifier.bias"}

    @pytest.mark.parametrize("kind", ["AutoModel", "AutoModelForSequenceClassification", "BertModel"])
    def test_transformers_refuses_them(self, folder, kind):
        with pytest.raises((ValueError, OSError)):
            getattr(transformers, kind).from_pretrained(folder)

    def test_beside_floating_weights_they_would_be_loaded_in_silence(self, quantised, tmp_path):
        tiny().save_pretrained(tmp_path)
        with pytest.raises(InputError, match=r"holds floating-point weights \(model.safetensors\); save the quantised"):
            quantised.save_pretrained(tmp_path)

    def test_a_missing_scale(self, folder):
        from safetensors.torch import save_file

        tensors = load_file(folder / "model.int8.safetensors")
        del tensors["bert.encoder.layer.0.output.dense.weight_scale"]
        save_file(tensors, folder / "model.int8.safetensors")
        with pytest.raises(CheckpointError, match=r"missing: encoder.layer.0.output.dense.weight_scale"):
            enfold.AutoModel.from_pretrained(folder)

    def test_another_precision(self, folder):
        with pytest.raises(InputError, match="an int8 model computes in float32 around its products"):
            enfold.AutoModel.from_pretrained(folder, dtype="bfloat16")


class TestRefusals:
    def test_training(self, quantised):
        with pytest.raises(InputError, match="int8 weights cannot be trained"):
            quantised.train()(**padded(LENGTHS))
        quantised.eval()

    def test_twice(self, quantised):
        with pytest.raises(InputError, match="the model is quantised already"):
            quantise_model(quantised)

    def test_weights_that_are_not_finite_are_named(self):
        model = tiny()
        with torch.no_grad():
            model.bert.encoder.layer[1].output.dense.weight[0, 0] = torch.nan
        with pytest.raises(InputError, match=r"bert.encoder.layer.1.output.dense: the weights are not all finite"):
            quantise_model(model)

    def test_another_precision_later(self):
        with pytest.raises(InputError, match="an int8 model computes in float32 around its products; bfloat16 is not"):
            quantise_model(tiny()).to(torch.bfloat16)

    def test_an_unknown_format(self):
        with pytest.raises(InputError, match="no weight format 'int2'; there are: int8, int4"):
            quantise_model(tiny(), "int2")


def in_format(model, kind, texts):
    if kind == "float32":
        return model
    if kind == "bfloat16":
        return model.to(torch.bfloat16)
    return quantise_model(model, kind.split()[0], texts[:30] if kind == "int8 with texts" else ())


@pytest.mark.parametrize(
    ("kind", "bound"),
    [("float32", 1e-5), ("bfloat16", 1e-3), ("int8", 1e-3), ("int8 with texts", 1e-3), ("int4", 1e-3)],
)
def test_a_prediction_does_not_depend_on_its_neighbours(kind, bound):
    torch.manual_seed(0)
    keys = TINY | {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "max_position_embeddings": 130}
    model = enfold.BertForSequenceClassification(enfold.BertConfig(**keys)).eval()
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 120, (100,), generator=generator).tolist()
    texts = [torch.randint(1, 50, (length,), generator=generator).tolist() for length in lengths]
    model = in_format(model, kind, texts)

    def scores(rows):
        packed = pack(rows)
        with torch.no_grad():
            return model(input_ids=packed.input_ids, layout=packed.layout).logits.float().softmax(-1)

    alone = torch.cat([scores([text]) for text in texts])
    assert alone[:, 0].std() > 0.1
    for number in range(10):
        order = torch.randperm(100, generator=torch.Generator().manual_seed(number)).tolist()
        for own in (order[:7], order[7:40], order[40:]):
            found = scores([texts[row] for row in own])
            assert (found - alone[own]).abs().max() <= bound
            assert torch.equal(found.argmax(-1), alone[own].argmax(-1))


WRITING = {
    "decoder": lambda: enfold.LlamaForCausalLM(
        enfold.LlamaConfig(
            vocab_size=80,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=True,
        )
    ),
    "pair": lambda: enfold.T5ForConditionalGeneration(
        enfold.T5Config(
            vocab_size=80, d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4, decoder_start_token_id=0
        )
    ),
}


@pytest.mark.parametrize("format", ["int8", "int4"])
@pytest.mark.parametrize("name", WRITING)
class TestWriting:
    """Models that write keep the map to the vocabulary in int8, beside word vectors in float32."""

    def test_scores_stay_near_and_do_not_depend_on_other_rows(self, name, format):
        torch.manual_seed(0)
        model = WRITING[name]().eval()
        quantised = quantise_model(model, format)
        assert isinstance(quantised.lm_head, Int8Linear)
        assert quantised.get_input_embeddings().weight.dtype == torch.float32
        prompts = [[5, 6, 7, 8], [9, 10], [11, 12, 13, 14, 15]]
        sources = prompts if model.is_encoder_decoder else None
        alone = [quantised.begin_decoding([p], encoder_ids=sources and [p]) for p in prompts]
        rows = quantised.begin_decoding(prompts, encoder_ids=sources)
        exact = model.begin_decoding(prompts, encoder_ids=sources)
        for step in range(4):
            tokens = torch.tensor([20 + step, 30 + step, 40 + step])
            found = rows.feed(tokens)
            for row, own in enumerate(alone):
                torch.testing.assert_close(own.feed(tokens[row : row + 1])[0], found[row], rtol=0, atol=2e-3)
            wanted = exact.feed(tokens)
            assert float((found - wanted).std() / wanted.std()) < (0.05 if format == "int8" else 0.25)

    def test_a_folder_keeps_the_bytes(self, name, format, tmp_path):
        torch.manual_seed(0)
        quantised = quantise_model(WRITING[name](), format)
        quantised.save_pretrained(tmp_path)
        assert (tmp_path / f"model.{format}.safetensors").is_file()
        again = type(quantised).from_pretrained(tmp_path)
        before, after = quantised.state_dict(), again.state_dict()
        assert {key: own.dtype for key, own in after.items()} == {key: own.dtype for key, own in before.items()}
        assert all(torch.equal(own, after[key]) for key, own in before.items())
        with pytest.raises(ValueError, match="enfold-quantised"):
            transformers.AutoConfig.from_pretrained(tmp_path)

    def test_a_folder_is_quantised_as_it_is_read(self, name, format, tmp_path):
        torch.manual_seed(0)
        model = WRITING[name]()
        model.save_pretrained(tmp_path / "float")
        read = type(model).from_pretrained(tmp_path / "float", format=format).state_dict()
        assert all(torch.equal(own, read[key]) for key, own in quantise_model(model, format).state_dict().items())
        with pytest.raises(
            InputError, match=f"an {format} model computes in float32 .*dtype='bfloat16' is not possible"
        ):
            type(model).from_pretrained(tmp_path / "float", format=format, dtype="bfloat16")
        quantise_model(model, format).save_pretrained(tmp_path / "bytes")
        assert type(model).from_pretrained(tmp_path / "bytes", format=format) is not None
        other = "int4" if format == "int8" else "int8"
        with pytest.raises(InputError, match=f"holds {format} weights; format='{other}' needs those they were made of"):
            type(model).from_pretrained(tmp_path / "bytes", format=other)
