"""Groups photos that the page /capture recorded in one burst.

Frames of a burst show the same thing in the same place, although they need not look
alike. A head that has seen some of them knows the others.
"""

import re
from collections.abc import Sequence

import numpy as np

# As in 20261130-031502-a1b2_0001.jpg, see serve/capture/photo_file.py.
_NAME = re.compile("([0-9]{8}-[0-9]{6}-[0-9a-f]{4})_[0-9]{4,}(-[0-9]+)?[.]jpg")
# With fewer, too little is left to fit the other heads to.
_FEWEST_GROUPS = 3


def join_bursts(
    groups: np.ndarray, names: Sequence[str], labels: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """Joins the groups of photos of a burst.

    Args:
        groups: int `[n]`, the group of each photo, such as of near-duplicates.
        names: The file name of each photo.
        labels: int `[n]`, the class of each photo.

    Returns:
        The groups, and the classes that would have fewer than three: their bursts are
        not joined, as they could not be held out.
    """
    bursts = [found[1] if (found := _NAME.fullmatch(x)) else "" for x in names]
    members = {name: np.flatnonzero(np.array(bursts) == name) for name in {*bursts}}
    members.pop("", None)
    left: list[int] = []
    while True:
        joined = _join(
            groups, [x for x in members.values() if labels[x[0]] not in left]
        )
        few = [
            int(label)
            for label in np.unique(labels)
            if label not in left
            and _count(joined, labels == label) < _FEWEST_GROUPS
            and _count(joined, labels == label) < _count(groups, labels == label)
        ]
        if not few:
            return joined, sorted(left)
        left += few


def _join(groups: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    """Returns the groups after those of the same burst have become one."""
    while True:
        joined = groups.copy()
        for rows in members:
            shared = np.isin(joined, joined[rows])
            joined[shared] = joined[rows].min()
        if np.array_equal(joined, groups):
            return joined
        groups = joined


def _count(groups: np.ndarray, rows: np.ndarray) -> int:
    return len(np.unique(groups[rows]))
