"""Reads files that Vela has compiled: for which NPU, and what it left to the CPU."""

import struct
from dataclasses import dataclass

from corallite.convert.tflite.model import Model, Operator
from corallite.device.model.identifiers import ETHOSU_OPERATOR

# The command stream, the first input of the NPU's operator, in words of four bytes: a
# mark, then actions for the driver; of an action, the lowest byte is its kind.
_MARK = b"COP1"
_CONFIGURE = 1
_HEAD = struct.Struct("<4sII")
# Of the word after the action: the product and the logarithm of the MACs a cycle.
_PRODUCTS = ("u55", "u65", "u85")
_PRODUCT_SHIFT = 28
_MACS_MASK = 0xF


@dataclass(frozen=True)
class CompiledFile:
    """What a compiled file says.

    Attributes:
        accelerator: As Vela names it, such as "ethos-u55-128"; "" if unknown.
        on_npu: Numbers of the operators that are parts of the network on the NPU.
        on_cpu: Numbers of the others.
    """

    accelerator: str
    on_npu: tuple[int, ...]
    on_cpu: tuple[int, ...]


def describe_compiled(model: Model) -> CompiledFile | None:
    """Returns what a file says that Vela has compiled; None for any other file.

    A file of which Vela took no operator has no trace of it.
    """
    operators = model.main.operators
    parts = [x for x in operators if x.custom_code == ETHOSU_OPERATOR]
    if not parts:
        return None
    others = tuple(x.index for x in operators if x.custom_code != ETHOSU_OPERATOR)
    found = (find_accelerator(model, operator) for operator in parts)
    accelerator = next(filter(None, found), "")
    return CompiledFile(accelerator, tuple(x.index for x in parts), others)


def find_accelerator(model: Model, operator: Operator) -> str:
    """Returns for which NPU an operator was compiled; "" if it does not say."""
    stream = operator.input(0)
    if stream is None or stream.size < _HEAD.size:
        return ""
    mark, action, config = _HEAD.unpack_from(model.content, stream.start)
    product = config >> _PRODUCT_SHIFT
    is_known = mark == _MARK and action & 0xFF == _CONFIGURE
    if not is_known or product >= len(_PRODUCTS):
        return ""
    return f"ethos-{_PRODUCTS[product]}-{1 << (config & _MACS_MASK)}"
