"""Turns a heatmap and boxes of cells into a prediction."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from corallite.device.engine.base import Box, Detection, Probabilities
from corallite.device.engine.detect.peaks import find_peaks
from corallite.device.engine.heads import ClassesHead, dequantize
from corallite.device.engine.runner import Tensor
from corallite.device.model.manifest import Manifest
from corallite.device.model.signature import (
    ModelSignature,
    TensorSpec,
    find_boxes,
    without_boxes,
)
from corallite.device.system.errors import RequestError

_NO_CLASSES = np.zeros(0, np.float32)


class BoxesHead:
    """A `Head`: boxes, and the image's class if the model has that output, too."""

    def __init__(
        self, manifest: Manifest, signature: ModelSignature, path: str | Path
    ) -> None:
        """Checks that the model has the outputs of the manifest.

        Args:
            manifest: The model's, with boxes.
            signature: The model's.
            path: The model's file, for errors.

        Raises:
            RequestError: It has others.
            ValueError: The manifest has no boxes.
        """
        if manifest.boxes is None:
            raise ValueError("Expected `manifest` to have boxes.")
        self._described = manifest.boxes
        self._size_hw = manifest.preprocessing.size_hw
        self._path = path
        self._heatmap, self._boxes = find_boxes(signature, self._described, path)
        self._classes = None
        if manifest.classes.labels:
            others = without_boxes(signature, self._described)
            self._classes = ClassesHead(manifest.classes, others, path)

    def decode(self, outputs: Mapping[str, Tensor]) -> Detection:
        """Returns the prediction, with boxes in pixels of the input.

        Raises:
            RequestError: A number is infinite or not a number.
        """
        described = self._described
        heatmap = self._read(outputs, self._heatmap)
        peaks = find_peaks(
            heatmap,
            self._read(outputs, self._boxes),
            stride=described.stride,
            size_hw=self._size_hw,
            threshold=described.threshold,
            most=described.most,
        )
        boxes = zip(*(part.tolist() for part in peaks), strict=True)
        return Detection(
            tuple(Box(described.labels[n], score, *box) for n, score, box in boxes),
            heatmap,
            _NO_CLASSES if self._classes is None else self._classes.decode(outputs),
        )

    def _read(self, outputs: Mapping[str, Tensor], spec: TensorSpec) -> Probabilities:
        values = dequantize(outputs[spec.name].reshape(spec.shape[1:]), spec)
        if not np.isfinite(values).all():
            raise RequestError(
                f"{self._path}: its output {spec.name!r} is not all numbers for this "
                "image; convert it again, or check --input_range of classify."
            )
        # A file in float32 may round beyond them.
        return np.clip(values, 0.0, 1.0)
