"""The structure of a `.tflite` file, as far as it tells how the model is used.

By the bounded reader, and only what is asked for: a file with a manifest starts as
fast as before. Fields are numbered by TensorFlow's schema.fbs.
"""

import math
import struct
from functools import cached_property
from mmap import mmap
from pathlib import Path
from typing import NamedTuple

from corallite.device.model import identifiers
from corallite.device.model.flatbuffer import DamagedError, Flatbuffer, Table
from corallite.device.model.signature import ModelSignature, TensorSpec
from corallite.device.system.errors import ModelFaultError, RequestError

# Builtin operator codes of the schema.
ADD, DEQUANTIZE, LOGISTIC, MUL, RESHAPE, SOFTMAX, CUSTOM = 0, 6, 14, 18, 22, 25, 32
SUB, DIV, SQUEEZE, EXP, CAST, EXPAND_DIMS, QUANTIZE = 41, 42, 43, 47, 53, 70, 114
NON_MAX_SUPPRESSION = (120, 121)

_DTYPES = (
    "float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 "
    "complex128 uint64 resource variant uint32 uint16 int4"
).split()
_INT32 = 2
_FLOATS = {0: struct.Struct("<f"), 1: struct.Struct("<e")}
# Constants that scale an input have one number, or one a channel.
_MOST_NUMBERS = 16
# No image is that far from the first axes; a damaged file may claim any rank.
_MOST_AXES = 8


class Step(NamedTuple):
    """One operator.

    Attributes:
        place: Its number in the order of execution.
        code: Of a builtin type, such as `SOFTMAX`.
        custom: The name of a custom operator, else "".
        inputs: Numbers of tensors; -1 for an omitted one.
        outputs: Numbers of tensors.
    """

    place: int
    code: int
    custom: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class FileGraph:
    """The first graph of a file. Its properties raise `DamagedError`."""

    def __init__(self, content: bytes | mmap) -> None:
        """Takes all of a `.tflite` file."""
        self._content = content
        self._root = Flatbuffer(content).root()
        self._graph = self._root.item(2, 0)
        self._steps: dict[int, Step] = {}

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of the input tensors."""
        return self._graph.numbers(1, "i")

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """The numbers of the output tensors."""
        return self._graph.numbers(2, "i")

    @cached_property
    def signature(self) -> ModelSignature:
        """The inputs and outputs. An open size is -1, but an open batch is 1."""
        sides = (self.inputs, self.outputs)
        return ModelSignature(*(tuple(map(self.tensor, side)) for side in sides))

    @cached_property
    def operators(self) -> list[tuple[int, str]]:
        """The code and the custom name of each operator type."""
        return [_read_code(table) for table in self._root.tables(1)]

    def tensor(self, number: int) -> TensorSpec:
        """Describes a tensor as the runtime does."""
        table = self._graph.item(0, number)
        shape, open_shape = table.numbers(0, "i"), table.numbers(7, "i")
        if len(shape) > _MOST_AXES or len(open_shape) not in (0, len(shape)):
            raise DamagedError(f"tensor {number} has an invalid shape")
        # One image a time is what an open batch runs with by itself.
        sizes = (abs(shape[0]), *(open_shape or shape)[1:]) if shape else ()
        scale, zero_point = _read_quantization(table)
        code = table.number(1, "b")
        dtype = _DTYPES[code] if 0 <= code < len(_DTYPES) else f"type {code}"
        return TensorSpec(table.text(3), sizes, dtype, scale, zero_point)

    def writer_of(self, tensor: int) -> Step | None:
        """Returns the last operator that writes a tensor."""
        for place in reversed(range(self._graph.count(3))):
            step = self._step(place)
            if tensor in step.outputs:
                return step
        return None

    def readers_of(self, tensor: int, limit: int = 2) -> list[Step]:
        """Returns the first operators that read a tensor, at most `limit`."""
        found: list[Step] = []
        for place in range(self._graph.count(3)):
            step = self._step(place)
            if tensor in step.inputs:
                found.append(step)
            if len(found) == limit:
                break
        return found

    @cached_property
    def steps(self) -> list[Step]:
        """The operators in the order of execution."""
        return [self._step(place) for place in range(self._graph.count(3))]

    def options(self, place: int) -> Table | None:
        """Returns the options of an operator; None if all have their defaults."""
        return self._graph.item(3, place).table(4)

    def integers(self, tensor: int) -> tuple[int, ...]:
        """Returns the values of a small INT32 constant; () for any other tensor."""
        if tensor < 0:
            return ()
        table = self._graph.item(0, tensor)
        start, size = self._root.item(4, table.number(2, "I")).span(0)
        if table.number(1, "b") != _INT32 or size > 4 * _MOST_NUMBERS or size % 4:
            return ()
        return struct.unpack(f"<{size // 4}i", self._content[start : start + size])

    def is_constant(self, tensor: int) -> bool:
        """Returns whether a tensor has its values in the file."""
        number = self._graph.item(0, tensor).number(2, "I") if tensor >= 0 else 0
        return tensor >= 0 and self._root.item(4, number).span(0)[1] > 0

    def constant(self, tensor: int) -> tuple[float, ...]:
        """Returns the numbers of a small float constant; () for any other tensor."""
        if tensor < 0:
            return ()
        table = self._graph.item(0, tensor)
        kind = _FLOATS.get(table.number(1, "b"))
        start, size = self._root.item(4, table.number(2, "I")).span(0)
        if kind is None or not 0 < size <= 4 * _MOST_NUMBERS or size % kind.size:
            return ()
        content = self._content[start : start + size]
        numbers = tuple(number for (number,) in kind.iter_unpack(content))
        return numbers if all(map(math.isfinite, numbers)) else ()

    def metadata(self) -> bytes:
        """Returns the bytes of the TFLite Metadata; b"" if there are none."""
        for entry in self._root.tables(6):
            if entry.text(0) == identifiers.TFLITE_METADATA_NAME:
                start, size = self._root.item(4, entry.number(1, "I")).span(0)
                return bytes(self._content[start : start + size])
        return b""

    def _step(self, place: int) -> Step:
        """Returns an operator; each is read once, because what is read is counted."""
        if place not in self._steps:
            self._steps[place] = self._read_step(place)
        return self._steps[place]

    def _read_step(self, place: int) -> Step:
        table = self._graph.item(3, place)
        kind = table.number(0, "I")
        if kind >= len(self.operators):
            raise DamagedError(f"operator {place} has a type that does not exist")
        code, custom = self.operators[kind]
        return Step(place, code, custom, table.numbers(1, "i"), table.numbers(2, "i"))


def read_graph(content: bytes | mmap, path: str | Path) -> FileGraph:
    """Reads the inputs and outputs of a file, and refuses what no runtime here runs.

    Every door through which a model comes in leads here.

    Args:
        content: All of the file.
        path: Its name, for errors.

    Raises:
        RequestError: It is damaged, has an input of open size, has operators of
            TensorFlow itself, or is compiled for an Ethos-U.
    """
    try:
        graph = FileGraph(content)
        signature, operators = graph.signature, graph.operators
    except DamagedError as error:
        raise damaged(path, error) from error
    flex = sorted({name for _, name in operators if name.startswith("Flex")})
    if flex:
        raise RequestError(
            f"{path}: needs {', '.join(flex[:3])}{' ...' if flex[3:] else ''}, which "
            "only TensorFlow itself runs; convert it again without "
            "tf.lite.OpsSet.SELECT_TF_OPS."
        )
    if any(name == identifiers.ETHOSU_OPERATOR for _, name in operators):
        raise RequestError(
            f"{path}: is compiled for an Ethos-U, which no runtime here drives; give "
            "the int8 file that it was compiled from."
        )
    for spec in signature.inputs:
        if min(spec.shape, default=1) < 1:
            raise RequestError(
                f"{path}: the size of its input {spec.name!r} ({spec.sizes}) is not "
                "fixed; convert it with a fixed size, such as 1x224x224x3."
            )
    return graph


def damaged(path: str | Path, error: DamagedError) -> ModelFaultError:
    """Returns the error to raise for a file that is not intact."""
    return ModelFaultError(f"{path}: is damaged ({error}); copy or convert it again.")


def _read_code(table: Table) -> tuple[int, str]:
    # The second field was added when the first was full.
    return max(table.number(0, "b"), table.number(3, "i")), table.text(1)


def _read_quantization(table: Table) -> tuple[float, int]:
    """Returns the scale and the zero point of a tensor that has one of each."""
    quantization = table.table(4)
    if quantization is None:
        return 0.0, 0
    scales, zeros = quantization.numbers(2, "f"), quantization.numbers(3, "q")
    return (scales[0] if len(scales) == 1 else 0.0), (zeros[0] if zeros else 0)
