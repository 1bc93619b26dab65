"""TFLite Metadata: what MediaPipe and ML Kit read in place of our manifest.

A flatbuffer inside the model's. Fields are numbered by metadata_schema.fbs (MediaPipe).
"""

from dataclasses import dataclass

from corallite.device.model.flatbuffer import DamagedError, Flatbuffer, Table
from corallite.device.model.flatbuffer_writer import Number, Part, write_flatbuffer
from corallite.device.model.manifest import LABELS_NAME, Manifest
from corallite.device.model.model_entry import (
    METADATA_IDENTIFIER,
    METADATA_NAME,
    read_entry,
    set_entry,
)

# What is used of the schema was in its first release.
_PARSER_VERSION = "1.0.0"
_FEATURE, _IMAGE = 1, 2
_RGB = 1
_NORMALIZATION = 1
_AXIS_LABELS = 2
_BUFFERS = 4  # Of a model's root.
_ARCHIVE_START = b"PK\x03\x04"
# By the number of a tensor's type: the limits of its values.
_LIMITS = {3: (0.0, 255.0), 9: (-128.0, 127.0)}


@dataclass(frozen=True)
class Doors:
    """What goes into a graph and comes out of it.

    Attributes:
        inputs: (type by its number in the schema, whether it has a scale), each.
        outputs: How many there are.
    """

    inputs: tuple[tuple[int, bool], ...]
    outputs: int


def put_metadata(model: bytes, manifest: Manifest) -> bytes:
    """Returns a model with metadata that says what the manifest does.

    Args:
        model: A `.tflite` file without the archive that may follow it.
        manifest: What to say.

    Raises:
        ValueError: `model` is damaged, keeps its weights behind the flatbuffer, or has
            an archive, which then is one that could not be separated from it.
    """
    try:
        _require_no_archive(model)
        doors = read_doors(Flatbuffer(model).root())
        former = read_entry(model, METADATA_NAME, METADATA_IDENTIFIER)
        return set_entry(model, METADATA_NAME, encode_metadata(manifest, doors, former))
    except DamagedError as error:
        raise ValueError(f"Expected `model` to be intact: {error}.") from error


def _require_no_archive(model: bytes) -> None:
    buffer = Flatbuffer(model)
    for holder in buffer.root().tables(_BUFFERS):
        holder.span(0)
    # Weights may hold anything: what is looked at begins behind the last of them.
    start = model.find(_ARCHIVE_START, buffer.end)
    if start >= 0:
        raise ValueError(
            "Expected `model` to end in an intact archive or none: the one at byte "
            f"{start} is cut short."
        )


def read_doors(model: Table) -> Doors:
    """Reads the inputs and outputs of a model's first graph.

    Raises:
        DamagedError: The model is not intact.
    """
    graphs = model.tables(2)
    if not graphs:
        return Doors((), 0)
    tensors = graphs[0].tables(0)
    inputs = [n for n in graphs[0].numbers(1, "i") if 0 <= n < len(tensors)]
    return Doors(
        tuple(_describe(tensors[number]) for number in inputs),
        len(graphs[0].numbers(2, "i")),
    )


def _describe(tensor: Table) -> tuple[int, bool]:
    quantization = tensor.table(4)
    scaled = quantization is not None and bool(quantization.numbers(2, "f"))
    return tensor.number(1, "b"), scaled


def encode_metadata(manifest: Manifest, doors: Doors, former: bytes = b"") -> bytes:
    """Returns the metadata of a classifier.

    Args:
        manifest: What to say.
        doors: The inputs and outputs that it is said of; the first of each is the
            image and the probabilities.
        former: Metadata that this is put in place of; author and licence are kept.

    Raises:
        DamagedError: `former` is not intact.
    """
    author, licence = _read_author(former)
    graph = {
        2: [
            _image(manifest, door) if index == 0 else {0: f"input {index}"}
            for index, door in enumerate(doors.inputs)
        ],
        3: [
            _probabilities(manifest) if index == 0 else {0: f"output {index}"}
            for index in range(doors.outputs)
        ],
    }
    root = {
        0: manifest.model,
        1: f"Tells which of {len(manifest.labels)} classes an image shows.",
        2: manifest.version,
        3: [graph],
        4: author,
        5: licence,
        7: _PARSER_VERSION,
    }
    return bytes(write_flatbuffer(root, METADATA_IDENTIFIER))


def _read_author(former: bytes) -> tuple[str | None, str | None]:
    if not former:
        return None, None
    root = Flatbuffer(former).root()
    return root.text(4) or None, root.text(5) or None


def _image(manifest: Manifest, door: tuple[int, bool]) -> Part:
    """Describes the input: RGB, (pixel - mean) / std in real numbers.

    Pixels are given as low + (high - low) * pixel / 255. MediaPipe gives a uint8 input
    the pixels as they are, which is the same where the input's scale takes that
    arithmetic up, as ours do.
    """
    kind, is_scaled = door
    low, high = manifest.input_range
    std = 255 / (high - low) if high != low else 1.0
    mean = 0.0 - low * std
    if kind == 3 and not is_scaled:
        mean, std = 0.0, 1.0  # The graph takes pixels.
    least, most = _LIMITS.get(kind, (low, high))
    height, width = manifest.preprocessing.size_hw
    size = {0: Number("I", width), 1: Number("I", height)}
    image = {0: Number("b", _RGB), 1: size}
    normalization = {0: [mean], 1: [std]}
    return {
        0: "image",
        1: f"The image to classify, {manifest.colour_order}; fit by "
        f"{manifest.preprocessing.fit}.",
        3: {0: Number("B", _IMAGE), 1: image},
        4: [{0: Number("B", _NORMALIZATION), 1: normalization}],
        5: {0: [most], 1: [least]},
    }


def _probabilities(manifest: Manifest) -> Part:
    labels = {
        0: LABELS_NAME,
        1: "The name of each class, in the order of the output.",
        2: Number("b", _AXIS_LABELS),
    }
    return {
        0: "probability",
        1: f"One number a class: {manifest.output}.",
        3: {0: Number("B", _FEATURE), 1: {}},
        5: {0: [1.0], 1: [0.0]},
        6: [labels],
    }
