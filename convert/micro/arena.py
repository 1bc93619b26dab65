"""Measures the memory that TensorFlow Lite Micro needs for a model: its arena."""

import contextlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corallite.device.engine.runners.tflite_micro import (
    import_runtime,
    open_interpreter,
)
from corallite.device.engine.runtime import first_line
from corallite.device.system.errors import RequestError
from corallite.device.system.process.isolated import try_python

# A network of a megapixel takes tens of seconds.
_LIMIT_S = 300.0
_LARGE = 256 << 20
_STEP = 1024
_SHARE = 10  # A tenth.
_LINE = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
_NOT_A_REASON = re.compile(r"Node .* failed to prepare|AllocateTensors\(\) failed")
_MOST_REASON = 160
_CHILD = """
from corallite.convert.micro.arena import measure_here
measure_here(sys.argv[1])
"""


class Arena(NamedTuple):
    """The arena of a model, in bytes, with the reference kernels and 8-byte pointers.

    Attributes:
        activations: The tensors, which share memory.
        structures: What describes tensors and operators; less with 4-byte pointers.
        reserved: What a program should reserve: both and a tenth more, at a multiple
            of 1,024. The model runs with exactly that.
    """

    activations: int
    structures: int
    reserved: int


def measure_arena(content: bytes, path: str | Path) -> Arena:
    """Returns the arena of a model, which runs in a process of its own.

    Args:
        content: A model without the archive behind it.
        path: Its name, for errors.

    Raises:
        RequestError: TFLM is not installed, or does not run the model.
    """
    import_runtime()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.tflite"
        copy.write_bytes(content)
        outcome = try_python(_CHILD, str(copy), timeout_s=_LIMIT_S)
    found = {"failure": outcome.failure} if outcome.failure else {}
    found = found or json.loads(outcome.output)
    if "failure" in found:
        raise RequestError(
            f"{path}: TensorFlow Lite Micro does not run it ({found['failure']}); "
            "convert it again, or use another network."
        )
    return Arena(**found)


def measure_here(path: str) -> None:
    """Prints the arena of a model as JSON, or the reason why it does not run.

    It takes over file descriptor 2, where TFLM writes; for a process of its own.
    """
    content = Path(path).read_bytes()
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            _run(content, _LARGE).print_allocations()
            sizes = {x: int(size) for x, size in _LINE.findall(_read(log.fileno()))}
            reserved = _find_reserved(content, sizes["total"])
        except (RuntimeError, ValueError, LookupError) as error:
            reason = _find_reason(_read(log.fileno())) or first_line(error)
            print(json.dumps({"failure": reason}))
            return
    print(json.dumps(Arena(sizes["head"], sizes["tail"], reserved)._asdict()))


def _run(content: bytes, arena_bytes: int) -> Any:
    """Runs a model on zeros; returns its interpreter.

    Raises:
        RuntimeError: The arena is too small, or TFLM does not run the model.
    """
    interpreter = open_interpreter(import_runtime(), content, arena_bytes)
    details = interpreter.get_input_details(0)
    interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
    interpreter.invoke()
    return interpreter


def _find_reserved(content: bytes, used: int) -> int:
    """Returns the bytes to reserve: those used, a tenth more, and more if necessary.

    Planning takes memory that is not counted, so it is tried.

    Raises:
        RuntimeError: Twice as much is not enough.
    """
    first = -(-(used + used // _SHARE) // _STEP) * _STEP
    for arena_bytes in range(first, 2 * first, _STEP):
        with contextlib.suppress(RuntimeError):
            _run(content, arena_bytes)
            return arena_bytes
    raise RuntimeError(f"an arena of {2 * first:,} bytes is too small")


def _read(log: int) -> str:
    size = os.lseek(log, 0, os.SEEK_END)
    return os.pread(log, size, 0).decode(errors="replace")


def _find_reason(log: str) -> str:
    """Returns TFLM's first line that gives a reason; "" if it wrote none."""
    lines = (line.strip() for line in log.splitlines())
    found = next((x for x in lines if x and not _NOT_A_REASON.search(x)), "")
    return found[:_MOST_REASON].rstrip(".")
