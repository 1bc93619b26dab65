"""The engine of simulated devices: a manifest with scores, and no inference."""

from corallite.device.engine.untaught import Untaught
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import Refusal


class Scored(Untaught):
    """An engine whose states have a drift, from 100 results on."""

    _MANIFEST = Manifest.of_classifier(
        "simulated", "1", ("cat", "dog"), Preprocessing((224, 224))
    ).with_classes(refusal=Refusal(threshold=0.5, scores=(20,) * 10))

    @property
    def manifest(self) -> Manifest:
        """A manifest with the scores of 200 photos, evenly distributed."""
        return self._MANIFEST
