"""The one door to what a model takes and gives, and where each fact is known from.

What the user says comes first, then our manifest, then TFLite Metadata, then what the
quantization and the operators tell.
"""

from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple

from corallite.device.image.spec import Preprocessing
from corallite.device.model.description.graph import FileGraph, damaged, read_graph
from corallite.device.model.description.overrides import OUTPUTS as OUTPUTS
from corallite.device.model.description.overrides import Overrides
from corallite.device.model.flatbuffer import DamagedError
from corallite.device.model.manifest import (
    LOGITS,
    PROBABILITIES,
    Manifest,
    read_manifest,
)
from corallite.device.model.signature import (
    ImageLayout,
    ModelSignature,
    TensorSpec,
    find_boxes,
    find_classes,
    find_image,
    without_boxes,
)
from corallite.device.system.errors import RequestError

MANIFEST = "its manifest"
_VALUES_TEXT = {
    "probabilities": "probabilities",
    "logits": "logits, which become probabilities by a softmax",
    "multilabel": "one probability for each label (multi-label)",
    "multilabel_logits": "one logit for each label (multi-label), a sigmoid is applied",
    "": "numbers of unknown meaning",
}


class Description(NamedTuple):
    """What a model takes and gives.

    Attributes:
        manifest: All that is needed to run it; without labels if none are known.
        image: Its input.
        layout: How the image lies in it.
        classes: How many numbers its output of classes has; 0 if it has only boxes.
        range_from: Where the input range is known from; "" if it is assumed.
        values_from: Where the meaning of the output is known from.
        labels_from: Where the labels are known from; "" if there are none.
        warnings: Sentences about what had to be assumed or is not used.
    """

    manifest: Manifest
    image: TensorSpec
    layout: ImageLayout
    classes: int
    range_from: str
    values_from: str
    labels_from: str
    warnings: tuple[str, ...] = ()

    @property
    def takes(self) -> str:
        """The input as text."""
        height, width = self.layout.size_hw
        colours = "RGB" if self.layout.channels == 3 else "grey"
        low, high = self.manifest.image.input_range
        source = f"known from {self.range_from}" if self.range_from else "assumed"
        return (
            f"{height}x{width} {colours} {self.layout.order} {self.image.dtype}, "
            f"pixels as {low:.4g} to {high:.4g} ({source})"
        )

    @property
    def gives(self) -> str:
        """The outputs as text."""
        boxes = self.manifest.boxes
        if boxes is None:
            return self._gives_classes
        labels = len(boxes.labels)
        text = (
            f"boxes from cells of {boxes.stride}x{boxes.stride} pixels, of {labels} "
            f"{'kind' if labels == 1 else 'kinds'} (known from {MANIFEST})"
        )
        return f"{self._gives_classes}; {text}" if self.classes else text

    @property
    def _gives_classes(self) -> str:
        values = self.manifest.classes.values
        text = _VALUES_TEXT.get(values, values)
        if self.classes == 1 and values in (PROBABILITIES, LOGITS):
            text = "the probability of the second of two labels"
            text += ", by a sigmoid" if values == LOGITS else ""
        numbers = "number" if self.classes == 1 else "numbers"
        return f"{self.classes} {numbers}: {text} (known from {self.values_from})"


def describe(
    path: str | Path,
    content: bytes | mmap,
    overrides: Overrides | None = None,
    carried: Manifest | None = None,
) -> Description:
    """Describes a model file.

    Args:
        path: A `.tflite` file.
        content: All of it.
        overrides: What the user says in place of what the file says.
        carried: The manifest of the file that was compiled from this one.

    Raises:
        RequestError: It is damaged or cannot be served (see `read_graph`, `find_image`
            and `find_classes`), or its manifest is damaged or of a newer format and
            the user gives no labels.
    """
    overrides, graph = overrides or Overrides(), read_graph(content, path)
    layout = find_image(graph.signature, path)
    own = carried or _read_own(path, content, overrides)
    if own is not None and own.boxes is not None:
        return _describe_detector(graph, layout, own, overrides, path)
    classes = find_classes(graph.signature, path)
    try:
        if own is not None:
            return _describe_own(graph, layout, classes, own, overrides, path)
        return _describe_other(graph, layout, classes, overrides, path, content)
    except DamagedError as error:
        raise damaged(path, error) from error


def _read_own(
    path: str | Path, content: bytes | mmap, overrides: Overrides
) -> Manifest | None:
    """Reads the manifest; if it is damaged and there are labels, nothing of it."""
    try:
        return read_manifest(path, content)
    except RequestError:
        if overrides.labels is None:
            raise
        return None


def _describe_own(
    graph: FileGraph,
    layout: ImageLayout,
    classes: int,
    own: Manifest,
    overrides: Overrides,
    path: str | Path,
) -> Description:
    (image,) = graph.signature.inputs
    changed, values_from = overrides.apply(own), MANIFEST
    if overrides.output is not None:
        # Not at the top: a file with a manifest starts without it.
        from corallite.device.model.description.output_values import find_values

        values, values_from = find_values(graph, overrides.output, path)
        # A refusal was fitted to the probabilities of other numbers.
        changed = changed.with_classes(values=values, refusal=None)
    if overrides.input_range is not None or overrides.output is not None:
        # With other numbers the model gives other answers than when it was made.
        changed = changed._replace(selftest=None)
    return Description(
        changed,
        *(image, layout, classes),
        range_from="--input_range" if overrides.input_range else MANIFEST,
        values_from=values_from,
        labels_from="--labels" if overrides.labels else MANIFEST,
    )


def _describe_detector(
    graph: FileGraph,
    layout: ImageLayout,
    own: Manifest,
    overrides: Overrides,
    path: str | Path,
) -> Description:
    overrides.require_for_boxes(own, path)
    classes = find_all(graph.signature, own, path)
    changed = overrides.apply(own)
    if overrides.input_range is not None:
        changed = changed._replace(selftest=None)
    return Description(
        changed,
        *(graph.signature.inputs[0], layout, classes),
        range_from="--input_range" if overrides.input_range else MANIFEST,
        values_from=MANIFEST,
        labels_from="--labels" if overrides.labels else MANIFEST,
    )


def find_all(signature: ModelSignature, manifest: Manifest, path: str | Path) -> int:
    """Checks the outputs that a manifest describes; returns the number of classes.

    Raises:
        RequestError: One is missing or another.
    """
    if manifest.boxes is None:
        return find_classes(signature, path)
    find_boxes(signature, manifest.boxes, path)
    if not manifest.classes.labels:
        return 0
    return find_classes(without_boxes(signature, manifest.boxes), path)


def _describe_other(
    graph: FileGraph,
    layout: ImageLayout,
    classes: int,
    overrides: Overrides,
    path: str | Path,
    content: bytes | mmap,
) -> Description:
    """Describes a model without our manifest."""
    from corallite.device.model.description.input_range import find_input_range
    from corallite.device.model.description.labels import find_labels
    from corallite.device.model.description.output_values import find_values

    (image,) = graph.signature.inputs
    metadata, warning = _read_metadata(graph, path)
    input_range, range_from = overrides.input_range, "--input_range"
    if input_range is None:
        input_range, range_from = find_input_range(graph, metadata, path)
    values, values_from = find_values(graph, overrides.output, path)
    labels, labels_from = overrides.labels or (), "--labels"
    if overrides.labels is None:
        labels, labels_from = find_labels(metadata, path, content)
    manifest = Manifest.of_classifier(
        Path(path).stem, "", labels, Preprocessing(layout.size_hw)
    )
    if input_range is not None:
        manifest = manifest.with_image(input_range=input_range)
    manifest = overrides.apply(manifest.with_classes(values=values))
    warnings = (warning, _warn_of_range(path, image, range_from))
    _require_two_labels(path, manifest, classes)
    return Description(
        manifest,
        *(image, layout, classes, range_from, values_from, labels_from),
        warnings=tuple(filter(None, warnings)),
    )


def _read_metadata(
    graph: FileGraph, path: str | Path
) -> tuple[dict[str, Any] | None, str]:
    """Returns the TFLite Metadata, and a warning if they are not intact."""
    from corallite.device.model.description.tflite_metadata import read_metadata

    try:
        return read_metadata(graph.metadata()), ""
    except DamagedError as error:
        return None, f"{path}: its TFLite Metadata are damaged ({error}) and not used."


def _warn_of_range(path: str | Path, image: TensorSpec, known_from: str) -> str:
    if known_from or image.dtype not in ("float32", "int16"):
        return ""
    return (
        f"{path}: does not say which numbers its input takes; pixels are given as 0 to "
        "1. If its predictions are wrong, give classify --input_range=-1,1 or "
        "--input_range=0,255."
    )


def _require_two_labels(path: str | Path, manifest: Manifest, classes: int) -> None:
    if classes == len(manifest.labels) == 1 and not manifest.classes.is_multilabel:
        raise RequestError(
            f"{path}: has one output, the probability of the second of two labels; "
            "give both with --labels of classify, that of 0 first, or give "
            "--output=multilabel."
        )
