"""Writes flatbuffers front to back, so that they may refer to what stands behind them.

The flatbuffers package writes back to front, and can only refer to what it wrote
itself. What is added to a finished model has to refer to the model.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Constants of a model begin at multiples of this; the schema's force_align.
ALIGNMENT = 16


@dataclass(frozen=True)
class Number:
    """A number that is stored in a table; `kind` is its letter in `struct`."""

    kind: str
    value: float


@dataclass(frozen=True)
class Place:
    """What is somewhere else already, or will be: a byte of the file."""

    position: int


# A table is a dict of its fields by their number in the schema. Fields that are None
# are left out.
Part = Any  # Place | str | bytes | Mapping | a sequence of parts or of floats.


def write_flatbuffer(root: Mapping[int, Part], identifier: bytes) -> bytearray:
    """Returns a flatbuffer with the table `root` and all that belongs to it.

    The same arguments give the same bytes.

    Args:
        root: A table, whose fields are: a Number; a string; bytes, which begin at a
            multiple of `ALIGNMENT`; a table; a list of floats or of any of these; or
            a Place.
        identifier: Four bytes that say what it is.
    """
    content = bytearray(4) + identifier
    _refer(content, 0, root)
    return content


def aligned_vector(start: int) -> int:
    """Returns where, from `start` on, a vector can begin whose bytes are aligned."""
    return start + -(start + 4) % ALIGNMENT


def _refer(content: bytearray, slot: int, part: Part) -> None:
    """Writes a part and its offset, for which there are four bytes at `slot`."""
    position = _write(content, part)
    struct.pack_into("<I", content, slot, position - slot)


def _write(content: bytearray, part: Part) -> int:
    """Appends a part and returns where it begins."""
    if isinstance(part, Place):
        return part.position
    if isinstance(part, Mapping):
        return _write_table(content, part)
    if isinstance(part, bytes):
        content.extend(bytes(aligned_vector(len(content)) - len(content)))
        return _append(content, struct.pack("<I", len(part)) + part)
    _align(content, 4)
    if isinstance(part, str):
        text = part.encode(errors="replace")
        return _append(content, struct.pack("<I", len(text)) + text + b"\0")
    return _write_vector(content, part)


def _write_vector(content: bytearray, items: Sequence[Part]) -> int:
    count = struct.pack("<I", len(items))
    if all(isinstance(item, float) for item in items):
        return _append(content, count + struct.pack(f"<{len(items)}f", *items))
    start = _append(content, count + bytes(4 * len(items)))
    for index, item in enumerate(items):
        _refer(content, start + 4 + 4 * index, item)
    return start


def _write_table(content: bytearray, fields: Mapping[int, Part]) -> int:
    """Appends a table behind the list of where its fields are."""
    present = {slot: part for slot, part in fields.items() if part is not None}
    # The widest first, so that each is aligned in a table that is.
    slots = sorted(present, key=lambda slot: -_width(present[slot]))
    places, size = {}, 4
    for slot in slots:
        places[slot] = size
        size += _width(present[slot])
    count = max(present, default=-1) + 1
    offsets = [places.get(slot, 0) for slot in range(count)]
    _align(content, 4)
    sizes = struct.pack(f"<HH{count}H", 4 + 2 * count, size, *offsets)
    found = _append(content, sizes)
    _align(content, 4)
    start = _append(content, bytes(size))
    struct.pack_into("<i", content, start, start - found)
    for slot in sorted(present):
        part = present[slot]
        if isinstance(part, Number):
            struct.pack_into(f"<{part.kind}", content, start + places[slot], part.value)
        else:
            _refer(content, start + places[slot], part)
    return start


def _width(part: Part) -> int:
    """Returns how many bytes of a table a field takes: at most 4."""
    return struct.calcsize(f"<{part.kind}") if isinstance(part, Number) else 4


def _align(content: bytearray, size: int) -> None:
    content.extend(bytes(-len(content) % size))


def _append(content: bytearray, data: bytes) -> int:
    content.extend(data)
    return len(content) - len(data)
