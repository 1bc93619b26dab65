"""Finds the tensors of a model that are not 8-bit, and says why that matters."""

from dataclasses import dataclass

from corallite.convert.tflite.model import EIGHT_BIT, Graph, Operator, Tensor

_FLOAT = "runs in floating point: slower, four times the memory, not on the Edge TPU"
_WIDE = "is wider than 8 bits: not supported by the Edge TPU"
_INDEX = "has integers, not quantized values: not supported by the Edge TPU"
# By type of a computed tensor.
_COMPUTED = {
    "FLOAT32": _FLOAT,
    "FLOAT16": _FLOAT,
    "BFLOAT16": _FLOAT,
    "FLOAT64": _FLOAT,
    "INT16": _WIDE,
    "INT32": _INDEX,
    "INT64": _INDEX,
}
# Operators that have a kernel.
WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")

# By type of the weights.
_WEIGHTS = {
    "FLOAT32": "are floats: converted without quantization",
    "FLOAT16": "are half floats: expanded to floats before use",
    "INT4": "are 4 bits wide: the Edge TPU and TFLite Micro do not support all of them",
}
_HYBRID = "are int8 while the input is float: quantized again for every image"
_PER_CHANNEL = (
    "have per-channel scales: for dense layers the Edge TPU compiler and older TFLite "
    "Micro need a per-tensor scale; set the converter's "
    "_experimental_disable_per_channel_quantization_for_dense_layers"
)


@dataclass(frozen=True)
class Finding:
    """A tensor that is not int8, or not quantized as it should be.

    Attributes:
        operator: Number of the operator that writes the tensor, or reads the weights.
        name: Type of that operator.
        tensor: Name of the tensor.
        type: Of the tensor.
        why: Why it matters.
    """

    operator: int
    name: str
    tensor: str
    type: str
    why: str


def find_not_int8(graph: Graph) -> list[Finding]:
    """Returns the tensors that are not int8 or uint8, in the order of the operators."""
    findings = []
    given = set(graph.inputs)
    for operator in graph.operators:
        for tensor in operator.read:
            if tensor in given and tensor.type not in EIGHT_BIT:
                given.discard(tensor)  # Reported once, for its first reader.
                why = _COMPUTED.get(tensor.type, _WIDE)
                findings.append(_report(operator, tensor, f"input {why}"))
        for tensor in operator.written:
            if tensor.type not in EIGHT_BIT:
                why = _COMPUTED.get(tensor.type, _WIDE)
                findings.append(_report(operator, tensor, f"output {why}"))
        weights = operator.input(1)
        why = _check_weights(operator, weights)
        if weights is not None and why:
            findings.append(_report(operator, weights, f"weights {why}"))
    return findings


def _check_weights(operator: Operator, weights: Tensor | None) -> str:
    """Returns the problem with the weights of a layer; "" if there is none."""
    source = operator.input(0)
    if operator.name not in WITH_WEIGHTS or weights is None or source is None:
        return ""
    if not weights.is_constant or weights.type in _WEIGHTS:
        return _WEIGHTS.get(weights.type, "")
    if source.type == "FLOAT32":
        return _HYBRID
    dense = operator.name == "FULLY_CONNECTED"
    return _PER_CHANNEL if dense and len(weights.scales) > 1 else ""


def _report(operator: Operator, tensor: Tensor, why: str) -> Finding:
    return Finding(operator.index, operator.name, tensor.name, tensor.type, why)
