"""Changes ONNX models with QuantizeLinear and DequantizeLinear (QDQ)."""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import numpy_helper

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_RECTIFIERS = ("Relu", "Clip")
_LIMITS = {np.uint8: (0, 255), np.int8: (-128, 127)}
# A scale and a zero point.
Choice = tuple[float, np.integer]
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
    scale, zero = _add_constants(graph, image.name, _PIXEL_SCALE, np.uint8(0))
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


def drop_clips(model: onnx.ModelProto) -> None:
    """Removes rectifiers whose range is that of the quantization after them, in place.

    QuantizeLinear clips to the same range, to half a step. Without the rectifier, ONNX
    Runtime computes convolution and quantization in one integer operator.
    """
    constants = _read_constants(model)
    users = _find_users(model)
    for node in list(_list_of(model, *_RECTIFIERS)):
        after = users[node.output[0]]
        if any(x.op_type != QUANTIZE for x in after):
            continue
        if all(_is_within(node, x, constants) for x in after):
            for user in after:
                user.input[0] = node.input[0]
            model.graph.node.remove(node)
    _remove_unused(model)


def _is_within(
    rectifier: onnx.NodeProto,
    quantize: onnx.NodeProto,
    constants: dict[str, np.ndarray],
) -> bool:
    """Tells whether a quantization clips at least as much as the rectifier before."""
    scale, zero = (constants[x] for x in quantize.input[1:])
    low, high = ((x - int(zero)) * scale for x in _LIMITS[zero.dtype.type])
    least, most = 0.0, np.inf
    if rectifier.op_type == "Clip":
        least, most = (float(constants[x]) for x in rectifier.input[1:])
    return bool(low >= least - scale / 2 and high <= most + scale / 2)


def use_uint8(model: onnx.ModelProto) -> None:
    """Stores int8 activations as uint8, in place: the same numbers.

    On x86, ONNX Runtime computes with integers only if activations are uint8.
    """

    def choose(scale: float, zero: int, low: int, high: int) -> Choice:
        return scale, np.uint8(zero - low)

    _requantize(model, choose)


def make_symmetric(model: onnx.ModelProto) -> None:
    """Gives all activations int8 with the zero point 0, in place.

    For runtimes that have nothing else, such as TensorRT. A range from 0 then has half
    as many steps and reaches below 0, so keep the rectifiers: do not use `drop_clips`.
    Biases become float32: their scale was that of the former input.
    """

    def choose(scale: float, zero: int, low: int, high: int) -> Choice:
        return max(zero - low, high - zero) * scale / 127, np.int8(0)

    constants = _read_constants(model)
    _requantize(model, choose)
    for node in list(_list_of(model, DEQUANTIZE)):
        stored = constants.get(node.input[0])
        if stored is not None and stored.dtype == np.int32:
            values = (stored * constants[node.input[1]].astype(np.float64)).astype("f")
            bias = numpy_helper.from_array(values, node.output[0])
            model.graph.initializer.append(bias)
            model.graph.node.remove(node)
    _remove_unused(model)


def _list_of(model: onnx.ModelProto, *kinds: str) -> Iterator[onnx.NodeProto]:
    return (node for node in model.graph.node if node.op_type in kinds)


def _add_constants(
    graph: onnx.GraphProto, name: str, scale: float, zero: np.integer
) -> tuple[str, str]:
    """Adds a scale and a zero point; returns their names."""
    kind = zero.dtype.name
    names = f"{name}_scale_{kind}", f"{name}_zero_{kind}"
    for added, value in zip(names, (np.float32(scale), zero), strict=True):
        graph.initializer.append(numpy_helper.from_array(np.array(value), added))
    return names


def _requantize(model: onnx.ModelProto, choose: Callable[..., Choice]) -> None:
    """Gives each activation the scale and the zero point that `choose` returns.

    It takes the former scale and zero point, and the limits of the former type.
    """
    constants = _read_constants(model)
    for node in _list_of(model, QUANTIZE, DEQUANTIZE):
        if node.input[0] in constants:
            continue
        scale, zero = (constants[x] for x in node.input[1:])
        chosen = choose(float(scale), int(zero), *_LIMITS[zero.dtype.type])
        node.input[1:] = _add_constants(model.graph, node.output[0], *chosen)
    _remove_unused(model)


def _read_constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {x.name: numpy_helper.to_array(x) for x in model.graph.initializer}


def _find_users(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    """Returns the nodes that read each tensor."""
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return users


def _remove_unused(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    unused = [x for x in model.graph.initializer if x.name not in used]
    for constant in unused:
        model.graph.initializer.remove(constant)
