"""int8 weights in a graph: exact sums of bytes, a scale for each token, nothing shared between rows."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from enfold.errors import InputError
from enfold.export.graph import save_graph
from enfold.export.int8 import channel_bytes, linear_maps, quantise_graph, with_stored_bytes
from enfold.pipelines.sessions import OnnxSession


def one_map(weight: np.ndarray, bias: np.ndarray | None) -> onnx.ModelProto:
    """x Wᵀ + b, as torch's exporter writes it."""
    stored = [numpy_helper.from_array(weight, "weight")]
    if bias is not None:
        stored.append(numpy_helper.from_array(bias, "bias"))
    node = helper.make_node("Gemm", ["x", *(one.name for one in stored)], ["y"], transB=1)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["tokens", None]) for name in "xy"]
    graph = helper.make_graph([node], "one", values[:1], values[1:], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape) + shape[-1]).normal(size=shape).astype(np.float32)


def test_bytes_of_a_channel_by_hand():
    weight = np.array([[1.27, -0.635, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    found, scales = channel_bytes(weight)
    assert found.tolist() == [[127, -64, 0], [0, 0, 0]]  # 63.5 goes to the even neighbour
    assert scales[0] == pytest.approx(0.01)


@pytest.mark.parametrize("with_bias", [True, False])
def test_the_product_is_the_exact_one_of_the_bytes(tmp_path, with_bias: bool):
    weight, bias = drawn(5, 16), drawn(1, 5)[0] if with_bias else None
    graph = one_map(weight, bias)
    assert [name for _, name in linear_maps(graph)] == ["weight"]
    assert quantise_graph(graph) == 1
    onnx.checker.check_model(graph, full_check=False)
    save_graph(graph, tmp_path / "model.onnx")
    x = drawn(7, 16) * np.array([[1], [100], [0.01], [1], [0], [3], [1]], dtype=np.float32)
    found = OnnxSession(tmp_path / "model.onnx")({"x": x})
    bytes_, scales = channel_bytes(weight)
    step = np.maximum(np.abs(x).max(1, keepdims=True), 1e-12) / 127
    sums = np.rint(x / step).astype(np.int64) @ bytes_.T.astype(np.int64)
    expected = sums * step * scales + (0 if bias is None else bias)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * step.max())


def test_a_row_says_the_same_beside_any_others(tmp_path):
    graph = one_map(drawn(5, 16), None)
    quantise_graph(graph)
    save_graph(graph, tmp_path / "model.onnx")
    run = OnnxSession(tmp_path / "model.onnx")
    x = drawn(4, 16)
    loud = np.concatenate([x, 1e4 * drawn(3, 16)])
    assert np.array_equal(run({"x": x}), run({"x": loud})[:4])


def test_stored_bytes_become_floats(tmp_path):
    weight, bias = drawn(5, 16), drawn(1, 5)[0]
    graph = one_map(weight, bias)
    assert with_stored_bytes(graph) == 1
    save_graph(graph, tmp_path / "model.onnx")
    x = drawn(7, 16)
    bytes_, scales = channel_bytes(weight)
    expected = x @ (bytes_ * scales[:, None]).T + bias
    np.testing.assert_allclose(OnnxSession(tmp_path / "model.onnx")({"x": x}), expected, rtol=1e-4, atol=1e-5)


def test_weights_that_are_left_out():
    graph = one_map(drawn(5, 16), None)
    with pytest.raises(InputError, match="no linear map that int8 weights could replace"):
        quantise_graph(graph, only={"another"})
    assert [node.op_type for node in graph.graph.node] == ["Gemm"]


def test_weights_that_are_no_numbers():
    weight = drawn(5, 16)
    weight[2, 3] = np.inf
    with pytest.raises(InputError, match="^weight: the weights are not all finite"):
        quantise_graph(one_map(weight, None))
