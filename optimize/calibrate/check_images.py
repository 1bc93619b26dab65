"""Refuses images that ranges must not be measured on, and says why.

Ranges measured on noise, on one image or on pixels of another range fit none of the
images that a camera will send, and nothing says so but the accuracy. Three numbers tell
such images from photos, by a wide margin each:

                                  correlation of    variety,      deviation, as a
                                  pixels that touch  steps of 255  share of all images'
    any 5 of Fashion-MNIST              0.87 to 0.95    47 to 80        0.68 to 1.14
    any 5 of CIFAR-10                   0.77 to 0.93    32 to 73        0.65 to 1.34
    any 50 of CIFAR-10                  0.85 to 0.91    50 to 65        0.90 to 1.14
    noise, 2 to 50 images              -0.08 to 0.05    50 to 74
    one image, repeated                          any           0
"""

import dataclasses

import numpy as np

from corallite.device.system.errors import RequestError

# A single photo of CIFAR-10, the most finely patterned of 1000, has 0.47.
_MIN_NEIGHBOURS = 0.2
# Steps of 255. The noise of a camera that looks at one scene is 1 to 3.
_MIN_VARIETY = 4.0
# Pixels divided by 255 twice end at 1/255.
_MIN_BRIGHTEST = 4 / 255
# Against the training's own images: how much less of either is too little, and how
# much brighter, darker, flatter or harder is too much. Of 200 draws of 5 images of
# CIFAR-10 the mean was at most 0.67 deviations away, of 50 images 0.22.
_MIN_SHARE_OF_NEIGHBOURS = 0.5
_MIN_SHARE_OF_VARIETY = 0.25
_MAX_RATIO_OF_DEVIATIONS = 2.0
_MAX_SHIFT_IN_DEVIATIONS = 1.0
_REMEDY = "give photos of the training part, prepared as training prepares them"


@dataclasses.dataclass(frozen=True)
class PixelStatistics:
    """What a set of images, pixel/255, looks like from afar.

    Attributes:
        low: The least of all values.
        high: The greatest.
        mean: Of all values.
        deviation: Their standard deviation.
        neighbours: Correlation of pixels that touch, within an image and a channel: 0
            for noise, near 1 for photos; None where no image has two colours.
        variety: How far the images are from their mean image, root mean square, in
            steps of 1/255; 0 for one image repeated.
    """

    low: float
    high: float
    mean: float
    deviation: float
    neighbours: float | None
    variety: float


def describe_images(images: np.ndarray) -> PixelStatistics:
    """Measures float images `[n, height, width, channels]`."""
    away = images - images.mean(axis=0)
    return PixelStatistics(
        low=float(images.min()),
        high=float(images.max()),
        mean=float(images.mean(dtype=np.float64)),
        deviation=float(images.std(dtype=np.float64)),
        neighbours=_correlate_neighbours(images),
        variety=float(255 * np.sqrt(np.mean(away**2, dtype=np.float64))),
    )


def check_images(images: np.ndarray, training: np.ndarray | None = None) -> None:
    """Refuses what does not represent the images that a model will see.

    Args:
        images: Float `[n, height, width, 3]`, RGB, pixel/255: 0 to 1.
        training: Images that the model was trained with, of the same form; a few
            hundred do. With them, the images must resemble these; without them, only
            what no photos can be is refused.

    Raises:
        TypeError: They are no array of floats.
        ValueError: They have another shape.
        RequestError: They are noise, one image, or of another range; says which.
    """
    _check_form(images)
    found = describe_images(images)
    _check_range(found)
    _check_content(found, len(images))
    if training is not None:
        _compare(found, describe_images(training))


def _check_form(images: np.ndarray) -> None:
    dtype = getattr(images, "dtype", type(images).__name__)
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f":
        raise TypeError(
            f"Expected representative `images` as an array of floats, pixel/255, got "
            f"{dtype}; divide the pixels by 255."
        )
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            "Expected representative `images` of shape [n, height, width, 3], got "
            f"{list(images.shape)}."
        )


def _check_range(found: PixelStatistics) -> None:
    if not np.isfinite(found.mean):
        raise RequestError(
            f"Representative images hold values that are no numbers; {_REMEDY}."
        )
    if found.low < 0 or found.high > 1 or found.high < _MIN_BRIGHTEST:
        raise RequestError(
            f"Representative images go from {found.low:.3g} to {found.high:.3g}, but "
            "the model was trained with pixel/255, 0 to 1; give these: normalization "
            "is inside the model."
        )


def _check_content(found: PixelStatistics, count: int) -> None:
    if found.variety < _MIN_VARIETY:
        raise RequestError(
            f"The {count} representative images are one, or nearly so: they differ by "
            f"{found.variety:.2g} steps of 255, less than {_MIN_VARIETY:g}; give "
            "different photos of every class."
        )
    if found.neighbours is not None and found.neighbours < _MIN_NEIGHBOURS:
        raise RequestError(
            "Representative images are noise: pixels that touch have a correlation of "
            f"{found.neighbours:.2f}, those of photos are near 1; {_REMEDY}."
        )


def _compare(found: PixelStatistics, training: PixelStatistics) -> None:
    ratio = found.deviation / max(training.deviation, 1e-6)
    shift = abs(found.mean - training.mean) / max(training.deviation, 1e-6)
    is_near = 1 / _MAX_RATIO_OF_DEVIATIONS < ratio < _MAX_RATIO_OF_DEVIATIONS
    if not is_near or shift > _MAX_SHIFT_IN_DEVIATIONS:
        raise RequestError(
            "Representative images are of another range than the training's: their "
            f"mean is {found.mean:.3g} and their deviation {found.deviation:.3g}, the "
            f"training's {training.mean:.3g} and {training.deviation:.3g}; {_REMEDY}."
        )
    pairs = [
        ("neighbours", found.neighbours, training.neighbours, _MIN_SHARE_OF_NEIGHBOURS),
        ("variety", found.variety, training.variety, _MIN_SHARE_OF_VARIETY),
    ]
    for name, mine, theirs, share in pairs:
        if mine is not None and theirs is not None and mine < share * theirs:
            raise RequestError(
                f"Representative images are unlike the training's: their {name} is "
                f"{mine:.3g}, the training's {theirs:.3g}; {_REMEDY}."
            )


def _correlate_neighbours(images: np.ndarray) -> float | None:
    within = images - images.mean(axis=(1, 2), keepdims=True)
    power = float(np.mean(within**2, dtype=np.float64))
    # Of rounding alone, nothing can be told.
    if power < 1e-8:
        return None
    products = [
        np.mean(within[:, 1:] * within[:, :-1], dtype=np.float64),
        np.mean(within[:, :, 1:] * within[:, :, :-1], dtype=np.float64),
    ]
    sides = images.shape[1:3]
    found = [float(x) for x, side in zip(products, sides, strict=True) if side > 1]
    return sum(found) / len(found) / power if found else None
