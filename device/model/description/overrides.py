"""What the user says of a model, in place of what its file says."""

from pathlib import Path
from typing import NamedTuple

from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import (
    LOGITS,
    MULTILABEL,
    PROBABILITIES,
    Manifest,
)
from corallite.device.system.errors import RequestError

# What the user may say that an output is.
OUTPUTS = (PROBABILITIES, LOGITS, MULTILABEL)


class Overrides(NamedTuple):
    """What the user says of a model, in place of what its file says; None: nothing.

    Attributes:
        labels: The name of each class, in order.
        fit: "crop", "pad" or "stretch".
        input_range: What pixels 0 and 255 stand for.
        output: One of `OUTPUTS`.
        threshold: The least probability of a box.
    """

    labels: tuple[str, ...] | None = None
    fit: str | None = None
    input_range: tuple[float, float] | None = None
    output: str | None = None
    threshold: float | None = None

    def or_else(self, others: "Overrides") -> "Overrides":
        """Returns these, and those of `others` where the user says nothing."""
        said = {x: y for x, y in self._asdict().items() if y is not None}
        return others._replace(**said)

    def apply(self, manifest: Manifest) -> Manifest:
        """Returns a manifest with these in place of its own; not the output."""
        if self.labels is not None:
            manifest = _rename(manifest, self.labels)
        if self.threshold is not None:
            manifest = manifest.with_boxes(threshold=self.threshold)
        if self.fit is not None:
            fitted = Preprocessing(manifest.preprocessing.size_hw, self.fit)
            manifest = manifest.with_image(preprocessing=fitted)
        if self.input_range is not None:
            manifest = manifest.with_image(input_range=self.input_range)
        return manifest

    def require_for_boxes(self, manifest: Manifest, path: str | Path) -> None:
        """Raises `RequestError` for what cannot be said of a detector."""
        if self.output is not None:
            raise RequestError(
                f"{path}: is a detector, whose manifest says how to read its outputs; "
                "leave --output of classify out."
            )
        expected = len(manifest.labels)
        if self.labels is not None and len(self.labels) != expected:
            raise RequestError(
                f"{path}: has {expected} labels but --labels of classify has "
                f"{len(self.labels)}; give those that it was trained with, or leave it "
                "out."
            )


def _rename(manifest: Manifest, labels: tuple[str, ...]) -> Manifest:
    if not manifest.classes.labels and manifest.boxes is not None:
        return manifest.with_boxes(labels=labels)
    refusal = manifest.classes.refusal
    if refusal is not None:
        refusal = refusal.rename(manifest.labels, labels)
    return manifest.with_classes(labels=labels, refusal=refusal)
