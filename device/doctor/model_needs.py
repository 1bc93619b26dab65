"""What a `.tflite` file asks of the runtime, read without one.

The file is a flatbuffer. Tables are read by the numbers of their fields, which are
those of TensorFlow's schema.fbs, and of libedgetpu's executable.fbs for the package
that the Edge TPU compiler puts into a custom operator.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

_EDGETPU_OPERATOR = b"edgetpu-custom-op"
_EDGETPU_IDENTIFIER = b"DWN1"
_MIN_RUNTIME = b"min_runtime_version"


@dataclass(frozen=True)
class ModelNeeds:
    """What a model asks for.

    Attributes:
        min_runtime: The TFLite version, such as "2.3.0"; "" if it does not say.
        min_edgetpu_runtime: The Edge TPU runtime's number; None without Edge TPU.
    """

    min_runtime: str = ""
    min_edgetpu_runtime: int | None = None


def read_needs(path: str | Path) -> ModelNeeds:
    """Reads what a model file asks for.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged.
    """
    return parse_needs(Path(path).read_bytes(), path)


def parse_needs(data: bytes, path: str | Path) -> ModelNeeds:
    """Reads what a model asks for.

    Args:
        data: All of the file.
        path: Its name, for the error.

    Raises:
        ValueError: It is damaged.
    """
    try:
        model = _root(data, 0)
        return ModelNeeds(_min_runtime(model), _min_edgetpu_runtime(model))
    except (struct.error, IndexError, RecursionError) as error:
        raise ValueError(f"{path}: is damaged ({error}).") from error


@dataclass(frozen=True)
class _Table:
    """A table in a flatbuffer."""

    data: bytes
    position: int

    def _field(self, number: int) -> int | None:
        """Returns where a field is; None if it is left out."""
        back = _number(self.data, self.position, "<i")
        places = self.position - back
        if 4 + 2 * number >= _number(self.data, places, "<H"):
            return None
        offset = _number(self.data, places + 4 + 2 * number, "<H")
        return self.position + offset if offset else None

    def integer(self, number: int) -> int:
        """Returns an unsigned field of 32 bits; 0 if it is left out."""
        place = self._field(number)
        return 0 if place is None else _number(self.data, place, "<I")

    def content(self, number: int) -> bytes:
        """Returns a string or a vector of bytes; b"" if it is left out."""
        place = self._field(number)
        if place is None:
            return b""
        start = place + _number(self.data, place, "<I")
        length = _number(self.data, start, "<I")
        return self.data[start + 4 : start + 4 + length]

    def tables(self, number: int) -> "list[_Table]":
        """Returns a vector of tables; [] if it is left out."""
        place = self._field(number)
        if place is None:
            return []
        start = place + _number(self.data, place, "<I")
        places = range(start + 4, start + 4 + 4 * _number(self.data, start, "<I"), 4)
        if places.stop > len(self.data):
            raise IndexError("a vector reaches beyond the file")
        return [_Table(self.data, at + _number(self.data, at, "<I")) for at in places]


def _root(data: bytes, start: int) -> _Table:
    return _Table(data, start + _number(data, start, "<I"))


def _number(data: bytes, position: int, kind: str) -> int:
    if position < 0:
        raise IndexError("an offset points before the file")
    return struct.unpack_from(kind, data, position)[0]


def _min_runtime(model: _Table) -> str:
    buffers = model.tables(4)
    for metadata in model.tables(6):
        if metadata.content(0) == _MIN_RUNTIME:
            text = buffers[metadata.integer(1)].content(0)
            return text.partition(b"\0")[0].decode("ascii", "replace").strip()
    return ""


def _min_edgetpu_runtime(model: _Table) -> int | None:
    codes = [code.content(1) for code in model.tables(1)]
    if _EDGETPU_OPERATOR not in codes:
        return None
    needed = 0
    for graph in model.tables(2):
        for operator in graph.tables(3):
            if codes[operator.integer(0)] == _EDGETPU_OPERATOR:
                needed = max(needed, _package_runtime(operator.content(5)))
    return needed


def _package_runtime(options: bytes) -> int:
    """Reads the first field of the package, whose identifier is its bytes 4 to 8."""
    identifier_at = options.find(_EDGETPU_IDENTIFIER)
    if identifier_at < 4:
        return 0
    return _root(options, identifier_at - 4).integer(0)
