"""Opens labelled images, divided into splits and decoded, for the steps of a run."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data import run_split, split
from corallite.train.data.boxes.annotations import Annotations
from corallite.train.data.boxes.listing import list_marked
from corallite.train.data.boxes.run_boxes import (
    RunBoxes,
    read_run_boxes,
    refuse_boxes,
    settle_boxes,
)
from corallite.train.data.content import check_content
from corallite.train.data.decoded.cache import DecodedSplit
from corallite.train.data.decoded.open_splits import Wanted, open_splits
from corallite.train.data.decoded.reader import Source
from corallite.train.data.decoded.settings import Settings, read_settings
from corallite.train.data.image_data import ImageData as ImageData
from corallite.train.data.image_data import Split as Split
from corallite.train.data.listing.images import Listing, list_images
from corallite.train.data.listing.layout import SPLITS, is_packed
from corallite.train.data.shards.find_source import find_source
from corallite.train.data.shards.packed import open_packed
from corallite.train.data.shards.plan import storage_order
from corallite.train.runs.run import Run


class Counts(NamedTuple):
    """Numbers of images and of classes."""

    images: int
    classes: int


def prepare_data(
    data_dir: Path,
    run: Run,
    preprocessing: Preprocessing,
    group_by: str | None = None,
    *,
    shares_val: Callable[[int], bool] = lambda num_classes: False,
    cache_gb: float | None = None,
    marked: tuple[str, Annotations] | None = None,
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
        marked: The task and the boxes of a run that finds boxes; None for classes
            alone.

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
    if marked is None:
        refuse_boxes(run_dir)
    if is_of_shards and marked is None:
        packed = open_packed(data_dir)
        source = Source(packed.read, packed.known)
        made = run_split.adopt_split(data_dir, run_dir, packed.assignment, is_cached)
    else:
        listing = _list(data_dir, marked)
        found = run_split.find_split(listing, run_dir, is_cached=is_cached)
        made = found or run_split.make_split(
            *(listing, run_dir, min(preprocessing.size_hw), group_by),
            shares_val=shares_val,
        )
    if marked is not None:
        task, annotations = marked
        settle_boxes(run_dir, listing, annotations, task, is_cached=is_cached)
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
    if data.boxes is not None:
        data.boxes.warn_of_crop(preprocessing)
    _check_every_class_is_left(data_dir, data)
    return data


def _list(data_dir: Path, marked: tuple[str, Annotations] | None) -> Listing:
    if marked is None:
        return list_images(data_dir)
    task, annotations = marked
    return list_marked(data_dir, annotations, task)


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
        split = data.splits[name]
        if not len(split.labels):
            raise RequestError(
                f"{data_dir}: no image of the {name} split can be read; add images."
            )
        for what, missing in _list_missing(data, split):
            names = ", ".join(missing)
            if name == "train":
                raise RequestError(
                    f"{data_dir}: the train split has no readable image of {names}; "
                    f"add images or remove the {what}."
                )
            logging.warning("The %s split has no image of %s.", name, names)


def _list_missing(data: ImageData, split: Split) -> Iterator[tuple[str, list[str]]]:
    """Yields what a split lacks, if anything: classes, and labels of boxes."""
    present = []
    # Without classes, images are only listed by the rarest label in each.
    if data.boxes is None or data.boxes.classifies:
        present.append(("class", data.class_names, split.labels))
    if data.boxes is not None:
        labels = split.require_boxes()[..., 0].astype(int)
        present.append(("label", data.boxes.labels, labels))
    for what, names, numbers in present:
        known = set(np.unique(numbers).tolist())
        if missing := [x for number, x in enumerate(names) if number not in known]:
            yield what, missing


def _to_data(wanted: Wanted, found: Mapping[str, DecodedSplit]) -> ImageData:
    made = wanted.made
    skipped = {path for split in found.values() for path in split.unreadable}
    boxes = read_run_boxes(wanted.run_dir)
    fingerprint = made.fingerprint
    if boxes is not None:
        both = f"{fingerprint} {boxes.digest()}"
        fingerprint = hashlib.sha256(both.encode()).hexdigest()
    return ImageData(
        class_names=made.class_names,
        preprocessing=wanted.settings.preprocessing,
        fingerprint=fingerprint,
        splits={name: _to_split(wanted, name, found[name], boxes) for name in SPLITS},
        unreadable=len(made.unreadable) + len(skipped),
        group_by=made.group_by,
        boxes=boxes,
    )


def _to_split(
    wanted: Wanted, name: str, decoded: DecodedSplit, boxes: RunBoxes | None
) -> Split:
    made = wanted.made
    number_by_name = {name: number for number, name in enumerate(made.class_names)}
    rows = [file for file in made.splits[name] if file.path not in decoded.unreadable]
    labels = np.array([number_by_name[file.class_name] for file in rows], np.int64)
    paths = tuple(file.path for file in rows)
    groups = {file.path: file.group or file.sha256 for file in rows}
    stored = np.array(storage_order(rows)) if wanted.settings.is_packed else None
    faults = decoded.faults
    how = wanted.settings.preprocessing
    placed = None if boxes is None else boxes.to_array(paths, how)
    return Split(decoded.images_rgb_u8, labels, paths, faults, groups, stored, placed)
