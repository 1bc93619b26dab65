"""Lists the images of class folders, or of a CSV."""

import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.listing.label_file import is_label_file, read_label_file
from corallite.train.data.listing.layout import (
    EXPECTED,
    SPLITS,
    find_splits,
    holds_images,
    is_image,
    is_packed,
    sub_folders,
    with_parents,
)

# Control characters, line and paragraph separators, bytes that are not UTF-8: a label
# is one line of a text file.
_UNFIT_FOR_LABELS = ("Cc", "Zl", "Zp", "Cs")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image of a data set.

    Attributes:
        path: Relative to the data folder, with `/` as separator.
        class_name: Name of the class folder that contains it, or its label in the CSV.
        given_split: "train", "val" or "test" if the data have splits, else None.
    """

    path: str
    class_name: str
    given_split: str | None


@dataclass(frozen=True)
class Listing:
    """The images of a data folder or a CSV.

    Attributes:
        source: The folder or the CSV, as the user gave it.
        class_names: Sorted.
        files: Ordered by path.
    """

    source: Path
    class_names: tuple[str, ...]
    files: tuple[ImageFile, ...]

    @property
    def data_dir(self) -> Path:
        """The folder that paths are relative to."""
        return self.source.parent if self.is_label_file else self.source

    @property
    def is_label_file(self) -> bool:
        """Whether the images are listed in a CSV."""
        return is_label_file(self.source)


def list_images(data_dir: Path) -> Listing:
    """Lists images without opening them.

    Of a CSV, its lines (see `read_label_file`); of a folder, all images below it, by
    suffix. Two layouts are possible: class folders (`cat/`, `dog/`), or class folders
    in given splits (`train/cat/`, `test/cat/`; `val/` and `test/` may be missing; for
    other names of splits see `layout`). Images may be deeper in a class folder. Links
    to folders are followed, each real folder once per class. Hidden files and files
    with other suffixes are left out.

    Raises:
        RequestError: The folder is missing, holds shards or has another layout, a line
            of the CSV cannot be used, there are fewer than two classes, a class without
            images, or class names that differ only by case, Unicode form or blanks at
            their ends.
    """
    if is_label_file(data_dir):
        return _list_rows(data_dir)
    if is_packed(data_dir):
        raise RequestError(
            f"{data_dir}: holds packed images; give the folder that they were packed "
            "from."
        )
    split_dirs = find_splits(data_dir)
    if holds_images(data_dir):
        logging.warning("%s: images outside its folders are ignored.", data_dir)
    images: list[ImageFile] = []
    ignored: Counter[str] = Counter()
    for split, split_dir in split_dirs.items():
        for class_dir in sub_folders(split_dir):
            visited = with_parents(split_dir)
            # One object for all its images: a property of a path makes a new one.
            label = class_dir.name
            for path in files.walk(class_dir, visited, is_file=is_image):
                if is_image(path):
                    relative = path.relative_to(data_dir).as_posix()
                    images.append(ImageFile(relative, label, split))
                else:
                    ignored[path.suffix.lower() or path.name] += 1
    _log_ignored(data_dir, ignored)
    class_names = _checked_class_names(data_dir, split_dirs, images)
    return Listing(data_dir, class_names, tuple(sorted(images, key=lambda x: x.path)))


def _list_rows(path: Path) -> Listing:
    rows = sorted(read_label_file(path))
    files = tuple(ImageFile(row.path, row.label, row.split) for row in rows)
    found = {row.split for row in rows}
    first, *others = [None] if None in found else [x for x in SPLITS if x in found]
    counts = Counter((row.split, row.label) for row in rows)
    names = sorted({row.label for row in rows if row.split == first})
    _check_names(path, names)
    if len(names) < 2:
        raise RequestError(
            f"{path}: only one class, {names[0]!r}; add lines of at least one other."
        )
    for split in others:
        for extra in sorted({row.label for row in rows if row.split == split}):
            if extra not in names:
                raise RequestError(
                    f"{path}: the {split} split has the class {extra!r}, and train has "
                    "not; add lines to train or remove these."
                )
        for name in names:
            if not counts[split, name]:
                logging.warning("%s: no %s images of class %r.", path, split, name)
    return Listing(path, tuple(names), files)


def _log_ignored(data_dir: Path, ignored: Counter[str]) -> None:
    if ignored:
        kinds = ", ".join(f"{count} {kind}" for kind, count in ignored.most_common(5))
        logging.warning(
            "%s: %d files are ignored, as their suffix is not one of an image: %s.",
            data_dir,
            ignored.total(),
            kinds,
        )


def _checked_class_names(
    data_dir: Path, split_dirs: dict[str | None, Path], images: list[ImageFile]
) -> tuple[str, ...]:
    first_dir = next(iter(split_dirs.values()))
    names = [folder.name for folder in sub_folders(first_dir)]
    if not images and not any(sub_folders(folder) for folder in split_dirs.values()):
        found = "images but no folders" if holds_images(data_dir) else "no images"
        raise RequestError(f"{data_dir}: {found}; {EXPECTED}.")
    if not images:
        raise RequestError(f"{data_dir}: no images in its folders; {EXPECTED}.")
    _check_names(first_dir, names)
    if len(names) < 2:
        raise RequestError(
            f"{first_dir}: only one class, {names[0]!r}; add a folder for each other "
            "class, at least one."
        )
    _check_every_class_has_images(split_dirs, names, images)
    return tuple(sorted(names))


def _check_names(folder: Path, names: list[str]) -> None:
    first_by_key: dict[str, str] = {}
    for name in names:
        if any(unicodedata.category(letter) in _UNFIT_FOR_LABELS for letter in name):
            raise RequestError(
                f"{folder}: class name {name!r} has characters that a line of text "
                "cannot contain; rename it."
            )
        if not name.strip():
            raise RequestError(
                f"{folder}: class name {name!r} consists of blanks; rename it."
            )
        # Without blanks at its ends: programs that read a line of text drop them.
        key = unicodedata.normalize("NFC", name).casefold().strip()
        if key in first_by_key:
            raise RequestError(
                f"{folder}: classes {first_by_key[key]!r} and {name!r} differ only by "
                "case or blanks; rename or merge them."
            )
        first_by_key[key] = name


def _check_every_class_has_images(
    split_dirs: dict[str | None, Path], names: list[str], images: list[ImageFile]
) -> None:
    counts = Counter((image.given_split, image.class_name) for image in images)
    for split, folder in split_dirs.items():
        for extra in sorted({f.name for f in sub_folders(folder)} - set(names)):
            raise RequestError(
                f"{folder / extra}: no such class in train; add it there or remove it."
            )
        for name in names:
            if counts[split, name]:
                continue
            if split in (None, "train"):
                raise RequestError(
                    f"{folder / name}: a class without images; add some or remove it."
                )
            logging.warning("%s: no images of class %r.", folder, name)
