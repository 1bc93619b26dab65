"""Reads where the parameters of a file compiled for the Edge TPU are.

The format is that of `executable.fbs` (google-coral/libedgetpu).
"""

from dataclasses import dataclass

from corallite.device.model import identifiers
from corallite.device.model.flatbuffer import DamagedError, Flatbuffer

# Field numbers: a package has a container of executables, each a byte string.
_CONTAINER, _EXECUTABLES = 1, 0
_PARAMETERS, _TYPE = 6, 13
_PARAMETER_CACHING = 1
# More than any file has.
_MOST_PACKAGES = 100


@dataclass(frozen=True)
class Placed:
    """Where the parameters of a compiled model are.

    Attributes:
        cached: Bytes that are sent once and stay on the chip.
        streamed: Bytes that are sent for every image.
    """

    cached: int = 0
    streamed: int = 0


def read_parameters(content: bytes) -> Placed | None:
    """Returns the parameter bytes of all packages in a compiled file.

    None if there are none, or their format is unknown.
    """
    cached = streamed = 0
    starts = _find_packages(content)
    try:
        for start in starts:
            for executable in _list_executables(content[start:]):
                table = Flatbuffer(executable).root()
                size = table.span(_PARAMETERS)[1]
                if table.number(_TYPE, "h") == _PARAMETER_CACHING:
                    cached += size
                else:
                    streamed += size
    except DamagedError:
        return None
    return Placed(cached, streamed) if starts else None


def _find_packages(content: bytes) -> list[int]:
    """Returns where packages begin, four bytes before their identifier."""
    starts: list[int] = []
    place = content.find(identifiers.EDGETPU_PACKAGE, 4)
    while place >= 0 and len(starts) < _MOST_PACKAGES:
        starts.append(place - 4)
        place = content.find(identifiers.EDGETPU_PACKAGE, place + 1)
    return starts


def _list_executables(package: bytes) -> list[bytes]:
    start, size = Flatbuffer(package).root().span(_CONTAINER)
    container = package[start : start + size]
    buffer = Flatbuffer(container)
    return [
        container[place : place + length]
        for place, length in buffer.root().spans(_EXECUTABLES)
    ]
