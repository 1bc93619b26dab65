"""Finds photos that show the same scene: copies, bursts, frames of one recording.

Two photos are near-duplicates if their difference hashes differ by at most 8 of 64 bits
and their thumbnails correlate. Of 1,200 photos of waste these are 11 pairs, all of them
duplicates; changes that leave a photo a near-duplicate of itself are JPEG of quality 60
in 99 %, half the size in all, 2 degrees of rotation in 93 %, a shift by 1 % in 95 %, by
2 % in 53 %.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from corallite.device.image.difference_hash import hamming_distances
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image

THUMBNAIL_SIDE = 16
MAX_BITS = 8
# Correlation of 16 x 16 thumbnails. Without it, 84 of the same pairs are found, most of
# them different bottles and cans on white.
MIN_CORRELATION = 0.95
# A group may have half the photos of a class, as one of two recordings. A larger one is
# a chain of similar photos.
_MAX_SHARE = 0.5
_FEWEST_FOR_SHARE = 20
_FEWEST_GROUPS = 3  # One for each split.
_VALUES = THUMBNAIL_SIDE**2 * 3
_ROWS = 64
_PAIRS = 1 << 16


class Pairs(NamedTuple):
    """Near-duplicates: indices of photos, int64 `[n]`, and differing bits `[n]`."""

    first: np.ndarray
    second: np.ndarray
    bits: np.ndarray


def make_thumbnail(image_rgb_u8: Image) -> Image:
    """Returns the average colours of 16 x 16 areas, uint8 `[16, 16, 3]`."""
    size_wh = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return cv2.resize(image_rgb_u8, size_wh, interpolation=cv2.INTER_AREA)


def find_pairs(hashes: Sequence[int], thumbnails: Sequence[Image]) -> Pairs:
    """Returns all pairs of near-duplicates; `first` is below `second`.

    All pairs are compared: 60,000 photos take about ten seconds. Of photos with the
    same hash, only the first is compared with photos of another hash.

    Args:
        hashes: The `difference_hash` of each photo.
        thumbnails: What `make_thumbnail` returns for it.
    """
    normalized = _normalize(np.array(thumbnails, np.float32).reshape(-1, _VALUES))
    return _find_pairs(np.array(hashes, np.uint64), normalized)


def _find_pairs(hashes: np.ndarray, normalized: np.ndarray) -> Pairs:
    found = [_pairs_of_equal_hash(hashes, normalized)]
    _, firsts = np.unique(hashes, return_index=True)
    firsts = np.sort(firsts)
    for start in range(0, len(firsts), _ROWS):
        rows, columns = firsts[start : start + _ROWS], firsts[start:]
        bits = hamming_distances(hashes[rows][:, None], hashes[columns][None])
        row, column = np.nonzero(bits <= MAX_BITS)
        is_pair = rows[row] < columns[column]
        row, column = row[is_pair], column[is_pair]
        pairs = Pairs(rows[row], columns[column], bits[row, column])
        found.append(_keep_correlated(pairs, normalized))
    return Pairs(*map(np.concatenate, zip(*found, strict=True)))


def group_near_duplicates(
    pairs: Pairs, labels: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Returns the group of each photo, and the classes of too few scenes.

    Near-duplicates of near-duplicates are in one group. It is divided if it has more
    photos than half of its largest class, or if a class has fewer than three groups,
    and so nothing to test with: fewer bits may differ, down to none, and at last each
    photo is a group.

    Args:
        pairs: See `find_pairs`.
        labels: Class of each photo; "" for one whose split is given, as that needs no
            other photo to test with.

    Returns:
        int64 `[n]`, the smallest index of a photo in the group; and the classes of
        which one group has more than half, or which have fewer than three groups.
    """
    classes = sorted(set(labels) - {""})
    names = np.array(labels, str)
    members_of = [np.flatnonzero(names == name) for name in classes]
    groups = _connect(pairs, len(labels), MAX_BITS)
    divided: set[int] = set()
    for max_bits in range(MAX_BITS - 1, -2, -1):
        too_large, of_classes = _find_too_large(groups, members_of)
        if not len(too_large):
            break
        divided |= of_classes
        finer = _connect(pairs, len(labels), max_bits)
        groups = np.where(np.isin(groups, too_large), finer, groups)
    return groups, [classes[number] for number in sorted(divided)]


def _pairs_of_equal_hash(hashes: np.ndarray, normalized: np.ndarray) -> Pairs:
    """Returns the pairs of a photo and the one before it that has the same hash."""
    order = np.argsort(hashes, kind="stable")
    is_same = hashes[order[1:]] == hashes[order[:-1]]
    first, second = order[:-1][is_same], order[1:][is_same]
    return _keep_correlated(
        Pairs(first, second, np.zeros(len(first), np.uint8)), normalized
    )


def _normalize(thumbnails: np.ndarray) -> np.ndarray:
    """Returns float32 rows of mean 0 and length 1; 0 where a row is constant."""
    centred = thumbnails - thumbnails.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.maximum(lengths, 1e-6)


def _keep_correlated(pairs: Pairs, normalized: np.ndarray) -> Pairs:
    is_kept = np.zeros(len(pairs.first), bool)
    for start in range(0, len(is_kept), _PAIRS):
        chunk = slice(start, start + _PAIRS)
        first, second = normalized[pairs.first[chunk]], normalized[pairs.second[chunk]]
        correlation = np.einsum("ij,ij->i", first, second)
        is_kept[chunk] = correlation >= MIN_CORRELATION
    return Pairs(*(array[is_kept] for array in pairs))


def _connect(pairs: Pairs, count: int, max_bits: int) -> np.ndarray:
    """Returns the smallest index that each photo is connected with."""
    is_close = pairs.bits.astype(np.int64) <= max_bits
    first, second = pairs.first[is_close], pairs.second[is_close]
    groups = np.arange(count)
    while True:
        smaller = np.minimum(groups[first], groups[second])
        joined = groups.copy()
        np.minimum.at(joined, first, smaller)
        np.minimum.at(joined, second, smaller)
        # Of long chains, each pass halves the length.
        joined = joined[joined]
        if np.array_equal(joined, groups):
            return groups
        groups = joined


def _find_too_large(
    groups: np.ndarray, members_of: list[np.ndarray]
) -> tuple[np.ndarray, set[int]]:
    """Returns the groups to be divided, and the classes with nothing to test with."""
    too_large = np.zeros(len(groups), bool)
    most = np.zeros(len(groups))
    of_classes: set[int] = set()
    for number, members in enumerate(members_of):
        found, sizes = np.unique(groups[members], return_counts=True)
        total = len(members)
        limit = _MAX_SHARE * total if total >= _FEWEST_FOR_SHARE else total
        most[found] = np.maximum(most[found], limit)
        is_large = (sizes > 1) & (len(found) < _FEWEST_GROUPS <= total)
        is_large |= sizes > limit
        too_large[found[is_large]] = True
        if is_large.any():
            of_classes.add(number)
    # Chains through several classes, of which each has less than half.
    labelled = np.concatenate([np.array([], np.int64), *members_of])
    sizes = np.bincount(groups[labelled], minlength=len(groups))
    too_large |= (sizes > most) & (most > 0)
    return np.flatnonzero(too_large), of_classes
