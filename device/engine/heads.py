"""Turns the outputs of a model into predictions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from corallite.device.engine.base import Probabilities
from corallite.device.engine.runner import Tensor
from corallite.device.model.manifest import ClassesOutput
from corallite.device.model.signature import ModelSignature
from corallite.device.system.errors import RequestError

_TYPES = ("uint8", "int8", "float32")


class Head(Protocol):
    """Turns the outputs of a runner into a prediction; each head has its own type."""

    def decode(self, outputs: Mapping[str, Tensor]) -> Any:
        """Returns the prediction; `outputs` are by name."""


class ClassesHead:
    """A `Head`: one number for each class, from a model's only output."""

    def __init__(
        self, described: ClassesOutput, signature: ModelSignature, path: str | Path
    ) -> None:
        """Checks that the model has such an output.

        Args:
            described: The output in the manifest.
            signature: The model's.
            path: The model's file, for errors.

        Raises:
            RequestError: The model has no such output.
        """
        shapes = [list(output.shape) for output in signature.outputs]
        if len(shapes) != 1 or np.prod(shapes[0]) != max(shapes[0], default=0):
            raise RequestError(
                f"{path}: gives outputs of shape {shapes}, expected one [1, classes]; "
                "corallite runs classifiers only."
            )
        (self._spec,) = signature.outputs
        classes, labels = max(self._spec.shape), len(described.labels)
        if classes != labels:
            raise RequestError(
                f"{path}: has {classes} outputs but {labels} labels; give the labels "
                "that it was trained with, one for each output."
            )
        require_type(self._spec.name, self._spec.dtype, path)
        if self._spec.dtype != "float32" and not self._spec.scale:
            raise RequestError(
                f"{path}: its output is {self._spec.dtype} without a scale, so that "
                "its values are unknown; convert the model again."
            )

    def decode(self, outputs: Mapping[str, Tensor]) -> Probabilities:
        """Returns (q - zero_point) * scale, float32 [classes]; floats as they are."""
        values = outputs[self._spec.name].reshape(-1)
        if values.dtype == np.float32:
            return values
        # In 8 bits the difference would wrap around.
        centred = values.astype(np.int64) - self._spec.zero_point
        return (centred * self._spec.scale).astype(np.float32)


def require_type(name: str, dtype: str, path: str | Path) -> None:
    """Raises `RequestError` for a tensor of a type that is not supported."""
    if dtype not in _TYPES:
        raise RequestError(
            f"{path}: tensor {name!r} is {dtype}, expected uint8, int8 or float32; "
            "convert the model with such a type."
        )
