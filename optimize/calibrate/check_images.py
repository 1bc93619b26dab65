"""Refuses images that are not suitable for measuring ranges.

Ranges measured on noise, on one image or on pixels of another range do not fit camera
images, and nothing but a lower accuracy shows it. Three numbers distinguish such images
from photos, each by a wide margin:

                                  spatial           variety,      standard deviation,
                                  correlation       steps of 255  relative to all images
    any 5 of Fashion-MNIST              0.87 to 0.95    47 to 80        0.68 to 1.14
    any 5 of CIFAR-10                   0.77 to 0.93    32 to 73        0.65 to 1.34
    any 50 of CIFAR-10                  0.85 to 0.91    50 to 65        0.90 to 1.14
    noise, 2 to 50 images              -0.08 to 0.05    50 to 74
    one image, repeated                          any           0
"""

import dataclasses

import numpy as np

from corallite.device.system.errors import RequestError

# The photo with the finest pattern of 1000 of CIFAR-10 has 0.47.
_MIN_CORRELATION = 0.2
# Steps of 255. The noise of a camera in front of a fixed scene is 1 to 3.
_MIN_VARIETY = 4.0
# Pixels divided by 255 twice end at 1/255.
_MIN_BRIGHTEST = 4 / 255
# Relative to the training's images: the least correlation and variety, the greatest
# ratio of standard deviations and shift of the mean. In 200 draws of 5 images of
# CIFAR-10 the mean was at most 0.67 standard deviations away, of 50 images 0.22.
_MIN_SHARES = {"spatial_correlation": 0.5, "variety": 0.25}
_MAX_RATIO_OF_STDS = 2.0
_MAX_SHIFT_IN_STDS = 1.0
_REMEDY = "give photos of the training split, preprocessed as for training"


@dataclasses.dataclass(frozen=True)
class PixelStatistics:
    """Statistics of a set of images, pixel/255.

    Attributes:
        low: The least of all values.
        high: The greatest.
        mean: Mean of all values.
        std: Their standard deviation.
        spatial_correlation: Of adjacent pixels, within an image and a channel: 0 for
            noise, near 1 for photos; None where no image has two colours.
        variety: Root mean square distance of the images from their mean image, in steps
            of 1/255; 0 for one image repeated.
    """

    low: float
    high: float
    mean: float
    std: float
    spatial_correlation: float | None
    variety: float


def describe_images(images: np.ndarray) -> PixelStatistics:
    """Measures float images `[n, height, width, channels]`."""
    away = images - images.mean(axis=0)
    return PixelStatistics(
        low=float(images.min()),
        high=float(images.max()),
        mean=float(images.mean(dtype=np.float64)),
        std=float(images.std(dtype=np.float64)),
        spatial_correlation=_correlate_adjacent(images),
        variety=float(255 * np.sqrt(np.mean(away**2, dtype=np.float64))),
    )


def check_images(images: np.ndarray, training: np.ndarray | None = None) -> None:
    """Refuses images that do not represent camera images.

    Args:
        images: Float `[n, height, width, 3]`, RGB, pixel/255: 0 to 1.
        training: Training images in the same form, to compare with; a few hundred are
            enough. By default, only images that cannot be photos are refused.

    Raises:
        TypeError: `images` are not an array of floats.
        ValueError: They have another shape.
        RequestError: They are noise, one image, of another range, or unlike `training`.
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
            f"Representative images have values that are not finite; {_REMEDY}."
        )
    if found.low < 0 or found.high > 1 or found.high < _MIN_BRIGHTEST:
        raise RequestError(
            f"Representative images go from {found.low:.3g} to {found.high:.3g}, but "
            "the model was trained with pixel/255, 0 to 1; give these, because the "
            "model contains its normalization."
        )


def _check_content(found: PixelStatistics, count: int) -> None:
    if found.variety < _MIN_VARIETY:
        raise RequestError(
            f"The {count} representative images are nearly the same: they differ by "
            f"{found.variety:.2g} steps of 255, less than {_MIN_VARIETY:g}; give "
            "different photos of every class."
        )
    if (
        found.spatial_correlation is not None
        and found.spatial_correlation < _MIN_CORRELATION
    ):
        raise RequestError(
            "Representative images are noise: their spatial correlation is "
            f"{found.spatial_correlation:.2f}, that of photos is near 1; {_REMEDY}."
        )


def _compare(found: PixelStatistics, training: PixelStatistics) -> None:
    ratio = found.std / max(training.std, 1e-6)
    shift = abs(found.mean - training.mean) / max(training.std, 1e-6)
    is_near = 1 / _MAX_RATIO_OF_STDS < ratio < _MAX_RATIO_OF_STDS
    if not is_near or shift > _MAX_SHIFT_IN_STDS:
        raise RequestError(
            "Representative images have another range than the training's: their mean "
            f"is {found.mean:.3g} and their standard deviation {found.std:.3g}, the "
            f"training's {training.mean:.3g} and {training.std:.3g}; {_REMEDY}."
        )
    for name, share in _MIN_SHARES.items():
        mine, theirs = getattr(found, name), getattr(training, name)
        if mine is not None and theirs is not None and mine < share * theirs:
            raise RequestError(
                "Representative images are unlike the training's: their "
                f"{name.replace('_', ' ')} is {mine:.3g}, the training's {theirs:.3g}; "
                f"{_REMEDY}."
            )


def _correlate_adjacent(images: np.ndarray) -> float | None:
    within = images - images.mean(axis=(1, 2), keepdims=True)
    power = float(np.mean(within**2, dtype=np.float64))
    # Below this, only rounding is left.
    if power < 1e-8:
        return None
    products = [
        np.mean(within[:, 1:] * within[:, :-1], dtype=np.float64),
        np.mean(within[:, :, 1:] * within[:, :, :-1], dtype=np.float64),
    ]
    sides = images.shape[1:3]
    found = [float(x) for x, side in zip(products, sides, strict=True) if side > 1]
    return sum(found) / len(found) / power if found else None
