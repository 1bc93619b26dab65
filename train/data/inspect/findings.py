"""Finds what is wrong with a set of photos: too few, too similar, small, blurred."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from corallite.device.system.files import printable
from corallite.train.data.content import remedy_for
from corallite.train.data.inspect.measure import Measured, Photo
from corallite.train.data.listing.images import ImageFile, Listing

# Frigate's documentation recommends both for its classifiers.
MAX_RATIO = 3
FEWEST_PHOTOS = 20
# Of the photos of waste 0.3 % are below, which are out of focus or smooth. After a
# Gaussian blur of 2 pixels at a shorter side of 256 it is 75 %, of 3 pixels 99 %.
MIN_SHARPNESS = 0.005
_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the photos of a folder.

    Attributes:
        kind: Its name in JSON.
        text: What was found and how often, as the start of a sentence.
        names: Photos, equal photos or classes that it concerns; all of them.
        remedy: What to do, as the end of a sentence.
    """

    kind: str
    text: str
    names: tuple[str, ...]
    remedy: str

    def to_line(self) -> str:
        """Returns the finding as one line, with at most three names."""
        shown = ", ".join(map(printable, self.names[:_SHOWN]))
        more = ", ..." if len(self.names) > _SHOWN else ""
        return f"{self.text}: {shown}{more}; {self.remedy}."


@dataclass(frozen=True)
class Inspected:
    """Everything that findings are made of.

    Attributes:
        listing: The photos.
        measured: What is known of them.
        group_by_path: Group of each photo that has one; see `grouping`.
        side: Shorter side of the network's input, in pixels.
        are_groups_near_duplicates: False if their names come from the file names.
    """

    listing: Listing
    measured: Measured
    group_by_path: Mapping[str, str]
    side: int
    are_groups_near_duplicates: bool = True


def find_all(inspected: Inspected) -> list[Finding]:
    """Returns the findings, those about classes first."""
    checks = (
        _unequal_classes,
        _few_photos,
        _unreadable,
        _no_content,
        _small,
        _blurred,
        _near_duplicates,
        _two_classes,
        _two_splits,
    )
    return [finding for check in checks for finding in check(inspected)]


def count_classes(listing: Listing) -> dict[str, int]:
    """Returns the number of photos of each class, readable or not."""
    counts = Counter(file.class_name for file in listing.files)
    return {name: counts[name] for name in listing.class_names}


def _unequal_classes(inspected: Inspected) -> Iterator[Finding]:
    by_size = sorted(count_classes(inspected.listing).items(), key=lambda x: -x[1])
    (most, large), (fewest, small) = by_size[0], by_size[-1]
    if large > MAX_RATIO * small:
        yield Finding(
            "unequal_classes",
            f"the largest class has {large / small:.1f} times the photos of the "
            f"smallest, more than {MAX_RATIO} times",
            (f"{most} {large:,}", f"{fewest} {small:,}"),
            f"add photos of {fewest}",
        )


def _few_photos(inspected: Inspected) -> Iterator[Finding]:
    counts = count_classes(inspected.listing)
    small = tuple(f"{name} {n}" for name, n in counts.items() if n < FEWEST_PHOTOS)
    if small:
        text = f"{len(small)} of {len(counts)} classes have fewer than {FEWEST_PHOTOS}"
        yield Finding("few_photos", f"{text} photos", small, "add photos to them")


def _unreadable(inspected: Inspected) -> Iterator[Finding]:
    paths = sorted(inspected.measured.not_read | inspected.measured.not_decoded)
    if paths:
        text = f"{len(paths):,} files cannot be read as photos"
        yield Finding("unreadable", text, tuple(paths), "repair or remove them")


def _no_content(inspected: Inspected) -> Iterator[Finding]:
    photos = inspected.measured.photos
    faults = {path: x.fault for path, x in sorted(photos.items()) if x.fault}
    if faults:
        yield Finding(
            "no_content",
            f"{len(faults):,} photos show little or nothing",
            tuple(f"{path} ({fault.kind})" for path, fault in faults.items()),
            remedy_for(faults),
        )


def _small(inspected: Inspected) -> Iterator[Finding]:
    side = inspected.side
    photos = inspected.measured.photos.items()
    small = sorted(
        (x.shorter_side, path) for path, x in photos if x.shorter_side < side
    )
    if small:
        yield Finding(
            "small",
            f"{len(small):,} photos have a shorter side below the input's {side} "
            f"pixels, the smallest {small[0][0]}",
            tuple(path for _, path in small),
            "replace them by larger ones, or lower --image_size",
        )


def _blurred(inspected: Inspected) -> Iterator[Finding]:
    photos = inspected.measured.photos.items()
    blurred = [(x.sharpness, path) for path, x in photos if _is_blurred(x)]
    if blurred:
        yield Finding(
            "blurred",
            f"{len(blurred):,} photos are blurred, or show only smooth areas",
            tuple(path for _, path in sorted(blurred)),
            "look at them, and replace those that you cannot recognize",
        )


def _near_duplicates(inspected: Inspected) -> Iterator[Finding]:
    if not inspected.are_groups_near_duplicates:
        return
    groups: dict[str, list[str]] = defaultdict(list)
    for path, group in sorted(inspected.group_by_path.items()):
        # Black photos are named as such.
        if inspected.measured.photos[path].fault is None:
            groups[group].append(path)
    similar = [paths for paths in groups.values() if len(paths) > 1]
    if similar:
        photos = sum(map(len, similar))
        yield Finding(
            "near_duplicates",
            f"{photos:,} photos are near-duplicates, of {len(similar):,} scenes",
            _equations(similar),
            "photos of other scenes would teach more",
        )


def _two_classes(inspected: Inspected) -> Iterator[Finding]:
    by_content: dict[object, list[ImageFile]] = defaultdict(list)
    for file in inspected.listing.files:
        if file.path in inspected.measured.sha256:
            by_content[_content(inspected, file.path)].append(file)
    shared = [
        [file.path for file in files]
        for files in by_content.values()
        if len({file.class_name for file in files}) > 1
    ]
    if shared:
        text = f"{len(shared):,} photos are in two classes"
        remedy = "keep each only in the class that it shows"
        yield Finding("two_classes", text, _equations(shared), remedy)


def _two_splits(inspected: Inspected) -> Iterator[Finding]:
    """Only if the splits are given: otherwise a group is in one."""
    groups: dict[str, list[ImageFile]] = defaultdict(list)
    for file in inspected.listing.files:
        sha256 = inspected.measured.sha256.get(file.path, file.path)
        groups[inspected.group_by_path.get(file.path, sha256)].append(file)
    shared = []
    for files in groups.values():
        first_of = {file.given_split: file.path for file in reversed(files)}
        if len(first_of) > 1:
            shared.append(sorted(first_of.values()))
    if shared:
        yield Finding(
            "two_splits",
            f"{len(shared):,} scenes are in two splits",
            _equations(shared),
            "keep each in one; the test accuracy is too high otherwise",
        )


def _is_blurred(photo: Photo) -> bool:
    return photo.fault is None and photo.sharpness < MIN_SHARPNESS


def _content(inspected: Inspected, path: str) -> object:
    """Returns what equal photos share: their hash in a group, else their bytes."""
    group = inspected.group_by_path.get(path)
    if group is None or not inspected.are_groups_near_duplicates:
        return inspected.measured.sha256[path]
    return group, inspected.measured.photos[path].difference_hash


def _equations(groups: Iterable[list[str]]) -> tuple[str, ...]:
    """Returns groups as in "a.jpg = b.jpg", of large ones the first three photos."""
    return tuple(
        " = ".join(paths[:_SHOWN]) + (" = ..." if len(paths) > _SHOWN else "")
        for paths in groups
    )
