"""Turns the outputs of a model into predictions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from corallite.device.engine.base import Probabilities
from corallite.device.engine.runner import Tensor
from corallite.device.model.manifest import (
    LOGITS,
    MULTILABEL_LOGITS,
    ClassesOutput,
)
from corallite.device.model.signature import ModelSignature, TensorSpec, find_classes
from corallite.device.system.errors import RequestError


class Head(Protocol):
    """Turns the outputs of a runner into a prediction; each head has its own type."""

    def decode(self, outputs: Mapping[str, Tensor]) -> Any:
        """Returns the prediction; `outputs` are by name."""


class ClassesHead:
    """A `Head`: a probability for each label, from a model's only output.

    A single number is the probability, or the logit, of the second of two labels.
    """

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
        classes, labels = find_classes(signature, path), len(described.labels)
        (self._spec,) = signature.outputs
        self._values = described.values
        self._refusal = described.refusal
        self._path = path
        self._is_pair = classes == 1 and labels == 2 and not described.is_multilabel
        if classes != labels and not self._is_pair:
            raise RequestError(
                f"{path}: has {classes} outputs but {labels} labels; give the labels "
                "that it was trained with, one for each output (two for one sigmoid)."
            )

    def decode(self, outputs: Mapping[str, Tensor]) -> Probabilities:
        """Returns the probability of each label, float32 [labels].

        Quantized outputs become (q - zero_point) * scale. Probabilities and numbers of
        unknown meaning stay as they are, unless the manifest has a temperature.

        Raises:
            RequestError: One is infinite or not a number, which JSON does not have.
        """
        probabilities = self._interpret(outputs[self._spec.name].reshape(-1))
        if not np.isfinite(probabilities).all():
            raise RequestError(
                f"{self._path}: its outputs are not all numbers for this image; "
                "convert it again, or check --input_range of classify."
            )
        if self._refusal is None:
            return probabilities
        return self._refusal.calibrate(probabilities)

    def _interpret(self, values: Tensor) -> Probabilities:
        values = dequantize(values, self._spec)
        if self._values == MULTILABEL_LOGITS:
            return _sigmoid(values)
        if self._values == LOGITS:
            return _pair(_sigmoid(values)) if self._is_pair else _softmax(values)
        return _pair(values) if self._is_pair else values


def dequantize(values: Tensor, spec: TensorSpec) -> Probabilities:
    """Returns (q - zero_point) * scale of each quantized number, float32."""
    if values.dtype == np.float32:
        return values
    # In 8 bits the difference would wrap around.
    centred = values.astype(np.int64) - spec.zero_point
    return (centred * spec.scale).astype(np.float32)


def _pair(values: Probabilities) -> Probabilities:
    return np.concatenate([1 - values, values])


def _softmax(logits: Probabilities) -> Probabilities:
    # The difference keeps exp within range. An infinite one gives NaN.
    with np.errstate(invalid="ignore"):
        powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def _sigmoid(logits: Probabilities) -> Probabilities:
    # 1 / (1 + exp(-x)) without an overflow for large negative x.
    return (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)
