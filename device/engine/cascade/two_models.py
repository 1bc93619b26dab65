"""Two models of the same labels: the second is asked where the first is unsure."""

from typing import cast

from corallite.device.engine.base import Engine, Probabilities, Status
from corallite.device.image.preprocess import Image
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import reaches


class CascadeEngine(Engine):
    """Runs a fast model on each image, and an accurate one where that is unsure.

    The threshold is in the manifest of the first model. Both models may be replaced
    while they run, by models that `require_cascade` accepts.

    Attributes:
        mode: "both"; "first" or "second" for one model alone, see `PolicyThrottle`.
            May be set by any thread.
        images: How many images were classified.
        asked: For how many of them the second model was asked.
    """

    def __init__(self, first: Engine, second: Engine) -> None:
        """Takes two models that `require_cascade` accepts; the caller closes them."""
        self.mode = "both"
        self.images = 0
        self.asked = 0
        self._first = first
        self._second = second
        self._last = first

    @property
    def manifest(self) -> Manifest:
        """The manifest of the model that made the last prediction."""
        return self._last.manifest

    @property
    def has_successor(self) -> bool:
        """Whether a model was replaced that the next prediction uses.

        A successor of the second waits until that is asked, which may be never.
        """
        is_first_used = self.mode != "second"
        return self._last.has_successor or (is_first_used and self._first.has_successor)

    def run(self, pixels_u8: Image) -> Probabilities:
        """Classifies uint8 RGB [height, width, 3] of the size of `preprocessing`.

        Raises:
            OutdatedPixelsError: A model was replaced by one of another size or crop.
            RequestError: A model loads but does not run.
        """
        self.images += 1
        mode = self.mode
        if mode != "second":
            probabilities = _classify(self._first, pixels_u8)
            self._last = self._first
            if mode == "first" or self._is_sure(probabilities):
                return probabilities
        self.asked += 1
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
        return last._replace(
            state=second.state if first.state == "ready" else first.state,
            losses=first.losses + second.losses,
            swaps=first.swaps + second.swaps,
            last_error=first.last_error or second.last_error,
        )


def _classify(engine: Engine, pixels_u8: Image) -> Probabilities:
    # `require_cascade` refuses detectors.
    return cast(Probabilities, engine.run(pixels_u8))
