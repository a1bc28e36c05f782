"""What an exported folder holds, and the command that writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import onnx
import pytest
from exported_models import TEXTS, made, wordpiece
from typer.testing import CliRunner

from enfold import AutoTokenizer, pipeline
from enfold.cli.main import app
from enfold.export import Exported, export_model


def test_files_beside_the_graph(classifier):
    names = {file.name for file in classifier.folder.iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "export.json",
        "model.onnx",
        "model.onnx.data",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    config = json.loads((classifier.folder / "config.json").read_text())
    assert config["id2label"] == {"0": "good", "1": "bad", "2": "neither"}
    assert AutoTokenizer.from_pretrained(classifier.folder).encode_batch(
        TEXTS
    ) == classifier.model.tokenizer.encode_batch(TEXTS)


def test_what_is_written_of_it(classifier):
    found = Exported.read(classifier.folder)
    assert found == classifier.exported
    assert (found.task, found.runtime, found.format, found.opset) == ("text-classification", "onnx", "float32", 23)
    assert found.labels == ("good", "bad", "neither")
    assert (found.max_length, found.source_revision) == (24, "tiny")
    assert re.fullmatch("[0-9a-f]{16}", found.revision)
    assert found.check["same labels"] == 1
    assert found.check["greatest difference of scores"] < 1e-5
    card = (classifier.folder / "README.md").read_text()
    assert "pipeline_tag: text-classification" in card
    assert "| same labels | 1 | at least 1 |" in card


def test_the_graph_is_plain_and_of_any_size(classifier):
    graph = onnx.load(classifier.folder / "model.onnx")
    onnx.checker.check_model(str(classifier.folder / "model.onnx"), full_check=True)
    assert [(one.domain, one.version) for one in graph.opset_import] == [("", 23)]
    shapes = {
        one.name: [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in (*graph.graph.input, *graph.graph.output)
    }
    batch = ["batch", "sequence"]
    assert shapes == {"input_ids": batch, "attention_mask": batch, "token_type_ids": batch, "logits": ["batch", 3]}
    assert not {node.op_type for node in graph.graph.node} & {"If", "Loop", "Scan"}


def test_nothing_of_this_machine_is_in_the_graph(classifier, classifier_in_bytes):
    for made_folder in (classifier.folder, classifier_in_bytes.folder):
        content = (made_folder / "model.onnx").read_bytes()
        assert str(Path(__file__).parents[2]).encode() not in content
        assert b".py" not in content


def test_int8_weights_are_bytes(classifier, classifier_in_bytes):
    graph = onnx.load(classifier_in_bytes.folder / "model.onnx")
    kinds = {tensor.name: tensor.data_type for tensor in graph.graph.initializer}
    in_bytes = {name.removesuffix(".int8") for name, kind in kinds.items() if kind == onnx.TensorProto.INT8}
    assert any("intermediate.dense" in name for name in in_bytes) or classifier_in_bytes.exported.in_float
    assert not any("classifier" in name or "pooler" in name or "embedding" in name for name in in_bytes)
    assert classifier_in_bytes.exported.revision != classifier.exported.revision


def test_openvino(tmp_path, classifier):
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install 'enfold[openvino]'")
    out = tmp_path / "out"
    done = export_model(classifier.model, out, to="openvino", format="int8", texts=TEXTS)
    assert {"model.xml", "model.bin"} <= {file.name for file in out.iterdir()}
    assert done.opset is None
    ours, theirs = (
        pipeline("text-classification", out, runtime="openvino"),
        pipeline("text-classification", classifier.model),
    )
    for text, one, other in zip(TEXTS, ours(TEXTS), theirs(TEXTS), strict=True):
        assert one.scores == pytest.approx(other.scores, abs=0.02)
        assert one.scores == pytest.approx(ours(text)[0].scores, abs=1e-4)
        assert one.model == done.revision


def test_the_command(tmp_path, monkeypatch):
    """A model of several labels at once is exported, and opens as the pipeline that fits."""
    monkeypatch.chdir(tmp_path)
    labels = {"id2label": {0: "good", 1: "bad"}, "problem_type": "multi_label_classification"}
    model = made("BertForSequenceClassification", wordpiece(), **labels)
    model.save_pretrained("model")
    model.tokenizer.save_pretrained("model")
    Path("texts.csv").write_text("text\n" + "\n".join(text for text in TEXTS if text and "," not in text))
    run = CliRunner().invoke(app, ["export", "model", "--out", "out", "--texts", "texts.csv"])
    assert run.exit_code == 0, run.output
    revision = Exported.read(Path("out")).revision
    assert f"out: text-classification, onnx, float32, revision {revision}" in run.output
    assert "  same labels: 1\n" in run.output
    ours, theirs = pipeline("text-classification", "out"), pipeline("text-classification", "model")
    assert type(ours) is type(theirs)
    assert [one.labels for one in ours(TEXTS)] == [one.labels for one in theirs(TEXTS)]
    said = CliRunner().invoke(app, ["predict", "the cat sat", "--model", "out"])
    assert said.exit_code == 0, said.output
    assert "the cat sat" in said.output


def test_the_command_says_what_is_wrong_in_a_line(tmp_path, monkeypatch, capfd):
    from enfold.cli.main import run

    monkeypatch.chdir(tmp_path)
    for words, message in (
        (["nowhere", "--out", "out"], "error: no file, folder or short name 'nowhere'"),
        (["nowhere", "--out", "out", "--to", "onxx"], "error: no runtime 'onxx'; there are: onnx, openvino"),
        (["nowhere", "--out", "out", "--texts", "none.csv"], "error: no file none.csv"),
    ):
        monkeypatch.setattr("sys.argv", ["enfold", "export", *words])
        with pytest.raises(SystemExit) as ended:
            run()
        assert ended.value.code == 2
        said = capfd.readouterr().err
        assert said.startswith(message), said
        assert "Traceback" not in said
    assert not any(tmp_path.iterdir())
