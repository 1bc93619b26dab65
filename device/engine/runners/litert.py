"""Runs `.tflite` files with the TFLite runtime that this machine has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.engine.runner import Tensor
from corallite.device.engine.runtime import load_interpreter
from corallite.device.model.signature import ModelSignature, TensorSpec


class LiteRtRunner:
    """A `Runner` over a TFLite interpreter."""

    def __init__(self, interpreter: Any) -> None:
        """Takes an `Interpreter` whose tensors are allocated."""
        self._interpreter = interpreter
        inputs = interpreter.get_input_details()
        outputs = interpreter.get_output_details()
        specs = (tuple(map(_describe, side)) for side in (inputs, outputs))
        self.signature = ModelSignature(*specs)
        self._inputs = {detail["name"]: detail["index"] for detail in inputs}
        self._outputs = {detail["name"]: detail["index"] for detail in outputs}

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns a copy of each output, by name.

        Raises:
            RuntimeError: The model loads but does not run.
            ValueError: An input has another shape or type.
        """
        for name, value in inputs.items():
            self._interpreter.set_tensor(self._inputs[name], value)
        self._interpreter.invoke()
        get = self._interpreter.get_tensor
        return {name: get(index) for name, index in self._outputs.items()}


def load(
    path: str | Path, num_threads: int = 1, content: bytes | None = None
) -> LiteRtRunner:
    """Returns a runner of a file on the CPU; see `load_interpreter`."""
    return LiteRtRunner(load_interpreter(path, num_threads, content))


def _describe(detail: dict[str, Any]) -> TensorSpec:
    shape = tuple(int(size) for size in detail["shape"])
    scale, zero_point = detail["quantization"]
    dtype = np.dtype(detail["dtype"]).name
    return TensorSpec(detail["name"], shape, dtype, float(scale), int(zero_point))
