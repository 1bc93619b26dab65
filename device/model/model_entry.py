"""Puts an entry into the metadata table of a `.tflite` file and leaves all else alone.

Weights stay as they are, byte by byte, and aligned as they were. The offsets of a
flatbuffer lead forward: a new root goes in front of the model, whose own offsets are
all relative and so still right, and the entry's bytes go behind it.
"""

from corallite.device.model import identifiers
from corallite.device.model.flatbuffer import Flatbuffer, Table
from corallite.device.model.flatbuffer_writer import (
    Number,
    Part,
    Place,
    aligned_vector,
    write_flatbuffer,
)

# The entry that MediaPipe and ML Kit look for, and what its content begins with.
METADATA_NAME = "TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"

# The model moves by a multiple of this. 16 is what the schema asks for; a cache line
# keeps also what was aligned to more.
_STEP = 64
_ROOT_FIELDS = 8
# Behind anything that is put in front of a model.
_FAR = 1 << 30
_GRAPHS, _BUFFERS, _METADATA = 2, 4, 6


def read_entry(model: bytes, name: str, identifier: bytes) -> bytes:
    """Returns the bytes of a metadata entry; b"" without one of that kind.

    Args:
        model: A flatbuffer, without the archive that may follow it.
        name: Of the entry.
        identifier: What the bytes 4 to 8 of its content have to be.

    Raises:
        DamagedError: The model is not intact.
    """
    holder = _find_holder(Flatbuffer(model).root(), model, name, identifier)
    if holder is None:
        return b""
    start, size = holder.span(0)
    return model[start : start + size]


def set_entry(model: bytes, name: str, content: bytes) -> bytes:
    """Returns the model with a metadata entry, in place of one of the same name.

    The same arguments give the same bytes, and so does doing it again.

    Args:
        model: A flatbuffer, without the archive that may follow it.
        name: Of the entry.
        content: A flatbuffer; its identifier tells an entry that may be replaced.

    Raises:
        DamagedError: The model is not intact.
        ValueError: It keeps its weights behind the flatbuffer, as those above 2 GB do,
            or is of a newer schema.
    """
    root = Flatbuffer(model).root()
    holder = _find_holder(root, model, name, content[4:8])
    if holder is None:
        model = _insert_root(model, root, name)
        root = Flatbuffer(model).root()
        holder = root.tables(_BUFFERS)[-1]
    else:
        start, size = holder.span(0)
        if start + size == len(model):
            model = model[: start - 4]
    slot = holder.require(0)
    changed = bytearray(model)
    position = aligned_vector(len(changed))
    changed += bytes(position - len(changed))
    changed += len(content).to_bytes(4, "little") + content
    changed[slot : slot + 4] = (position - slot).to_bytes(4, "little")
    return bytes(changed)


def _find_holder(
    root: Table, model: bytes, name: str, identifier: bytes
) -> Table | None:
    """Returns the buffer of an entry, if it holds a flatbuffer of that kind."""
    buffers = root.tables(_BUFFERS)
    for entry in root.tables(_METADATA):
        number = entry.number(1, "I")
        if entry.text(0) == name and number < len(buffers):
            start, size = buffers[number].span(0)
            if size >= 8 and model[start + 4 : start + 8] == identifier:
                return buffers[number]
    return None


def _insert_root(model: bytes, root: Table, name: str) -> bytes:
    """Puts a root with one more entry, and one more buffer for it, in front."""
    _require_movable(root)
    # Twice, because where the model begins depends on the length of what is in front.
    front = _write_front(root, name, _FAR, len(model))
    shift = len(front) + -len(front) % _STEP
    front = _write_front(root, name, shift, len(model))
    return bytes(front) + bytes(shift - len(front)) + model


def _write_front(root: Table, name: str, shift: int, end: int) -> bytearray:
    # The bytes are not there yet: for now its offset leads to the model's end.
    buffers: list[Part] = [Place(t.position + shift) for t in root.tables(_BUFFERS)]
    entries: list[Part] = [
        Place(entry.position + shift)
        for entry in root.tables(_METADATA)
        if entry.text(0) != name
    ]
    entries.append({0: name, 1: Number("I", len(buffers))})
    buffers.append({0: Place(end + shift)})
    fields: dict[int, Part] = {
        field: Place(root.follow(field) + shift)
        for field in range(1, _ROOT_FIELDS)
        if root.find(field) is not None
    }
    fields |= {0: Number("I", root.number(0, "I")), _BUFFERS: buffers}
    return write_flatbuffer({**fields, _METADATA: entries}, identifiers.MODEL)


def _require_movable(root: Table) -> None:
    """Raises if something in the model would be wrong once it has moved."""
    if root.field_count > _ROOT_FIELDS:
        raise ValueError(
            f"Expected `model` to have up to {_ROOT_FIELDS} parts, got "
            f"{root.field_count}; update corallite."
        )
    outside = [buffer.number(1, "Q") for buffer in root.tables(_BUFFERS)]
    for graph in root.tables(_GRAPHS):
        outside += [operator.number(9, "Q") for operator in graph.tables(3)]
    if max(outside, default=0) > 1:
        raise ValueError(
            "Expected `model` to hold its weights, got one that keeps them behind the "
            "flatbuffer; convert one below 2 GB."
        )
