"""Loads a `.tflite` file into whichever TFLite runtime this machine has."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.errors import RequestError

# In order of preference. The second is the first's predecessor with the same API; it
# is what 32-bit Arm has.
RUNTIMES = ("ai_edge_litert", "tflite_runtime")

# A flatbuffer's file identifier: bytes 4 to 8.
_IDENTIFIER = b"TFL3"


def load_interpreter(path: str | Path, num_threads: int = 1) -> Any:
    """Returns a TFLite `Interpreter` of a file, with its tensors allocated.

    Args:
        path: A `.tflite` file. It is mapped into memory: replace it by renaming
            another over it, never by writing into it.
        num_threads: Threads of one inference, at least 1.

    Raises:
        RequestError: The file is missing, of another kind, cut short or needs what
            the runtime has not; or there is no runtime that works here.
    """
    if num_threads < 1:
        raise ValueError(
            f"Expected `num_threads` to be at least 1, got {num_threads!r}."
        )
    _check_identifier(Path(path))
    interpreter_class = _import_runtime(choose_runtime())
    try:
        interpreter = interpreter_class(model_path=str(path), num_threads=num_threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise RequestError(
            f"{path}: cannot be run ({_first_line(error)}); copy or convert it again, "
            "or update the TFLite runtime."
        ) from error
    return interpreter


def choose_runtime(
    is_installed: Callable[[str], bool] | None = None,
    numpy_version: str = np.__version__,
) -> str:
    """Names the runtime to import, of those in `RUNTIMES`.

    Args:
        is_installed: Tells whether a module can be found; default, in this process.
        numpy_version: Such as "2.4.6".

    Raises:
        RequestError: None is installed, or the only one does not go with this NumPy.
    """
    found = [name for name in RUNTIMES if (is_installed or _is_installed)(name)]
    if not found:
        raise RequestError(
            "No TFLite runtime is installed; run: pip install ai-edge-litert "
            "(on 32-bit Arm: pip install tflite-runtime 'numpy<2')."
        )
    if found[0] == "tflite_runtime" and int(numpy_version.split(".")[0]) >= 2:
        # It was compiled against NumPy 1 and crashes with `_ARRAY_API not found`.
        raise RequestError(
            f"tflite-runtime needs NumPy below 2 and this is {numpy_version}; run: "
            "pip install 'numpy<2', or install ai-edge-litert in its place."
        )
    return found[0]


def read_input_size_hw(path: str | Path) -> tuple[int, int]:
    """Returns the height and width of the image that a model file takes.

    Raises:
        RequestError: As `load_interpreter`, or the input is not one RGB image.
    """
    return input_size_hw(load_interpreter(path), path)


def input_size_hw(interpreter: Any, path: str | Path) -> tuple[int, int]:
    """Returns the height and width of the image that `interpreter` takes.

    Args:
        interpreter: An allocated interpreter.
        path: Its file, for the error.

    Raises:
        RequestError: The input is not one RGB image.
    """
    shapes = [detail["shape"].tolist() for detail in interpreter.get_input_details()]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][::3] != [1, 3]:
        raise RequestError(
            f"{path}: takes inputs of shape {shapes}, expected one [1, height, width, "
            "3]; export it as an image classifier with a batch of 1."
        )
    return shapes[0][1], shapes[0][2]


def _check_identifier(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be read ({error.strerror}); check its name."
        ) from error
    if start[4:] != _IDENTIFIER:
        raise RequestError(
            f"{path}: is not a TFLite model; convert one with: corallite convert."
        )


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _import_runtime(name: str) -> Any:
    try:
        module = importlib.import_module(f"{name}.interpreter")
    except ImportError as error:
        raise RequestError(
            f"The installed {name} cannot be loaded ({_first_line(error)}); install "
            "it again for this Python and system."
        ) from error
    return module.Interpreter


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
