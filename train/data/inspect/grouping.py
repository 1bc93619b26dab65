"""Names the photos that must stay in one split: near-duplicates, or by file name."""

import re
from collections import Counter
from collections.abc import Iterable

from absl import logging

from corallite.device.learn.near_duplicates import find_pairs, group_near_duplicates
from corallite.device.system.errors import RequestError
from corallite.train.data.inspect.measure import Measured
from corallite.train.data.listing.images import ImageFile, Listing

# Smaller images tell too little: 24,366 pairs of 7,750 images of Fashion-MNIST, with 28
# pixels, would be near-duplicates, and 407 of 60,000 of CIFAR-10, with 32 pixels.
_MIN_SIDE = 32


def name_near_duplicates(listing: Listing, measured: Measured) -> dict[str, str]:
    """Returns the group of each photo that has near-duplicates: its first photo.

    Warns of classes whose near-duplicates had to be divided.
    """
    large = {x for x, y in measured.photos.items() if y.shorter_side >= _MIN_SIDE}
    files = [file for file in listing.files if file.path in large]
    photos = [measured.photos[file.path] for file in files]
    pairs = find_pairs(
        [photo.difference_hash for photo in photos],
        [photo.thumbnail for photo in photos],
    )
    groups, divided = group_near_duplicates(pairs, _labels_to_divide(files))
    for name in divided:
        logging.warning(
            "Class %r: most of its photos are near-duplicates, as if they were frames "
            "of one recording. They are in all splits, so the accuracy on the test "
            "split is too high. Add photos of other scenes, or give --group_by.",
            name,
        )
    sizes = Counter(groups.tolist())
    return {
        file.path: files[number].path
        for file, number in zip(files, groups.tolist(), strict=True)
        if sizes[number] > 1
    }


def group_by_name(paths: Iterable[str], pattern: str) -> dict[str, str]:
    """Returns the group of each photo whose path matches.

    Args:
        paths: With `/` as separator.
        pattern: A regular expression, searched in the path. The group's name is the
            text of its first parenthesis, or the whole match if it has none. A photo
            that it does not match is alone.

    Raises:
        RequestError: It is not a regular expression, or matches no path.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise RequestError(
            f"--group_by={pattern}: is not a regular expression ({error}); correct it."
        ) from error
    number = min(expression.groups, 1)
    listed = list(paths)
    matches = {path: expression.search(path) for path in listed}
    names = {path: found.group(number) for path, found in matches.items() if found}
    groups = {path: name for path, name in names.items() if name}
    if not groups:
        raise RequestError(
            f"--group_by={pattern}: matches no photo, such as {listed[0]}; correct the "
            "expression, or leave it out."
        )
    logging.info(
        "--group_by=%s: %d groups of %d photos; %d photos do not match.",
        *(pattern, len(set(groups.values())), len(groups), len(listed) - len(groups)),
    )
    return groups


def _labels_to_divide(files: list[ImageFile]) -> list[str]:
    """Returns the class of each photo, "" if its split is given and stays as it is."""
    given = {file.given_split for file in files}
    are_all_given = {"val", "test"} <= given
    is_divided = (None,) if are_all_given else (None, "train")
    return [file.class_name if file.given_split in is_divided else "" for file in files]
