"""Compares the predictions of two models on the same images, image by image."""

import dataclasses
import math
from typing import Any

import numpy as np

TOP_1 = "top-1"
_Z_95 = 1.96
# A larger number is no advice.
_MOST_IMAGES = 1_000_000


@dataclasses.dataclass(frozen=True)
class Step:
    """One step from a model to the one made from it.

    Attributes:
        from_name: The stage before.
        to_name: The stage after.
        top1_from: Top-1 accuracy before, 0 to 1.
        top1_to: Top-1 accuracy after, 0 to 1.
        difference: top1_to - top1_from; below 0 where accuracy was lost.
        interval: The 95 % interval of the difference (see `paired_interval`).
        agreement: Fraction of the images that get the same label from both.
        gained: Images of which only the second is right; None if not recorded.
        lost: Images of which only the first is right; None if not recorded.
        measure: What `top1_from` and `top1_to` are: top-1, or mAP50 of boxes.
    """

    from_name: str
    to_name: str
    top1_from: float
    top1_to: float
    difference: float
    interval: tuple[float, float]
    agreement: float
    gained: int | None = None
    lost: int | None = None
    measure: str = TOP_1

    @property
    def drop_points(self) -> float:
        """The loss in percentage points; negative if accuracy rose."""
        # Rounded, so that 3 images of 600 are exactly 0.5; and never -0.0.
        return round(-100 * self.difference, 9) + 0.0

    @property
    def drop_interval(self) -> tuple[float, float]:
        """The 95 % interval of the loss in percentage points, the least loss first."""
        low, high = self.interval
        return -100 * high, -100 * low

    @property
    def is_significant(self) -> bool:
        """Whether the 95 % interval excludes no difference."""
        low, high = self.interval
        return not low <= 0 <= high

    def to_json(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self)
        if self.measure == TOP_1:  # As in earlier versions.
            del fields["measure"]
        names = {"from": fields.pop("from_name"), "to": fields.pop("to_name")}
        return {**names, **fields}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Step":
        fields = dict(content)
        names = {"from_name": fields.pop("from"), "to_name": fields.pop("to")}
        low, high = map(float, fields.pop("interval"))
        for name in ("gained", "lost"):
            fields[name] = None if fields.get(name) is None else int(fields[name])
        return cls(**names, **fields, interval=(low, high))


def compare_predictions(
    names: tuple[str, str], before: np.ndarray, after: np.ndarray, labels: np.ndarray
) -> Step:
    """Compares the predictions of two models, both int `[n]`, with the true labels."""
    right_before, right_after = before == labels, after == labels
    gained = int(np.sum(right_after & ~right_before))
    lost = int(np.sum(right_before & ~right_after))
    count = len(labels)
    return Step(
        *names,
        top1_from=float(np.mean(right_before)),
        top1_to=float(np.mean(right_after)),
        difference=(gained - lost) / count,
        interval=paired_interval(gained, lost, count),
        agreement=float(np.mean(before == after)),
        gained=gained,
        lost=lost,
    )


def paired_interval(gained: float, lost: float, count: float) -> tuple[float, float]:
    """Returns the 95 % interval of (gained - lost) / count.

    The score interval of Tango (1998, Statistics in Medicine 17:891-908): all
    differences that a two-sided test at 5 % does not reject. It needs only the pairs
    that disagree. If there are none, its width is not zero, as that of the normal
    approximation would be: for 600 pairs that agree it is +-0.64 percentage points.

    Args:
        gained: Pairs of which only the second is right.
        lost: Pairs of which only the first is.
        count: All pairs.
    """
    upper = _upper_limit(gained, lost, count)
    return -_upper_limit(lost, gained, count), upper


def count_to_tell(gained: int, lost: int, count: int, limit: float) -> int | None:
    """Returns how many images would tell on which side of `limit` the difference is.

    It assumes that more images gain and lose the same shares. The result is rounded up
    to two digits; None if it is above a million, as for a difference of `limit`.

    Args:
        gained: Pairs of which only the second is right.
        lost: Pairs of which only the first is.
        count: All pairs.
        limit: The difference in question, such as -0.01.
    """

    def tells(times: float) -> bool:
        low, high = paired_interval(times * gained, times * lost, times * count)
        return not low <= limit <= high

    times = 1.0
    while not tells(times):
        # Steps of a hundredth: the result has two digits anyway.
        times *= 1.01
        if times * count > _MOST_IMAGES:
            return None
    digits = 10 ** max(0, len(str(round(times * count))) - 2)
    return math.ceil(times * count / digits) * digits


def _upper_limit(gained: float, lost: float, count: float) -> float:
    """Finds by bisection the greatest difference that is not rejected."""
    low, high = (gained - lost) / count, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _score(middle, gained, lost, count) < -_Z_95:
            high = middle
        else:
            low = middle
    return high


def _score(difference: float, gained: float, lost: float, count: float) -> float:
    """Returns Tango's statistic: normal if `difference` is the true one."""
    deviation = gained - lost - count * difference
    # The share of lost pairs that is most likely, given the difference.
    b = (2 * count - gained + lost) * difference - gained - lost
    c = -lost * difference * (1 - difference)
    share = (math.sqrt(max(b * b - 8 * count * c, 0.0)) - b) / (4 * count)
    variance = count * (2 * share + difference * (1 - difference))
    if variance > 0:
        return deviation / math.sqrt(variance)
    return math.copysign(math.inf, deviation) if deviation else 0.0
