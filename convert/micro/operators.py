"""The operators of TensorFlow Lite Micro, and how a program adds them.

By `micro_mutable_op_resolver.h` of tflite-micro at commit 90b983c2 (August 2026).
"""

from pathlib import Path

from corallite.convert.tflite.model import Model, Operator
from corallite.convert.tflite.text_lines import describe
from corallite.device.system.errors import RequestError

OPERATORS = frozenset(
    """
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL
    BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION
    CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV
    DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR
    FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL
    HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG
    LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN
    MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE
    REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE RESIZE_BILINEAR
    RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX
    SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE
    SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV
    UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE ZEROS_LIKE
    """.split()
)
# The methods whose names do not follow from the operator's.
_IRREGULAR = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}


def list_methods(model: Model, path: str | Path) -> list[str]:
    """Returns the methods of `MicroMutableOpResolver` that a model needs, sorted.

    Args:
        model: The model.
        path: Its name, for errors.

    Raises:
        RequestError: TensorFlow Lite Micro lacks one of its operators.
    """
    operators = [operator for graph in model.graphs for operator in graph.operators]
    for operator in operators:
        if operator.name not in OPERATORS:
            raise RequestError(
                f"{path}: TensorFlow Lite Micro has no {_name(operator)} (operator "
                f"{describe(operator)}); train a network without it."
            )
    return sorted({name_method(operator.name) for operator in operators})


def name_method(operator: str) -> str:
    """Returns the method that adds an operator; "AddConv2D" for "CONV_2D"."""
    parts = (x if x[0].isdigit() else x.capitalize() for x in operator.split("_"))
    return _IRREGULAR.get(operator, f"Add{''.join(parts)}")


def _name(operator: Operator) -> str:
    return operator.custom_code or operator.name
