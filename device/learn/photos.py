"""Lists the photos to learn from: a folder with one folder for each class."""

from pathlib import Path
from typing import NamedTuple

from corallite.device.image.preprocess import IMAGE_SUFFIXES
from corallite.device.system import files
from corallite.device.system.errors import RequestError

_EXPECTED = "make one folder for each class, as in photos/cat/1.jpg"
_SPLITS = {"train", "val", "test"}


class Photos(NamedTuple):
    """The photos of a folder.

    Attributes:
        class_names: Sorted.
        paths: Ordered by class and path.
        labels: The class of each path, an index of `class_names`.
    """

    class_names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[int, ...]


def list_photos(folder: Path) -> Photos:
    """Lists the photos of class folders without opening them.

    Raises:
        RequestError: The folder is missing or has fewer than two class folders, one of
            them has no photos, or its name cannot be a label.
    """
    with files.reporting_unreadable(folder, _EXPECTED):
        names = sorted(x.name for x in folder.iterdir() if _is_class(x))
        of_class = [_list_class(folder / name) for name in names]
    if len(names) < 2:
        there = f"only one folder, {names[0]!r}" if names else "no folders"
        raise RequestError(f"{folder}: has {there}; {_EXPECTED}, of at least two.")
    if "train" in names and _SPLITS.issuperset(names):
        raise RequestError(
            f"{folder}: its folders are named as splits; give --photos={folder}/train."
        )
    for name, found in zip(names, of_class, strict=True):
        _check_class(folder / name, found)
    paths = tuple(path for found in of_class for path in found)
    labels = tuple(n for n, found in enumerate(of_class) for _ in found)
    return Photos(tuple(names), paths, labels)


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _list_class(folder: Path) -> list[Path]:
    found = files.walk(folder, set())
    return [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]


def _check_class(folder: Path, paths: list[Path]) -> None:
    if not paths:
        raise RequestError(
            f"{folder}: has no photos; add some, or remove the folder if it is no "
            "class."
        )
    if not folder.name.isprintable() or not folder.name.strip():
        raise RequestError(
            f"{folder.parent}: the folder {folder.name!r} has characters in its name "
            "that a label cannot contain; rename it."
        )
