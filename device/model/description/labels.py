"""Finds the labels that a file carries for other tools, by its TFLite Metadata."""

from collections.abc import Mapping
from mmap import mmap
from pathlib import Path
from typing import Any

from corallite.device.model.archive import (
    ARCHIVE_ERRORS,
    open_content,
    read_archived,
)
from corallite.device.model.text_bounds import require_label
from corallite.device.system.errors import RequestError

_LABEL_FILES = ("TENSOR_AXIS_LABELS", "TENSOR_VALUE_LABELS")


def find_labels(
    metadata: Mapping[str, Any] | None, path: str | Path, content: bytes | mmap
) -> tuple[tuple[str, ...], str]:
    """Returns the labels, and where they are known from; () and "" without any.

    Args:
        metadata: What `read_metadata` returned; they name a file of labels.
        path: The model file.
        content: All of it; the files of the metadata are in the archive behind it.

    Raises:
        RequestError: The archive behind the model is damaged, or a label has more than
            256 characters.
    """
    outputs = metadata["outputs"] if metadata else []
    files = [
        file["name"]
        for output in outputs[:1]
        for file in output["files"]
        if file["type"] in _LABEL_FILES
    ]
    for name in files[:1]:
        labels = _read_associated(path, content, name)
        if labels:
            return labels, f"its TFLite Metadata ({name})"
    return (), ""


def _read_associated(
    path: str | Path, content: bytes | mmap, name: str
) -> tuple[str, ...]:
    try:
        with open_content(path, content) as file:
            data = read_archived(file, name) or b""
        lines = data.decode("utf-8-sig").rstrip().splitlines()
        return tuple(require_label(line.strip()) for line in lines)
    except (*ARCHIVE_ERRORS, OSError) as error:
        raise RequestError(
            f"{path}: its labels in {name!r} cannot be read ({error}); give "
            "classify --labels=FILE with one label per line."
        ) from error
