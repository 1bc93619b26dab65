"""Inspects a folder of photos for `corallite inspect`."""

import textwrap
from pathlib import Path
from typing import Any

from corallite.device.system.files import printable
from corallite.train.data.inspect.findings import (
    Finding,
    Inspected,
    count_classes,
    find_all,
)
from corallite.train.data.inspect.grouping import group_photos
from corallite.train.data.inspect.measure import measure_photos
from corallite.train.data.listing.images import list_images

_COLUMNS = 80


def inspect_photos(data_dir: Path, side: int, group_by: str | None = None) -> Inspected:
    """Reads and measures the photos of a folder or a CSV.

    Args:
        data_dir: As for `list_images`.
        side: Shorter side of the network's input, in pixels.
        group_by: See `group_by_name`; None for groups of near-duplicates.

    Raises:
        RequestError: They cannot be used for training; see `list_images`.
    """
    listing = list_images(data_dir)
    paths = [file.path for file in listing.files]
    measured = measure_photos(listing.data_dir, paths)
    groups = group_photos(listing, measured, group_by)
    return Inspected(listing, measured, groups, side, group_by is None)


def to_text(inspected: Inspected) -> str:
    """Returns the number of photos and one paragraph for each finding."""
    findings = find_all(inspected)
    counts = count_classes(inspected.listing)
    sizes = ", ".join(f"{printable(name)} {n:,}" for name, n in counts.items())
    lines = [
        f"{sum(counts.values()):,} photos, {len(counts)} classes: {sizes}",
        *(finding.to_line() for finding in findings),
    ]
    if not findings:
        lines.append("nothing found that needs attention.")
    return "\n".join(map(_wrap, lines))


def to_json(inspected: Inspected) -> dict[str, Any]:
    """Returns everything that was found, for `json`."""
    return {
        "data_dir": str(inspected.listing.source),
        "photos": len(inspected.listing.files),
        "classes": count_classes(inspected.listing),
        "image_size": inspected.side,
        "findings": [_to_dict(finding) for finding in find_all(inspected)],
    }


def _to_dict(finding: Finding) -> dict[str, Any]:
    return {**vars(finding), "names": list(finding.names)}


def _wrap(line: str) -> str:
    """Wraps at 80 columns; a name is never broken."""
    return textwrap.fill(
        line,
        _COLUMNS,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
