"""Fits when a model says "I don't know", to photos that it was not fitted to.

The temperature is that with the least cross-entropy. The threshold is the lowest one
above which photos are right often enough: the lower end of the one-sided 80 % interval
of their share (Wilson 1927) is at least what is asked. Without that margin, one of four
thresholds that were fitted to 120 photos was too low by more than two points: see
docs/results.md.
"""

from typing import Any, NamedTuple

import numpy as np

from corallite.device.model.refusal import UNKNOWN, Refusal
from corallite.device.system.errors import RequestError

# The usual name of the class of what is no class.
BACKGROUND = "none"
# Of one class, to have its own threshold.
LEAST_OF_CLASS = 100
# At least this share of the photos is named, however often that is wrong.
_LEAST_NAMED = 0.5
_TEMPERATURES = np.geomspace(0.25, 8, 101)
_Z_80 = 0.8416  # One-sided.
# An int8 softmax gives multiples of 1/256, and 0 for less than half of that.
_LEAST_PROBABILITY = 1 / 512

Array = np.ndarray[Any, np.dtype[Any]]


class Wanted(NamedTuple):
    """What a user wants of a refusal.

    Attributes:
        precision: The share of named photos that shall be right, 0 to 1.
        background_class: The class of what is no class, which is never named; None for
            `BACKGROUND`, or else `UNKNOWN`, if there is one.
    """

    precision: float = 0.95
    background_class: str | None = None

    def find_background(self, class_names: tuple[str, ...]) -> str:
        """Returns the class that is never named; "" if there is none.

        Raises:
            RequestError: There is no class of the wanted name.
        """
        wanted = self.background_class
        if wanted is None:
            # A class `unknown` could not be told from what is refused.
            known = (name for name in (BACKGROUND, UNKNOWN) if name in class_names)
            return next(known, "")
        if wanted in class_names:
            return wanted
        raise RequestError(
            f"--background_class={wanted}: is not one of the classes "
            f"{', '.join(class_names[:10])}{' ...' if len(class_names) > 10 else ''}; "
            "give one of them, or leave the flag out."
        )


USUAL = Wanted()


def fit_refusal(
    probabilities: Array,
    labels: Array,
    class_names: tuple[str, ...],
    wanted: Wanted = USUAL,
) -> Refusal:
    """Fits a refusal.

    Args:
        probabilities: float `[n, classes]`, by a model that was not fitted to these
            photos, n at least 1.
        labels: int `[n]`, their classes.
        class_names: The name of each class.
        wanted: What the user wants.

    Returns:
        The refusal, with the precision and the share of named photos that it reaches
        among these.

    Raises:
        RequestError: There is no such background class.
    """
    background = wanted.find_background(class_names)
    probabilities = _quantize(probabilities)
    temperature = _fit_temperature(probabilities, labels)
    calibrated = Refusal(temperature).calibrate(probabilities)
    predicted, sure = calibrated.argmax(1), calibrated.max(1)
    refusal = Refusal(temperature, background=background, asked=wanted.precision)
    may_name = refusal.name_each(calibrated, class_names)
    is_right = predicted == labels

    def fit(rows: Array) -> float:
        return _fit_threshold(sure[rows], is_right[rows], wanted.precision)

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
        named=round(float(is_named[is_class].mean()), 4) if is_class.any() else 0.0,
        photos=len(labels),
    )


def _quantize(probabilities: Array) -> Array:
    """Returns what an int8 softmax gives, float32: no threshold is above all of it."""
    return (np.clip(np.round(probabilities * 256), 0, 255) / 256).astype(np.float32)


def _fit_temperature(probabilities: Array, labels: Array) -> float:
    def measure(temperature: float) -> float:
        calibrated = Refusal(temperature).calibrate(probabilities)
        of_label = calibrated[np.arange(len(labels)), labels]
        return -float(np.log(np.maximum(of_label, _LEAST_PROBABILITY)).mean())

    losses = [measure(temperature) for temperature in _TEMPERATURES]
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


def _fit_threshold(sure: Array, is_right: Array, precision: float) -> float:
    """Returns the lowest threshold that is precise enough, or names half of them."""
    if not precision:
        return 0.0
    if not len(sure):
        return 1.0
    order = np.argsort(-sure, kind="stable")
    sure, count = sure[order], np.arange(1, len(sure) + 1)
    # Photos of equal probability are named together.
    is_last = np.append(sure[1:] != sure[:-1], True)
    least = _lower_end(np.cumsum(is_right[order]) / count, count)
    found = np.flatnonzero(is_last & (least >= precision))
    half = int(np.ceil(_LEAST_NAMED * len(sure))) - 1
    return float(sure[max(half, found.max(initial=0))])


def _lower_end(share: Array, count: Array) -> Array:
    """Returns the lower end of the one-sided 80 % interval of fractions."""
    spread = _Z_80**2 / count
    half = _Z_80 * np.sqrt((share * (1 - share) + spread / 4) / count)
    return (share + spread / 2 - half) / (1 + spread)
