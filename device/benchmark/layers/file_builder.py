"""Puts a `.tflite` file of int8 operators together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from corallite.device.model.write import pack, schema

_TYPES: dict[str, int] = {
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}
# A real value of one step. Weights are that small that few sums leave the range.
SCALE = 0.05
_WEIGHT_SCALE = 0.002
ZERO_POINT = -3
_WEIGHT_DEVIATION = 40


class OperatorType(NamedTuple):
    """A type of the schema.

    Attributes:
        code: The number of the builtin operator.
        version: The first one that takes int8.
        options: The name of its options; "" if it has none.
    """

    code: int
    version: int
    options: str = ""


@dataclass
class FileBuilder:
    """A model with one graph, as it grows; see the schema for its lists.

    Attributes:
        rng: For weights and biases.
    """

    rng: np.random.Generator
    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    operators: list[Any] = field(default_factory=list)
    codes: list[tuple[int, int]] = field(default_factory=list)

    def add_tensor(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        scales: Sequence[float] = (SCALE,),
        zero_point: int = ZERO_POINT,
        data: np.ndarray | None = None,
        axis: int = 0,
    ) -> int:
        """Adds a tensor, a constant if there are `data`; returns its number."""
        tensor = schema.TensorT()
        tensor.name = f"t{len(self.tensors)}"
        tensor.shape = np.array(shape, np.int32)
        tensor.type = _TYPES[dtype]
        if len(scales):
            quantization = schema.QuantizationParametersT()
            quantization.scale = np.array(scales, np.float32)
            quantization.zeroPoint = np.full(len(scales), zero_point, np.int64)
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        if data is not None:
            tensor.buffer = len(self.buffers)
            self.buffers.append(schema.BufferT())
            self.buffers[-1].data = np.frombuffer(data.tobytes(), np.uint8)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def fits(self, tensor: int, shape: Sequence[int], dtype: str) -> bool:
        """Returns whether a tensor has this shape, this type and the common scale."""
        found = self.tensors[tensor]
        return (
            tuple(found.shape) == tuple(shape)
            and found.type == _TYPES[dtype]
            and found.quantization.scale[0] == np.float32(SCALE)
        )

    def add_integers(self, values: Any) -> int:
        """Adds an int32 constant, such as axes or sizes."""
        array = np.array(values, np.int32)
        return self.add_tensor(array.shape, "int32", (), data=array)

    def add_weights(self, shape: Sequence[int], channels: int, axis: int) -> list[int]:
        """Adds random weights with `channels` scales, and a bias of each output."""
        # Trained weights are small, too: a compiler compresses those that are frequent.
        values = self.rng.normal(0, _WEIGHT_DEVIATION, shape).clip(-127, 127)
        factors = self.rng.uniform(0.5, 1.5, channels).tolist()
        scales = [_WEIGHT_SCALE * factor for factor in factors]
        weights = self.add_tensor(
            shape, scales=scales, zero_point=0, data=values.astype(np.int8), axis=axis
        )
        outputs = shape[axis]
        bias = self.rng.integers(-99, 100, outputs, np.int32)
        return [
            weights,
            self.add_tensor((outputs,), "int32", [x * SCALE for x in scales], 0, bias),
        ]

    def add_operator(
        self,
        kind: OperatorType,
        inputs: list[int],
        output: int,
        options: dict[str, Any],
    ) -> None:
        """Adds an operator, whose output gets its number as name.

        Args:
            kind: Its type.
            inputs: Tensors.
            output: A tensor.
            options: Named as in the generated schema.
        """
        self.tensors[output].name = f"operator_{len(self.operators)}"
        code, version, name = kind
        if (code, version) not in self.codes:
            self.codes.append((code, version))
        made = schema.OperatorT()
        made.opcodeIndex = self.codes.index((code, version))
        made.inputs = np.array(inputs, np.int32)
        made.outputs = np.array([output], np.int32)
        if name:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            made.builtinOptions = getattr(schema, f"{name}T")()
            # The generated classes accept any name; a wrong one would be lost.
            unknown = set(options) - set(vars(made.builtinOptions))
            if unknown:
                raise ValueError(f"Expected options of {name}, got {unknown}.")
            vars(made.builtinOptions).update(options)
        self.operators.append(made)

    def pack(self, inputs: list[int], outputs: list[int]) -> bytes:
        """Returns the file."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs = np.array(inputs, np.int32)
        graph.outputs = np.array(outputs, np.int32)
        model = schema.ModelT()
        model.version, model.buffers, model.subgraphs = 3, self.buffers, [graph]
        model.operatorCodes = []
        for code, version in self.codes:
            made = schema.OperatorCodeT()
            made.builtinCode, made.version = code, version
            made.deprecatedBuiltinCode = min(code, 127)
            model.operatorCodes.append(made)
        return pack(model)
