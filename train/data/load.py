"""Turns a folder of labelled images into arrays of splits, once per run folder."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from absl import logging

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data import cache, run_split, split
from corallite.train.data.content import Fault, check_content
from corallite.train.data.listing.images import list_images
from corallite.train.data.listing.layout import SPLITS
from corallite.train.data.split import SplitAssignment
from corallite.train.runs.run import Run


@dataclass(frozen=True)
class Split:
    """The images of a split, in the order of the split assignment.

    Attributes:
        images_rgb_u8: Memory map, uint8 `[n, height, width, 3]`, RGB, 0 to 255.
        labels: int64 `[n]`, index into the class names.
        paths: File of each image, relative to the data folder.
        faults: What is wrong with the pixels of a path that shows little or nothing.
        groups: Name of the group of each image, by path. Images of a group are alike:
            all of them are in this split, and should be in one fold of it.
    """

    images_rgb_u8: np.ndarray
    labels: np.ndarray
    paths: tuple[str, ...]
    faults: Mapping[str, Fault] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


# Half of them, 1,000, bound a measured loss of 1 percentage point to 0.5 to 1.8 (95 %).
_ENOUGH_TO_HALVE = 2_000


@dataclass(frozen=True)
class ImageData:
    """A data set, decoded and divided into "train", "val" and "test".

    Attributes:
        class_names: Sorted.
        preprocessing: How the images were resized.
        fingerprint: See `SplitAssignment`.
        splits: By name.
        unreadable: Files that could not be read or decoded and are in no split.
        group_by: See `SplitAssignment`.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    fingerprint: str
    splits: Mapping[str, Split]
    unreadable: int = 0
    group_by: str | None = None

    @property
    def is_val_shared(self) -> bool:
        """Whether the images of "val" are in "train" too, because there are few."""
        validation = set(self.splits["val"].paths)
        return 0 < len(validation & set(self.splits["train"].paths))

    @property
    def is_few(self) -> bool:
        """Whether there are few photos to train with, see `split.are_few`."""
        paths = {name: self.splits[name].paths for name in ("train", "val")}
        return split.are_few(paths, len(self.class_names))

    @property
    def choosing(self) -> Split:
        """The images of "val" that choose the best epoch."""
        return self._halve(0)

    @property
    def judging(self) -> Split:
        """The images of "val" that judge an int8 file.

        Others than `choosing` if "val" has 2,000 or more: the best epoch is partly the
        best by chance on the images that chose it, and int8 loses that advantage.
        """
        return self._halve(1)

    def _halve(self, half: int) -> Split:
        whole = self.splits["val"]
        if len(whole.labels) < _ENOUGH_TO_HALVE:
            return whole
        # Every other one: they are ordered by class.
        return replace(
            whole,
            images_rgb_u8=whole.images_rgb_u8[half::2],
            labels=whole.labels[half::2],
            paths=whole.paths[half::2],
        )


def prepare_data(
    data_dir: Path,
    run: Run,
    preprocessing: Preprocessing,
    group_by: str | None = None,
    *,
    shares_val: Callable[[int], bool] = lambda num_classes: False,
) -> ImageData:
    """Splits, decodes and caches the images below `data_dir`, as far as necessary.

    Writes `split.json` and `classes.txt`, once per run folder, and `cache/`. Results
    that are still valid are kept; no image is read if no name, size or time in the data
    folder has changed. Logs what is wrong with the photos when it splits them (see
    `find_all`).

    Args:
        data_dir: Class folders, class folders in `train/`, `val/`, `test/`, or a CSV.
        run: Its folder is created if necessary.
        preprocessing: How images are resized. A new value replaces the cached arrays.
        group_by: A regular expression that names the group of an image (see
            `group_by_name`), in place of the groups of near-duplicates.
        shares_val: Returns for a number of classes whether "val" stays in "train" too
            if there are few photos (see `split.are_few`): nothing is chosen by it.

    Raises:
        RequestError: The images cannot be used as they are (see `list_images`), more
            than 1 % of them are unreadable, most of a class show nothing (see
            `check_content`), or the run has other images.
        OSError: The run folder cannot be written, with the name of the file.
    """
    run_dir = run.path
    if run_dir.resolve().is_relative_to(data_dir.resolve()) and data_dir.is_dir():
        raise RequestError(
            f"{run_dir} is inside the folder of the images and would become a class; "
            f"give a --run_dir outside {data_dir}."
        )
    listing = list_images(data_dir)
    is_cached = _read_preprocessing(run_dir) is not None
    made = run_split.find_split(listing, run_dir, is_cached=is_cached)
    if made is None:
        side = min(preprocessing.size_hw)
        made = run_split.make_split(
            listing, run_dir, side, group_by, shares_val=shares_val
        )
    else:
        run_split.require_group_by(run_dir, made, group_by)
    cached = _fill_cache(listing.data_dir, run_dir, made, preprocessing)
    data = _to_data(made, preprocessing, cached)
    _check_every_class_is_left(data_dir, data)
    return data


def load_data(run: Run) -> ImageData:
    """Opens what `prepare_data` made for a run; the images stay on disk.

    Raises:
        RequestError: The run has no data, or some of it is missing or damaged.
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
            raise _unusable_cache(run, name)
        cached[name] = found
    return _to_data(made, preprocessing, cached)


def _unusable_cache(run: Run, split_name: str) -> RequestError:
    return RequestError(
        f"{_cache_dir(run.path)}: its images of the {split_name} split are missing or "
        f"damaged; decode them again with `{run.first().command()}`."
    )


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
    known = {file.path for name in SPLITS for file in made.splits[name]}
    total = len(made.unreadable) + len(known)
    # A path may be in two splits.
    unreadable, cached = dict.fromkeys(made.unreadable), {}
    cache.remove_others(folder, key)
    for name in SPLITS:
        paths = [file.path for file in made.splits[name]]
        found = cache.open_split(folder, name, key, len(paths))
        if found is None:
            found = cache.write_split(folder, name, key, data_dir, paths, preprocessing)
        cached[name] = found
        unreadable |= dict.fromkeys(found.unreadable)
        run_split.check_unreadable(data_dir, list(unreadable), total)
    if unreadable:
        logging.warning("%d of %d images were skipped.", len(unreadable), total)
    check_content(_to_data(made, preprocessing, cached).splits, made.class_names)
    if _read_preprocessing(run_dir) != preprocessing:
        files.write_json(folder / "preprocessing.json", preprocessing.to_json())
    return cached


def _to_data(
    made: SplitAssignment,
    preprocessing: Preprocessing,
    cached: Mapping[str, cache.CachedSplit],
) -> ImageData:
    splits = {name: _to_split(made, name, cached[name]) for name in SPLITS}
    skipped = {path for split in cached.values() for path in split.unreadable}
    count = len(made.unreadable) + len(skipped)
    return ImageData(
        class_names=made.class_names,
        preprocessing=preprocessing,
        fingerprint=made.fingerprint,
        splits=splits,
        unreadable=count,
        group_by=made.group_by,
    )


def _to_split(made: SplitAssignment, name: str, cached: cache.CachedSplit) -> Split:
    number_by_name = {name: number for number, name in enumerate(made.class_names)}
    rows = [file for file in made.splits[name] if file.path not in cached.unreadable]
    labels = np.array([number_by_name[file.class_name] for file in rows], np.int64)
    paths = tuple(file.path for file in rows)
    groups = {file.path: file.group or file.sha256 for file in rows}
    return Split(cached.images_rgb_u8, labels, paths, cached.faults, groups)


def _read_preprocessing(run_dir: Path) -> Preprocessing | None:
    path = _cache_dir(run_dir) / "preprocessing.json"
    if not path.exists():
        return None
    return files.read_record(path, Preprocessing.from_json)


def _cache_dir(run_dir: Path) -> Path:
    return run_dir / "cache"
