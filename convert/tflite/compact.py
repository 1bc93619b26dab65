"""Compacts `.tflite` files: the same model, with shared vectors and archived names.

A fifth of an int8 file is names, and scales, zero points and shapes that repeat.
`device/model/write.py` writes equal vectors once. The names of inner tensors, which no
runtime needs, are compressed into a file of the archive behind the model, where
`reader` finds them. Names of inputs, outputs and signatures stay.
"""

import contextlib
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from mmap import mmap
from typing import Any, BinaryIO, cast

from corallite.device.model.archive import (
    ARCHIVE_ERRORS,
    append_archive,
    read_archived,
)
from corallite.device.model.flatbuffer import MAX_NAME_BYTES

# JSON: for each graph, a list of the names of its first tensors; "" is one that stayed.
# Compressed here, because MediaPipe refuses an archive with a compressed entry.
NAMES_FILE = "names.json.gz"
# Of the JSON. ShuffleNetV2 1.0x has 60 kB.
_MOST_BYTES = 8 << 20
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS

Names = list[list[str]]


def compact(content: bytes) -> bytes:
    """Returns a model file that computes the same from fewer bytes.

    Constants, custom operators, metadata and the other files of the archive stay the
    same, byte by byte. A compacted file stays as it is.

    Args:
        content: Content of a `.tflite` file.

    Raises:
        ValueError: As `attach_manifest`, or the archived names are damaged.
    """
    model, archived = _unpack(content)
    names = [_take_names(graph) for graph in model.subgraphs or ()]
    if any(map(any, names)):
        # First, so that the manifest stays the last file.
        archived = {NAMES_FILE: _compress(names), **archived}
    return _pack(model, archived)


def restore_names(content: bytes) -> bytes:
    """Returns a model file with the archived names in their tensors again.

    For tools that tell tensors by their names, as the Edge TPU compiler may. A file
    without archived names stays as it is.

    Raises:
        ValueError: As `compact`.
    """
    # Of a damaged archive, `_unpack` says what is wrong.
    with contextlib.suppress(*ARCHIVE_ERRORS):
        if read_archived(io.BytesIO(content), NAMES_FILE) is None:
            return content
    return _pack(*_unpack(content))


def read_names(content: bytes | mmap) -> Names:
    """Returns the names in the archive of a model file; [] for none, or damaged ones.

    They are only labels: a file without them can still be examined.
    """
    file = cast(BinaryIO, content if isinstance(content, mmap) else io.BytesIO(content))
    try:
        return _decompress(read_archived(file, NAMES_FILE))
    except (*ARCHIVE_ERRORS, OSError):
        return []


def _unpack(content: bytes) -> tuple[Any, dict[str, bytes]]:
    """Returns a model with all its names, and the other files of its archive."""
    # Not at the top: who only reads names needs neither NumPy nor the schema.
    from corallite.device.model.write import unpack_file

    model, archived = unpack_file(content)
    try:
        names = _decompress(archived.pop(NAMES_FILE, None))
    except ARCHIVE_ERRORS as error:
        raise ValueError(
            f"Expected {NAMES_FILE} of `content` to be intact: {error}."
        ) from error
    for graph, of_graph in zip(model.subgraphs or (), names, strict=False):
        for tensor, name in zip(graph.tensors or (), of_graph, strict=False):
            if name and not tensor.name:
                tensor.name = name.encode(errors="surrogateescape")
    return model, archived


def _pack(model: Any, archived: dict[str, bytes]) -> bytes:
    from corallite.device.model.write import pack

    content = pack(model)
    return append_archive(content, archived) if archived else content


def _take_names(graph: Any) -> list[str]:
    """Removes the names of a graph's inner tensors; returns them."""
    kept = {int(n) for side in (graph.inputs, graph.outputs) for n in _list(side)}
    names = []
    for number, tensor in enumerate(graph.tensors or ()):
        is_inner = bool(tensor.name) and number not in kept
        # Not all names are UTF-8.
        text = tensor.name.decode(errors="surrogateescape") if is_inner else ""
        names.append(text)
        tensor.name = b"" if is_inner else tensor.name
    return names


def _list(vector: Any) -> Iterator[Any]:
    return iter(() if vector is None else vector)


def _compress(names: Names) -> bytes:
    # Without the date: the same names give the same bytes.
    text = json.dumps(names, separators=(",", ":"))
    return gzip.compress(text.encode(), 9, mtime=0)


def _decompress(packed: bytes | None) -> Names:
    """Returns the names of each graph; [] for None.

    Raises:
        ARCHIVE_ERRORS: They are damaged, or not lists of names.
    """
    if packed is None:
        return []
    decompressor = zlib.decompressobj(_WITH_GZIP_HEADER)
    text = decompressor.decompress(packed, _MOST_BYTES)
    if not decompressor.eof:
        raise ValueError("it is cut short or too long")
    names = json.loads(text)
    if not isinstance(names, list) or not all(map(_is_names, names)):
        raise ValueError("it does not hold lists of names")
    return names


def _is_names(found: object) -> bool:
    """Returns whether it is a list of names, each at most as long as in a model."""
    return isinstance(found, list) and all(
        isinstance(name, str)
        and len(name.encode(errors="surrogateescape")) <= MAX_NAME_BYTES
        for name in found
    )
