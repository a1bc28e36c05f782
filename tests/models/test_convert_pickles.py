"""Pickled weights to safetensors: the same tensors, and nothing that runs code."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from enfold.errors import CheckpointError, InputError
from enfold.models.convert import convert_pickles


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    table = torch.randn(7, 4)
    return {
        "bert.embeddings.weight": table,
        "bert.layer.weight": torch.randn(4, 4).T,
        "bert.half.weight": torch.randn(3, 4).bfloat16(),
        "bert.position_ids": torch.arange(5),
        "cls.decoder.weight": table,
    }


@pytest.fixture
def folder(tmp_path, tensors) -> Path:
    made = tmp_path / "old"
    made.mkdir()
    torch.save(tensors, made / "pytorch_model.bin")
    (made / "config.json").write_text('{"model_type": "bert"}')
    (made / "vocab.txt").write_text("[PAD]\n")
    (made / "spiece.model").write_bytes(b"pieces")
    (made / "additional_chat_templates").mkdir()
    (made / "additional_chat_templates" / "rag.jinja").write_text("{{ messages }}")
    (made / "modeling_strange.py").write_text("raise SystemExit")
    torch.save({"lr": 1}, made / "training_args.bin")
    return made


def files(folder: Path) -> list[str]:
    return sorted(str(item.relative_to(folder)) for item in folder.rglob("*") if item.is_file())


def test_the_tensors_are_the_same_and_shared_ones_are_written_once(folder, tensors, tmp_path):
    done = convert_pickles(folder, tmp_path / "new")
    found = load_file(tmp_path / "new" / "model.safetensors")
    assert done.shared == {"cls.decoder.weight": "bert.embeddings.weight"}
    assert done.tensors == 4
    assert sorted(found) == sorted(set(tensors) - {"cls.decoder.weight"})
    for name, tensor in found.items():
        assert tensor.dtype == tensors[name].dtype
        assert tensor.equal(tensors[name])


def test_configs_and_vocabularies_go_along_and_code_and_pickles_do_not(folder, tmp_path):
    convert_pickles(folder, tmp_path / "new")
    assert files(tmp_path / "new") == [
        "additional_chat_templates/rag.jinja",
        "config.json",
        "model.safetensors",
        "spiece.model",
        "vocab.txt",
    ]


def test_transformers_reads_what_it_once_saved_as_a_pickle(tmp_path):
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    model = BertForMaskedLM(config)
    (tmp_path / "old").mkdir()
    config.save_pretrained(tmp_path / "old")
    torch.save(model.state_dict(), tmp_path / "old" / "pytorch_model.bin")
    convert_pickles(tmp_path / "old", tmp_path / "new")
    again = BertForMaskedLM.from_pretrained(tmp_path / "new").state_dict()
    assert all(again[name].equal(tensor) for name, tensor in model.state_dict().items())


def test_parts_stay_parts_with_an_index(tmp_path, tensors):
    old = tmp_path / "old"
    old.mkdir()
    names = list(tensors)
    where = {}
    for number, part in enumerate((names[:2], names[2:]), start=1):
        file = f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save({name: tensors[name] for name in part}, old / file)
        where |= dict.fromkeys(part, file)
    (old / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": where}))
    done = convert_pickles(old, tmp_path / "new")
    assert done.weights == ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    index = json.loads((tmp_path / "new" / "model.safetensors.index.json").read_text())["weight_map"]
    for name, tensor in tensors.items():
        assert load_file(tmp_path / "new" / index[name])[name].equal(tensor)
    assert "pytorch_model.bin.index.json" not in files(tmp_path / "new")
    (old / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(CheckpointError, match="pytorch_model-00002-of-00002.bin is named by .* but is not in"):
        convert_pickles(old, tmp_path / "again")


def test_the_older_file_format_and_views_of_one_tensor(tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    whole = torch.arange(12.0).reshape(3, 4)
    torch.save(
        {"whole": whole, "row": whole[1], "columns": whole[:, ::2]},
        old / "pytorch_model.bin",
        _use_new_zipfile_serialization=False,
    )
    done = convert_pickles(old, tmp_path / "new")
    found = load_file(tmp_path / "new" / "model.safetensors")
    assert not done.shared
    assert found["row"].equal(whole[1])
    assert found["columns"].equal(whole[:, ::2])


class Malicious:
    def __reduce__(self):
        return (print, ("this must never be printed",))


def test_a_pickle_that_would_run_code_is_refused_and_nothing_is_written(folder, tmp_path, capfd):
    torch.save({"weight": torch.zeros(2), "other": Malicious()}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pytorch_model.bin is refused: it calls for (builtins.)?print, and"):
        convert_pickles(folder, tmp_path / "new")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(CheckpointError, match="is refused|is damaged"):
        convert_pickles(folder, tmp_path / "new")
    assert "must never" not in capfd.readouterr().out
    assert [item.name for item in tmp_path.iterdir()] == ["old"]


def test_other_contents_are_named(folder, tmp_path):
    torch.save({"epoch": 3}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="holds a int under 'epoch'; weights are tensors by name"):
        convert_pickles(folder, tmp_path / "new")
    torch.save([torch.zeros(1)], folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="holds a list, not tensors by name"):
        convert_pickles(folder, tmp_path / "new")
    torch.save({"sparse": torch.eye(3).to_sparse()}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="tensor 'sparse' is torch.sparse_coo"):
        convert_pickles(folder, tmp_path / "new")


def test_a_file_cut_short(folder, tmp_path):
    data = (folder / "pytorch_model.bin").read_bytes()
    (folder / "pytorch_model.bin").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="pytorch_model.bin is damaged or cut short") as raised:
        convert_pickles(folder, tmp_path / "new")
    assert "\n" not in str(raised.value)


def test_no_weights_and_a_target_that_is_there(folder, tmp_path):
    with pytest.raises(InputError, match="old is there already; name a new folder"):
        convert_pickles(folder, folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(
        CheckpointError, match="no pickled weights in .*old: looked for pytorch_model.bin and .*vocab.txt"
    ):
        convert_pickles(folder, tmp_path / "new")
    with pytest.raises(CheckpointError, match="no folder"):
        convert_pickles(tmp_path / "nowhere", tmp_path / "new")
