"""Reads untrusted flatbuffers: every offset is checked before its use.

Written by hand, because generated readers follow any offset and allocate a vector of
any length that a damaged file claims, and because the generated schema takes a second
to load on a board. This reader raises `DamagedError` instead, and its work is bounded
even if tables overlap or refer to each other a million times.
"""

import struct
from collections.abc import Iterator
from mmap import mmap

# Maximum per file. ShuffleNetV2 1.0x has 900 tables and vectors, and 11,000 numbers.
MAX_PARTS = 100_000
MAX_NUMBERS = 1_000_000
# Names are read; weights are not.
MAX_NAME_BYTES = 10_000
# No table of the TFLite schema has more fields.
_MAX_FIELDS = 32

_OFFSET = struct.Struct("<I")
_BACK = struct.Struct("<i")
_SIZES = struct.Struct("<HH")


class DamagedError(Exception):
    """The bytes are not an intact flatbuffer. The message says what is wrong."""


class Flatbuffer:
    """The bytes of a flatbuffer, and limits on what is read from them.

    Attributes:
        content: The bytes.
        size: How many there are.
        end: End of the last byte that was read so far.
    """

    def __init__(self, content: bytes | mmap) -> None:
        self.content = content
        self.size = len(content)
        self.end = 0
        self._parts_left = MAX_PARTS
        self._numbers_left = MAX_NUMBERS

    def root(self) -> "Table":
        """Returns the table at the offset in the first four bytes."""
        return Table(self, self.follow(0))

    def follow(self, position: int) -> int:
        """Returns the target of the offset at `position`."""
        (offset,) = self.unpack(_OFFSET, position)
        if not 0 < offset < self.size - position:
            raise DamagedError(f"an offset at byte {position} leads outside the file")
        return position + offset

    def unpack(self, layout: struct.Struct, position: int) -> tuple:
        """Returns the numbers at `position`."""
        self.require(position, layout.size)
        return layout.unpack_from(self.content, position)

    def require(self, position: int, size: int) -> None:
        """Raises `DamagedError` if there are fewer than `size` bytes."""
        if position < 0 or position + size > self.size:
            raise DamagedError(
                f"{size} bytes are expected at byte {position} of {self.size}"
            )
        self.end = max(self.end, position + size)

    def vector(self, position: int, item_size: int) -> tuple[int, int]:
        """Returns the start of a vector's items, and their number."""
        self.count_part()
        (count,) = self.unpack(_OFFSET, position)
        self.require(position + _OFFSET.size, count * item_size)
        return position + _OFFSET.size, count

    def count_part(self) -> None:
        """Counts a table or a vector."""
        self._parts_left -= 1
        if self._parts_left < 0:
            raise DamagedError(f"it has more than {MAX_PARTS:,} tables and vectors")

    def count_numbers(self, count: int) -> None:
        """Counts the numbers of a vector, before they are read."""
        self._numbers_left -= count
        if self._numbers_left < 0:
            raise DamagedError(f"its vectors hold more than {MAX_NUMBERS:,} numbers")


class Table:
    """One table; its fields are read by their number in the schema.

    Attributes:
        position: Where in the file it begins.
    """

    __slots__ = ("_buffer", "_fields", "position")

    def __init__(self, buffer: Flatbuffer, position: int) -> None:
        buffer.count_part()
        (back,) = buffer.unpack(_BACK, position)
        fields_size, table_size = buffer.unpack(_SIZES, position - back)
        buffer.require(position, table_size)
        count = min((fields_size - _SIZES.size) // 2, _MAX_FIELDS)
        layout = struct.Struct(f"<{max(count, 0)}H")
        self._fields = buffer.unpack(layout, position - back + _SIZES.size)
        self._buffer = buffer
        self.position = position

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """Returns a number stored in the table; `kind` is its letter in `struct`."""
        position = self.find(field)
        if position is None:
            return default
        return self._buffer.unpack(struct.Struct(f"<{kind}"), position)[0]

    def numbers(self, field: int, kind: str) -> tuple:
        """Returns a vector of numbers, empty if there is none."""
        position = self.find(field)
        if position is None:
            return ()
        item_size = struct.calcsize(f"<{kind}")
        start, count = self._buffer.vector(self._buffer.follow(position), item_size)
        self._buffer.count_numbers(count)
        return struct.unpack_from(f"<{count}{kind}", self._buffer.content, start)

    def text(self, field: int) -> str:
        """Returns a string, with escapes for what is not UTF-8."""
        start, size = self.span(field)
        if size > MAX_NAME_BYTES:
            raise DamagedError(f"it has a name of {size:,} bytes")
        self._buffer.count_numbers(size)
        return self._buffer.content[start : start + size].decode(
            errors="backslashreplace"
        )

    def span(self, field: int) -> tuple[int, int]:
        """Returns the position of a byte vector, (start, size); not its bytes."""
        position = self.find(field)
        if position is None:
            return 0, 0
        return self._buffer.vector(self._buffer.follow(position), 1)

    def table(self, field: int) -> "Table | None":
        """Returns a table that this one refers to."""
        position = self.find(field)
        if position is None:
            return None
        return Table(self._buffer, self._buffer.follow(position))

    def tables(self, field: int) -> list["Table"]:
        """Returns a vector of tables, empty if there is none."""
        return [Table(self._buffer, place) for place in self._places(field)]

    def count(self, field: int) -> int:
        """Returns how many items a vector of tables has."""
        position = self.find(field)
        if position is None:
            return 0
        return self._buffer.vector(self._buffer.follow(position), _OFFSET.size)[1]

    def item(self, field: int, number: int) -> "Table":
        """Returns one table of a vector, and reads none of the others."""
        position = self.find(field)
        start, count = 0, 0
        if position is not None:
            start, count = self._buffer.vector(
                self._buffer.follow(position), _OFFSET.size
            )
        if not 0 <= number < count:
            raise DamagedError(f"it refers to item {number} of {count}")
        return Table(self._buffer, self._buffer.follow(start + number * _OFFSET.size))

    def spans(self, field: int) -> list[tuple[int, int]]:
        """Returns the position of each byte vector in a vector, (start, size)."""
        return [self._buffer.vector(place, 1) for place in self._places(field)]

    def _places(self, field: int) -> Iterator[int]:
        """Yields the targets of a vector's offsets."""
        position = self.find(field)
        if position is None:
            return
        start, count = self._buffer.vector(self._buffer.follow(position), _OFFSET.size)
        for place in range(start, start + count * _OFFSET.size, _OFFSET.size):
            yield self._buffer.follow(place)

    @property
    def field_count(self) -> int:
        """How many fields the writer's schema has, set or not."""
        return len(self._fields)

    def find(self, field: int) -> int | None:
        """Returns the position of a field; None if it has its default."""
        offset = self._fields[field] if field < len(self._fields) else 0
        return self.position + offset if offset else None
