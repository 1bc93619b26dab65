"""Inspects photos, for `corallite inspect` and for the split of a run."""

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
from corallite.train.data.inspect.grouping import group_by_name, name_near_duplicates
from corallite.train.data.inspect.measure import Measured, measure_photos
from corallite.train.data.listing.images import Listing, list_images

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
    return inspect_listing(list_images(data_dir), side, group_by)


def inspect_listing(listing: Listing, side: int, group_by: str | None) -> Inspected:
    """Reads and measures listed photos; see `inspect_photos`."""
    if group_by is not None:
        # First, because reading all photos takes a while.
        groups = group_by_name([file.path for file in listing.files], group_by)
        return Inspected(listing, _measure(listing), groups, side, False)
    measured = _measure(listing)
    groups = name_near_duplicates(listing, measured)
    return Inspected(listing, measured, groups, side)


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


def _measure(listing: Listing) -> Measured:
    return measure_photos(listing.data_dir, [file.path for file in listing.files])


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
