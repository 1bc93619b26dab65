"""Lists the images of a folder with one sub-folder per class."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from absl import logging

from corallite.device.image.preprocess import IMAGE_SUFFIXES
from corallite.device.system.errors import RequestError

SPLITS = ("train", "val", "test")

# Control characters, line and paragraph ends, bytes that are no UTF-8: a label is one
# line of a text file.
_UNFIT_FOR_LABELS = ("Cc", "Zl", "Zp", "Cs")

_LAYOUT = "expected one sub-folder per class, each holding images"


@dataclass(frozen=True)
class ImageFile:
    """One image of a data set.

    Attributes:
        path: Relative to the data folder, with `/` between its parts.
        class_name: Name of the class folder it was found in.
        given_part: "train", "val" or "test" if the data came in parts, else None.
    """

    path: str
    class_name: str
    given_part: str | None


@dataclass(frozen=True)
class Listing:
    """What a data folder holds; `files` are ordered by path, `class_names` sorted."""

    data_dir: Path
    class_names: tuple[str, ...]
    files: tuple[ImageFile, ...]


def list_images(data_dir: Path) -> Listing:
    """Lists the images below `data_dir`, by suffix, without opening them.

    Two layouts are understood: class folders (`cat/`, `dog/`), or class folders in
    given parts (`train/cat/`, `test/cat/`; `val/` and `test/` may be missing). Images
    may lie deeper in a class folder. Folders that are links are followed, each real
    folder once per class. Hidden files and files of other suffixes are left out.

    Raises:
        RequestError: The folder is missing, its layout is another, it has less than
            two classes, a class without an image, or class names that differ only
            by case, Unicode form or blanks at their ends.
    """
    if not data_dir.is_dir():
        raise RequestError(
            f"{data_dir}: no such folder; {_LAYOUT}, as in {data_dir / 'cat/1.jpg'}."
        )
    part_dirs = _given_part_dirs(data_dir)
    if None in part_dirs and _holds_images(data_dir):
        logging.warning("%s: images outside its folders are ignored.", data_dir)
    files: list[ImageFile] = []
    ignored: Counter[str] = Counter()
    for part, part_dir in part_dirs.items():
        for class_dir in _sub_folders(part_dir):
            for path in _walk_images(class_dir, _with_parents(part_dir), ignored):
                relative = path.relative_to(data_dir).as_posix()
                files.append(ImageFile(relative, class_dir.name, part))
    _log_ignored(data_dir, ignored)
    class_names = _checked_class_names(data_dir, part_dirs, files)
    return Listing(data_dir, class_names, tuple(sorted(files, key=lambda f: f.path)))


def _given_part_dirs(data_dir: Path) -> dict[str | None, Path]:
    """Returns the folders of given parts, or the data folder itself under None.

    A class may be called "train": its folder is a part only if it holds folders and
    no images, and if `val` or `test` stands beside it or it stands alone.
    """
    folders = {folder.name: folder for folder in _sub_folders(data_dir)}
    others = set(folders) - {"train"}
    if "train" not in folders or not (others & set(SPLITS) or not others):
        return {None: data_dir}
    if not _sub_folders(folders["train"]) or _holds_images(folders["train"]):
        return {None: data_dir}
    for name in sorted(others - set(SPLITS)):
        logging.warning("%s: ignored, only train, val, test count.", folders[name])
    return {part: folders[part] for part in SPLITS if part in folders}


def _sub_folders(folder: Path) -> list[Path]:
    """Returns what is or should be a folder: a dangling link fails when it is read."""
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entry for entry in entries if entry.is_dir() or not entry.exists())


def _holds_images(folder: Path) -> bool:
    return any(_is_image_name(e.name) and e.is_file() for e in folder.iterdir())


def _with_parents(folder: Path) -> set[str]:
    """Returns the real folders that a link must not lead back to."""
    real_path = Path(os.path.realpath(folder))
    return {str(real_path), *(str(parent) for parent in real_path.parents)}


def _is_image_name(name: str) -> bool:
    return (
        not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
    )


def _walk_images(
    folder: Path, visited: set[str], ignored: Counter[str]
) -> Iterator[Path]:
    """Yields image paths below `folder`; counts the others by suffix in `ignored`.

    Anything named as an image counts as one, even a folder or a dangling link:
    reading it fails later and is reported, instead of its being lost in silence.
    """
    real_path = os.path.realpath(folder)
    if real_path in visited:
        return
    visited.add(real_path)
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if _is_image_name(entry.name):
            yield entry
        elif entry.is_dir():
            yield from _walk_images(entry, visited, ignored)
        else:
            ignored[entry.suffix.lower() or entry.name] += 1


def _log_ignored(data_dir: Path, ignored: Counter[str]) -> None:
    if ignored:
        kinds = ", ".join(f"{count} {kind}" for kind, count in ignored.most_common(5))
        logging.warning(
            "%s: %d files are no images by their suffix and ignored: %s.",
            data_dir,
            ignored.total(),
            kinds,
        )


def _checked_class_names(
    data_dir: Path, part_dirs: dict[str | None, Path], files: list[ImageFile]
) -> tuple[str, ...]:
    first_dir = next(iter(part_dirs.values()))
    names = [folder.name for folder in _sub_folders(first_dir)]
    if not files and not any(_sub_folders(folder) for folder in part_dirs.values()):
        found = "images but no folders" if _holds_images(data_dir) else "no images"
        raise RequestError(f"{data_dir}: {found}; {_LAYOUT}.")
    if not files:
        raise RequestError(f"{data_dir}: no images in its folders; {_LAYOUT}.")
    _check_names(first_dir, names)
    if len(names) < 2:
        raise RequestError(
            f"{first_dir}: only one class, {names[0]!r}; add a folder for each other "
            "class, there must be at least two."
        )
    _check_every_class_has_images(part_dirs, names, files)
    return tuple(sorted(names))


def _check_names(folder: Path, names: list[str]) -> None:
    first_by_key: dict[str, str] = {}
    for name in names:
        if any(unicodedata.category(letter) in _UNFIT_FOR_LABELS for letter in name):
            raise RequestError(
                f"{folder}: class name {name!r} has characters that a line of text "
                "cannot hold; rename it."
            )
        if not name.strip():
            raise RequestError(
                f"{folder}: class name {name!r} is nothing but blanks; rename it."
            )
        # Without blanks at its ends, which readers of a line of text drop.
        key = unicodedata.normalize("NFC", name).casefold().strip()
        if key in first_by_key:
            raise RequestError(
                f"{folder}: classes {first_by_key[key]!r} and {name!r} differ only by "
                "case or blanks; rename or merge them."
            )
        first_by_key[key] = name


def _check_every_class_has_images(
    part_dirs: dict[str | None, Path], names: list[str], files: list[ImageFile]
) -> None:
    counts = Counter((file.given_part, file.class_name) for file in files)
    for part, folder in part_dirs.items():
        for extra in sorted({f.name for f in _sub_folders(folder)} - set(names)):
            raise RequestError(
                f"{folder / extra}: no such class in train; add it there or remove it."
            )
        for name in names:
            if counts[part, name]:
                continue
            if part in (None, "train"):
                raise RequestError(
                    f"{folder / name}: a class without images; add some or remove it."
                )
            logging.warning("%s: no images of class %r.", folder, name)
