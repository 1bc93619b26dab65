"""Reads the TFLite Metadata of any file, which may be damaged.

Field numbers are those of metadata_schema.fbs (MediaPipe).
"""

import math
from typing import Any

from corallite.device.model import identifiers
from corallite.device.model.flatbuffer import DamagedError, Flatbuffer, Table

# More than any valid file has; the weights are elsewhere.
_MOST_BYTES = 16 << 20
_CONTENTS = ("", "feature", "image", "bounding box", "audio")
_COLOR_SPACES = ("", "RGB", "grayscale")
_NORMALIZATION = 1
_FILE_TYPES = (
    "UNKNOWN DESCRIPTIONS TENSOR_AXIS_LABELS TENSOR_VALUE_LABELS "
    "TENSOR_AXIS_SCORE_CALIBRATION VOCABULARY SCANN_INDEX_FILE"
).split()


def read_metadata(content: bytes) -> dict[str, Any] | None:
    """Returns the metadata of a model as JSON; None if it has none.

    Args:
        content: What the model's entry of that name holds; b"" if there is none.

    Raises:
        DamagedError: The metadata are not valid.
    """
    if not content:
        return None
    if len(content) > _MOST_BYTES:
        raise DamagedError(f"{len(content):,} bytes are too many")
    if content[4:8] != identifiers.TFLITE_METADATA:
        expected = identifiers.TFLITE_METADATA.decode()
        raise DamagedError(f"they do not begin with {expected}")
    root = Flatbuffer(content).root()
    graphs = root.tables(3)
    return {
        "name": root.text(0),
        "description": root.text(1),
        "version": root.text(2),
        "author": root.text(4),
        "license": root.text(5),
        "min_parser_version": root.text(7),
        "inputs": _describe_tensors(graphs, 2),
        "outputs": _describe_tensors(graphs, 3),
        "files": [_describe_file(file) for file in root.tables(6)],
    }


def _describe_tensors(graphs: list[Table], field: int) -> list[dict[str, Any]]:
    """Describes the inputs or outputs of the first graph."""
    return [_describe_tensor(t) for t in graphs[0].tables(field)] if graphs else []


def _describe_tensor(table: Table) -> dict[str, Any]:
    stats = table.table(5)
    return {
        "name": table.text(0),
        "description": table.text(1),
        **_describe_content(table.table(3)),
        **_describe_normalization(table.tables(4)),
        "max": _finite(stats, 0),
        "min": _finite(stats, 1),
        "files": [_describe_file(file) for file in table.tables(6)],
    }


def _describe_content(content: Table | None) -> dict[str, Any]:
    kind = _name(_CONTENTS, content.number(0, "B")) if content else ""
    properties = content.table(1) if content and kind == "image" else None
    color = _name(_COLOR_SPACES, properties.number(0, "b")) if properties else ""
    return {"content": kind or None, "color_space": color or None}


def _describe_normalization(units: list[Table]) -> dict[str, Any]:
    """Returns mean and std; both are empty if pixels are not normalized."""
    options = (u.table(1) for u in units if u.number(0, "B") == _NORMALIZATION)
    found = next(options, None)
    return {"mean": _finite(found, 0), "std": _finite(found, 1)}


def _describe_file(table: Table) -> dict[str, Any]:
    return {
        "name": table.text(0),
        "description": table.text(1),
        "type": _name(_FILE_TYPES, table.number(2, "b")),
        "locale": table.text(3),
    }


def _name(names: list[str] | tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else str(number)


def _finite(table: Table | None, field: int) -> list[float | None]:
    """Returns floats, None for infinity and NaN, which JSON does not have."""
    numbers = table.numbers(field, "f") if table else ()
    return [number if math.isfinite(number) else None for number in numbers]
