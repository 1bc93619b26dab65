"""Writes scales that are all the same as one, for runtimes that take no other.

The converter takes no other quantization of a depthwise kernel than a scale a channel,
even where all of them are the same.
"""

from ai_edge_litert import schema_py_generated as schema

from corallite.convert.tflite.objects import pack, unpack


def merge_equal_scales(content: bytes) -> bytes:
    """Returns a TFLite file that computes the same, bit by bit."""
    model = unpack(content)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            _merge(tensor.quantization)
    return pack(model)


def _merge(quantization: schema.QuantizationParametersT | None) -> None:
    if quantization is None or quantization.scale is None:
        return
    pairs = set(zip(quantization.scale, quantization.zeroPoint, strict=True))
    if len(pairs) == 1:
        ((scale, zero_point),) = pairs
        quantization.scale, quantization.zeroPoint = [scale], [zero_point]
        quantization.quantizedDimension = 0
