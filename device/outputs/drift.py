"""Compares the scores of a camera with those of the photos of the training."""

import math
from bisect import bisect_right
from collections.abc import Sequence

from corallite.device.model.refusal import SCORE_EDGES

BINS = len(SCORE_EDGES) + 1
# With fewer, chance alone raises the index above 0.1 in more than 1 of 20 cases.
LEAST_PHOTOS = 100
LEAST_PREDICTIONS = 500


class ScoreCounts:
    """Counts scores and refusals, in constant memory; older ones weigh less.

    Attributes:
        scores: Predictions by score, in the bins of SCORE_EDGES.
        unknown: How many of `seen` were not named.
        seen: Predictions, also those without a score.
    """

    def __init__(self, most: int) -> None:
        """Starts empty.

        Args:
            most: All numbers are halved when so many predictions are counted.
        """
        self.scores = [0] * BINS
        self.unknown = 0
        self.seen = 0
        self._most = most

    def add(self, score: float | None, is_unknown: bool) -> None:
        """Counts a prediction.

        Args:
            score: The largest calibrated probability, 0 to 1; None without one.
            is_unknown: The model was not sure enough to name it.
        """
        if self.seen >= self._most:
            self.scores = [count // 2 for count in self.scores]
            self.unknown, self.seen = self.unknown // 2, self.seen // 2
        if score is not None:
            self.scores[bisect_right(SCORE_EDGES, score)] += 1
        self.unknown += is_unknown
        self.seen += 1


def find_drift(trained: Sequence[int], seen: Sequence[int]) -> float | None:
    """Returns the population stability index of scores; None if there are too few.

    The sum of (p - q) ln(p / q) over the bins, without what chance gives on average:
    (bins - 1) (1 / photos + 1 / predictions), from Yurdakul 2018, "Statistical
    Properties of Population Stability Index". At least 0. Half a score is added to each
    bin, so that an empty one has no infinite weight.

    Args:
        trained: Photos of the training, by bin.
        seen: Predictions of the camera, by bin.
    """
    photos, predictions = sum(trained), sum(seen)
    if photos < LEAST_PHOTOS or predictions < LEAST_PREDICTIONS:
        return None
    if len(trained) != len(seen):
        return None
    pairs = zip(_shares(trained), _shares(seen), strict=True)
    index = sum((p - q) * math.log(p / q) for p, q in pairs)
    chance = (len(seen) - 1) * (1 / photos + 1 / predictions)
    return max(0.0, index - chance)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) + len(counts) / 2
    return [(count + 0.5) / total for count in counts]
