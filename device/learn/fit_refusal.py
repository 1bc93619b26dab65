"""Fits when a model says "unknown", on held-out photos.

The temperature is the one with the least cross-entropy. The threshold is the lowest one
that reaches the target precision: the lower end of its one-sided 80 % interval (Wilson
1927) is at least the target. Without that margin, one of four thresholds that were
fitted to 120 photos missed the target by more than two percentage points: see
docs/results.md.
"""

from typing import Any, NamedTuple

import numpy as np

from corallite.device.model.refusal import SCORE_EDGES, UNKNOWN, Refusal
from corallite.device.system.errors import RequestError

# The default name of the class of photos that show none of the others.
BACKGROUND = "none"
# A class has its own threshold if at least this many photos are predicted as it.
LEAST_OF_CLASS = 100
# At least this share of the photos is named, even if the precision is too low.
_LEAST_COVERAGE = 0.5
_TEMPERATURES = np.geomspace(0.25, 8, 101)
_Z_80 = 0.8416  # Of the one-sided 80 % interval.
# An int8 softmax gives multiples of 1/256, and 0 for less than half of that.
_LEAST_PROBABILITY = 1 / 512

Array = np.ndarray[Any, np.dtype[Any]]


class RefusalSettings(NamedTuple):
    """What a user can choose.

    Attributes:
        precision: The target: the share of named photos that should be right, 0 to 1;
            0 names every photo.
        background_class: The class of photos that show none of the others; it is never
            named. None: `BACKGROUND`, else `UNKNOWN`, if there is such a class.
    """

    precision: float = 0.95
    background_class: str | None = None

    def find_background(self, class_names: tuple[str, ...]) -> str:
        """Returns the class that is never named; "" if there is none.

        Raises:
            RequestError: There is no class `background_class`.
        """
        chosen = self.background_class
        if chosen is None:
            # A class `unknown` could not be told from what is refused.
            known = (name for name in (BACKGROUND, UNKNOWN) if name in class_names)
            return next(known, "")
        if chosen in class_names:
            return chosen
        raise RequestError(
            f"--background_class={chosen}: is not one of the classes "
            f"{', '.join(class_names[:10])}{' ...' if len(class_names) > 10 else ''}; "
            "give one of them, or leave the flag out."
        )


DEFAULT_SETTINGS = RefusalSettings()


def fit_refusal(
    probabilities: Array,
    labels: Array,
    class_names: tuple[str, ...],
    settings: RefusalSettings = DEFAULT_SETTINGS,
) -> Refusal:
    """Fits a refusal.

    Args:
        probabilities: float `[n, classes]`, 0 to 1, by a model that was not fitted to
            these photos; n is at least 1.
        labels: int `[n]`, the class of each photo.
        class_names: The name of each class.
        settings: The target precision and the background class.

    Returns:
        The refusal, with the precision and coverage that it has on these photos.

    Raises:
        RequestError: There is no such background class.
    """
    background = settings.find_background(class_names)
    probabilities = _quantize(probabilities)
    temperature = _fit_temperature(probabilities, labels)
    calibrated = Refusal(temperature).calibrate(probabilities)
    predicted, confidence = calibrated.argmax(1), calibrated.max(1)
    target = settings.precision
    refusal = Refusal(temperature, background=background, target_precision=target)
    may_name = refusal.name_each(calibrated, class_names)
    is_right = predicted == labels

    def fit(rows: Array) -> float:
        return _fit_threshold(confidence[rows], is_right[rows], target)

    of_class = [may_name & (predicted == number) for number in range(len(class_names))]
    refusal = refusal._replace(
        threshold=fit(may_name),
        thresholds={
            name: fit(rows)
            for name, rows in zip(class_names, of_class, strict=True)
            if rows.sum() >= LEAST_OF_CLASS
        },
    )
    is_named = refusal.name_each(calibrated, class_names)
    is_class = np.array([name != background for name in class_names])[labels]
    return refusal._replace(
        precision=round(float(is_right[is_named].mean()), 4) if is_named.any() else 0.0,
        coverage=round(float(is_named[is_class].mean()), 4) if is_class.any() else 0.0,
        photos=len(labels),
        scores=_count_scores(confidence),
    )


def _count_scores(confidence: Array) -> tuple[int, ...]:
    bins = np.searchsorted(SCORE_EDGES, confidence.astype(float), side="right")
    return tuple(np.bincount(bins, minlength=len(SCORE_EDGES) + 1).tolist())


def _quantize(probabilities: Array) -> Array:
    """Returns what an int8 softmax gives, float32: no threshold is above all of it."""
    return (np.clip(np.round(probabilities * 256), 0, 255) / 256).astype(np.float32)


def _fit_temperature(probabilities: Array, labels: Array) -> float:
    """Returns the temperature with the least cross-entropy."""

    def measure(temperature: float) -> float:
        calibrated = Refusal(temperature).calibrate(probabilities)
        of_label = calibrated[np.arange(len(labels)), labels]
        return -float(np.log(np.maximum(of_label, _LEAST_PROBABILITY)).mean())

    losses = [measure(temperature) for temperature in _TEMPERATURES]
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


def _fit_threshold(confidence: Array, is_right: Array, precision: float) -> float:
    """Returns the lowest threshold that is precise enough, or that names half."""
    if not precision:
        return 0.0
    if not len(confidence):
        return 1.0
    order = np.argsort(-confidence, kind="stable")
    confidence, count = confidence[order], np.arange(1, len(confidence) + 1)
    # Photos of equal probability are named together.
    is_last = np.append(confidence[1:] != confidence[:-1], True)
    least = _lower_end(np.cumsum(is_right[order]) / count, count)
    found = np.flatnonzero(is_last & (least >= precision))
    half = int(np.ceil(_LEAST_COVERAGE * len(confidence))) - 1
    return float(confidence[max(half, found.max(initial=0))])


def _lower_end(share: Array, count: Array) -> Array:
    """Returns the lower end of the one-sided 80 % interval of fractions."""
    spread = _Z_80**2 / count
    half = _Z_80 * np.sqrt((share * (1 - share) + spread / 4) / count)
    return (share + spread / 2 - half) / (1 + spread)
