"""Checks each operator on its own, as the Edge TPU compiler does first."""

from dataclasses import dataclass

from corallite.convert.edgetpu.predict.compilers import (
    DATA_TYPE,
    RANK,
    UNSPECIFIED,
    UNSUPPORTED,
    VERSION,
    Compiler,
)
from corallite.convert.edgetpu.predict.rules import RULES
from corallite.convert.edgetpu.predict.suggestions import RUNTIME, suggestion_for
from corallite.convert.tflite.model import EIGHT_BIT, Model, Operator


@dataclass(frozen=True)
class Refusal:
    """Why an operator stays on the CPU.

    Attributes:
        status: As in the compiler's log.
        suggestion: What to change.
    """

    status: str
    suggestion: str


def judge(operator: Operator, model: Model, compiler: Compiler) -> Refusal | None:
    """Returns why an operator is not supported; None if it is.

    Not every supported operator is mapped: see `partition`.
    """
    for refuses, status in _CHECKS:
        if refuses(operator, compiler):
            suggestion = suggestion_for(status, operator.name)
            if refuses is _has_unsupported_data and _is_for_later(operator, compiler):
                suggestion = RUNTIME
            return Refusal(status, suggestion)
    for limit in RULES[operator.name].limits:
        applies = limit.since <= compiler.number <= limit.until
        if applies and not limit.keeps(operator, model):
            return Refusal(limit.status, limit.suggestion)
    return None


def _is_custom(operator: Operator, compiler: Compiler) -> bool:
    return operator.name == "CUSTOM"


def _quantizes_floats(operator: Operator, compiler: Compiler) -> bool:
    source = operator.input(0)
    return operator.name == "QUANTIZE" and source is not None and _is_float(source.type)


def _has_unknown_type(operator: Operator, compiler: Compiler) -> bool:
    rule = RULES.get(operator.name)
    return rule is None or rule.highest_version(compiler) == 0


def _has_late_version(operator: Operator, compiler: Compiler) -> bool:
    return operator.version > RULES[operator.name].highest_version(compiler)


def _has_unsupported_data(operator: Operator, compiler: Compiler) -> bool:
    """Constants may also be INT32 (biases, axes), variables of any type."""
    tensors = [t for t in (*operator.inputs, *operator.outputs) if t is not None]
    return any(
        tensor.type not in compiler.types
        and not tensor.is_variable
        and not (tensor.is_constant and tensor.type == "INT32")
        for tensor in tensors
    )


def _is_for_later(operator: Operator, compiler: Compiler) -> bool:
    """Returns whether a later runtime supports the data types."""
    types = {tensor.type for tensor in (*operator.read, *operator.written)}
    return types <= set(EIGHT_BIT) and not types <= set(compiler.types)


def _has_outer_dimensions(operator: Operator, compiler: Compiler) -> bool:
    """Inputs may have outer dimensions, outputs may not."""
    return any(abs(size) > 1 for t in operator.written for size in t.shape[:-3])


def _is_float(tensor_type: str) -> bool:
    return tensor_type.startswith(("FLOAT", "BFLOAT"))


# In the compiler's order, which reproduces all logs that were examined.
_CHECKS = (
    (_is_custom, DATA_TYPE),
    (_quantizes_floats, UNSPECIFIED),
    (_has_unknown_type, UNSUPPORTED),
    (_has_late_version, VERSION),
    (_has_unsupported_data, DATA_TYPE),
    (_has_outer_dimensions, RANK),
)
