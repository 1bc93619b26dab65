"""Decides what the folders of a data set are: classes, or splits that hold classes."""

import os
from collections.abc import Iterable
from pathlib import Path

from absl import logging

from corallite.device.image.preprocess import IMAGE_SUFFIXES
from corallite.device.system import files
from corallite.device.system.archives import how_to_unpack
from corallite.device.system.errors import RequestError

SPLITS = ("train", "val", "test")
# Of a folder of shards. The first is written last: a folder that has it is complete.
SHARDS_FILE = "shards.json"
SPLIT_FILE = "split.json"
SHARD_SUFFIX = ".tfrecord"
EXPECTED = "expected one sub-folder per class, each holding images"

# Names of split folders, in any case.
_SPLIT_BY_NAME = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def find_splits(data_dir: Path) -> dict[str | None, Path]:
    """Returns the folders of given splits, or the data folder itself under None.

    A class may be called "train" or "valid": folders are splits if two of them carry
    names of splits, if `train` is the only folder, or if `train` has no images of its
    own and at least two folders with images.

    Raises:
        RequestError: `data_dir` is not a folder, the names are those of splits and the
            content is not, or the folders seem to be above or below the classes.
    """
    _require_folder(data_dir)
    folders = sub_folders(data_dir)
    named = [folder for folder in folders if split_of(folder.name)]
    is_train_split = any(
        split_of(folder.name) == "train"
        and (len(folders) == 1 or len(_inner_classes(folder)) > 1)
        for folder in named
    )
    has_splits = is_train_split or len(named) > 1
    splits: dict[str | None, Path] = {None: data_dir}
    if has_splits:
        splits = _given_splits(data_dir, folders)
    # The classes of other splits must be among those of the first.
    _check_level(next(iter(splits.values())))
    return splits


def is_packed(path: Path) -> bool:
    """Returns whether `path` is a folder of shards, complete or not."""
    if not (path / SPLIT_FILE).is_file():
        return False
    return (path / SHARDS_FILE).is_file() or any(path.glob(f"*{SHARD_SUFFIX}"))


def sub_folders(folder: Path) -> list[Path]:
    """Returns sub-folders, and broken links, which fail later when they are read."""
    with os.scandir(folder) as entries:
        # `DirEntry.is_dir` needs no system call per file.
        names = [
            entry.name
            for entry in entries
            if not entry.name.startswith(".")
            and (entry.is_dir() or _is_dangling(entry))
        ]
    return sorted(folder / name for name in names)


def _is_dangling(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not os.path.exists(entry.path)


def holds_images(folder: Path) -> bool:
    """Returns whether a folder itself has images, not only its sub-folders."""
    return any(is_image(entry) and entry.is_file() for entry in folder.iterdir())


def is_image(path: Path) -> bool:
    """Returns whether a path has an image suffix, even a folder or a broken link.

    Reading those fails later and is reported, so that no image is lost silently.
    """
    return not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES


def split_of(name: str) -> str | None:
    """Returns the split that a folder or a CSV calls by this name, or None."""
    return _SPLIT_BY_NAME.get(name.strip().casefold())


def with_parents(folder: Path) -> set[str]:
    """Returns the folder and its parents, which a link must not point to."""
    real_path = Path(os.path.realpath(folder))
    return {str(real_path), *(str(parent) for parent in real_path.parents)}


def _require_folder(path: Path) -> None:
    if path.is_dir():
        return
    if not os.path.lexists(path):
        example = path / "cat/1.jpg"
        raise RequestError(f"{path}: no such folder; {EXPECTED}, as in {example}.")
    hint = how_to_unpack(path)
    remedy = "give the folder of the photos, or a .csv with the columns path,label"
    if hint:
        remedy = f"{hint} and give that folder"
    raise RequestError(f"{path}: is a file, not a folder; {remedy}.")


def _given_splits(data_dir: Path, folders: list[Path]) -> dict[str | None, Path]:
    by_split: dict[str | None, list[Path]] = {}
    for folder in folders:
        by_split.setdefault(split_of(folder.name), []).append(folder)
    ignored = by_split.pop(None, [])
    _check_names(data_dir, by_split)
    splits: dict[str | None, Path] = {}
    for split in SPLITS:
        for folder in by_split.get(split, []):
            if sub_folders(folder):
                splits[split] = folder
                _warn_of_loose_images(folder)
            else:
                logging.warning(
                    "%s: has no class folders and is not used; the %s split is taken "
                    "from %s.",
                    *(folder, split, splits["train"]),
                )
    if ignored:
        logging.warning(
            "%s: ignored, not named train, val or test: %s.", data_dir, _listed(ignored)
        )
    return splits


def _warn_of_loose_images(folder: Path) -> None:
    if holds_images(folder):
        logging.warning("%s: images outside its folders are ignored.", folder)


def _check_names(data_dir: Path, by_split: dict[str | None, list[Path]]) -> None:
    """Refuses folders that are named as splits and cannot be used as such."""
    for split, folders in by_split.items():
        if len(folders) > 1:
            raise RequestError(
                f"{data_dir}: {_listed(folders)} are all named as the {split} split; "
                "merge them or rename all but one."
            )
    named = _listed(folder for folders in by_split.values() for folder in folders)
    layout = "train/cat/1.jpg, val/cat/2.jpg, test/cat/3.jpg"
    if "train" not in by_split:
        raise RequestError(
            f"{data_dir}: {named} are named as splits and train is missing; add it, as "
            f"in {layout}, or rename them if they are classes."
        )
    (train,) = by_split["train"]
    if not sub_folders(train):
        raise RequestError(
            f"{train}: is named as a split and has no class folders; make one folder "
            f"per class, as in {layout}, or rename {named} if they are classes."
        )


def _check_level(folder: Path) -> None:
    """Refuses class folders that seem to be above or below the real class folders."""
    classes = sub_folders(folder)
    inner = {x: names for x in classes if len(names := _inner_classes(x)) > 1}
    if len(classes) == 1:
        _refuse_folders_above(folder, classes[0])
    for outer, names in inner.items():
        if any(_SPLIT_BY_NAME.get(name.casefold()) == "train" for name in names):
            raise RequestError(
                f"{outer}: would be a class, and has the splits {_shortened(names)}; "
                f"give --data_dir={outer}, or put the class folders into the splits, "
                "as in train/cat/1.jpg."
            )
    shared = set.intersection(*map(set, inner.values())) if inner else set()
    if len(inner) == len(classes) and len(shared) > 1:
        raise RequestError(
            f"{folder}: its folders {_listed(classes)} all have the folders "
            f"{_shortened(sorted(shared))}. If the latter are the classes, give "
            f"--data_dir={classes[0]}, or name the former train, val and test; if not, "
            "move the images up into the class folders."
        )
    if inner:
        _warn_of_inner_folders(folder, inner)


def _warn_of_inner_folders(folder: Path, inner: dict[Path, list[str]]) -> None:
    outer, names = next(iter(inner.items()))
    logging.warning(
        "%s: %d of its class folders have images only in their sub-folders; those of "
        "%s (%s) all become the class %r. If these are the classes, give "
        "--data_dir=%s.",
        *(folder, len(inner), outer.name, _shortened(names), outer.name, outer),
    )


def _refuse_folders_above(folder: Path, only: Path) -> None:
    """Refuses a single folder if the folders that could be classes are below it."""
    below = only
    while len(names := _inner_classes(below)) == 1:
        below = below / names[0]
    if names:
        raise RequestError(
            f"{folder}: has only the folder {only.name!r}, so only one class; if the "
            f"classes are {_shortened(names)}, give --data_dir={below}."
        )


def _inner_classes(folder: Path) -> list[str]:
    """Returns the sub-folders with images of a folder that has none of its own."""
    if not os.path.isdir(folder) or holds_images(folder):
        return []
    visited = with_parents(folder)
    return [x.name for x in sub_folders(folder) if _has_images_below(x, visited)]


def _has_images_below(folder: Path, visited: set[str]) -> bool:
    if not os.path.isdir(folder):
        return False
    return any(map(is_image, files.walk(folder, set(visited), is_file=is_image)))


def _listed(folders: Iterable[Path]) -> str:
    return _shortened([folder.name for folder in folders])


def _shortened(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
