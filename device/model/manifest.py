"""What a model file says about itself: labels, preprocessing, where it comes from.

The manifest is a zip archive appended to the `.tflite` file, which is how TFLite's
associated files travel: an interpreter reads the front of the file and never sees
it, and any unzip program opens it. It holds `corallite.json`, which is the manifest,
and `labels.txt`, one label a line, for other tools. They learn of that file, and how
to normalize pixels, from TFLite Metadata inside the model: see `model_metadata`.
"""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corallite.device.image.spec import Preprocessing
from corallite.device.model.archive import (
    ARCHIVE_ERRORS,
    append_archive,
    read_archived,
    split_archive,
)
from corallite.device.system.errors import RequestError
from corallite.device.system.files import require_regular

MANIFEST_NAME = "corallite.json"
LABELS_NAME = "labels.txt"
FORMAT = 1


@dataclass(frozen=True)
class SelfTest:
    """What a model answers for an image that anyone can draw: see `selftest`.

    Attributes:
        recipe: Which image; a reader that does not know it leaves the test out.
        index: Of the most probable label.
        probability: Its probability, 0 to 1.
    """

    recipe: int
    index: int
    probability: float


@dataclass(frozen=True)
class Manifest:
    """What is needed to run a model, and to know which one it is.

    Attributes:
        model: The architecture and its size, such as "shufflenet_v2 1.0x".
        version: The name of this training's result, free text.
        labels: The name of each output, in order.
        preprocessing: How an image becomes the input.
        colour_order: Of the input's last axis; always "RGB".
        input_range: The floats that pixels 0 and 255 stand for at the input. Ours
            are trained on (0, 1); models from elsewhere often on (-1, 1).
        output: What the output is: "probabilities", which sum to 1; "" if unknown.
        data_fingerprint: Identifies the images it was trained on.
        accuracy: Top-1 on the validation part, 0 to 1, by stage: "float", "int8".
        versions: Version by name of the tools that made the file.
        selftest: What the file answered when it was made; None if nobody asked it.
    """

    model: str
    version: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    colour_order: str = "RGB"
    input_range: tuple[float, float] = (0.0, 1.0)
    output: str = "probabilities"
    data_fingerprint: str = ""
    accuracy: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    selftest: SelfTest | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns a dict that `json` can write and `from_json` takes."""
        content = {**vars(self), "format": FORMAT, "labels": list(self.labels)}
        content["preprocessing"] = self.preprocessing.to_json()
        content["input_range"] = list(self.input_range)
        content["selftest"] = vars(self.selftest) if self.selftest else None
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Manifest":
        """Returns what `to_json` gave; names it does not know are left out.

        Raises:
            AttributeError, KeyError, TypeError, ValueError, OverflowError: `content` is
                something else.
        """
        names = cls.__dataclass_fields__
        known = {name: content[name] for name in names if name in content}
        known["labels"] = tuple(str(label) for label in content["labels"])
        low, high = content.get("input_range", cls.input_range)
        known["input_range"] = (float(low), float(high))
        known["preprocessing"] = Preprocessing.from_json(content["preprocessing"])
        known["selftest"] = _parse_selftest(content.get("selftest"))
        accuracy = content.get("accuracy", {}).items()
        known["accuracy"] = {name: float(share) for name, share in accuracy}
        versions = content.get("versions", {}).items()
        known["versions"] = {name: str(version) for name, version in versions}
        manifest = cls(**known)
        for name in ("model", "version", "colour_order", "output", "data_fingerprint"):
            if not isinstance(getattr(manifest, name), str):
                raise TypeError(f"{name} is no text")
        return manifest


def attach_manifest(model: bytes, manifest: Manifest) -> bytes:
    """Returns `model` with `manifest` in it, in place of one it may have.

    TFLite Metadata inside it, JSON and labels behind it. Weights stay as they are,
    byte by byte; other metadata and other files that the model carries are kept. The
    same arguments give the same bytes, and so does doing it again.

    Args:
        model: Content of a `.tflite` file.
        manifest: What to say about it.

    Raises:
        ValueError: `model` is damaged, or keeps its weights behind the flatbuffer.
    """
    # What only reads manifests, as a device does, need not load it.
    from corallite.device.model.metadata import put_metadata

    flatbuffer, files = _split(model)
    flatbuffer = put_metadata(flatbuffer, manifest)
    # A folder's name, which becomes a label, may hold line ends or invalid UTF-8.
    lines = [" ".join(label.splitlines()) + "\n" for label in manifest.labels]
    files[LABELS_NAME] = "".join(lines).encode(errors="replace")
    files[MANIFEST_NAME] = json.dumps(manifest.to_json(), indent=2).encode()
    return append_archive(flatbuffer, files)


def read_manifest(path: str | Path, content: bytes | None = None) -> Manifest | None:
    """Reads the manifest of a model file; None if it has none.

    Args:
        path: A `.tflite` file.
        content: All of it; default, it is read.

    Raises:
        RequestError: The file cannot be read, or its manifest is damaged or of a
            newer format.
    """
    try:
        if content is None:
            require_regular(path)
        with open(path, "rb") if content is None else io.BytesIO(content) as file:
            text = read_archived(file, MANIFEST_NAME)
        parsed = None if text is None else json.loads(text, parse_constant=_refuse)
    except OSError as error:
        raise RequestError(
            f"{path}: cannot be read ({error.strerror}); check its name."
        ) from error
    except ARCHIVE_ERRORS as error:
        raise _damaged(path, error) from error
    return None if parsed is None else _parse(parsed, path)


def _parse(content: Any, path: str | Path) -> Manifest:
    try:
        file_format = int(content["format"])
        if file_format <= FORMAT:
            return Manifest.from_json(content)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise _damaged(path, error) from error
    raise RequestError(
        f"{path}: its manifest has format {file_format}, this corallite reads up to "
        f"{FORMAT}; update corallite."
    )


def _refuse(constant: str) -> float:
    """NaN and Infinity, which Python reads, are no JSON."""
    raise ValueError(f"{constant} is no number")


def _damaged(path: str | Path, error: Exception) -> RequestError:
    detail = str(error).rstrip(".") or type(error).__name__
    return RequestError(
        f"{path}: its manifest is damaged ({detail}); convert the model again, or "
        "give classify or serve --labels=FILE with one label a line."
    )


def _parse_selftest(content: Any) -> SelfTest | None:
    if content is None:
        return None
    index, probability = int(content["index"]), float(content["probability"])
    return SelfTest(int(content["recipe"]), index, probability)


def _split(model: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Separates the flatbuffer from the files appended to it."""
    try:
        return split_archive(model)
    except ARCHIVE_ERRORS as error:
        raise ValueError(
            f"Expected `model` to end in an intact archive or none: {error}."
        ) from error
