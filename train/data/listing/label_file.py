"""Reads a CSV that lists labelled images: `path,label[,split]`."""

import csv
import io
import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from corallite.device.system.errors import RequestError
from corallite.device.system.files import reporting_unreadable, require_regular
from corallite.train.data.listing.layout import is_image, split_of

if TYPE_CHECKING:
    from _csv import Reader

EXAMPLE = "path,label or path,label,split"
_REQUIRED = ("path", "label")


class Row(NamedTuple):
    """One image of a label file.

    Attributes:
        path: Relative to the file's folder, normalized, with `/` as separator.
        label: Not empty, without blanks at its ends.
        split: "train", "val" or "test", or None if the file has no splits.
    """

    path: str
    label: str
    split: str | None


def is_label_file(path: Path) -> bool:
    """Returns whether a path is that of a CSV, which may be missing."""
    return path.suffix.lower() == ".csv" and not path.is_dir()


def read_label_file(path: Path) -> tuple[Row, ...]:
    """Reads the rows of a CSV in UTF-8, with or without a byte order mark.

    The first line names the columns, in any order and case; further columns are
    ignored, and so are empty lines. A split has one of the names that folders of splits
    may have.

    Args:
        path: Paths in the file are relative to its folder, and may not lead out of it.

    Raises:
        RequestError: The file cannot be read or a line of it cannot be used; names the
            line.
    """
    # Also the line ends of Windows and old Macs.
    reader = csv.reader(io.StringIO(_decode(path), newline=None), strict=True)
    try:
        rows = _read_rows(path, reader)
    except csv.Error as error:
        raise _error(path, reader.line_num, f"is not valid CSV ({error})") from error
    _check_splits(path, rows)
    return tuple(row for _, row in rows)


def _decode(path: Path) -> str:
    with reporting_unreadable(path, "check path and permissions"):
        require_regular(path)
        content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        problem = "is not UTF-8; save the file as UTF-8"
        raise _error(path, number, problem) from error


def _read_rows(path: Path, reader: "Reader") -> list[tuple[int, Row]]:
    """Returns the rows, each with the number of its line."""
    columns = _read_header(path, next(reader, []))
    line_by_path: dict[str, int] = {}
    rows = []
    for values in reader:
        number = reader.line_num
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(columns):
            problem = (
                f"has {len(values)} values for {len(columns)} columns; write a value "
                "that has a comma in quotes"
            )
            raise _error(path, number, problem)
        row = _parse(path, number, dict(zip(columns, values, strict=True)))
        if row.path in line_by_path:
            problem = (
                f"{row.path} is in line {line_by_path[row.path]}, too; keep one of them"
            )
            raise _error(path, number, problem)
        line_by_path[row.path] = number
        rows.append((number, row))
    if not rows:
        raise RequestError(f"{path}: lists no images; add lines as {EXAMPLE}.")
    return rows


def _read_header(path: Path, names: list[str]) -> list[str]:
    columns = [name.strip().casefold() for name in names]
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        found = ",".join(names)
        hint = " (separated by commas)" if ";" in found or "\t" in found else ""
        problem = (
            f"has no column {missing[0]!r} ({found[:60]!r}); begin with the line "
            f"{EXAMPLE}{hint}"
        )
        raise _error(path, 1, problem)
    for name in (*_REQUIRED, "split"):
        if columns.count(name) > 1:
            raise _error(path, 1, f"has two columns {name!r}; remove one")
    return columns


def _parse(path: Path, number: int, values: dict[str, str]) -> Row:
    name, label = values["path"].strip(), values["label"].strip()
    if not name:
        raise _error(path, number, "has no path; add it or remove the line")
    if not label:
        raise _error(path, number, f"{name} has no label; add it or remove the line")
    split = _parse_split(path, number, values.get("split", "").strip())
    return Row(_check_path(path, number, name), label, split)


def _check_path(path: Path, number: int, name: str) -> str:
    normalized = posixpath.normpath(name)
    if posixpath.isabs(name) or normalized.split("/")[0] == "..":
        where = "is absolute" if posixpath.isabs(name) else "is outside that folder"
        problem = f"{name} {where}; give paths relative to {path.parent}"
        raise _error(path, number, problem)
    if not is_image(Path(normalized)):
        raise _error(path, number, f"{name} has no suffix of an image, such as .jpg")
    # A broken link is reported when it is read, like any unreadable image.
    if not os.path.lexists(path.parent / normalized):
        remedy = "write / in place of \\" if "\\" in name else "correct the path"
        problem = f"{name}: no such file in {path.parent}; {remedy}"
        raise _error(path, number, problem)
    return normalized


def _parse_split(path: Path, number: int, text: str) -> str | None:
    split = split_of(text)
    if text and split is None:
        problem = f"split {text!r} is unknown; write train, val or test"
        raise _error(path, number, problem)
    return split


def _check_splits(path: Path, rows: list[tuple[int, Row]]) -> None:
    """Refuses splits that are given for some rows only, or without train."""
    splits = {row.split for _, row in rows}
    if None in splits and len(splits) > 1:
        number = next(number for number, row in rows if row.split is None)
        problem = "has no split, and other lines have one; add it"
        raise _error(path, number, problem)
    if not splits & {None, "train"}:
        raise RequestError(f"{path}: no line has the split train; add it.")


def _error(path: Path, number: int, problem: str) -> RequestError:
    return RequestError(f"{path}: line {number}: {problem}.")
