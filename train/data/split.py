"""Assigns each image to a split, once, by the content of its file.

Within a class, images are ordered by the SHA-256 of their bytes; the first tenth is
the test split, the next tenth the validation split, the rest the training split. So the
assignment depends only on the images: not on names, order or a seed. Files with the
same content are always in the same split, and so are the images of a group, such as
near-duplicates. Without groups, adding an image to a class moves at most one other
across each of the two borders.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text
from corallite.train.data.listing.images import ImageFile
from corallite.train.data.listing.layout import SPLITS

_FORMAT = 1
# Photos to train and validate with, of a class on average.
_FEW_A_CLASS = 100


@dataclass(frozen=True, slots=True)
class SplitFile:
    """An image of a split.

    Attributes:
        path: In the data folder.
        class_name: Its label.
        sha256: Content hash.
        group: Images with the same name here share a split; "" if it has no group.
    """

    path: str
    class_name: str
    sha256: str
    group: str = ""

    def to_json(self) -> dict[str, str]:
        """Returns a dict for JSON; without a group, that of earlier versions."""
        content = asdict(self)
        if not self.group:
            del content["group"]
        return content


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
        group_by: The regular expression that groups were made by; None for the groups
            of near-duplicates, and for runs of earlier versions, which have no groups.
    """

    data_dir: str
    stamp: str
    fingerprint: str
    class_names: tuple[str, ...]
    splits: Mapping[str, tuple[SplitFile, ...]]
    unreadable: tuple[str, ...]
    group_by: str | None = None


def assign_splits(
    images: Iterable[ImageFile],
    sha256_by_path: Mapping[str, str],
    fractions: tuple[float, float, float],
    group_by_path: Mapping[str, str] | None = None,
    *,
    is_val_shared: bool = False,
) -> dict[str, tuple[SplitFile, ...]]:
    """Returns the images of each split, ordered by path.

    Given splits stay as they are; a missing `val` or `test` is taken out of `train` by
    its fraction of `(train, val, test)`. A class of three or more different images
    gets at least one in each split, a smaller one is all in `train`. An image in two
    classes is assigned with the first and has the same split in both.

    The images of a group stay together, also if they are in several classes. A class
    then needs three groups. `test` and `val` get groups up to their fraction; if all
    groups are larger, the smallest one. The largest one is in `train`.

    Args:
        images: The listed images.
        sha256_by_path: Content hash of each readable image.
        fractions: Fractions of train, val and test; positive, sum 1.
        group_by_path: Group of each image that has one.
        is_val_shared: A `val` that is taken out of `train` stays in it too.
    """
    groups = group_by_path or {}
    readable = [image for image in images if image.path in sha256_by_path]
    given = {image.given_split for image in readable} - {None}
    open_fractions = {
        split: fraction
        for split, fraction in zip(SPLITS, fractions, strict=True)
        if split != "train" and split not in given
    }
    to_divide = [image for image in readable if image.given_split in (None, "train")]
    unit_by_hash = _unite(to_divide, sha256_by_path, groups)
    split_by_unit = _divide(to_divide, sha256_by_path, unit_by_hash, open_fractions)
    splits: dict[str, list[SplitFile]] = {name: [] for name in SPLITS}
    for image in sorted(readable, key=lambda image: image.path):
        sha256 = sha256_by_path[image.path]
        if image.given_split in (None, "train"):
            split = split_by_unit[unit_by_hash[sha256]]
        else:
            split = image.given_split
        group = groups.get(image.path, "")
        file = SplitFile(image.path, image.class_name, sha256, group)
        splits[split].append(file)
        if split == "val" and is_val_shared and image.given_split != "val":
            splits["train"].append(file)
    return {name: tuple(members) for name, members in splits.items()}


def are_few(splits: Mapping[str, Iterable[str]], num_classes: int) -> bool:
    """Returns whether there are fewer than 100 photos of a class to train with.

    A tenth of so few can prove no loss of one percentage point, and costs pretrained
    networks half a point if it is not trained on.

    Args:
        splits: Paths of the images of "train" and "val", which may be in both.
        num_classes: Number of classes.
    """
    count = len({*splits["train"], *splits["val"]})
    return count < _FEW_A_CLASS * num_classes


def _unite(
    images: list[ImageFile],
    sha256_by_path: Mapping[str, str],
    group_by_path: Mapping[str, str],
) -> dict[str, str]:
    """Returns the unit of each content hash: the first hash that shares its split."""
    parents: dict[str, str] = {}
    hash_by_group: dict[str, str] = {}

    def find(sha256: str) -> str:
        while (parent := parents.setdefault(sha256, sha256)) != sha256:
            parents[sha256] = sha256 = parents[parent]
        return sha256

    for image in images:
        unit = find(sha256_by_path[image.path])
        if group := group_by_path.get(image.path):
            other = find(hash_by_group.setdefault(group, unit))
            parents[max(unit, other)] = min(unit, other)
    return {sha256: find(sha256) for sha256 in list(parents)}


def _divide(
    images: list[ImageFile],
    sha256_by_path: Mapping[str, str],
    unit_by_hash: Mapping[str, str],
    fractions: Mapping[str, float],
) -> dict[str, str]:
    """Returns the split of each unit: test first, then val, the rest train."""
    hashes_by_class: dict[str, set[str]] = defaultdict(set)
    for image in images:
        hashes_by_class[image.class_name].add(sha256_by_path[image.path])
    split_by_unit: dict[str, str] = {}
    for class_name in sorted(hashes_by_class):
        sizes = Counter(unit_by_hash[sha256] for sha256 in hashes_by_class[class_name])
        sizes = Counter({x: n for x, n in sizes.items() if x not in split_by_unit})
        test_end, val_end = (0, 0)
        if len(sizes) >= 3:
            test_end, val_end = _borders(
                sizes.total(), fractions.get("test", 0.0), fractions.get("val", 0.0)
            )
        targets = {"test": test_end, "val": val_end - test_end}
        split_by_unit.update(_fill(sizes, targets))
    return split_by_unit


def _fill(sizes: Mapping[str, int], targets: Mapping[str, int]) -> dict[str, str]:
    """Returns the split of each unit of a class, in the order of their hashes.

    Args:
        sizes: Number of images by unit.
        targets: Number of images wanted, in the order in which the splits are filled;
            0 for a split that gets none.
    """
    splits = {name: target for name, target in targets.items() if target}
    # Of units of the same size, the last one: those before it fill the splits.
    largest = max(sizes, key=lambda unit: (sizes[unit], unit), default="")
    left = sorted(sizes.keys() - {largest})
    made = {largest: "train"}
    for number, (name, target) in enumerate(splits.items(), 1):
        most = len(left) - (len(splits) - number)
        taken: list[str] = []
        count = 0
        for unit in left:
            if count + sizes[unit] <= target and len(taken) < most:
                taken.append(unit)
                count += sizes[unit]
        taken = taken or [min(left, key=lambda unit: (sizes[unit], unit))]
        made.update(dict.fromkeys(taken, name))
        left = [unit for unit in left if unit not in made]
    return made | dict.fromkeys(left, "train")


def _borders(num_images: int, test: float, val: float) -> tuple[int, int]:
    """Returns the ends of test and val, for at least three images; no split is empty.

    Both borders are rounded positions, not sums of rounded sizes, so that one more
    image moves each by one at most.
    """
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


def write_split(path: Path, split: SplitAssignment) -> None:
    """Writes a split assignment as JSON, one line per image."""
    content = asdict(replace(split, splits={}))
    del content["splits"]
    if split.group_by is None:  # As in earlier versions.
        del content["group_by"]
    head = json.dumps({"format": _FORMAT, **content}, indent=2)
    # Escaped (ASCII), because a file name may be invalid Unicode.
    blocks = ",\n".join(
        f'    "{name}": [\n'
        + ",\n".join(f"      {json.dumps(file.to_json())}" for file in members)
        + "\n    ]"
        for name, members in split.splits.items()
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
        made = _parse(json_text.parse(path.read_text()))
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
        group_by=content.get("group_by"),
    )
