"""Reads which runtimes a `.tflite` file requires, without a runtime.

Fields are numbered as in TensorFlow's schema.fbs and, for the package that the Edge TPU
compiler puts into a custom operator, libedgetpu's executable.fbs. The file may be
damaged, so `flatbuffer` reads it.
"""

from dataclasses import dataclass
from pathlib import Path

from corallite.device.model import identifiers
from corallite.device.model.flatbuffer import DamagedError, Flatbuffer, Table

_MIN_RUNTIME = "min_runtime_version"


@dataclass(frozen=True)
class ModelNeeds:
    """The runtimes that a model requires.

    Attributes:
        min_runtime: The TFLite version, such as "2.3.0"; "" if unknown.
        min_edgetpu_runtime: The Edge TPU runtime's number; None for a CPU model.
    """

    min_runtime: str = ""
    min_edgetpu_runtime: int | None = None


def read_needs(path: str | Path) -> ModelNeeds:
    """Reads what a model file requires.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged.
    """
    return parse_needs(Path(path).read_bytes(), path)


def parse_needs(data: bytes, path: str | Path) -> ModelNeeds:
    """Reads what a model requires.

    Args:
        data: Content of the file.
        path: Its name, for errors.

    Raises:
        ValueError: It is damaged.
    """
    try:
        model = Flatbuffer(data).root()
        return ModelNeeds(_min_runtime(model, data), _min_edgetpu_runtime(model, data))
    except DamagedError as error:
        raise ValueError(f"{path}: is damaged ({error}).") from error


def _min_runtime(model: Table, data: bytes) -> str:
    for metadata in model.tables(6):
        if metadata.text(0) == _MIN_RUNTIME:
            buffers = model.tables(4)
            start, size = _item(buffers, metadata.number(1, "I")).span(0)
            text = data[start : start + size].partition(b"\0")[0]
            return text.decode("ascii", "replace").strip()
    return ""


def _min_edgetpu_runtime(model: Table, data: bytes) -> int | None:
    codes = model.tables(1)
    is_compiled = [code.text(1) == identifiers.EDGETPU_OPERATOR for code in codes]
    if not any(is_compiled):
        return None
    needed = 0
    for graph in model.tables(2):
        for operator in graph.tables(3):
            if _item(is_compiled, operator.number(0, "I")):
                start, size = operator.span(5)
                needed = max(needed, _package_runtime(data[start : start + size]))
    return needed


def _package_runtime(options: bytes) -> int:
    """Reads the first field of the package, whose identifier is its bytes 4 to 8."""
    identifier_at = options.find(identifiers.EDGETPU_PACKAGE)
    if identifier_at < 4:
        return 0
    return Flatbuffer(options[identifier_at - 4 :]).root().number(0, "I")


def _item(items: list, number: int):  # type: ignore[no-untyped-def]
    if number >= len(items):
        raise DamagedError(f"it refers to item {number} of {len(items)}")
    return items[number]
