"""Loads a `.tflite` file into the TFLite runtime that this machine has."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.model import identifiers
from corallite.device.model.description.graph import read_graph
from corallite.device.system.errors import ModelFaultError, RequestError
from corallite.device.system.files import reporting_unreadable, require_regular

# In order of preference. The second is the first's predecessor with the same API, and
# the only one for 32-bit Arm.
RUNTIMES = ("ai_edge_litert", "tflite_runtime")
# More than any board's cores; where threads run out, the runtime crashes.
MOST_THREADS = 256

# Google's library, by the name under which every build of it is installed.
_EDGETPU_LIBRARY = "libedgetpu.so.1"


def read_model(path: str | Path) -> bytes:
    """Returns the content of a `.tflite` file.

    Raises:
        RequestError: The file is missing or of another kind.
    """
    with reporting_unreadable(path, "check its name"):
        require_regular(path)
        # Unbuffered: a buffer would copy the megabytes, which a start would notice.
        with open(path, "rb", buffering=0) as file:
            content = file.read(8)
            # Another file may be very large.
            if content[4:] == identifiers.MODEL:
                file.seek(0)
                content = file.readall()
    if content[4:8] != identifiers.MODEL:
        raise ModelFaultError(
            f"{path}: is not a TFLite model; convert one with: corallite convert."
        )
    return content


def load_interpreter(
    path: str | Path, num_threads: int = 1, content: bytes | None = None
) -> Any:
    """Returns a TFLite `Interpreter` of a file, with its tensors allocated.

    It keeps the content in memory and does not map the file, so that writing into the
    file, as `scp` does, does not change the running model.

    Args:
        path: A `.tflite` file.
        num_threads: Threads of one inference, at least 1.
        content: What `read_model` returned for it; by default, it is read.

    Raises:
        RequestError: The file is missing, of another kind, damaged, has an input of
            open size, or needs what the runtime lacks; or no runtime works here.
    """
    if num_threads < 1:
        raise ValueError(
            f"Expected `num_threads` to be at least 1, got {num_threads!r}."
        )
    content = read_model(path) if content is None else content
    read_graph(content, path)
    runtime = _import_runtime(choose_runtime())
    try:
        interpreter = runtime.Interpreter(
            model_content=content, num_threads=num_threads
        )
        interpreter.allocate_tensors()
        # It decodes the names of tensors only now, and raises if one is not UTF-8.
        interpreter.get_input_details()
        interpreter.get_output_details()
    except (ValueError, RuntimeError) as error:
        raise RequestError(
            f"{path}: cannot be run ({first_line(error)}); copy or convert it again, "
            "or update the TFLite runtime."
        ) from error
    return interpreter


def load_on_edgetpu(content: bytes, options: dict[str, str]) -> Any:
    """Returns an `Interpreter` of a compiled model on an Edge TPU.

    An incompatible library or driver may crash or hang: call it in a separate process.

    Args:
        content: What `read_model` returned.
        options: libedgetpu's, such as {"device": ":1"}; {} for any Edge TPU.

    Raises:
        RequestError: No runtime works here.
        OSError: There is no libedgetpu.
        ValueError, RuntimeError: There is no Edge TPU, or it does not accept the model.
    """
    runtime = _import_runtime(choose_runtime())
    delegate = runtime.load_delegate(_EDGETPU_LIBRARY, options)
    interpreter = runtime.Interpreter(
        model_content=content, experimental_delegates=[delegate]
    )
    interpreter.allocate_tensors()
    return interpreter


def choose_runtime(
    is_installed: Callable[[str], bool] | None = None,
    numpy_version: str = np.__version__,
) -> str:
    """Returns the name of the runtime to import, one of `RUNTIMES`.

    Args:
        is_installed: Tells whether a module can be found; default, in this process.
        numpy_version: Such as "2.4.6".

    Raises:
        RequestError: None is installed, or the only one does not work with this NumPy.
    """
    found = next(filter(is_installed or _is_installed, RUNTIMES), None)
    if found is None:
        raise RequestError(
            "No TFLite runtime is installed; run: pip install ai-edge-litert "
            "(on 32-bit Arm: pip install tflite-runtime 'numpy<2')."
        )
    if found == "tflite_runtime" and int(numpy_version.split(".")[0]) >= 2:
        # It was compiled against NumPy 1 and crashes with `_ARRAY_API not found`.
        raise RequestError(
            f"tflite-runtime needs NumPy below 2 and this is {numpy_version}; run: "
            "pip install 'numpy<2', or install ai-edge-litert in its place."
        )
    return found


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _import_runtime(name: str) -> Any:
    try:
        return importlib.import_module(f"{name}.interpreter")
    except ImportError as error:
        raise RequestError(
            f"The installed {name} cannot be loaded ({first_line(error)}); install "
            "it again for this Python and system."
        ) from error


def first_line(error: Exception) -> str:
    """Returns the first line of a runtime's error, without a full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
