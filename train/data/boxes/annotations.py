"""Boxes as annotation files have them, and the checks that all formats share."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from corallite.device.system.errors import RequestError
from corallite.device.system.files import printable
from corallite.train.data.listing.layout import is_image

# Pixels, and fraction of the image, that a box may be outside: tools round.
_ROUNDING = 1.5, 0.01


class Marked(NamedTuple):
    """A box that somebody drew.

    Attributes:
        label: What is in it.
        left, top, right, bottom: Its sides: pixels, or fractions of the image where its
            size is unknown.
    """

    label: str
    left: float
    top: float
    right: float
    bottom: float


class MarkedImage(NamedTuple):
    """An image with its boxes; none if nothing was to be marked.

    Attributes:
        path: Relative to the data folder, with `/` as separator.
        size_wh: Width and height that the annotations state; None if they have
            fractions of the image.
        boxes: In the order of the file.
        source: The file that has them.
    """

    path: str
    size_wh: tuple[int, int] | None
    boxes: tuple[Marked, ...]
    source: Path


@dataclass(frozen=True)
class Annotations:
    """All boxes of a data set.

    Attributes:
        labels: Of the boxes, in the order of the model's output.
        images: By path.
    """

    labels: tuple[str, ...]
    images: Mapping[str, MarkedImage]


class ImageFinder:
    """Finds the image that an annotation means among those of a folder."""

    def __init__(self, data_dir: Path, paths: Iterable[Path]) -> None:
        """Creates a finder; `paths` are files below `data_dir`, images or not."""
        self._data_dir = data_dir
        self._known = {x.relative_to(data_dir).as_posix() for x in paths if is_image(x)}
        self._by_name: dict[str, list[str]] = {}
        for path in sorted(self._known):
            for key in {Path(path).name, Path(path).stem}:
                self._by_name.setdefault(key, []).append(path)

    def find(self, name: str, source: Path, near: Iterable[Path] = ()) -> str:
        """Returns the path of an image, relative to the data folder.

        Args:
            name: As the annotation names it: with folders or without, or without
                suffix. Of an absolute path, only the last component counts.
            source: The file with the annotation.
            near: Folders to look into first, before any other with such an image.

        Raises:
            RequestError: There is no such image, or several.
        """
        name = name.replace("\\", "/").removeprefix("./")
        if PureWindowsPath(name).root:
            # Of the computer where the boxes were drawn.
            return self._find_anywhere(name, source)
        for folder in (*near, source.parent, source.parent / "images", self._data_dir):
            if folder.is_relative_to(self._data_dir):
                relative = (folder / name).relative_to(self._data_dir).as_posix()
                if relative in self._known:
                    return relative
                same = [
                    x
                    for x in self._by_name.get(name, [])
                    if self._data_dir / x == folder / Path(x).name
                ]
                if len(same) == 1:
                    return same[0]
        return self._find_anywhere(name, source)

    def _find_anywhere(self, name: str, source: Path) -> str:
        found = self._by_name.get(name.rpartition("/")[2], [])
        if len(found) == 1:
            return found[0]
        shown = printable(name)
        if found:
            raise RequestError(
                f"{source}: {shown} may be {found[0]} or {found[1]} of "
                f"{self._data_dir}; write its folders, too."
            )
        raise RequestError(
            f"{source}: has boxes of {shown}, and {self._data_dir} has no such image; "
            "add it, or remove its boxes."
        )


def collect(labels: Iterable[str], images: Iterable[MarkedImage]) -> Annotations:
    """Returns all boxes of a data set, checked.

    Args:
        labels: In the order of the model's output.
        images: With their boxes.

    Raises:
        RequestError: There is no box, a label has none, an image is in two files, or a
            box has no area or is outside its image.
    """
    found: dict[str, MarkedImage] = {}
    for image in images:
        if image.path in found:
            other = found[image.path].source
            raise RequestError(
                f"{image.source}: {printable(image.path)} is in {other}, too; remove "
                "one of them, or train with --boxes=FILE."
            )
        for box in image.boxes:
            _check(box, image)
        found[image.path] = image
    counts = Counter(box.label for image in found.values() for box in image.boxes)
    source = next((image.source for image in found.values()), None)
    if not counts:
        raise RequestError(
            f"{source or 'The annotations'}: no boxes at all; draw some, or train "
            "without --task."
        )
    names = tuple(labels)
    missing = [label for label in names if not counts[label]]
    if missing:
        raise RequestError(
            f"{source}: the class {missing[0]!r} has no boxes; add some, or remove the "
            "class."
        )
    return Annotations(names, found)


def _check(box: Marked, image: MarkedImage) -> None:
    width, height = image.size_wh or (1, 1)
    shown = f"{image.source}: the box of {box.label!r} in {printable(image.path)}"
    if not (box.right > box.left and box.bottom > box.top):
        raise RequestError(
            f"{shown} has the width {box.right - box.left:g} and the height "
            f"{box.bottom - box.top:g}; both must be above 0: correct it."
        )
    pixels, share = _ROUNDING
    for start, end, length in (
        (box.left, box.right, width),
        (box.top, box.bottom, height),
    ):
        slack = share * length if image.size_wh is None else max(pixels, share * length)
        if start < -slack or end > length + slack:
            unit = "" if image.size_wh is None else " pixels"
            raise RequestError(
                f"{shown} is from {start:g} to {end:g}, outside the image of "
                f"{length:g}{unit}; correct it."
            )
