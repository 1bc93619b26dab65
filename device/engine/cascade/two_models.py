"""Two models of the same labels: the second is asked where the first is unsure."""

from dataclasses import dataclass
from typing import cast

from corallite.device.engine.base import (
    AcceleratedEngine,
    Engine,
    Probabilities,
    Status,
)
from corallite.device.image.preprocess import Image
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import reaches


@dataclass
class CascadeUse:
    """Which of two models are asked, also when both are replaced.

    Attributes:
        mode: "both"; "first" or "second" for one model alone, see `PolicyThrottle`.
            May be set by any thread.
        images: How many images were classified.
        asked: For how many of them the second model was asked, whose prediction then
            counts.
        asked_first: For how many of them the first model was asked.
    """

    mode: str = "both"
    images: int = 0
    asked: int = 0
    asked_first: int = 0


class CascadeEngine(AcceleratedEngine):
    """Runs a fast model on each image, and an accurate one where that is unsure.

    The threshold is in the manifest of the first model.

    Attributes:
        use: Which models are asked, and how often they were.
    """

    def __init__(
        self, first: Engine, second: Engine, use: CascadeUse | None = None
    ) -> None:
        """Takes two models that `require_cascade` accepts, and closes neither."""
        self.use = use or CascadeUse()
        self._first = first
        self._second = second
        self._last = first

    @property
    def parts(self) -> tuple[Engine, ...]:
        """The two models."""
        return (self._first, self._second)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that made the last prediction."""
        return self._last.manifest

    def run(self, pixels_u8: Image) -> Probabilities:
        """Classifies uint8 RGB [height, width, 3] of the size of `preprocessing`.

        Raises:
            RequestError: A model loads but does not run.
        """
        self.use.images += 1
        mode = self.use.mode
        if mode != "second":
            self.use.asked_first += 1
            probabilities = _classify(self._first, pixels_u8)
            self._last = self._first
            if mode == "first" or self._is_sure(probabilities):
                return probabilities
        self.use.asked += 1
        probabilities = _classify(self._second, pixels_u8)
        self._last = self._second
        return probabilities

    def _is_sure(self, probabilities: Probabilities) -> bool:
        fitted = self._first.manifest.cascade
        threshold = 0.0 if fitted is None else fitted.threshold
        return reaches(float(probabilities.max()), threshold)

    def status(self) -> Status:
        """Returns the last model's state, with the losses and errors of both."""
        first, second, last = (
            engine.status() for engine in (self._first, self._second, self._last)
        )
        use = self.use
        return last._replace(
            state=second.state if first.state == "ready" else first.state,
            losses=first.losses + second.losses,
            last_error=first.last_error or second.last_error,
            answered_by="first" if self._last is self._first else "second",
            asked={"first": use.asked_first, "second": use.asked},
            answered={"first": use.images - use.asked, "second": use.asked},
        )

    def start(self) -> None:
        """Begins to acquire the accelerators of both."""
        for engine in self._accelerated():
            engine.start()

    def wait_started(self, timeout_s: float) -> str:
        """Waits for each; returns a sentence why one is missing, or ""."""
        reasons = [engine.wait_started(timeout_s) for engine in self._accelerated()]
        return next(filter(None, reasons), "")

    def stop(self) -> None:
        """Releases them, until `start`."""
        for engine in self._accelerated():
            engine.stop()

    def _accelerated(self) -> list[AcceleratedEngine]:
        return [x for x in self.parts if isinstance(x, AcceleratedEngine)]


def _classify(engine: Engine, pixels_u8: Image) -> Probabilities:
    # `require_cascade` refuses detectors.
    return cast(Probabilities, engine.run(pixels_u8))
