"""What is not exported, and what is not opened: each by name, with the way out, and nothing half-written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import onnx
import onnx.numpy_helper
import pytest
import torch
from exported_models import TEXTS, made, wordpiece

import enfold
from enfold import pipeline, quantise
from enfold.errors import CheckpointError, EnfoldError, InputError
from enfold.export import export_model
from enfold.pipelines.exported import Exported


def test_names_that_are_not_known(tmp_path):
    model = made("BertModel", wordpiece())
    with pytest.raises(InputError, match="no runtime 'onxx'; there are: onnx, openvino; did you mean 'onnx'?"):
        export_model(model, tmp_path / "out", to="onxx")
    with pytest.raises(InputError, match="no weight format 'int4'; there are: float32, int8; did you mean 'int8'?"):
        export_model(model, tmp_path / "out", format="int4")
    with pytest.raises(InputError, match="models for fill-mask are not exported; there are: text-classification, "):
        export_model(model, tmp_path / "out", task="fill-mask")
    assert not any(tmp_path.iterdir())


def test_models_that_are_not_exported(tmp_path):
    sizes = {"vocab_size": 40, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16}
    writer = enfold.GPT2ForSequenceClassification(enfold.GPT2Config(**sizes))
    with pytest.raises(InputError, match="GPT2ForSequenceClassification is a decoder: enfold export takes encoders"):
        export_model(writer, tmp_path / "out", tokenizer=wordpiece())
    with pytest.raises(InputError, match="BertForMaskedLM is not exported: name the task that its stack serves"):
        export_model(made("BertForMaskedLM", wordpiece()), tmp_path / "out")
    small = quantise(made("BertForSequenceClassification", wordpiece()))
    with pytest.raises(InputError, match="is quantised already: export the model it was made of, with --format int8"):
        export_model(small, tmp_path / "out", tokenizer=wordpiece())
    with pytest.raises(InputError, match="needs a model with the head ForTokenClassification; this one is a BertModel"):
        export_model(made("BertModel", wordpiece()), tmp_path / "out", task="token-classification")
    assert not any(tmp_path.iterdir())


def test_a_head_that_was_never_trained(tmp_path):
    model = made("BertModel", wordpiece())
    model.save_pretrained(tmp_path / "stack")
    with pytest.raises(InputError, match="no trained head for text-classification: classifier"):
        export_model(tmp_path / "stack", tmp_path / "out", task="text-classification")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("dear")
    model = made("BertModel", wordpiece())
    with pytest.raises(InputError, match="letters is not empty and holds no exported model: name another folder"):
        export_model(model, tmp_path / "letters")
    with pytest.raises(InputError, match=r"one.txt is a file: name a folder"):
        export_model(model, tmp_path / "letters" / "one.txt")
    assert (tmp_path / "letters" / "one.txt").read_text() == "dear"


def test_a_graph_that_does_not_pass_is_not_saved(tmp_path, classifier):
    """One unit that is large and means nothing takes all precision from the bytes of the others."""
    out = tmp_path / "out"
    shutil.copytree(classifier.folder, out)
    model = made("BertForSequenceClassification", wordpiece(), std=0.5, num_labels=30)
    with torch.no_grad():
        for block in model.bert.blocks:
            block.part("up").bias[0] = 1e5
            block.part("down").weight[:, 0] = 0
    with pytest.raises(
        EnfoldError, match="the onnx form in int8 does not say what the model says, and was not saved: "
    ) as found:
        export_model(model, out, format="int8", texts=TEXTS)
    assert "FAILED: same labels 0" in str(found.value)
    assert "(at least 0.95)" in str(found.value)
    assert "Export in float32, or give texts of your own" in str(found.value)
    assert Exported.read(out).revision == classifier.exported.revision  # what stood there is whole
    assert pipeline("text-classification", out)("dog")
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_a_self_test_without_texts(tmp_path, classifier):
    with pytest.raises(InputError, match="the self-test needs at least one text"):
        export_model(classifier.model, tmp_path / "out", texts=[])
    assert not any(tmp_path.iterdir())


def test_an_exported_model_is_not_exported_again(tmp_path, classifier):
    with pytest.raises(InputError, match="is an exported model already: export the model it was made of"):
        export_model(classifier.folder, tmp_path / "out")


# ---- opening --------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_no_export(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"holds no exported model \(no export.json\): make one with enfold export"
    ):
        pipeline("text-classification", tmp_path, runtime="onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "is damaged"),
        ({"version": 2}, "is of version 2; this Enfold reads 1: export the model again"),
        ({"inputs": None}, "is damaged"),
        ({"runtime": "tensorrt"}, "no runtime 'tensorrt'; there are: onnx, openvino"),
        ({"head": "ForSinging"}, "has the head 'ForSinging', which this Enfold does not know"),
        ({"surprise": 1}, "is damaged"),
    ],
)
def test_a_damaged_description(tmp_path, classifier, change, message):
    folder = tmp_path / "copy"
    shutil.copytree(classifier.folder, folder)
    values = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(change if isinstance(change, str) else json.dumps(values | change))
    with pytest.raises(CheckpointError, match=message):
        pipeline("text-classification", folder)


def test_a_damaged_graph(tmp_path, classifier):
    folder = tmp_path / "copy"
    shutil.copytree(classifier.folder, folder)
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="ONNX Runtime cannot open .*model.onnx"):
        pipeline("text-classification", folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(CheckpointError, match="has no model.onnx: export the model again"):
        pipeline("text-classification", folder)


def test_a_machine_that_multiplies_bytes_wrongly(tmp_path, classifier_in_bytes):
    """Its part is played by a check of twice the weights: such a machine finds another sum than that of the ones."""
    folder = tmp_path / "copy"
    shutil.copytree(classifier_in_bytes.folder, folder)
    assert pipeline("text-classification", folder)("dog")
    check = onnx.load(folder / "int8-check.onnx")
    scale = next(one for one in check.graph.initializer if one.name == "ones.scale")
    scale.CopyFrom(onnx.numpy_helper.from_array(2 * onnx.numpy_helper.to_array(scale), scale.name))
    onnx.save(check, folder / "int8-check.onnx")
    with pytest.raises(
        CheckpointError, match="products of bytes are not exact, so that .*copy would answer wrongly here"
    ):
        pipeline("text-classification", folder)
    (folder / "int8-check.onnx").unlink()
    with pytest.raises(CheckpointError, match="has no int8-check.onnx: export the model again"):
        pipeline("text-classification", folder)


def test_arguments_that_do_not_go_with_it(classifier):
    with pytest.raises(InputError, match="device: not for an exported model, whose graph is fixed"):
        pipeline("text-classification", classifier.folder, device="cuda")
    with pytest.raises(
        CheckpointError, match="was exported for onnx: take runtime='onnx', or export it with --to openv"
    ):
        pipeline("text-classification", classifier.folder, runtime="openvino")
    with pytest.raises(CheckpointError, match="no runtime 'onyx'; there are: onnx, openvino; did you mean 'onnx'?"):
        pipeline("text-classification", classifier.folder, runtime="onyx")
    with pytest.raises(InputError, match="runtime='onnx' opens a folder that enfold export wrote; this is a Bert"):
        pipeline("text-classification", classifier.model, runtime="onnx")
    with pytest.raises(InputError, match="holds an exported model, which torch does not run: leave runtime out"):
        pipeline("text-classification", classifier.folder, runtime="torch")


@pytest.mark.parametrize(
    ("module", "call", "command"),
    [
        ("onnxruntime", "pipeline('text-classification', FOLDER)", "pip install 'enfold[export]'"),
        ("onnxscript", "export_model('nowhere', 'out')", "pip install 'enfold[export]'"),
        ("openvino", "export_model('nowhere', 'out', to='openvino')", "pip install 'enfold[openvino]'"),
    ],
)
def test_a_library_that_is_missing(classifier, module, call, command):
    script = (
        f"import sys\nsys.modules[{module!r}] = None\nFOLDER = {str(classifier.folder)!r}\n"
        f"from enfold import pipeline\nfrom enfold.export import export_model\n{call}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "MissingExtra" in done.stderr
    assert f"needs {module}: {command}" in done.stderr
