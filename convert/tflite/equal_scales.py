"""Replaces equal per-channel scales with one, for runtimes without per-channel scales.

The converter quantizes depthwise kernels per channel, even if all scales are equal.
"""

from ai_edge_litert import schema_py_generated as schema

from corallite.device.model.write import pack, unpack


def merge_equal_scales(content: bytes) -> bytes:
    """Returns a TFLite file with bit-identical outputs and per-tensor scales."""
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
