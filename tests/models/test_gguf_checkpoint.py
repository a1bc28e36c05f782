"""GGUF files, against the `gguf` package that wrote them and `transformers` that reads them too."""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf_examples import TOKENS, small_config, small_model, write_model

from enfold.errors import CheckpointError, MissingExtra, SourceError
from enfold.hub import locate
from enfold.hub.gguf import GgufFile, find_gguf
from enfold.models.gguf import GgufCheckpoint

ARCHITECTURES = {
    "llama": ("llama", {}),
    "llama-tied": ("llama", {"tie_word_embeddings": True}),
    "llama-biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "mistral": ("mistral", {"sliding_window": None}),
    "qwen2": ("qwen2", {"rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}}),
    "qwen3": ("qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "gemma": ("gemma", {"head_dim": 32}),
    "gpt2": ("gpt2", {}),
}


def file_architecture(model_type: str) -> str:
    return "llama" if model_type == "mistral" else model_type


@pytest.fixture(scope="module", params=ARCHITECTURES)
def example(request, tmp_path_factory):
    """A model, its GGUF file."""
    model_type, changes = ARCHITECTURES[request.param]
    model = small_model(small_config(model_type, **changes))
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    metadata = {"general.name": f"a small {model_type}"}
    return model, write_model(path, model, file_architecture(model_type), metadata=metadata)


def test_every_tensor_comes_back_under_the_name_of_transformers(example):
    model, path = example
    checkpoint = GgufCheckpoint(path)
    wanted = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        del wanted["lm_head.weight"]
    assert sorted(checkpoint.names) == sorted(wanted)
    assert checkpoint.folder == path.parent
    for name, tensor in wanted.items():
        found = checkpoint.tensor(name)
        assert found.dtype == torch.float32
        # Gemma's norms went through 1 + w in float32.
        torch.testing.assert_close(found, tensor, rtol=0, atol=1e-6 if "norm" in name else 0)


def test_the_config_makes_the_same_model(example):
    from transformers import AutoConfig, AutoModelForCausalLM

    model, path = example
    values = GgufCheckpoint(path).config_values()
    assert values["model_type"] == model.config.model_type
    assert (values["bos_token_id"], values["eos_token_id"]) == (1, 2)
    config = AutoConfig.for_model(**values)
    again = AutoModelForCausalLM.from_config(config).eval()
    checkpoint = GgufCheckpoint(path)
    missing, unexpected = again.load_state_dict(
        {name: checkpoint.tensor(name) for name in checkpoint.names}, strict=False
    )
    assert not unexpected
    assert set(missing) <= {"lm_head.weight"}
    again.tie_weights()
    ids = torch.tensor([[1, 5, 9, 13, 20, 3]])
    with torch.no_grad():
        torch.testing.assert_close(again(ids).logits, model(ids).logits, rtol=1e-5, atol=1e-5)


def test_a_file_is_read_as_a_model_and_answers_as_the_one_it_was_written_from(example):
    from enfold import AutoModelForCausalLM

    model, path = example
    found = AutoModelForCausalLM.from_pretrained(path)
    assert found.config.model_type == model.config.model_type
    ids = torch.tensor([[1, 5, 9, 13, 20, 3], [4, 8, 15, 16, 23, 42]])
    with torch.no_grad():
        torch.testing.assert_close(found(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "llama-tied", "qwen2", "gpt2"])
def test_transformers_reads_the_same_from_the_file(name, tmp_path):
    from transformers import AutoModelForCausalLM

    model_type, changes = ARCHITECTURES[name]
    model = small_model(small_config(model_type, **changes))
    path = write_model(tmp_path / "model.gguf", model, file_architecture(model_type), Kind.Q8_0)
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="model.gguf", config=model.config, dtype=torch.float32
    ).state_dict()
    checkpoint = GgufCheckpoint(path)
    for own in checkpoint.names:
        torch.testing.assert_close(checkpoint.tensor(own), theirs[own], rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", [Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1])
def test_kinds_that_are_quantised_here_lose_what_they_must(kind, tmp_path):
    model = small_model(small_config("llama"))
    checkpoint = GgufCheckpoint(write_model(tmp_path / "model.gguf", model, "llama", kind))
    exact, found = (
        model.state_dict()["model.layers.1.mlp.up_proj.weight"],
        checkpoint.tensor("model.layers.1.mlp.up_proj.weight"),
    )
    bound = {"F32": 0, "F16": 1e-3, "BF16": 8e-3, "Q8_0": 0.01, "Q4_0": 0.2, "Q4_1": 0.2, "Q5_0": 0.1, "Q5_1": 0.1}
    assert (found - exact).abs().max() <= bound[kind.name] * exact.abs().max()


# Where a block keeps its scales, which must be finite numbers; all else in a block may be anything.
SCALES = {Kind.Q2_K: (80, 84), Kind.Q3_K: (108, 110), Kind.Q4_K: (0, 4), Kind.Q5_K: (0, 4), Kind.Q6_K: (208, 210)}


@pytest.mark.parametrize("kind", SCALES, ids=lambda kind: kind.name)
def test_k_quants_are_what_transformers_makes_of_the_bytes(kind, tmp_path):
    from transformers.integrations.gguf.dequant import dequantize

    model = small_model(small_config("llama", hidden_size=256, head_dim=64, num_hidden_layers=1))
    write_model(tmp_path / "plain.gguf", model, "llama")
    size = gguf.GGML_QUANT_SIZES[kind][1]
    blocks = np.random.default_rng(5).integers(0, 256, (96, size), dtype=np.uint8)
    first, last = SCALES[kind]
    blocks[:, first:last] = (
        np.random.default_rng(6).uniform(0.001, 0.1, (96, (last - first) // 2)).astype(np.float16).view(np.uint8)
    )
    path = tmp_path / "model.gguf"
    _with_tensor(tmp_path / "plain.gguf", path, "blk.0.ffn_up.weight", blocks, kind)
    found = GgufCheckpoint(path).tensor("model.layers.0.mlp.up_proj.weight")
    theirs = dequantize(torch.from_numpy(blocks), int(kind)).reshape(96, 256)
    torch.testing.assert_close(found, theirs, rtol=1e-6, atol=1e-6)


def _with_tensor(source: Path, target: Path, name: str, data: np.ndarray, kind: Kind) -> None:
    """The same file with other bytes for one tensor."""
    old = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    for field in old.fields.values():
        if field.name.startswith("llama.") and field.types[0] == gguf.GGUFValueType.UINT32:
            writer.add_uint32(field.name, int(field.contents()))
        elif field.name.startswith("llama.") and field.types[0] == gguf.GGUFValueType.FLOAT32:
            writer.add_float32(field.name, float(field.contents()))
    for tensor in old.tensors:
        if tensor.name == name:
            writer.add_tensor(name, data, raw_dtype=kind)
        else:
            writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# ---- positions -------------------------------------------------------------------------------------------------------


def rope_of(tmp_path: Path, metadata: dict | None = None, extra: dict | None = None) -> dict | None:
    model = small_model(small_config("llama", head_dim=64))
    path = write_model(tmp_path / "model.gguf", model, "llama", metadata=metadata, extra=extra)
    return GgufCheckpoint(path).config_values()["rope_scaling"]


def test_linear_and_yarn_scaling_are_read(tmp_path):
    assert rope_of(tmp_path) is None
    assert rope_of(tmp_path, {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}) == {
        "rope_type": "linear",
        "factor": 4.0,
    }
    assert rope_of(tmp_path, {"llama.rope.scale_linear": 2.0}) == {"rope_type": "linear", "factor": 2.0}
    yarn = {
        "llama.rope.scaling.type": "yarn",
        "llama.rope.scaling.factor": 8.0,
        "llama.rope.scaling.original_context_length": 4096,
    }
    assert rope_of(tmp_path, yarn) == {
        "rope_type": "yarn",
        "factor": 8.0,
        "original_max_position_embeddings": 4096,
    }


def test_llama_3_1s_scaling_is_recognised_by_its_frequencies(tmp_path):
    # As llama.cpp's converter computes them; the file holds nothing else of the scaling.
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    config = LlamaConfig(
        hidden_size=256, num_attention_heads=4, head_dim=64, rope_parameters={**scaling, "rope_theta": 10000.0}
    )
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = 1 / 10000 ** (torch.arange(0, 64, 2) / 64)
    factors = (plain / scaled).numpy().astype(np.float32)
    assert factors.min() == 1 and factors.max() == 8
    assert rope_of(tmp_path, extra={"rope_freqs.weight": factors}) == scaling
    with pytest.raises(CheckpointError, match="rope_freqs.weight.* not those of Llama 3.1"):
        rope_of(tmp_path, extra={"rope_freqs.weight": factors[::-1].copy()})


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"llama.rope.scaling.type": "longrope"}, "scales its positions by 'longrope'"),
        ({"llama.expert_count": 8}, "llama.expert_count = 8"),
        ({"llama.attention.sliding_window": 4096}, "llama.attention.sliding_window = 4096"),
        ({"llama.attention.value_length": 32}, "heads of 64 for keys and 32 for values"),
    ],
)
def test_what_would_change_the_output_is_refused_by_name(metadata, message, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        rope_of(tmp_path, metadata)


# ---- tied or not -----------------------------------------------------------------------------------------------------


def test_an_output_that_repeats_the_word_vectors_is_tied(tmp_path):
    model = small_model(small_config("gpt2"))
    table = model.state_dict()["transformer.wte.weight"].numpy()
    same = write_model(tmp_path / "same.gguf", model, "gpt2", extra={"output.weight": table})
    other = write_model(tmp_path / "other.gguf", model, "gpt2", extra={"output.weight": table + 1})
    assert GgufCheckpoint(same).config_values()["tie_word_embeddings"] is True
    assert "lm_head.weight" not in GgufCheckpoint(same).names
    assert GgufCheckpoint(other).config_values()["tie_word_embeddings"] is False
    assert GgufCheckpoint(other).tensor("lm_head.weight").equal(torch.from_numpy(table + 1))


# ---- the tokenizer ---------------------------------------------------------------------------------------------------


def test_what_belongs_to_the_tokenizer(tmp_path):
    path = write_model(tmp_path / "model.gguf", small_model(small_config("llama")), "llama")
    metadata = GgufCheckpoint(path).tokenizer_metadata()
    assert metadata["tokenizer.ggml.tokens"] == TOKENS
    assert metadata["tokenizer.ggml.merges"] == ["to ken"]
    assert metadata["tokenizer.ggml.model"] == "gpt2"
    assert "message.content" in metadata["tokenizer.chat_template"]
    assert metadata["general.architecture"] == "llama"
    assert metadata["llama.context_length"] == 32
    assert not any(key.startswith("llama.") for key in metadata if key != "llama.context_length")


def test_a_header_is_read_without_torch_and_without_the_package(tmp_path):
    import subprocess

    path = write_model(tmp_path / "model.gguf", small_model(small_config("llama")), "llama")
    code = (
        "import sys; from enfold.hub.gguf import GgufFile; "
        f"print(GgufFile({str(path)!r}).architecture, 'torch' in sys.modules, 'gguf' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["llama", "False", "False"]


# ---- bad files -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    return write_model(folder / "model.gguf", small_model(small_config("llama")), "llama", Kind.Q8_0)


def test_a_file_cut_short_anywhere_is_one_clear_line(whole, tmp_path):
    data = whole.read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in [5, 30, 100, 600, 1500, len(data) // 2, len(data) - 40]:
        cut.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=f"cut.gguf is cut short: .*the file has {length}") as raised:
            GgufCheckpoint(cut)
        assert "\n" not in str(raised.value)


def test_lengths_that_lie_cost_nothing(whole, tmp_path):
    data = bytearray(whole.read_bytes())
    place = data.index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens") + 8
    data[place : place + 8] = (2**60).to_bytes(8, "little")
    lying = tmp_path / "lying.gguf"
    lying.write_bytes(data)
    with pytest.raises(CheckpointError, match="cut short|damaged"):
        GgufFile(lying)


def test_other_files_are_told_apart(whole, tmp_path):
    other = tmp_path / "other.gguf"
    for data, message in [
        (b"", "not a GGUF file"),
        (b"PK\x03\x04 and so on", "not a GGUF file"),
        (b"GGUF" + (1).to_bytes(4, "little") + bytes(16), "GGUF version 1"),
        (b"GGUF" + (3).to_bytes(4, "big") + bytes(16), "big-endian"),
        (b"GGUF" + (3).to_bytes(4, "little") + bytes(16), "does not name its architecture"),
    ]:
        other.write_bytes(data)
        with pytest.raises(CheckpointError, match=message):
            GgufCheckpoint(other)


def test_a_quantisation_that_cannot_be_read_is_named_with_its_tensor(whole, tmp_path):
    _with_tensor(whole, tmp_path / "odd.gguf", "blk.1.ffn_up.weight", np.zeros((96, 80), np.uint8), Kind.Q8_1)
    with pytest.raises(CheckpointError, match="tensor 'blk.1.ffn_up.weight' of .*odd.gguf is quantised as Q8_1"):
        GgufCheckpoint(tmp_path / "odd.gguf")
    data = bytearray(whole.read_bytes())
    place = data.index(b"blk.1.ffn_up.weight") + len(b"blk.1.ffn_up.weight") + 4 + 16
    data[place : place + 4] = (99).to_bytes(4, "little")
    (tmp_path / "new.gguf").write_bytes(data)
    with pytest.raises(CheckpointError, match="tensor 'blk.1.ffn_up.weight' of .* is stored as ggml type 99"):
        GgufCheckpoint(tmp_path / "new.gguf")


def test_unknown_architectures_tensors_and_parts_are_named(tmp_path):
    model = small_model(small_config("llama"))
    path = write_model(tmp_path / "model.gguf", model, "lama")
    with pytest.raises(CheckpointError, match="architecture 'lama'; known are: .*did you mean 'llama'"):
        GgufCheckpoint(path)
    path = write_model(tmp_path / "model.gguf", model, "llama", extra={"blk.0.strange.weight": np.ones(3, np.float32)})
    with pytest.raises(CheckpointError, match="tensors that the architecture 'llama' does not have: blk.0.strange"):
        GgufCheckpoint(path)
    path = write_model(tmp_path / "model.gguf", model, "llama", metadata={"split.count": 3, "split.no": 1})
    with pytest.raises(CheckpointError, match="is part 2 of 3.*llama-gguf-split --merge"):
        GgufCheckpoint(path)


def test_a_missing_tensor_suggests_the_near_one(whole):
    with pytest.raises(CheckpointError, match="no tensor 'model.norm.weigth'; did you mean 'model.norm.weight'"):
        GgufCheckpoint(whole).tensor("model.norm.weigth")


def test_without_the_package_the_command_is_named(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtra, match=r"reading a GGUF file needs gguf: pip install 'enfold\[gguf\]'"):
        GgufCheckpoint(whole)


def test_the_only_file_of_a_folder_is_found(whole, tmp_path):
    assert find_gguf(whole) == whole
    assert find_gguf(whole.parent) == whole
    assert find_gguf(tmp_path) is None
    (tmp_path / "a.gguf").touch()
    (tmp_path / "b.gguf").touch()
    with pytest.raises(CheckpointError, match="holds 2 GGUF files: name the one that is meant: a.gguf, b.gguf"):
        find_gguf(tmp_path)


# ---- the real one ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smollm2() -> Path:
    try:
        return find_gguf(locate("smollm2").path)
    except SourceError as error:
        pytest.skip(f"smollm2 cannot be had: {error}")


def test_smollm2_is_what_transformers_makes_of_it(smollm2):
    # By the parts of its loader: the whole makes the table of names anew for each module, and takes most of a minute.
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.integrations.gguf.dequant import dequantize
    from transformers.integrations.gguf.reader import GgufHeader, load_gguf_state_dict
    from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS

    checkpoint = GgufCheckpoint(smollm2)
    values = checkpoint.config_values()
    assert (values["model_type"], values["hidden_size"], values["num_hidden_layers"]) == ("llama", 576, 30)
    assert (values["num_attention_heads"], values["num_key_value_heads"], values["head_dim"]) == (9, 3, 64)
    assert (values["vocab_size"], values["tie_word_embeddings"], values["rope_theta"]) == (49152, True, 100000.0)
    assert values["rms_norm_eps"] == 1e-05

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**values))
    assert set(checkpoint.names) == set(model.state_dict()) - {"lm_head.weight"}
    table = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 30)
    undo = TENSOR_PROCESSORS["llama"](config=values)
    header = GgufHeader.from_file(str(smollm2))
    shapes = {info.name: info.shape for info in header.tensors}
    stored = load_gguf_state_dict(header)
    for own in checkpoint.names:
        name = f"{table.get_name(own.removesuffix('.weight'))}.weight"
        plain = stored.pop(name)[...]
        if header.ggml_types[name] != 0:
            plain = dequantize(plain, header.ggml_types[name]).reshape(shapes[name])
        wanted = torch.from_numpy(undo.process(plain.numpy(), name).weights)
        torch.testing.assert_close(checkpoint.tensor(own), wanted, rtol=0, atol=1e-6)
    assert not stored
