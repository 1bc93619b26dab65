"""Turns an image's pixels into the values of a model's input."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from corallite.device.engine.heads import require_type
from corallite.device.engine.runner import Tensor
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image
from corallite.device.model.manifest import ImageInput
from corallite.device.model.signature import ModelSignature, TensorSpec
from corallite.device.system.errors import RequestError

# How far the range of the pixels may differ from the range that the input can hold, as
# a fraction of the latter. A calibrated range ends at the brightest pixel seen, not
# always at 255; a model trained on (-1, 1) and given (0, 1) is off by 0.5.
_RANGE_TOLERANCE = 0.25


class PixelEncoder:
    """Fills a model's only input, an image."""

    def __init__(
        self, described: ImageInput, signature: ModelSignature, path: str | Path
    ) -> None:
        """Checks that the model has such an input.

        Args:
            described: The input in the manifest.
            signature: The model's.
            path: The model's file, for errors.

        Raises:
            RequestError: The model has no such input.
        """
        size_hw = image_size_hw(signature, path)
        expected_hw = described.preprocessing.size_hw
        if size_hw != expected_hw:
            raise RequestError(
                f"{path}: takes images of {size_hw} but its manifest says "
                f"{expected_hw}; convert the model again."
            )
        (spec,) = signature.inputs
        self._name, self._shape = spec.name, (*size_hw, 3)
        self._table = _pixel_table(spec, described.input_range, path)

    def encode(self, pixels_u8: Image) -> dict[str, Tensor]:
        """Returns the input, by name, for uint8 RGB [height, width, 3].

        Raises:
            ValueError: `pixels_u8` has another shape or type.
        """
        if pixels_u8.shape != self._shape or pixels_u8.dtype != np.uint8:
            raise ValueError(
                f"Expected `pixels_u8` to be uint8 {self._shape}, got "
                f"{pixels_u8.dtype} {pixels_u8.shape}."
            )
        values = pixels_u8 if self._table is None else cv2.LUT(pixels_u8, self._table)
        return {self._name: values[np.newaxis]}


def image_size_hw(signature: ModelSignature, path: str | Path) -> tuple[int, int]:
    """Returns the height and width of the image that a model takes.

    Raises:
        RequestError: The input is not one RGB image.
    """
    shapes = [list(spec.shape) for spec in signature.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][::3] != [1, 3]:
        raise RequestError(
            f"{path}: takes inputs of shape {shapes}, expected one [1, height, width, "
            "3]; export it as an image classifier with a batch of 1."
        )
    return shapes[0][1], shapes[0][2]


def _pixel_table(
    spec: TensorSpec, input_range: tuple[float, float], path: str | Path
) -> npt.NDArray[Any] | None:
    """Returns the input value for each pixel value 0 to 255; None if they are equal.

    With the range (low, high), (0, 1) by default, the model was trained on
        x = low + (high - low) * pixel / 255,
    and its input holds q = round(x / scale) + zero_point.
    """
    require_type(spec.name, spec.dtype, path)
    low, high = input_range
    values = low + (high - low) * np.arange(256) / 255
    if spec.dtype == "float32":
        return values.astype(np.float32)
    if spec.dtype == "uint8" and not spec.scale:
        return None  # The graph converts raw pixels by itself.
    limits = np.iinfo(spec.dtype)
    _check_range(spec, limits, input_range, path)
    quantized = np.round(values / spec.scale) + spec.zero_point
    table = np.clip(quantized, limits.min, limits.max).astype(spec.dtype)
    if table.dtype == np.uint8 and (table == np.arange(256)).all():
        return None
    return table


def _check_range(
    spec: TensorSpec,
    limits: "np.iinfo[Any]",
    input_range: tuple[float, float],
    path: str | Path,
) -> None:
    """Refuses an input range that differs much from what the input can hold.

    Then the model was trained with another range, and its predictions would be wrong.
    """
    lowest, highest = limits.min - spec.zero_point, limits.max - spec.zero_point
    holds = lowest * spec.scale, highest * spec.scale
    allowed = _RANGE_TOLERANCE * (holds[1] - holds[0])
    if not spec.scale or not np.allclose(holds, input_range, rtol=0, atol=allowed):
        raise RequestError(
            f"{path}: its input holds {holds[0]:.3g} to {holds[1]:.3g} but pixels are "
            f"given as {input_range[0]:.3g} to {input_range[1]:.3g}; set --input_range "
            "of classify or serve to what it was trained on."
        )
