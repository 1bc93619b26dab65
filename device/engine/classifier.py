"""Runs a classifier: pixels in, probabilities out, whatever the file's own types."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from corallite.device.engine.base import Status
from corallite.device.engine.runtime import first_line, input_size_hw, load_interpreter
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image, Preprocessing, fit_image
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system.errors import RequestError

# How far the range of the pixels may be off the range that the input can hold, as a
# part of the latter. A calibrated range ends at the brightest pixel seen, not always
# at 255; a model trained on (-1, 1) and given (0, 1) is off by 0.5.
_RANGE_TOLERANCE = 0.25


@dataclass(frozen=True)
class Prediction:
    """One label and its probability, 0 to 1."""

    label: str
    probability: float


class Classifier:
    """A model file ready to run. Not for use by two threads at once."""

    def __init__(
        self,
        path: str | Path,
        *,
        manifest: Manifest | None = None,
        num_threads: int = 1,
        interpreter: Any = None,
    ) -> None:
        """Loads the model.

        Args:
            path: A `.tflite` file with one input [1, height, width, 3] and one
                output of one number per class, each uint8, int8 or float32.
            manifest: Used in place of the one that the file carries.
            num_threads: Threads of one inference, at least 1.
            interpreter: Has the file loaded already; default, it is loaded here, to
                run on the CPU.

        Raises:
            RequestError: The file cannot be run or is no such model, or there is no
                manifest, or it does not describe this model.
        """
        if interpreter is None:
            interpreter = load_interpreter(path, num_threads)
        self.manifest = manifest or _require_manifest(path)
        self._path = path
        self._interpreter = interpreter
        _check_size(input_size_hw(interpreter, path), self.preprocessing, path)
        self._input = interpreter.get_input_details()[0]
        self._output = _find_output(interpreter, len(self.labels), path)
        self._table = _pixel_table(self._input, self.manifest.input_range, path)

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each output, in order."""
        return self.manifest.labels

    @property
    def preprocessing(self) -> Preprocessing:
        """How `classify` brings an image to the input's size."""
        return self.manifest.preprocessing

    def classify(self, image_rgb_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies an image of any size, uint8 RGB [height, width, 3].

        Returns:
            float32 [classes], probabilities if the model ends in a softmax.
        """
        return self.run(fit_image(image_rgb_u8, self.preprocessing))

    def run(self, pixels_u8: Image) -> npt.NDArray[np.float32]:
        """Classifies an image that has the size of the input already.

        Args:
            pixels_u8: uint8 RGB [height, width, 3], as `fit_image` returns it.

        Returns:
            float32 [classes], probabilities if the model ends in a softmax.

        Raises:
            RequestError: The model loads but does not run.
            ValueError: `pixels_u8` has another shape or type.
        """
        expected = (*self.preprocessing.size_hw, 3)
        if pixels_u8.shape != expected or pixels_u8.dtype != np.uint8:
            raise ValueError(
                f"Expected `pixels_u8` to be uint8 {expected}, got "
                f"{pixels_u8.dtype} {pixels_u8.shape}."
            )
        if self._table is not None:
            pixels_u8 = cv2.LUT(pixels_u8, self._table)
        self._interpreter.set_tensor(self._input["index"], pixels_u8[np.newaxis])
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            # Some damage shows only now, such as a tensor that nothing fills.
            raise RequestError(
                f"{self._path}: cannot be run ({first_line(error)}); copy or convert "
                "it again, or update the TFLite runtime."
            ) from error
        raw = self._interpreter.get_tensor(self._output["index"]).reshape(-1)
        return _dequantize(raw, *self._output["quantization"])

    def renew(self) -> None:
        """Does nothing: it has one model."""

    def status(self) -> Status:
        """Tells which model it is; nothing can happen to it."""
        return Status(self.manifest.model, self.manifest.version)

    def start(self) -> None:
        """Does nothing: it needs no accelerator."""

    def wait_started(self, timeout_s: float) -> str:
        """Returns "": nothing can be in the way."""
        return ""

    def pause(self) -> None:
        """Does nothing: it keeps no accelerator from others."""

    def close(self) -> None:
        """Does nothing: no process or thread is behind it."""


def top_k(
    probabilities: npt.NDArray[np.float32], labels: tuple[str, ...], k: int
) -> list[Prediction]:
    """Returns the `k` most probable labels, the most probable first.

    Equal probabilities keep the labels' order. All labels if `k` is more than that.
    """
    order = np.argsort(-probabilities, kind="stable")[:k]
    return [Prediction(labels[i], float(probabilities[i])) for i in order]


def _require_manifest(path: str | Path) -> Manifest:
    manifest = read_manifest(path)
    if manifest is None:
        raise RequestError(
            f"{path}: carries no manifest; give --labels=FILE with one label a line."
        )
    return manifest


def _check_size(
    size_hw: tuple[int, int], preprocessing: Preprocessing, path: str | Path
) -> None:
    if size_hw != tuple(preprocessing.size_hw):
        raise RequestError(
            f"{path}: takes images of {size_hw} but its manifest says "
            f"{preprocessing.size_hw}; convert the model again."
        )


def _find_output(interpreter: Any, classes: int, path: str | Path) -> dict[str, Any]:
    outputs = interpreter.get_output_details()
    shapes = [output["shape"].tolist() for output in outputs]
    if len(outputs) != 1 or np.prod(shapes[0]) != max(shapes[0], default=0):
        raise RequestError(
            f"{path}: gives outputs of shape {shapes}, expected one [1, classes]; "
            "corallite runs classifiers only."
        )
    if max(shapes[0]) != classes:
        raise RequestError(
            f"{path}: has {max(shapes[0])} outputs but {classes} labels; give the "
            "labels that it was trained with, one for each output."
        )
    _check_type(outputs[0], path)
    if outputs[0]["dtype"] != np.float32 and not outputs[0]["quantization"][0]:
        raise RequestError(
            f"{path}: its output is {np.dtype(outputs[0]['dtype']).name} without a "
            "scale, so that it holds no probabilities; convert the model again."
        )
    return outputs[0]


def _check_type(detail: dict[str, Any], path: str | Path) -> None:
    if detail["dtype"] not in (np.uint8, np.int8, np.float32):
        raise RequestError(
            f"{path}: tensor {detail['name']!r} is {np.dtype(detail['dtype']).name}, "
            "expected uint8, int8 or float32; convert the model with such a type."
        )


def _pixel_table(
    detail: dict[str, Any], input_range: tuple[float, float], path: str | Path
) -> npt.NDArray[Any] | None:
    """Returns what each pixel value 0 to 255 becomes; None if it stays as it is.

    With the range (low, high), (0, 1) by default, the model was trained on
        x = low + (high - low) * pixel / 255,
    and its input holds q = round(x / scale) + zero_point.
    """
    _check_type(detail, path)
    low, high = input_range
    values = low + (high - low) * np.arange(256) / 255
    if detail["dtype"] == np.float32:
        return values.astype(np.float32)
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    if detail["dtype"] == np.uint8 and not scale:
        return None  # The graph converts raw pixels by itself.
    _check_range(detail, limits, input_range, path)
    quantized = np.round(values / scale) + zero_point
    table = np.clip(quantized, limits.min, limits.max).astype(detail["dtype"])
    if table.dtype == np.uint8 and (table == np.arange(256)).all():
        return None
    return table


def _check_range(
    detail: dict[str, Any],
    limits: "np.iinfo[Any]",
    input_range: tuple[float, float],
    path: str | Path,
) -> None:
    """Refuses pixels that the input cannot hold or uses a fraction of.

    The two ranges differ when the model was trained on other numbers than we give
    it: it would run, and be wrong.
    """
    scale, zero_point = detail["quantization"]
    holds = ((limits.min - zero_point) * scale, (limits.max - zero_point) * scale)
    allowed = _RANGE_TOLERANCE * (holds[1] - holds[0])
    if not scale or not np.allclose(holds, input_range, rtol=0, atol=allowed):
        raise RequestError(
            f"{path}: its input holds {holds[0]:.3g} to {holds[1]:.3g} but pixels are "
            f"given as {input_range[0]:.3g} to {input_range[1]:.3g}; set --input_range "
            "to what it was trained on."
        )


def _dequantize(
    raw: npt.NDArray[Any], scale: float, zero_point: int
) -> npt.NDArray[np.float32]:
    """Returns (q - zero_point) * scale; floats, which have no scale, as they are."""
    if raw.dtype == np.float32:
        return raw
    # In 8 bits the difference would wrap around.
    return ((raw.astype(np.int64) - zero_point) * scale).astype(np.float32)
