"""An engine that finds objects in an image."""

from pathlib import Path
from typing import Any

from corallite.device.engine.base import Detection
from corallite.device.engine.classifier import FileEngine
from corallite.device.engine.detect.boxes_head import BoxesHead
from corallite.device.image.preprocess import Image


class Detector(FileEngine):
    """A detector: a heatmap and boxes, maybe classes too; see `find_boxes`."""

    def __init__(self, path: str | Path, **options: Any) -> None:
        """Loads the model; arguments and errors are those of `FileEngine`."""
        super().__init__(path, **options)
        self._head = BoxesHead(self._manifest, self._runner.signature, path)

    def run(self, pixels_u8: Image) -> Detection:
        """Finds objects in uint8 RGB [height, width, 3] of the input's size.

        Raises:
            RequestError: The model loads but does not run.
            ValueError: `pixels_u8` has another shape or type.
        """
        return self._head.decode(self.run_file(pixels_u8))
