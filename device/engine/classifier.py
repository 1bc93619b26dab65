"""Engines on the CPU: preprocessing, a runner, and a head, such as that for classes."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corallite.device.engine.base import Engine, Probabilities, Status
from corallite.device.engine.heads import ClassesHead
from corallite.device.engine.overrides import choose_manifest
from corallite.device.engine.pixels import PixelEncoder
from corallite.device.engine.runner import Runner, Tensor
from corallite.device.engine.runners import litert
from corallite.device.engine.runtime import first_line
from corallite.device.image.preprocess import Image, fit_image
from corallite.device.model.manifest import ClassesOutput, Manifest
from corallite.device.model.refusal import UNKNOWN, reaches
from corallite.device.system.errors import RequestError


class Prediction(NamedTuple):
    """One label and its probability, 0 to 1."""

    label: str
    probability: float


class FileEngine(Engine):
    """A model file ready to run; its head turns outputs into a prediction."""

    def __init__(
        self,
        path: str | Path,
        *,
        manifest: Manifest | None = None,
        num_threads: int = 1,
        runner: Runner | None = None,
    ) -> None:
        """Loads the model.

        Args:
            path: A model file with one image as input; see `find_image`.
            manifest: Used in place of the one that the file carries.
            num_threads: Threads of one inference, at least 1.
            runner: Runs the file; default, LiteRT on the CPU.

        Raises:
            RequestError: The file cannot be run or is not such a model, or its manifest
                is missing or describes another model.
        """
        self._runner = runner or litert.load(path, num_threads)
        self._manifest = manifest or choose_manifest(path)
        self._path = path
        signature = self._runner.signature
        self._encoder = PixelEncoder(self._manifest.image, signature, path)

    @property
    def manifest(self) -> Manifest:
        """The model's manifest."""
        return self._manifest

    def run_file(self, pixels_u8: Image) -> dict[str, Tensor]:
        """Returns the outputs by name for uint8 RGB [height, width, 3].

        Raises:
            RequestError: The model loads but does not run.
            ValueError: `pixels_u8` has another shape or type.
        """
        inputs = self._encoder.encode(pixels_u8)
        try:
            return self._runner.run(inputs)
        except (RuntimeError, ValueError) as error:
            # Some damage shows only now, such as a tensor that nothing fills.
            raise RequestError(
                f"{self._path}: cannot be run ({first_line(error)}); copy or convert "
                "it again, or update its runtime."
            ) from error

    def status(self) -> Status:
        """Returns the model's name; nothing else can change."""
        return Status(self._manifest.model, self._manifest.version)


class Classifier(FileEngine):
    """A classifier: one output of one number for each class; see `find_classes`."""

    def __init__(self, path: str | Path, **options: Any) -> None:
        """Loads the model; arguments and errors are those of `FileEngine`."""
        super().__init__(path, **options)
        signature = self._runner.signature
        self._head = ClassesHead(self._manifest.classes, signature, path)

    def run(self, pixels_u8: Image) -> Probabilities:
        """Classifies uint8 RGB [height, width, 3] of the input's size.

        Raises:
            RequestError: The model loads but does not run.
            ValueError: `pixels_u8` has another shape or type.
        """
        return self._head.decode(self.run_file(pixels_u8))

    def classify(self, image_rgb_u8: Image) -> Probabilities:
        """Classifies uint8 RGB [height, width, 3] of any size: float32 [classes]."""
        return self.run(fit_image(image_rgb_u8, self.preprocessing))


def top_k(
    probabilities: Probabilities, labels: tuple[str, ...], k: int
) -> list[Prediction]:
    """Returns the `k` most probable labels, the most probable first.

    Equal probabilities keep the labels' order. All labels if `k` is more than that.
    """
    order = np.argsort(-probabilities, kind="stable")[:k]
    return [Prediction(labels[i], float(probabilities[i])) for i in order]


def choose_label(
    top: Prediction, classes: ClassesOutput, threshold: float | None = None
) -> str:
    """Returns the label of the most probable class, or `UNKNOWN`.

    Args:
        top: The most probable class.
        classes: The output in the manifest, with its refusal.
        threshold: The least probability, in place of that of the manifest.
    """
    refusal = classes.refusal
    if refusal is not None and top.label == refusal.background:
        return UNKNOWN
    if threshold is not None:
        return top.label if reaches(top.probability, threshold) else UNKNOWN
    return top.label if refusal is None or refusal.names(*top) else UNKNOWN
