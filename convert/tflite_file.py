"""Reads what is in a TFLite file."""

from collections import Counter
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_FLOAT_TYPES = (
    schema.TensorType.FLOAT16,
    schema.TensorType.FLOAT32,
    schema.TensorType.FLOAT64,
)
_DTYPES = {schema.TensorType.INT8: np.int8, schema.TensorType.FLOAT32: np.float32}
_WITH_KERNEL = (
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
)
_OPERATOR_NAMES = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()
}


def count_operators(content: bytes) -> Counter[str]:
    """Returns how often each operator occurs, by its name in the TFLite schema."""
    model, graph = _read(content)
    return Counter(_OPERATOR_NAMES[_code(model, op)] for op in graph.operators)


def float_tensors(content: bytes) -> list[str]:
    """Returns the names of the tensors that hold floats."""
    _, graph = _read(content)
    return [t.name.decode() for t in graph.tensors if t.type in _FLOAT_TYPES]


def kernel_sparsity(content: bytes) -> float:
    """Returns the zero fraction of the kernels of convolutions and dense layers."""
    model, graph = _read(content)
    kernels = [
        _constant(model, graph.tensors[op.inputs[1]])
        for op in graph.operators
        if _code(model, op) in _WITH_KERNEL
    ]
    # int8 kernels are symmetric: zero is stored as 0.
    zeros = sum(int(np.sum(kernel == 0)) for kernel in kernels)
    return zeros / sum(kernel.size for kernel in kernels)


def _read(content: bytes) -> tuple[Any, Any]:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return model, model.subgraphs[0]


def _code(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    # Operators above 127 do not fit the old field.
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def _constant(model: Any, tensor: Any) -> np.ndarray:
    data = model.buffers[tensor.buffer].data
    return np.frombuffer(data.tobytes(), _DTYPES[tensor.type])
