"""Changes ONNX models with QuantizeLinear and DequantizeLinear (QDQ)."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_LIMITS = {np.uint8: (0, 255), np.int8: (-128, 127)}
# The numbers of pixels 0 to 255 are 0 to 1.
_PIXEL_SCALE = 1 / 255


def use_float_ends(model: onnx.ModelProto) -> None:
    """Makes the input and the output of an int8 model float32, in place.

    As in the float model, the input is pixel/255 and the output probabilities. An input
    of raw pixels is quantized first; what quantizes the output is removed.
    """
    graph = model.graph
    (image,), (output,) = graph.input, graph.output
    raw = f"{image.name}_u8"
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == image.name:
                node.input[index] = raw
    scale, zero = _add_constants(graph, image.name, np.float32(_PIXEL_SCALE), np.uint8)
    quantize = onnx.helper.make_node(
        QUANTIZE, [image.name, scale, zero], [raw], name=f"{image.name}_quantize"
    )
    graph.node.insert(0, quantize)
    last = next(x for x in graph.node if output.name in x.output)
    graph.node.remove(last)
    source = next(x for x in graph.node if last.input[0] in x.output)
    source.output[0] = output.name
    for value in (image, output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def make_symmetric(model: onnx.ModelProto) -> None:
    """Gives all activations int8 with the zero point 0, in place.

    For runtimes that have nothing else, such as TensorRT. A range from 0 then has half
    as many steps. Biases become float32: their scale was that of the former input.
    """
    constants = {x.name: x for x in model.graph.initializer}
    for node in _list_of(model, QUANTIZE, DEQUANTIZE):
        if node.input[0] in constants:
            continue
        scale, zero = (numpy_helper.to_array(constants[x]) for x in node.input[1:])
        low, high = _LIMITS[zero.dtype.type]
        reach = np.maximum(int(zero) - low, high - int(zero)) * scale
        node.input[1:] = _add_constants(
            model.graph, node.name, np.float32(reach / 127), np.int8
        )
    for node in list(_list_of(model, DEQUANTIZE)):
        if constants.get(node.input[0]) and _is_int32(constants[node.input[0]]):
            _use_float(model, node, constants)
    _remove_unused(model)


def _list_of(model: onnx.ModelProto, *kinds: str) -> Iterator[onnx.NodeProto]:
    return (node for node in model.graph.node if node.op_type in kinds)


def _add_constants(
    graph: onnx.GraphProto, name: str, scale: np.float32, dtype: type
) -> tuple[str, str]:
    """Adds a scale and the zero point 0; returns their names."""
    names = f"{name}_scale", f"{name}_zero"
    for added, value in zip(names, (np.float32(scale), dtype(0)), strict=True):
        graph.initializer.append(numpy_helper.from_array(np.array(value), added))
    return names


def _is_int32(constant: onnx.TensorProto) -> bool:
    return bool(constant.data_type == onnx.TensorProto.INT32)


def _use_float(
    model: onnx.ModelProto,
    node: onnx.NodeProto,
    constants: dict[str, onnx.TensorProto],
) -> None:
    """Replaces a DequantizeLinear of a bias by its float values."""
    stored, scale = (numpy_helper.to_array(constants[x]) for x in node.input[:2])
    values = (stored * scale.astype(np.float64)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
    model.graph.node.remove(node)


def _remove_unused(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    unused = [x for x in model.graph.initializer if x.name not in used]
    for constant in unused:
        model.graph.initializer.remove(constant)
