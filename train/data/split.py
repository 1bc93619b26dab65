"""Assigns each image to a split, once, by the content of its file.

Within a class, images are ordered by the SHA-256 of their bytes; the first tenth is
the test split, the next tenth the validation split, the rest the training split. So the
assignment depends only on the images: not on names, order or a seed. Files with the
same content are always in the same split. Adding an image to a class moves at most
one other across each of the two borders.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.images import ImageFile
from corallite.train.data.layout import SPLITS

_FORMAT = 1


@dataclass(frozen=True)
class SplitFile:
    """An image of a split: its path in the data folder, class and content hash."""

    path: str
    class_name: str
    sha256: str


@dataclass(frozen=True)
class SplitAssignment:
    """The images of each split.

    Attributes:
        data_dir: Folder of the images when they were assigned, absolute.
        stamp: Hash of the names, sizes and times in the data folder; unchanged data
            need not be read again.
        fingerprint: SHA-256 over class, given split and content of all images.
        class_names: Sorted.
        splits: Images of "train", "val" and "test", ordered by path.
        unreadable: Paths of images that could not be read and are in no split.
    """

    data_dir: str
    stamp: str
    fingerprint: str
    class_names: tuple[str, ...]
    splits: Mapping[str, tuple[SplitFile, ...]]
    unreadable: tuple[str, ...]


def assign_splits(
    images: Iterable[ImageFile],
    sha256_by_path: Mapping[str, str],
    fractions: tuple[float, float, float],
) -> dict[str, tuple[SplitFile, ...]]:
    """Returns the images of each split, ordered by path.

    Given splits stay as they are; a missing `val` or `test` is taken out of `train` by
    its fraction of `(train, val, test)`. A class of three or more different images
    gets at least one in each split, a smaller one is all in `train`. An image in two
    classes is assigned with the first and has the same split in both.

    Args:
        images: The listed images.
        sha256_by_path: Content hash of each readable image.
        fractions: Fractions of train, val and test; positive, sum 1.
    """
    readable = [image for image in images if image.path in sha256_by_path]
    given = {image.given_split for image in readable} - {None}
    open_fractions = {
        split: fraction
        for split, fraction in zip(SPLITS, fractions, strict=True)
        if split != "train" and split not in given
    }
    to_divide = [image for image in readable if image.given_split in (None, "train")]
    split_by_hash = _divide(to_divide, sha256_by_path, open_fractions)
    splits: dict[str, list[SplitFile]] = {name: [] for name in SPLITS}
    for image in sorted(readable, key=lambda image: image.path):
        sha256 = sha256_by_path[image.path]
        if image.given_split in (None, "train"):
            split = split_by_hash[sha256]
        else:
            split = image.given_split
        splits[split].append(SplitFile(image.path, image.class_name, sha256))
    return {name: tuple(members) for name, members in splits.items()}


def _divide(
    images: list[ImageFile],
    sha256_by_path: Mapping[str, str],
    fractions: Mapping[str, float],
) -> dict[str, str]:
    """Returns the split of each content hash: test first, then val, the rest train."""
    hashes_by_class: dict[str, set[str]] = defaultdict(set)
    for image in images:
        hashes_by_class[image.class_name].add(sha256_by_path[image.path])
    split_by_hash: dict[str, str] = {}
    for class_name in sorted(hashes_by_class):
        ordered = sorted(hashes_by_class[class_name] - split_by_hash.keys())
        test_end, val_end = _borders(
            len(ordered), fractions.get("test", 0.0), fractions.get("val", 0.0)
        )
        split_by_hash.update(dict.fromkeys(ordered[:test_end], "test"))
        split_by_hash.update(dict.fromkeys(ordered[test_end:val_end], "val"))
        split_by_hash.update(dict.fromkeys(ordered[val_end:], "train"))
    return split_by_hash


def _borders(num_images: int, test: float, val: float) -> tuple[int, int]:
    """Returns the ends of test and val; from three images on, no split is empty.

    Both borders are rounded positions, not sums of rounded sizes, so that one more
    image moves each by one at most.
    """
    if num_images < 3:
        return 0, 0
    test_end = _clamp(num_images * test, 1, num_images - 2) if test else 0
    if not val:
        return test_end, test_end
    return test_end, _clamp(num_images * (test + val), test_end + 1, num_images - 1)


def _clamp(position: float, low: int, high: int) -> int:
    return min(max(low, int(position + 0.5)), high)


def fingerprint_files(
    images: Iterable[ImageFile], sha256_by_path: Mapping[str, str]
) -> str:
    """Returns a SHA-256 over class, given split and content, not over names."""
    lines = sorted(
        f"{image.given_split}\t{image.class_name}\t{sha256_by_path[image.path]}\n"
        for image in images
        if image.path in sha256_by_path
    )
    content = "".join(lines).encode("utf-8", "surrogateescape")
    return hashlib.sha256(content).hexdigest()


def digest_splits(splits: Mapping[str, tuple[SplitFile, ...]]) -> str:
    """Returns a SHA-256 over the paths and contents of each split."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for file in splits[split]:
            line = f"{split}\t{file.path}\t{file.sha256}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def log_shared_content(splits: Mapping[str, tuple[SplitFile, ...]]) -> dict[str, int]:
    """Warns of equal images in two classes or two splits; returns their numbers.

    Returns:
        Number of different images under "in_two_classes" and "in_two_splits". The
        latter is only possible if the splits were given.
    """
    classes: dict[str, set[str]] = defaultdict(set)
    in_splits: dict[str, set[str]] = defaultdict(set)
    paths: dict[str, list[str]] = defaultdict(list)
    for split, members in splits.items():
        for file in members:
            classes[file.sha256].add(file.class_name)
            in_splits[file.sha256].add(split)
            paths[file.sha256].append(file.path)
    counts = {}
    for key, groups in (("in_two_classes", classes), ("in_two_splits", in_splits)):
        shared = [sha256 for sha256, names in groups.items() if len(names) > 1]
        counts[key] = len(shared)
        if shared:
            examples = "; ".join(" = ".join(paths[s][:3]) for s in shared[:3])
            logging.warning(
                "%d images are %s: %s.", len(shared), key.replace("_", " "), examples
            )
    return counts


def write_split(path: Path, split: SplitAssignment) -> None:
    """Writes a split assignment as JSON, one line per image."""
    content = asdict(split)
    splits = content.pop("splits")
    head = json.dumps({"format": _FORMAT, **content}, indent=2)
    # Escaped (ASCII), because a file name may be invalid Unicode.
    blocks = ",\n".join(
        f'    "{name}": [\n'
        + ",\n".join(f"      {json.dumps(file)}" for file in members)
        + "\n    ]"
        for name, members in splits.items()
    )
    files.write_text(path, f'{head[:-2]},\n  "parts": {{\n{blocks}\n  }}\n}}\n')


def read_split(path: Path) -> SplitAssignment:
    """Reads what `write_split` wrote.

    Raises:
        RequestError: The file is damaged, has another format, or has an image of an
            unknown class.
        FileNotFoundError: There is no such file.
    """
    try:
        made = _parse(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(
            f"{path}: damaged or from another version; remove it and train again."
        ) from error
    _check_classes(path, made)
    return made


def _check_classes(path: Path, made: SplitAssignment) -> None:
    known = set(made.class_names)
    for name in SPLITS:
        for file in made.splits[name]:
            if file.class_name not in known:
                raise RequestError(
                    f"{path}: has {files.printable(file.path)} in the class "
                    f"{file.class_name!r}, which is not in its class_names; remove "
                    "split.json and train again."
                )


def _parse(content: dict[str, Any]) -> SplitAssignment:
    if content["format"] != _FORMAT:
        raise ValueError(f"Expected `format` to be {_FORMAT}.")
    parts = content["parts"]
    return SplitAssignment(
        data_dir=content["data_dir"],
        stamp=content["stamp"],
        fingerprint=content["fingerprint"],
        class_names=tuple(content["class_names"]),
        splits={name: tuple(SplitFile(**x) for x in parts[name]) for name in SPLITS},
        unreadable=tuple(content["unreadable"]),
    )
