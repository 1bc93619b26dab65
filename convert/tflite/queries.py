"""Answers questions about a TFLite file: operators, float tensors, sparsity."""

from collections import Counter
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from corallite.device.model.archive import split_archive
from corallite.device.model.write import unpack

_FLOAT_TYPES = (
    schema.TensorType.FLOAT16,
    schema.TensorType.FLOAT32,
    schema.TensorType.FLOAT64,
)
_DTYPES = {
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.FLOAT32: np.float32,
}
_WITH_KERNEL = (
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
)
_OPERATOR_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()
}


def count_operators(content: bytes) -> Counter[str]:
    """Returns how often each operator type occurs, by its name in the schema."""
    model, graph = _read(content)
    return Counter(_OPERATOR_NAMES[_code(model, op)] for op in graph.operators)


def float_tensors(content: bytes) -> list[str]:
    """Returns the names of the float tensors."""
    _, graph = _read(content)
    return [t.name.decode() for t in graph.tensors if t.type in _FLOAT_TYPES]


def kernel_sparsity(content: bytes) -> float | None:
    """Returns the fraction of zeros in the kernels of convolutions and dense layers.

    None if the file has no kernels of a supported type: computed ones and those of
    four bits do not count.
    """
    model, graph = _read(content)
    kernels = [
        _kernel(model, graph.tensors[op.inputs[1]])
        for op in graph.operators
        if _code(model, op) in _WITH_KERNEL
    ]
    found = [kernel for kernel in kernels if kernel is not None]
    zeros = sum(int(np.sum(kernel == 0)) for kernel in found)
    return zeros / sum(kernel.size for kernel in found) if found else None


def _read(content: bytes) -> tuple[Any, Any]:
    model = unpack(split_archive(content)[0])
    return model, model.subgraphs[0]


def _code(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    # Codes above 127 do not fit into the old field.
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def _kernel(model: Any, tensor: Any) -> np.ndarray | None:
    """Returns the values of a constant minus its zero point."""
    data = model.buffers[tensor.buffer].data
    dtype = _DTYPES.get(tensor.type)
    if data is None or not len(data) or dtype is None:
        return None
    numbers = np.frombuffer(data.tobytes(), dtype)
    if dtype is not np.uint8:
        return numbers  # int8 kernels are symmetric: zero is stored as 0.
    return numbers.astype(np.int16) - int(tensor.quantization.zeroPoint[0])
