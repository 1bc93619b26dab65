"""Runs `.tflite` files with TensorFlow Lite Micro, as microcontrollers do.

Its kernels are TFLite's reference kernels: exact, and many times slower than LiteRT.
"""

import contextlib
import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.device.engine.runner import Tensor
from corallite.device.engine.runtime import first_line, read_model
from corallite.device.model.archive import ARCHIVE_ERRORS, split_archive
from corallite.device.model.description.graph import read_graph
from corallite.device.model.signature import ModelSignature
from corallite.device.system.errors import RequestError
from corallite.device.system.native_log import withholding_native_log

# Much more than any model for a microcontroller; only what is used takes memory.
_ARENA_BYTES = 256 << 20


class MicroRunner:
    """A `Runner` over TFLM's interpreter for Python."""

    def __init__(self, interpreter: Any, signature: ModelSignature) -> None:
        """Takes an `Interpreter`, and the signature of its model."""
        self._interpreter = interpreter
        self.signature = signature

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns a copy of each output, by name.

        Raises:
            RuntimeError: The model loads but does not run.
            ValueError: An input has another shape or type.
        """
        for number, spec in enumerate(self.signature.inputs):
            self._interpreter.set_input(inputs[spec.name], number)
        self._interpreter.invoke()
        names = [spec.name for spec in self.signature.outputs]
        return {x: self._interpreter.get_output(n) for n, x in enumerate(names)}


def load(
    path: str | Path, num_threads: int = 1, content: bytes | None = None
) -> MicroRunner:
    """Returns a runner of a file.

    Args:
        path: A `.tflite` file.
        num_threads: Ignored: TFLM has one thread.
        content: What `read_model` returned for it; by default, it is read.

    Raises:
        RequestError: The file is damaged, TFLM does not run it, or TFLM is not
            installed.
    """
    content = read_model(path) if content is None else content
    signature = read_graph(content, path).signature
    runtime = import_runtime()
    try:
        with withholding_native_log():
            interpreter = open_interpreter(runtime, strip(content), _ARENA_BYTES)
    except (RuntimeError, ValueError, LookupError) as error:
        raise RequestError(
            f"{path}: TensorFlow Lite Micro does not run it ({first_line(error)}); "
            "convert it again, or use another network."
        ) from error
    return MicroRunner(interpreter, signature)


def import_runtime() -> Any:
    """Returns TFLM's module for Python.

    Raises:
        RequestError: It is not installed.
    """
    try:
        return importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    except ImportError as error:
        raise RequestError(
            f"TensorFlow Lite Micro is not installed ({first_line(error)}); on x86-64, "
            "run: pip install tflite-micro."
        ) from error


def open_interpreter(runtime: Any, content: bytes, arena_bytes: int) -> Any:
    """Returns an `Interpreter` with its tensors allocated; it prints nothing.

    Args:
        runtime: Of `import_runtime`.
        content: A model without the archive behind it.
        arena_bytes: The memory for its tensors and structures.

    Raises:
        RuntimeError: The arena is too small, or TFLM does not run the model. It writes
            the reason to file descriptor 2.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        return runtime.Interpreter.from_bytes(content, arena_size=arena_bytes)


def strip(content: bytes) -> bytes:
    """Returns a `.tflite` file without the archive behind it."""
    try:
        return split_archive(content)[0]
    except ARCHIVE_ERRORS:
        return content  # Nothing reads a damaged archive here.
