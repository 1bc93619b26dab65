"""Reads boxes in YOLO's format: a text file for each image, and one of the names."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from corallite.device.system.errors import RequestError
from corallite.train.data.boxes.annotations import ImageFinder, Marked, MarkedImage

# In the order in which they are looked for.
NAMES_FILES = ("classes.txt", "obj.names", "data.yaml", "dataset.yaml")
_OTHER_FILES = (*NAMES_FILES, "train.txt", "val.txt", "test.txt", "labels.txt")


def find_names(folders: Sequence[Path]) -> Path | None:
    """Returns the file with the names of the labels, if one of the folders has it."""
    found = (folder / name for folder in folders for name in NAMES_FILES)
    return next((path for path in found if path.is_file()), None)


def is_label_text(path: Path) -> bool:
    """Returns whether a file may have the boxes of an image."""
    is_text = path.suffix == ".txt" and path.name not in _OTHER_FILES
    return is_text and not path.name.lower().startswith("readme")


def read_names(path: Path) -> list[str]:
    """Reads the names of the labels, one a line, or the `names` of a YAML file.

    Raises:
        RequestError: It has none.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if path.suffix == ".yaml":
        names = _parse_yaml(text)
    if not names:
        raise RequestError(f"{path}: has no names of classes; write one a line.")
    return names


def read_yolo(
    paths: Sequence[Path], names: Sequence[str], finder: ImageFinder
) -> Iterator[MarkedImage]:
    """Yields the images, in the order of the files.

    Raises:
        RequestError: A line cannot be used, or a file belongs to no image.
    """
    for path in paths:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        boxes = tuple(
            _parse(path, number, line.split(), names)
            for number, line in enumerate(lines, 1)
            if line.strip()
        )
        parts = ["images" if part == "labels" else part for part in path.parent.parts]
        near = [Path(*parts), path.parent]
        yield MarkedImage(finder.find(path.stem, path, near), None, boxes, path)


def _parse(path: Path, number: int, words: list[str], names: Sequence[str]) -> Marked:
    try:
        label, x, y, width, height = int(words[0]), *map(float, words[1:])
    except (ValueError, IndexError) as error:
        raise RequestError(
            f"{path}: line {number} is not in YOLO's format: a number of a class, and "
            "the centre (x, y), width and height of a box as fractions of the image; "
            "correct it."
        ) from error
    if not 0 <= label < len(names):
        raise RequestError(
            f"{path}: line {number} has the class {label}, and there are names of "
            f"{len(names)}; correct it, or add the name."
        )
    return Marked(
        *(names[label], x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    )


def _parse_yaml(text: str) -> list[str]:
    """Returns `names`, written as a list or as numbers with names, in their order."""
    found = re.search(r"^names:[ \t]*(\[[^]]*\]|(?:\n[ \t-].*)+)", text, re.M)
    if found is None:
        return []
    inside = found.group(1).strip("[]")
    items = inside.split("," if found.group(1).startswith("[") else "\n")
    # A dash or a number, and quotes around the name.
    bare = (re.sub(r"^\s*(?:-|\d+\s*:)?\s*", "", item) for item in items)
    return [name.strip().strip("'\"") for name in bare if name.strip()]
