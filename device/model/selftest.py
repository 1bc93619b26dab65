"""Tests a model on generated images: does it predict what it did when it was made?"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from corallite.device.image.preprocess import Image
from corallite.device.model.manifest import (
    LOGITS,
    PROBABILITIES,
    Manifest,
    SelfTest,
)
from corallite.device.system.errors import ModelFaultError

Probabilities = np.ndarray[Any, np.dtype[np.float32]]
_Steps = np.ndarray[Any, np.dtype[np.int16]]
_Waves = tuple[tuple[int, int, int, int], ...]

RECIPE = 1
# Correct implementations differ on the same int8 file: on 200 images of 32x32, the
# three that LiteRT has for x86 gave probabilities up to 15 steps of 1/256 apart
# (ShuffleNetV2 0.25x; 2 of 5 images by more than one step). This is twice that: with a
# damaged model or processor, at least one image differs by far more.
TOLERANCE = 0.125

# For each image and channel: how often the brightness goes up and down over the width
# and over the height, where it starts, and its amplitude in quarters. Each image has a
# tint, so that models which look for colours can tell them apart.
_WAVES = (
    ((1, 0, 0, 4), (0, 1, 85, 2), (1, 1, 170, 1)),
    ((3, 1, 255, 1), (1, 4, 0, 4), (0, 2, 40, 2)),
    ((0, 5, 90, 2), (4, 0, 200, 1), (2, 3, 10, 4)),
)


class HasNumbers(Protocol):
    """The prediction of a detector."""

    @property
    def numbers(self) -> Probabilities: ...


class Runnable(Protocol):
    """A model to test, such as an `Engine`."""

    @property
    def manifest(self) -> Manifest: ...

    def run(self, pixels_u8: Image) -> Probabilities | HasNumbers: ...


def draw_images(size_hw: tuple[int, int]) -> list[Image]:
    """Returns the test images, uint8 RGB [height, width, 3]: coloured waves.

    Integer arithmetic gives the same pixels on every machine.
    """
    return [_draw(size_hw, waves) for waves in _WAVES]


def ask(model: Runnable) -> list[Probabilities]:
    """Returns the probabilities that `model` gives for each test image.

    Those of a detector are of classes, if it has any, and of each cell.
    """
    images = draw_images(model.manifest.preprocessing.size_hw)
    return [_read(model.run(image)) for image in images]


def check_recorded(model: Runnable, path: str | Path) -> None:
    """Checks the prediction that the manifest has, with one inference; see `check`.

    Args:
        model: The model of a file.
        path: The file, for messages.

    Raises:
        ModelFaultError: The prediction differs, or the model does not run.
    """
    if model.manifest.selftest is None:
        return
    answer = _ask_first(model)
    try:
        _compare(answer, model.manifest)
    except ModelFaultError as error:
        raise ModelFaultError(
            f"{path}: fails its self-test ({error}); copy or convert it again."
        ) from error


def record(model: Runnable) -> SelfTest:
    """Returns the self-test for the manifest of `model`."""
    answer = _ask_first(model)
    index = int(answer.argmax())
    return SelfTest(RECIPE, index, round(float(answer[index]), 4))


def check(model: Runnable) -> None:
    """Checks that a model works.

    Raises:
        ModelFaultError: Its outputs are not probabilities, two runs differ, or they
            differ from the self-test in its manifest. The message is part of a
            sentence.
    """
    first, second = ask(model), ask(model)
    for answer in first:
        _check_probabilities(answer, model.manifest)
    if not np.array_equal(first, second):
        raise ModelFaultError("two runs on the same image give different results")
    _compare(first[0], model.manifest)


def _compare(answer: Probabilities, manifest: Manifest) -> None:
    expected = manifest.selftest
    if expected is None or expected.recipe != RECIPE:
        return
    is_there = expected.best_index in range(len(answer))
    found = float(answer[expected.best_index]) if is_there else 0.0
    # Not the reverse: NaN is no match.
    if not abs(found - expected.probability) <= TOLERANCE:
        raise ModelFaultError(
            f"its probability for a test image is {found:.2f}, but it was "
            f"{expected.probability:.2f} when the model was made"
        )


def differ(first: list[Probabilities], second: list[Probabilities]) -> float:
    """Returns the largest difference of two models' predictions; NaN if one has NaN."""
    return float(np.max(np.abs(np.subtract(first, second))))


def _ask_first(model: Runnable) -> Probabilities:
    return _read(model.run(_draw(model.manifest.preprocessing.size_hw, _WAVES[0])))


def _read(answer: Probabilities | HasNumbers) -> Probabilities:
    return answer if isinstance(answer, np.ndarray) else answer.numbers


def _draw(size_hw: tuple[int, int], waves: _Waves) -> Image:
    height, width = size_hw
    y = np.arange(height)[:, np.newaxis] * 510 // height
    x = np.arange(width)[np.newaxis] * 510 // width
    # Sums stay below 2**15, and int16 takes a third of the time of int64.
    steps = x.astype(np.int16), y.astype(np.int16)
    return np.stack([_wave(*steps, wave) for wave in waves], axis=-1)


def _wave(x: _Steps, y: _Steps, wave: tuple[int, int, int, int]) -> Image:
    """Returns brightness that goes up and down between 0 and 255, [height, width]."""
    across, down, start, quarters = wave
    brightness = np.abs((x * across + y * down + start) % 511 - 255)
    return (brightness * quarters // 4).astype(np.uint8)


def _check_probabilities(answer: Probabilities, manifest: Manifest) -> None:
    if not np.isfinite(answer).all():
        raise ModelFaultError("its outputs are not all numbers")
    classes = manifest.classes
    has_shares = classes.is_multilabel or manifest.boxes is not None
    if has_shares and not (0 <= answer.min() and answer.max() <= 1):
        raise ModelFaultError("its probabilities are not all from 0 to 1")
    if not classes.labels or classes.values not in (PROBABILITIES, LOGITS):
        return
    # Those of cells come after those of classes.
    of_classes = answer[: len(classes.labels)]
    # Each may be rounded by half an int8 step of 1/256.
    allowed, total = len(of_classes) / 512 + 1e-3, float(of_classes.sum())
    if abs(total - 1) > allowed:
        raise ModelFaultError(f"its probabilities sum to {total:.2f}, not 1")
