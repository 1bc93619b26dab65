"""Which classes are confused: a matrix for few classes, lists for many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A larger matrix would be unreadable.
MOST_IN_MATRIX = 30
_MOST_PAIRS = 20
_MOST_CLASSES = 10


@dataclass(frozen=True)
class Pair:
    """Images of one class that were predicted as another.

    Attributes:
        true: Name of their class.
        predicted: Name of the predicted class.
        count: Number of images.
        share: Fraction of the images of their class, 0 to 1.
    """

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class ClassResult:
    """Recall and precision of one class.

    Attributes:
        name: Of the class.
        count: Images of it.
        recall: Fraction of them that is predicted right; None if there are none.
        precision: Fraction of its predictions that is right; None if there are none.
    """

    name: str
    count: int
    recall: float | None
    precision: float | None


def find_pairs(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> list[Pair]:
    """Returns the 20 most confused pairs; of equal counts, the larger share first."""
    counts = np.array(confusion)
    totals = counts.sum(axis=1)
    wrong = counts * (1 - np.eye(len(names), dtype=int))
    pairs = [
        Pair(names[t], names[p], int(wrong[t, p]), float(wrong[t, p] / totals[t]))
        for t, p in zip(*np.nonzero(wrong), strict=True)
    ]
    return sorted(pairs, key=lambda x: (-x.count, -x.share))[:_MOST_PAIRS]


def rate_classes(
    confusion: Sequence[Sequence[int]], names: Sequence[str]
) -> list[ClassResult]:
    """Returns recall and precision of each class, in the order of the labels."""
    counts = np.array(confusion)
    right = np.diag(counts)
    totals, predicted = counts.sum(axis=1), counts.sum(axis=0)
    return [
        ClassResult(
            name,
            int(totals[i]),
            float(right[i] / totals[i]) if totals[i] else None,
            float(right[i] / predicted[i]) if predicted[i] else None,
        )
        for i, name in enumerate(names)
    ]


def find_weakest(classes: Sequence[ClassResult]) -> list[ClassResult]:
    """Returns the ten classes with the lowest recall, lowest first."""
    seen = [x for x in classes if x.recall is not None]
    return sorted(seen, key=lambda x: x.recall or 0)[:_MOST_CLASSES]
