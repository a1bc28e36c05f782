"""int8 weights for ONNX Runtime: linear maps of a graph become products of bytes, with one scale for each token.

ONNX Runtime's own dynamic quantisation takes one scale for all activations of a batch. Then an answer depends on its
neighbours, and one large value in one token takes the precision from all others. Here, as in
``enfold.layers.linear.Int8Linear``, each output channel of the weights has a symmetric scale and each token of the
input one of its own: with w ≈ s_w q_w and x ≈ s_x q_x, the product is s_x (q_x · q_w) s_w + b, of which the sum runs in
integers (Jacob et al., 2018, section 2, without zero points).

The graph stays one of ONNX Runtime's operators: ``QuantizeLinear`` along the tokens, and ``MatMulIntegerToFloat``,
which multiplies by the weights' scales as it leaves the integers. (``MatMulNBits``, which has scales for blocks of
each row, keeps a little more precision and was measured at half the speed.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from enfold.errors import InputError

if TYPE_CHECKING:
    import onnx

__all__ = ["channel_bytes", "linear_maps", "product_check", "quantise_graph", "with_stored_bytes"]

_LARGEST = 127
_SMALLEST = 1e-12
_MIDDLE = 128  # activations are unsigned bytes around this point, as the processors' instructions want them


def channel_bytes(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights as signed bytes with a scale for each output.

    Args:
        weight: (outputs, inputs) float32.

    Returns:
        (outputs, inputs) int8, and the scales, (outputs,) float32.
    """
    scales = np.maximum(np.abs(weight).max(1), _SMALLEST) / _LARGEST
    rounded = np.rint(weight / scales[:, None]).clip(-_LARGEST, _LARGEST)
    return rounded.astype(np.int8), scales.astype(np.float32)


def linear_maps(model: onnx.ModelProto) -> Iterator[tuple[int, str]]:
    """The linear maps of tokens by stored weights: the place of each node, and the name of its weights."""
    stored = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    for place, node in enumerate(model.graph.node):
        if node.op_type != "Gemm" or node.domain or node.input[1] not in stored:
            continue
        settings = {item.name: item for item in node.attribute}
        turned = "transA" in settings and settings["transA"].i
        scaled = any(name in settings and settings[name].f != 1.0 for name in ("alpha", "beta"))
        if not turned and not scaled and "transB" in settings and settings["transB"].i:
            yield place, node.input[1]


def quantise_graph(model: onnx.ModelProto, only: Collection[str] | None = None) -> int:
    """Give the linear maps of a graph int8 weights, in place.

    Args:
        model: with its weights inside.
        only: names of the weights to change; all where None.

    Returns:
        how many nodes were changed.

    Raises:
        InputError: a weight is infinite or not a number, or there is nothing to change.
    """
    found = _bytes_of(model, only)
    graph = _Rewriting(model)
    places = {place: name for place, name in linear_maps(model) if name in found}
    for place, node in enumerate(model.graph.node):
        if place in places:
            graph.multiply(node, places[place], *found[places[place]])
        else:
            graph.nodes.append(node)
    graph.finish("com.microsoft")
    return len(places)


def with_stored_bytes(model: onnx.ModelProto, only: Collection[str] | None = None) -> int:
    """Keep the weights of linear maps as bytes that become floats before each product, in place.

    For engines that have ways of their own with such weights, as OpenVINO does. For the arguments see `quantise_graph`.
    """
    from onnx import helper

    found = _bytes_of(model, only)
    graph = _Rewriting(model)
    places = {place: name for place, name in linear_maps(model) if name in found}
    for name in dict.fromkeys(places.values()):
        weight, scales = found[name]
        inputs = [graph.constant(f"{name}.int8", weight), graph.constant(f"{name}.scale", scales)]
        graph.nodes.append(helper.make_node("DequantizeLinear", inputs, [f"{name}.float"], axis=0))
    for place, node in enumerate(model.graph.node):
        if place in places:
            node.input[1] = f"{places[place]}.float"
        graph.nodes.append(node)
    graph.finish()
    return len(places)


def product_check(opset: int) -> onnx.ModelProto:
    """A graph whose bytes are as large as bytes can be: (rows, 64) of ones to (rows, 8) of 64.

    Where instructions for sums of byte products are missing, some processors cut off what does not fit 16 bits.
    """
    from onnx import TensorProto, helper, numpy_helper

    stored = [numpy_helper.from_array(np.ones((8, 64), dtype=np.float32), "ones")]
    node = helper.make_node("Gemm", ["x", "ones"], ["y"], transB=1)
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size]) for name, size in (("x", 64), ("y", 8))
    )
    graph = helper.make_graph([node], "products", [x], [y], stored)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    quantise_graph(made)
    return made


def _bytes_of(model: onnx.ModelProto, only: Collection[str] | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    from onnx import numpy_helper

    wanted = {name for _, name in linear_maps(model) if only is None or name in only}
    if not wanted:
        raise InputError("the graph has no linear map that int8 weights could replace")
    found = {}
    for tensor in model.graph.initializer:
        if tensor.name in wanted:
            weight = numpy_helper.to_array(tensor)
            if not np.isfinite(weight).all():
                raise InputError(f"{tensor.name}: the weights are not all finite, so they cannot be quantised")
            found[tensor.name] = channel_bytes(weight)
    return found


class _Rewriting:
    """The nodes of a graph as they will be, and the constants they need."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes: list[Any] = []
        self._constants: set[str] = set()
        self._ready: dict[str, tuple[str, str]] = {}

    def constant(self, name: str, value: Any) -> str:
        """The name of a stored value, stored once."""
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants.add(name)
            self.model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **settings: Any) -> str:
        """A further node; gives its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"int8_{output}", **settings))
        return output

    def quantised(self, values: str) -> tuple[str, str]:
        """The names of (tokens, width) values as bytes, and of their scales, (tokens, 1); made once for all readers."""
        if values in self._ready:
            return self._ready[values]
        last = self.constant("int8.last_axis", np.array([-1], dtype=np.int64))
        high = self.node("ReduceMax", [values, last], f"{values}.high", keepdims=0)
        low = self.node("ReduceMin", [values, last], f"{values}.low", keepdims=0)
        low = self.node("Neg", [low], f"{values}.depth")
        # Two reductions are faster than one of absolute values, which go through memory.
        least = self.constant("int8.least", np.float32(_SMALLEST))
        largest = self.node("Max", [high, low, least], f"{values}.largest")
        scale = self.node("Mul", [largest, self.constant("int8.step", np.float32(1 / _LARGEST))], f"{values}.scale")
        shape = self.node("Shape", [scale], f"{values}.rows")
        middle = self.node("Expand", [self.constant("int8.middle", np.uint8(_MIDDLE)), shape], f"{values}.middle")
        bytes_ = self.node("QuantizeLinear", [values, scale, middle], f"{values}.bytes", axis=0)
        column = self.node("Unsqueeze", [scale, last], f"{values}.column")
        self._ready[values] = bytes_, column
        return bytes_, column

    def multiply(self, node: Any, name: str, weight: np.ndarray, scales: np.ndarray) -> None:
        """A linear map of tokens that become bytes."""
        from onnx import helper

        bytes_, column = self.quantised(node.input[0])
        out = node.output[0]
        inputs = [
            bytes_,
            self.constant(f"{name}.int8", np.ascontiguousarray(weight.T)),
            self.constant("int8.one", np.float32(1)),
            self.constant(f"{name}.scale", scales),
            self.constant("int8.middle", np.uint8(_MIDDLE)),
        ]
        product = self.node("MatMulIntegerToFloat", inputs, f"{out}.product", domain="com.microsoft")
        bias = [name for name in node.input[2:3] if name]
        scaled = self.node("Mul", [product, column], f"{out}.scaled" if bias else out)
        if bias:
            self.nodes.append(helper.make_node("Add", [scaled, *bias], [out], name=f"int8_{out}"))

    def finish(self, domain: str = "") -> None:
        """Put the nodes in place, and leave out what no node reads any more."""
        from onnx import helper

        graph = self.model.graph
        nodes = list(self.nodes)
        del graph.node[:]
        graph.node.extend(nodes)
        used = {name for item in graph.node for name in item.input}
        stored = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(stored)
        if domain:
            self.model.opset_import.append(helper.make_opsetid(domain, 1))
