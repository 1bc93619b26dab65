"""The structure of a TFLite model: tensors, operators and graphs, without weights."""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from mmap import mmap

# The types of quantized values in a full-int8 model.
EIGHT_BIT = ("INT8", "UINT8")
# The largest constant of axes, sizes or strides that is read, in bytes.
_MOST_INTEGERS = 1024
# The largest constant that is searched; ten thousand operators may read it.
_MOST_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a graph.

    Attributes:
        index: Its number in the graph.
        name: From the converter, not always unique.
        type: As in the schema, such as "INT8".
        shape: As stored; a dimension that is unknown before the model runs is -1 or 1.
        signature: The shape with -1 for open dimensions; empty if it is `shape`.
        scales: Real value of one step: none, one, or one per channel.
        zero_points: The stored value that means 0, as many as scales.
        channel_axis: The axis of the channels, if there are several scales.
        element_bits: Size of one element; 0 if it has no fixed size, as strings.
        start: Position of the constant's bytes in the file.
        size: Number of these bytes; 0 if the tensor is not a constant.
        is_variable: Whether it keeps its value between runs.
    """

    index: int
    name: str
    type: str
    shape: tuple[int, ...]
    signature: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    channel_axis: int = 0
    element_bits: int = 8
    start: int = 0
    size: int = 0
    is_variable: bool = False

    @property
    def is_constant(self) -> bool:
        return self.size > 0

    @property
    def is_dynamic(self) -> bool:
        """Whether a dimension is open."""
        return -1 in self.shape or -1 in self.signature

    @property
    def element_count(self) -> int:
        """Elements, open dimensions counted as 1."""
        return math.prod(abs(dimension) for dimension in self.shape)

    @property
    def byte_count(self) -> int:
        """Bytes of the value, open dimensions counted as 1."""
        return (self.element_count * self.element_bits + 7) // 8


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of a graph.

    Attributes:
        index: Its number, in the order of execution.
        name: Type as in the schema, such as "CONV_2D"; "CUSTOM" for custom operators.
        version: Of the type.
        inputs: None for an omitted one.
        outputs: None for an omitted one.
        custom_code: The name of a custom operator.
        options: By name, see `schema.OPTIONS`.
    """

    index: int
    name: str
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor | None, ...]
    custom_code: str = ""
    options: dict[str, int] = field(default_factory=dict)

    def input(self, position: int) -> Tensor | None:
        """Returns an input, None if it is omitted."""
        return self.inputs[position] if position < len(self.inputs) else None

    def output(self, position: int = 0) -> Tensor | None:
        """Returns an output, None if it is omitted."""
        return self.outputs[position] if position < len(self.outputs) else None

    @property
    def read(self) -> list[Tensor]:
        """Inputs that are computed: neither constant nor omitted."""
        return [t for t in self.inputs if t is not None and not t.is_constant]

    @property
    def constants(self) -> list[Tensor]:
        """Inputs that are constants."""
        return [t for t in self.inputs if t is not None and t.is_constant]

    @property
    def written(self) -> list[Tensor]:
        """Outputs that are not omitted."""
        return [t for t in self.outputs if t is not None]


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph; the first one of a model is its main graph."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """The content of a `.tflite` file.

    Attributes:
        version: Of the schema.
        description: Free text from the tool that wrote the file.
        graphs: At least one.
        operator_codes: (name, version) of all operator types that the file declares.
        metadata: Position of each metadata entry, by name: (start, size).
        content: The file.
    """

    version: int
    description: str
    graphs: tuple[Graph, ...]
    operator_codes: tuple[tuple[str, int], ...]
    metadata: Mapping[str, tuple[int, int]]
    content: bytes | mmap

    @property
    def main(self) -> Graph:
        """The main graph."""
        return self.graphs[0]

    def integers(self, tensor: Tensor | None) -> tuple[int, ...]:
        """Returns the values of an INT32 constant, such as axes; otherwise ()."""
        if tensor is None or tensor.type != "INT32" or tensor.size > _MOST_INTEGERS:
            return ()
        count = tensor.size // 4
        return struct.unpack_from(f"<{count}i", self.content, tensor.start)

    def is_filled(self, tensor: Tensor, value: int) -> bool:
        """Returns whether every byte of a constant is `value`, as int8 or uint8.

        Always False for a large constant, which is not searched.
        """
        if tensor.size > _MOST_BYTES:
            return False
        values = self.content[tensor.start : tensor.start + tensor.size]
        return values.count(value & 0xFF) == len(values)
