"""Turns an image's pixels into the values of a model's input."""

from pathlib import Path

import numpy as np

from corallite.device.engine.runner import Tensor
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image
from corallite.device.model.manifest import ImageInput
from corallite.device.model.signature import (
    LIMITS,
    NCHW,
    ModelSignature,
    TensorSpec,
    find_image,
)
from corallite.device.system.errors import RequestError


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
        self._layout = find_image(signature, path)
        size_hw, expected_hw = self._layout.size_hw, described.preprocessing.size_hw
        if size_hw != expected_hw:
            raise RequestError(
                f"{path}: takes images of {size_hw} but its manifest says "
                f"{expected_hw}; convert the model again."
            )
        (self._spec,) = signature.inputs
        self._shape = (*size_hw, 3)
        self._table = pixel_table(self._spec, described.input_range, path)

    def encode(self, pixels_u8: Image) -> dict[str, Tensor]:
        """Returns the input, by name, for uint8 RGB [height, width, 3].

        A grey input gets the luma of the image, 0.299 R + 0.587 G + 0.114 B.

        Raises:
            ValueError: `pixels_u8` has another shape or type.
        """
        if pixels_u8.shape != self._shape or pixels_u8.dtype != np.uint8:
            raise ValueError(
                f"Expected `pixels_u8` to be uint8 {self._shape}, got "
                f"{pixels_u8.dtype} {pixels_u8.shape}."
            )
        if self._layout.channels == 1:
            pixels_u8 = cv2.cvtColor(pixels_u8, cv2.COLOR_RGB2GRAY)
        values = pixels_u8 if self._table is None else cv2.LUT(pixels_u8, self._table)
        if self._layout.order == NCHW and values.ndim == 3:
            values = np.ascontiguousarray(values.transpose(2, 0, 1))
        return {self._spec.name: values.reshape(self._spec.shape)}


def pixel_table(
    spec: TensorSpec, input_range: tuple[float, float], path: str | Path
) -> Tensor | None:
    """Returns the input value for each pixel value 0 to 255; None if they are equal.

    With the range (low, high), (0, 1) by default, the model was trained on
        x = low + (high - low) * pixel / 255,
    and its input holds q = round(x / scale) + zero_point.
    """
    low, high = input_range
    values = low + (high - low) * np.arange(256) / 255
    if spec.dtype == "float32":
        if max(abs(low), abs(high)) > float(np.finfo(np.float32).max):
            raise RequestError(
                f"{path}: pixels are given as {low:.3g} to {high:.3g}, which float32 "
                "does not hold; set --input_range of classify or serve to what it was "
                "trained on."
            )
        return values.astype(np.float32)
    if spec.dtype == "uint8" and not spec.scale:
        return None  # The graph converts raw pixels by itself.
    _check_range(spec, input_range, path)
    quantized = np.round(values / spec.scale) + spec.zero_point
    table = np.clip(quantized, *LIMITS[spec.dtype]).astype(spec.dtype)
    if table.dtype == np.uint8 and (table == np.arange(256)).all():
        return None
    return table


def _check_range(
    spec: TensorSpec, input_range: tuple[float, float], path: str | Path
) -> None:
    """Refuses an input range that differs much from what the input can hold.

    Then the model was trained with another range, and its predictions would be wrong.
    """
    if not spec.takes(input_range):
        low, high = spec.holds or (0.0, 0.0)
        raise RequestError(
            f"{path}: its input holds {low:.3g} to {high:.3g} but pixels are given as "
            f"{input_range[0]:.3g} to {input_range[1]:.3g}; set --input_range "
            "of classify or serve to what it was trained on."
        )
