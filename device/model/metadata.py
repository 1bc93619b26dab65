"""TFLite Metadata: what MediaPipe and ML Kit read in place of our manifest.

Fields are numbered as in metadata_schema.fbs (MediaPipe).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from corallite.device.model.flatbuffer import Flatbuffer
from corallite.device.model.manifest import (
    LABELS_NAME,
    BoxesOutput,
    ClassesOutput,
    ImageInput,
    Manifest,
)
from corallite.device.model.signature import ModelSignature, TensorSpec

# The tables and fields used here exist since the first release of the schema.
_PARSER_VERSION = "1.0.0"
_FEATURE, _IMAGE = 1, 2
_RGB, _NORMALIZATION, _AXIS_LABELS = 1, 1, 2
# The limits of what an input holds, by its type.
_LIMITS = {"uint8": (0.0, 255.0), "int8": (-128.0, 127.0)}


class Number(NamedTuple):
    """A number in a table; `kind` is "Uint8", "Int8" or "Uint32"."""

    kind: str
    value: int


def describe_metadata(
    manifest: Manifest, signature: ModelSignature, former: bytes = b""
) -> Mapping[int, Any]:
    """Returns the root table of a model's metadata, for `write.pack_tables`.

    Args:
        manifest: The manifest to describe.
        signature: The model's inputs and outputs, in the same order.
        former: Metadata that this replaces; author and licence are kept.

    Raises:
        DamagedError: `former` is damaged.
    """
    author, licence = None, None
    if former:
        root = Flatbuffer(former).root()
        author, licence = root.text(4) or None, root.text(5) or None
    given, returned = signature.inputs, signature.outputs
    inputs = list(map(_describe_image, manifest.inputs, given))
    inputs += [{0: f"input {number}"} for number in range(len(inputs), len(given))]
    outputs = _describe_outputs(manifest, returned)
    return {
        0: manifest.model,
        1: _describe_purpose(manifest),
        2: manifest.version,
        3: [{2: inputs, 3: outputs}],
        4: author,
        5: licence,
        7: _PARSER_VERSION,
    }


def _describe_purpose(manifest: Manifest) -> str:
    sentences = []
    if manifest.boxes is None or manifest.classes.labels:
        count = len(manifest.classes.labels)
        sentences.append(f"Tells which of {count} classes an image shows.")
    if manifest.boxes is not None:
        count = len(manifest.boxes.labels)
        sentences.append(f"Tells where objects of {count} kinds are in an image.")
    return " ".join(sentences)


def _describe_outputs(
    manifest: Manifest, returned: tuple[TensorSpec, ...]
) -> list[Mapping[int, Any]]:
    """Describes the outputs in the order of the file."""
    boxes, classes = manifest.boxes, _describe_classes(manifest.classes)
    found: list[Mapping[int, Any]] = []
    for number, spec in enumerate(returned):
        if boxes is not None and spec.name in (boxes.heatmap, boxes.boxes):
            found.append(_describe_boxes(boxes, spec.name))
        elif classes not in found and (boxes is None or manifest.classes.labels):
            found.append(classes)
        else:
            found.append({0: f"output {number}"})
    return found


def _describe_image(image: ImageInput, spec: TensorSpec) -> Mapping[int, Any]:
    """Describes an input: RGB, (pixel - mean) / std in real numbers.

    The real input value of a pixel is low + (high - low) * pixel / 255. MediaPipe gives
    a uint8 input the raw pixels, which is the same if the input's scale contains that
    arithmetic, as in our models.
    """
    low, high = image.input_range
    std = 255 / (high - low) if high != low else 1.0
    mean = 0.0 - low * std
    if spec.dtype == "uint8" and not spec.scale:
        mean, std = 0.0, 1.0  # The graph takes pixels.
    least, most = _LIMITS.get(spec.dtype, (low, high))
    height, width = image.preprocessing.size_hw
    size = {0: Number("Uint32", width), 1: Number("Uint32", height)}
    properties = {0: Number("Int8", _RGB), 1: size}
    normalization = {0: [mean], 1: [std]}
    return {
        0: image.name,
        1: f"The image to classify, {image.colour_order}; fit by "
        f"{image.preprocessing.fit}.",
        3: {0: Number("Uint8", _IMAGE), 1: properties},
        4: [{0: Number("Uint8", _NORMALIZATION), 1: normalization}],
        5: {0: [most], 1: [least]},
    }


def _describe_classes(classes: ClassesOutput) -> Mapping[int, Any]:
    labels = {
        0: LABELS_NAME,
        1: "The name of each class, in the order of the output.",
        2: Number("Int8", _AXIS_LABELS),
    }
    return {
        0: classes.name,
        1: f"One number a class: {classes.values}.",
        3: {0: Number("Uint8", _FEATURE), 1: {}},
        5: {0: [1.0], 1: [0.0]},
        6: [labels],
    }


def _describe_boxes(boxes: BoxesOutput, name: str) -> Mapping[int, Any]:
    is_heatmap = name == boxes.heatmap
    what = (
        "for each cell and kind of object, the probability that its centre is there"
        if is_heatmap
        else "for each cell, x and y of the centre in it, then width and height"
    )
    return {
        0: name,
        1: f"Cells of {boxes.stride} pixels: {what}.",
        3: {0: Number("Uint8", _FEATURE), 1: {}},
        5: {0: [1.0], 1: [0.0]},
    }
