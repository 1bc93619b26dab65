"""Finds training images whose label is probably wrong."""

import dataclasses

import numpy as np

from corallite.train.data.load import Split

_MOST = 20


@dataclasses.dataclass(frozen=True)
class Doubtful:
    """An image whose label is probably wrong.

    Attributes:
        path: Relative to the data folder.
        label: The class that it has.
        other: The class that it looks like.
        probability: Of `label`, by a model that was not fitted to this image.
    """

    path: str
    label: str
    other: str
    probability: float


def find_doubtful(
    probabilities: np.ndarray, split: Split, class_names: tuple[str, ...]
) -> list[Doubtful]:
    """Returns at most 20 images, the most doubtful first.

    An image is doubtful if its probability of another class is at least the mean that
    the images of that class have (confident learning, arXiv:1911.00068, 3.1).

    Args:
        probabilities: `[n, classes]`, by models that were not fitted to the image.
        split: The images and their labels.
        class_names: The name of each label.
    """
    labels = split.labels
    classes = range(len(class_names))
    usual = np.array([probabilities[labels == x, x].mean() for x in classes])
    likely = np.where(probabilities >= usual, probabilities, 0)
    others = likely.argmax(1)
    found = np.flatnonzero((likely.max(1) > 0) & (others != labels))
    own = probabilities[found, labels[found]]
    return [
        Doubtful(
            split.paths[row],
            class_names[labels[row]],
            class_names[others[row]],
            round(float(probabilities[row, labels[row]]), 4),
        )
        for row in found[own.argsort(kind="stable")][:_MOST]
    ]
