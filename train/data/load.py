"""Opens labelled images, divided into splits and decoded, for the steps of a run."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data import run_split, split
from corallite.train.data.content import Fault, check_content
from corallite.train.data.decoded.cache import DecodedSplit
from corallite.train.data.decoded.open_splits import Wanted, open_splits
from corallite.train.data.decoded.reader import Source
from corallite.train.data.decoded.settings import Settings, read_settings
from corallite.train.data.listing.images import list_images
from corallite.train.data.listing.layout import SPLITS, is_packed
from corallite.train.data.shards.find_source import find_source
from corallite.train.data.shards.packed import open_packed
from corallite.train.data.shards.plan import storage_order
from corallite.train.runs.run import Run


class Counts(NamedTuple):
    """Numbers of images and of classes."""

    images: int
    classes: int


@dataclass(frozen=True)
class Split:
    """The images of a split, in the order of the split assignment.

    Attributes:
        images_rgb_u8: uint8 `[n, height, width, 3]`, RGB, 0 to 255: a memory map, or a
            `StreamedImages`, which is indexed alike.
        labels: int64 `[n]`, index into the class names.
        paths: File of each image, relative to the data folder.
        faults: What is wrong with the pixels of a path that shows little or nothing.
        groups: Name of the group of each image, by path. Images of a group are alike:
            all of them are in this split, and should be in one fold of it.
        stored: int `[n]`, the rows in the order in which they lie in shards; None for
            files, of which any order costs the same.
    """

    images_rgb_u8: np.ndarray
    labels: np.ndarray
    paths: tuple[str, ...]
    faults: Mapping[str, Fault] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    stored: np.ndarray | None = None

    def thin(self, step: int, first: int = 0) -> "Split":
        """Returns every `step`-th image, of every class: they are ordered by class.

        Copies no pixels.
        """
        return replace(
            self,
            images_rgb_u8=self.images_rgb_u8[first::step],
            labels=self.labels[first::step],
            paths=self.paths[first::step],
            stored=None,
        )


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
        is_whole = len(whole.labels) < _ENOUGH_TO_HALVE
        return whole if is_whole else whole.thin(2, half)


def prepare_data(
    data_dir: Path,
    run: Run,
    preprocessing: Preprocessing,
    group_by: str | None = None,
    *,
    shares_val: Callable[[int], bool] = lambda num_classes: False,
    cache_gb: float | None = None,
) -> ImageData:
    """Splits, decodes and caches the images below `data_dir`, as far as necessary.

    Writes `split.json` and `classes.txt`, once per run folder. Decoded images are in a
    folder that all runs share; those that do not fit are decoded when they are read.
    Results that are still valid are kept; no image is read if no name, size or time in
    the data folder has changed. Logs what is wrong with the photos when it splits them
    (see `find_all`).

    Args:
        data_dir: Class folders, class folders in `train/`, `val/`, `test/`, a CSV, or
            shards, which have splits.
        run: Its folder is created if necessary.
        preprocessing: How images are resized.
        group_by: A regular expression that names the group of an image (see
            `group_by_name`), in place of the groups of near-duplicates.
        shares_val: Returns for a number of classes whether "val" stays in "train" too
            if there are few photos (see `split.are_few`): nothing is chosen by it.
            Without effect on shards.
        cache_gb: See `make_room`.

    Raises:
        RequestError: The images cannot be used as they are (see `list_images`), more
            than 1 % of them are unreadable, most of a class show nothing (see
            `check_content`), or the run has other images.
        OSError: The run folder or the cache cannot be written, with the name of the
            file.
    """
    run_dir = run.path
    if run_dir.resolve().is_relative_to(data_dir.resolve()) and data_dir.is_dir():
        raise RequestError(
            f"{run_dir} is inside the folder of the images and would become a class; "
            f"give a --run_dir outside {data_dir}."
        )
    is_cached = read_settings(run_dir) is not None
    is_of_shards = is_packed(data_dir)
    source: Source | None = None
    if is_of_shards:
        packed = open_packed(data_dir)
        source = Source(packed.read, packed.known)
        made = run_split.adopt_split(data_dir, run_dir, packed.assignment, is_cached)
    else:
        listing = list_images(data_dir)
        found = run_split.find_split(listing, run_dir, is_cached=is_cached)
        made = found or run_split.make_split(
            *(listing, run_dir, min(preprocessing.size_hw), group_by),
            shares_val=shares_val,
        )
    run_split.require_group_by(run_dir, made, group_by)
    place = str(data_dir.resolve())
    settings = Settings(preprocessing, place, is_of_shards, cache_gb)
    wanted = Wanted(made, settings, run_dir)
    decoded = open_splits(wanted, lambda: source or find_source(settings))
    if unreadable := _check_unreadable(wanted, decoded):
        logging.warning("%d of %d images were skipped.", *unreadable)
    data = _to_data(wanted, decoded)
    check_content(data.splits, made.class_names)
    settings.write(run_dir)
    _check_every_class_is_left(data_dir, data)
    return data


def load_data(run: Run) -> ImageData:
    """Opens what `prepare_data` made for a run; the images stay on disk.

    Images that are no longer in the cache are decoded again.

    Raises:
        RequestError: The run has no data, or some of it is missing or damaged.
    """
    run_dir = run.path
    settings = read_settings(run_dir)
    if settings is None or not (run_dir / "split.json").exists():
        raise RequestError(
            f"{run_dir}: this run folder has no training data; prepare it with "
            f"corallite train --data_dir=FOLDER --run_dir={run_dir}."
        )
    made = split.read_split(run_dir / "split.json")
    if not settings.data_dir:
        settings = replace(settings, data_dir=made.data_dir)
    wanted = Wanted(made, settings, run_dir)
    decoded = open_splits(wanted, lambda: find_source(settings))
    _check_unreadable(wanted, decoded)
    return _to_data(wanted, decoded)


def count_images(data_dir: Path) -> Counts:
    """Counts the images and the classes of a folder, a CSV or shards.

    Raises:
        RequestError: See `list_images` and `open_packed`.
    """
    if not is_packed(data_dir):
        listing = list_images(data_dir)
        return Counts(len(listing.files), len(listing.class_names))
    made = open_packed(data_dir).assignment
    return Counts(sum(map(len, made.splits.values())), len(made.class_names))


def _check_unreadable(
    wanted: Wanted, found: Mapping[str, DecodedSplit]
) -> tuple[int, int] | None:
    """Returns how many images of how many are unreadable; None if all are readable."""
    made = wanted.made
    known = {file.path for name in SPLITS for file in made.splits[name]}
    # A path may be in two splits.
    unreadable = dict.fromkeys(made.unreadable)
    for name in SPLITS:
        unreadable |= dict.fromkeys(found[name].unreadable)
    total = len(made.unreadable) + len(known)
    run_split.check_unreadable(Path(made.data_dir), list(unreadable), total)
    return (len(unreadable), total) if unreadable else None


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


def _to_data(wanted: Wanted, found: Mapping[str, DecodedSplit]) -> ImageData:
    made = wanted.made
    skipped = {path for split in found.values() for path in split.unreadable}
    return ImageData(
        class_names=made.class_names,
        preprocessing=wanted.settings.preprocessing,
        fingerprint=made.fingerprint,
        splits={name: _to_split(wanted, name, found[name]) for name in SPLITS},
        unreadable=len(made.unreadable) + len(skipped),
        group_by=made.group_by,
    )


def _to_split(wanted: Wanted, name: str, decoded: DecodedSplit) -> Split:
    made = wanted.made
    number_by_name = {name: number for number, name in enumerate(made.class_names)}
    rows = [file for file in made.splits[name] if file.path not in decoded.unreadable]
    labels = np.array([number_by_name[file.class_name] for file in rows], np.int64)
    paths = tuple(file.path for file in rows)
    groups = {file.path: file.group or file.sha256 for file in rows}
    stored = np.array(storage_order(rows)) if wanted.settings.is_packed else None
    faults = decoded.faults
    return Split(decoded.images_rgb_u8, labels, paths, faults, groups, stored)
