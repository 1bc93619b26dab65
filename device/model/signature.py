"""The named inputs and outputs of a model file, the same for every runner."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TensorSpec:
    """An input or an output of a model.

    Attributes:
        name: Unique among the inputs, and among the outputs.
        shape: The size of each axis.
        dtype: The name of its NumPy type, such as "int8".
        scale: A stored q is the number (q - zero_point) * scale; 0: not quantized.
        zero_point: See `scale`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class ModelSignature:
    """A model's inputs and outputs, each in the order of the file."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ModelSignature":
        """Creates an object from the dict of `dataclasses.asdict`.

        Raises:
            KeyError, TypeError: `content` is something else.
        """
        inputs, outputs = (
            tuple(
                TensorSpec(**{**spec, "shape": tuple(spec["shape"])}) for spec in side
            )
            for side in (content["inputs"], content["outputs"])
        )
        return cls(inputs, outputs)
