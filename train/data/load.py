"""Turns a folder of labelled images into arrays of splits, once per run folder."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from absl import logging

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data import cache, split
from corallite.train.data.content import Fault, check_content
from corallite.train.data.images import Listing, list_images
from corallite.train.data.layout import SPLITS
from corallite.train.data.split import SplitAssignment
from corallite.train.runs.run import Run

# Fractions of train, val and test, for splits that are not given.
_FRACTIONS = (0.8, 0.1, 0.1)
# Fraction of all files. An incomplete download has more, a damaged SD card fewer.
_MAX_UNREADABLE_FRACTION = 0.01
_MIN_FILES_FOR_ONE_UNREADABLE = 20


@dataclass(frozen=True)
class Split:
    """The images of a split, in the order of the split assignment.

    Attributes:
        images_rgb_u8: Memory map, uint8 `[n, height, width, 3]`, RGB, 0 to 255.
        labels: int64 `[n]`, index into the class names.
        paths: File of each image, relative to the data folder.
        faults: What is wrong with the pixels of a path that shows little or nothing.
    """

    images_rgb_u8: np.ndarray
    labels: np.ndarray
    paths: tuple[str, ...]
    faults: Mapping[str, Fault] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageData:
    """A data set, decoded and divided into "train", "val" and "test".

    Attributes:
        class_names: Sorted.
        preprocessing: How the images were resized.
        fingerprint: See `SplitAssignment`.
        splits: By name.
        unreadable: Files that could not be read or decoded and are in no split.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    fingerprint: str
    splits: Mapping[str, Split]
    unreadable: int = 0


def prepare_data(data_dir: Path, run: Run, preprocessing: Preprocessing) -> ImageData:
    """Splits, decodes and caches the images below `data_dir`, as far as necessary.

    Writes `split.json` and `classes.txt`, once per run folder, and `cache/`. Results
    that are still valid are kept; no image is read if no name, size or time in the data
    folder has changed.

    Args:
        data_dir: Class folders, or class folders in `train/`, `val/`, `test/`.
        run: Its folder is created if necessary.
        preprocessing: How images are resized. A new value replaces the cached arrays.

    Raises:
        RequestError: The images cannot be used as they are (see `list_images`), more
            than 1 % of them are unreadable, most of a class show nothing (see
            `check_content`), or the run has other images.
        OSError: The run folder cannot be written, with the name of the file.
    """
    run_dir = run.path
    if run_dir.resolve().is_relative_to(data_dir.resolve()):
        raise RequestError(
            f"{run_dir} is inside the folder of the images and would become a class; "
            f"give a --run_dir outside {data_dir}."
        )
    listing = list_images(data_dir)
    made = _find_split(listing, run_dir) or _make_split(listing, run_dir)
    cached = _fill_cache(data_dir, run_dir, made, preprocessing)
    data = _to_data(made, preprocessing, cached)
    _check_every_class_is_left(data_dir, data)
    return data


def load_data(run: Run) -> ImageData:
    """Opens what `prepare_data` made for a run; the images stay on disk.

    Raises:
        RequestError: The run has no data, or some of it is missing.
    """
    run_dir = run.path
    missing = RequestError(
        f"{run_dir}: this run folder has no training data; prepare it with "
        f"corallite train --data_dir=FOLDER --run_dir={run_dir}."
    )
    if not (run_dir / "split.json").exists():
        raise missing
    made = split.read_split(run_dir / "split.json")
    preprocessing = _read_preprocessing(run_dir)
    if preprocessing is None:
        raise missing
    key = cache.cache_key(split.digest_splits(made.splits), preprocessing)
    cached = {}
    for name in SPLITS:
        count = len(made.splits[name])
        found = cache.open_split(_cache_dir(run_dir), name, key, count)
        if found is None:
            raise missing
        cached[name] = found
    return _to_data(made, preprocessing, cached)


def class_weights(training: Split) -> dict[int, float]:
    """Returns the weights that give all classes the same total weight.

    The weight is images / (classes * images of the class): 1 on average over the
    images. A class without images has no weight.
    """
    counts = Counter(training.labels.tolist())
    return {
        label: len(training.labels) / (len(counts) * count)
        for label, count in sorted(counts.items())
    }


def _find_split(listing: Listing, run_dir: Path) -> SplitAssignment | None:
    """Returns the run's split assignment if it has these images; None without one.

    If it has other images, it is replaced as long as no array was made with it: the
    user may have repaired images that could not be decoded.
    """
    path = run_dir / "split.json"
    if not path.exists():
        return None
    made = split.read_split(path)
    data_dir = str(listing.data_dir.resolve())
    if made.data_dir == data_dir and made.stamp == _stamp(listing):
        _require_same_classes(listing, run_dir, made)
        return made
    hashes, _ = cache.hash_files(listing.data_dir, [f.path for f in listing.files])
    expected = {f.path: f.sha256 for name in SPLITS for f in made.splits[name]}
    changed = [path for path, sha in expected.items() if hashes.get(path) != sha]
    added = sorted(hashes.keys() - expected.keys() - set(made.unreadable))
    if (changed or added) and _read_preprocessing(run_dir) is None:
        return None
    if changed or (added and made.data_dir != data_dir):
        differing = (changed or added)[0]
        raise RequestError(
            f"{run_dir}: was made with the images of {made.data_dir}, and {data_dir} "
            f"has others ({differing} differs); choose a new --run_dir."
        )
    if added:
        names = ", ".join(added[:3]) + (", ..." if len(added) > 3 else "")
        logging.warning(
            "%s: %d new images are not used, this run keeps its split assignment: %s.",
            data_dir,
            len(added),
            names,
        )
    return made


def _require_same_classes(
    listing: Listing, run_dir: Path, made: SplitAssignment
) -> None:
    """Refuses a run of an earlier version that took the folders of splits as classes.

    Raises:
        RequestError: The same files are now read as other classes.
    """
    if made.class_names != listing.class_names:
        raise RequestError(
            f"{run_dir}: was made with the classes {', '.join(made.class_names)}, and "
            f"{listing.data_dir} has {', '.join(listing.class_names)}; choose a new "
            "--run_dir."
        )


def _make_split(listing: Listing, run_dir: Path) -> SplitAssignment:
    stamp = _stamp(listing)
    paths = [file.path for file in listing.files]
    hashes, unreadable = cache.hash_files(listing.data_dir, paths)
    for path, reason in unreadable.items():
        logging.warning("Skipped %s: %s.", files.printable(path), reason)
    _check_unreadable(listing.data_dir, list(unreadable), len(paths))
    made = SplitAssignment(
        data_dir=str(listing.data_dir.resolve()),
        stamp=stamp,
        fingerprint=split.fingerprint_files(listing.files, hashes),
        class_names=listing.class_names,
        splits=split.assign_splits(listing.files, hashes, _FRACTIONS),
        unreadable=tuple(unreadable),
    )
    _check_splits(listing, made)
    split.log_shared_content(made.splits)
    files.write_text(run_dir / "classes.txt", "\n".join(made.class_names) + "\n")
    split.write_split(run_dir / "split.json", made)
    return made


def _check_splits(listing: Listing, made: SplitAssignment) -> None:
    for name in SPLITS:
        if not made.splits[name]:
            raise RequestError(
                f"{listing.data_dir}: too few images for a {name} split; add some, at "
                "least three different ones per class."
            )
        logging.info("%s: %d images.", name, len(made.splits[name]))


def _check_every_class_is_left(data_dir: Path, data: ImageData) -> None:
    for name in SPLITS:
        numbers = set(range(len(data.class_names)))
        missing = numbers - set(data.splits[name].labels.tolist())
        names = ", ".join(data.class_names[number] for number in sorted(missing))
        if not len(data.splits[name].labels):
            raise RequestError(
                f"{data_dir}: no image of the {name} split can be read; add images."
            )
        if missing and name == "train":
            raise RequestError(
                f"{data_dir}: the train split has no readable image of {names}; add "
                "images or remove the class."
            )
        if missing:
            logging.warning("The %s split has no image of %s.", name, names)


def _fill_cache(
    data_dir: Path, run_dir: Path, made: SplitAssignment, preprocessing: Preprocessing
) -> dict[str, cache.CachedSplit]:
    """Decodes what is not cached; returns each split."""
    folder = _cache_dir(run_dir)
    key = cache.cache_key(split.digest_splits(made.splits), preprocessing)
    total = len(made.unreadable) + sum(len(made.splits[name]) for name in SPLITS)
    unreadable, cached = list(made.unreadable), {}
    cache.remove_others(folder, key)
    for name in SPLITS:
        paths = [file.path for file in made.splits[name]]
        found = cache.open_split(folder, name, key, len(paths))
        if found is None:
            found = cache.write_split(folder, name, key, data_dir, paths, preprocessing)
        cached[name] = found
        unreadable += found.unreadable
        _check_unreadable(data_dir, unreadable, total)
    if unreadable:
        logging.warning("%d of %d images were skipped.", len(unreadable), total)
    check_content(_to_data(made, preprocessing, cached).splits, made.class_names)
    files.write_json(folder / "preprocessing.json", preprocessing.to_json())
    return cached


def _check_unreadable(data_dir: Path, unreadable: list[str], total: int) -> None:
    limit = total * _MAX_UNREADABLE_FRACTION
    if total >= _MIN_FILES_FOR_ONE_UNREADABLE:
        limit = max(1.0, limit)
    if len(unreadable) > limit:
        names = ", ".join(unreadable[:5]) + (", ..." if len(unreadable) > 5 else "")
        raise RequestError(
            f"{data_dir}: {len(unreadable)} of {total} images cannot be read, more "
            f"than 1 %; repair or remove them: {names}."
        )


def _to_data(
    made: SplitAssignment,
    preprocessing: Preprocessing,
    cached: Mapping[str, cache.CachedSplit],
) -> ImageData:
    splits = {name: _to_split(made, name, cached[name]) for name in SPLITS}
    count = len(made.unreadable) + sum(len(x.unreadable) for x in cached.values())
    return ImageData(made.class_names, preprocessing, made.fingerprint, splits, count)


def _to_split(made: SplitAssignment, name: str, cached: cache.CachedSplit) -> Split:
    number_by_name = {name: number for number, name in enumerate(made.class_names)}
    rows = [file for file in made.splits[name] if file.path not in cached.unreadable]
    labels = np.array([number_by_name[file.class_name] for file in rows], np.int64)
    paths = tuple(file.path for file in rows)
    return Split(cached.images_rgb_u8, labels, paths, cached.faults)


def _read_preprocessing(run_dir: Path) -> Preprocessing | None:
    path = _cache_dir(run_dir) / "preprocessing.json"
    if not path.exists():
        return None
    return files.read_record(path, Preprocessing.from_json)


def _stamp(listing: Listing) -> str:
    """Returns a hash of the names, sizes and times of all files, readable or not."""
    stamp = hashlib.sha256()
    for file in listing.files:
        path = listing.data_dir / file.path
        # A dangling link has no target.
        status = path.stat() if path.exists() else path.lstat()
        line = f"{file.path}\t{status.st_size}\t{status.st_mtime_ns}\n"
        stamp.update(line.encode("utf-8", "surrogateescape"))
    return stamp.hexdigest()


def _cache_dir(run_dir: Path) -> Path:
    return run_dir / "cache"
