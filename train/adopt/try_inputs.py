"""Finds what a network takes and in which order its outputs are, by its accuracy.

Every range is tried on the same photos. A range or an order counts as better if the
photos say so: by McNemar's comparison of what is right with one and wrong with the
other, or else by the mean difference of the logarithms of the right probabilities.
"""

import dataclasses
import math
from collections.abc import Mapping as MappingType
from collections.abc import Sequence

import numpy as np
import scipy.optimize

from corallite.train.adopt.input_range import Mapping
from corallite.train.adopt.standard_layers import predict
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras

# 200 tell 50 % from 60 % by two standard errors; with five ranges, MobileNetV2 at 224
# pixels takes half a minute on two cores. More are for ranges that are alike.
FEW_IMAGES, MORE_IMAGES = 200, 1000
_LEAST_PROBABILITY = 1e-6
# Standard errors: of a comparison, and of what is better than chance. There are many
# orders to choose from, so an order needs more.
_CLEAR, _CLEARER = 2.0, 3.0


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a network predicts for photos in one range.

    Attributes:
        name: Of the range.
        probabilities: float `[n, classes]`, of the outputs that the photos may have.
        labels: int `[n]`, of the photos.
    """

    name: str
    probabilities: np.ndarray
    labels: np.ndarray

    def find_order(self) -> list[int]:
        """Returns the number of the output that fits each class best."""
        size = self.probabilities.shape[1]
        counts = np.zeros((size, size))
        np.add.at(counts, (self.labels, self.probabilities.argmax(1)), 1)
        # Of equal orders, the one that is there.
        _, order = scipy.optimize.linear_sum_assignment(-counts - 1e-3 * np.eye(size))
        return [int(x) for x in order]

    def reorder(self, order: Sequence[int]) -> "Trial":
        """Returns the trial with the outputs in another order."""
        chosen = self.probabilities[:, list(order)]
        return dataclasses.replace(self, probabilities=chosen)

    @property
    def right(self) -> np.ndarray:
        """Whether each photo is predicted right."""
        found: np.ndarray = self.probabilities.argmax(1) == self.labels
        return found

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def gains(self) -> np.ndarray:
        """Logarithm of the probability of each photo's class."""
        chosen = self.probabilities[np.arange(len(self.labels)), self.labels]
        logs: np.ndarray = np.log(np.maximum(chosen, _LEAST_PROBABILITY))
        return logs

    def is_chance(self) -> bool:
        """Returns whether it is as good to always predict the most frequent class."""
        count = len(self.labels)
        share = float(np.bincount(self.labels).max()) / count
        error = math.sqrt(share * (1 - share) / count)
        return self.accuracy <= min(share + _CLEARER * error, (1 + share) / 2)

    def is_more_accurate(self, other: "Trial", *, errors: float = _CLEAR) -> bool:
        """Returns whether more photos are right than of another trial, clearly."""
        won = int(np.sum(self.right & ~other.right))
        lost = int(np.sum(other.right & ~self.right))
        return won - lost > errors * math.sqrt(won + lost)

    def is_more_likely(self, other: "Trial") -> bool:
        """Returns whether the right labels have a higher probability, clearly."""
        difference = self.gains - other.gains
        error = difference.std() / math.sqrt(len(difference))
        return bool(difference.mean() > _CLEAR * error)

    def has_other_order(self) -> list[int] | None:
        """Returns the order of outputs that fits clearly better; None if none does."""
        found = self.reorder(order := self.find_order())
        is_clear = found.is_more_accurate(self, errors=_CLEARER)
        return order if is_clear and not found.is_chance() else None


def try_ranges(
    model: keras.Model,
    ranges: MappingType[str, Mapping],
    split: Split,
    columns: Sequence[int],
    images: int = FEW_IMAGES,
) -> list[Trial]:
    """Returns a trial of each range, in their order.

    Args:
        model: Takes one of the ranges; its outputs are probabilities.
        ranges: By name.
        split: The photos; some of all of its classes are used.
        columns: The output of each class, as far as it is known; the others are left
            out.
        images: How many photos are used at most.
    """
    spread = np.linspace(0, len(split.labels) - 1, images)
    rows = np.unique(spread.round().astype(int))
    photos = split.images_rgb_u8[rows].astype(np.float32) / np.float32(255)
    trials = []
    for name, mapping in ranges.items():
        chosen = predict(model, mapping.apply(photos))[:, list(columns)]
        chosen = chosen / np.maximum(chosen.sum(1, keepdims=True), _LEAST_PROBABILITY)
        trials.append(Trial(name, chosen, split.labels[rows]))
    return trials


def choose(trials: Sequence[Trial]) -> tuple[Trial, Trial | None]:
    """Returns the best of trials, and one that is not clearly worse, if any."""
    most = max(trials, key=lambda x: (x.accuracy, x.gains.mean()))
    # Those that the number of right photos does not exclude.
    left = [x for x in trials if x is most or not most.is_more_accurate(x)]
    best = max(left, key=lambda x: float(x.gains.mean()))
    equal = [x for x in left if x is not best and not best.is_more_likely(x)]
    return best, max(equal, key=lambda x: x.accuracy, default=None)
