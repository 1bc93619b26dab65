"""The split assignment of a run: found again, or made and recorded."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data import split
from corallite.train.data.decoded import reader
from corallite.train.data.inspect.examine import inspect_listing
from corallite.train.data.inspect.findings import Inspected, find_all
from corallite.train.data.listing.images import ImageFile, Listing
from corallite.train.data.listing.layout import SPLITS
from corallite.train.data.split import SplitAssignment, SplitFile

# Fractions of train, val and test, for splits that are not given.
_FRACTIONS = (0.8, 0.1, 0.1)
# Fraction of all files. An incomplete download has more, a damaged SD card fewer.
_MAX_UNREADABLE_FRACTION = 0.01
_MIN_FILES_FOR_ONE_UNREADABLE = 20


def find_split(
    listing: Listing, run_dir: Path, *, is_cached: bool
) -> SplitAssignment | None:
    """Returns the run's split assignment if it has these images; None without one.

    If it has other images, it is replaced as long as no array was made with it: the
    user may have repaired images that could not be decoded.

    Args:
        listing: The images now.
        run_dir: The run folder.
        is_cached: Whether arrays were made.

    Raises:
        RequestError: The run has other images.
    """
    path = run_dir / "split.json"
    if not path.exists():
        return None
    made = split.read_split(path)
    data_dir = str(listing.source.resolve())
    if made.data_dir == data_dir and made.stamp == _stamp(listing):
        _require_same_classes(listing, run_dir, made)
        return made
    hashes, _ = reader.hash_files(
        reader.folder_reader(listing.data_dir), [f.path for f in listing.files]
    )
    changed = _list_changed(listing, made, hashes)
    known = {file.path for name in SPLITS for file in made.splits[name]}
    added = sorted(hashes.keys() - known - set(made.unreadable))
    removed = set(made.unreadable) - {file.path for file in listing.files}
    if (changed or added or removed) and not is_cached:
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


def adopt_split(
    data_dir: Path, run_dir: Path, packed: SplitAssignment, is_cached: bool
) -> SplitAssignment:
    """Returns the split assignment of shards, and records it in the run.

    Args:
        data_dir: The folder of shards.
        run_dir: The run folder.
        packed: Their split assignment.
        is_cached: Whether the run has read images before.

    Raises:
        RequestError: The run has other images.
    """
    path = run_dir / "split.json"
    made = split.read_split(path) if path.exists() else None
    if made is not None and _have_same_splits(made, packed):
        return made
    if made is not None and is_cached:
        raise RequestError(
            f"{run_dir}: was made with the images of {made.data_dir}, and {data_dir} "
            "has others, or other splits; choose a new --run_dir."
        )
    made = replace(packed, data_dir=str(data_dir.resolve()))
    files.write_text(run_dir / "classes.txt", "\n".join(made.class_names) + "\n")
    split.write_split(path, made)
    return made


def _have_same_splits(one: SplitAssignment, other: SplitAssignment) -> bool:
    digests = {split.digest_splits(x.splits) for x in (one, other)}
    return len(digests) == 1 and one.class_names == other.class_names


def _list_changed(
    listing: Listing, made: SplitAssignment, hashes: Mapping[str, str]
) -> list[str]:
    """Returns images of another content, and in a CSV those of another label or split.

    Class folders show a new label or split as another path.
    """
    now = {file.path: file for file in listing.files}
    return [
        file.path
        for name in SPLITS
        for file in made.splits[name]
        if hashes.get(file.path) != file.sha256
        or (listing.is_label_file and not _is_as_listed(now[file.path], file, name))
    ]


def _is_as_listed(listed: ImageFile, file: SplitFile, split_name: str) -> bool:
    # A missing split was taken from train.
    splits = (None, "train", split_name)
    return listed.class_name == file.class_name and listed.given_split in splits


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
            f"{listing.source} has {', '.join(listing.class_names)}; choose a new "
            "--run_dir."
        )


def require_group_by(
    run_dir: Path, made: SplitAssignment, group_by: str | None
) -> None:
    """Raises `RequestError` if a split has other groups than the user asks for."""
    if group_by not in (None, made.group_by):
        raise RequestError(
            f"{run_dir}: was split with other groups than --group_by={group_by}; leave "
            "it out, choose a new --run_dir, or make shards again with it."
        )


def make_split(
    listing: Listing,
    run_dir: Path,
    side: int,
    group_by: str | None,
    *,
    shares_val: Callable[[int], bool],
) -> SplitAssignment:
    """Splits the images and writes `split.json` and `classes.txt`.

    Logs what is wrong with the photos.

    Args:
        listing: The images.
        run_dir: The run folder.
        side: Shorter side of the network's input, in pixels.
        group_by: See `prepare_data`.
        shares_val: See `prepare_data`.

    Raises:
        RequestError: There are too few images, too many are unreadable, or `group_by`
            cannot be used.
    """
    stamp = _stamp(listing)
    inspected = inspect_listing(listing, side, group_by)
    hashes, unreadable = inspected.measured.sha256, inspected.measured.not_read
    for path, reason in unreadable.items():
        logging.warning("Skipped %s: %s.", files.printable(path), reason)
    check_unreadable(listing.source, list(unreadable), len(listing.files))
    groups = inspected.group_by_path
    arguments = listing.files, hashes, _FRACTIONS, groups
    splits = split.assign_splits(*arguments)
    paths = {name: [file.path for file in splits[name]] for name in SPLITS}
    num_classes = len(listing.class_names)
    if split.are_few(paths, num_classes) and shares_val(num_classes):
        splits = split.assign_splits(*arguments, is_val_shared=True)
    made = SplitAssignment(
        data_dir=str(listing.source.resolve()),
        stamp=stamp,
        fingerprint=split.fingerprint_files(listing.files, hashes),
        class_names=listing.class_names,
        splits=splits,
        unreadable=tuple(unreadable),
        group_by=group_by,
    )
    _check_splits(listing, made)
    _log_findings(inspected)
    files.write_text(run_dir / "classes.txt", "\n".join(made.class_names) + "\n")
    split.write_split(run_dir / "split.json", made)
    return made


def _log_findings(inspected: Inspected) -> None:
    for finding in find_all(inspected):
        # These are logged when the images are decoded.
        if finding.kind not in ("unreadable", "no_content"):
            logging.warning("%s: %s", inspected.listing.source, finding.to_line())


def _check_splits(listing: Listing, made: SplitAssignment) -> None:
    for name in SPLITS:
        if not made.splits[name]:
            groups = "" if made.group_by is None else " groups (see --group_by)"
            raise RequestError(
                f"{listing.source}: too few images for a {name} split; add some, at "
                f"least three different ones{groups} per class."
            )
        logging.info("%s: %d images.", name, len(made.splits[name]))


def check_unreadable(data_dir: Path, unreadable: list[str], total: int) -> None:
    """Raises `RequestError` if more than one and 1 % of all images are unreadable."""
    limit = total * _MAX_UNREADABLE_FRACTION
    if total >= _MIN_FILES_FOR_ONE_UNREADABLE:
        limit = max(1.0, limit)
    if len(unreadable) > limit:
        names = ", ".join(unreadable[:5]) + (", ..." if len(unreadable) > 5 else "")
        raise RequestError(
            f"{data_dir}: {len(unreadable)} of {total} images cannot be read, more "
            f"than 1 %; repair or remove them: {names}."
        )


def _stamp(listing: Listing) -> str:
    """Returns a hash of the names, sizes and times of all files, readable or not."""
    stamp = hashlib.sha256()
    for file in listing.files:
        path = listing.data_dir / file.path
        # A dangling link has no target.
        status = path.stat() if path.exists() else path.lstat()
        line = f"{file.path}\t{status.st_size}\t{status.st_mtime_ns}\n"
        if listing.is_label_file:
            line = f"{file.class_name}\t{file.given_split}\t{line}"
        stamp.update(line.encode("utf-8", "surrogateescape"))
    return stamp.hexdigest()
