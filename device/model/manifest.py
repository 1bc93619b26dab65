"""The manifest of a model file: its inputs, outputs and origin.

The manifest is in a zip archive appended to the `.tflite` file, as TFLite's associated
files are: an interpreter reads only the model before it, and any unzip program opens
it. It holds `corallite.json`, which is the manifest, and `labels.txt`, one label per
line, for other tools: see `write`.
"""

import math
from collections.abc import Mapping
from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple

from corallite.device.image.spec import Preprocessing
from corallite.device.model.archive import (
    ARCHIVE_ERRORS,
    open_content,
    read_archived,
)
from corallite.device.model.cascade.fitted import Cascade
from corallite.device.model.refusal import Refusal
from corallite.device.model.text_bounds import (
    require_label,
    require_short,
    require_small,
)
from corallite.device.system.errors import RequestError
from corallite.device.system.files import printable, reporting_unreadable
from corallite.device.system.storage import json_text
from corallite.device.system.text import cut

MANIFEST_NAME = "corallite.json"
LABELS_NAME = "labels.txt"
# Format 1 had one image and one output of classes, and named neither.
FORMAT = 2
# What the numbers of an output are. Probabilities sum to 1 (a single one is that of the
# second of two labels); logits become so by a softmax.
PROBABILITIES = "probabilities"
LOGITS = "logits"
# Each label has its own probability, or the logit of one; any number may be high.
MULTILABEL = "multilabel"
MULTILABEL_LOGITS = "multilabel_logits"
# The features of a network without a head: no labels, see `learn`.
FEATURES = "features"
_MOST_DETAIL = 200
_IMAGE_FIELDS = ("preprocessing", "colour_order", "input_range")


class ImageInput(NamedTuple):
    """An input that takes an image.

    Attributes:
        preprocessing: How an image becomes the input.
        colour_order: Of the last axis; always "RGB".
        input_range: The input values of pixels 0 and 255. Our models are trained on
            (0, 1), third-party models often on (-1, 1).
        name: What other tools show.
    """

    preprocessing: Preprocessing
    colour_order: str = "RGB"
    input_range: tuple[float, float] = (0.0, 1.0)
    name: str = "image"

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ImageInput":
        """Creates an object from the dict of `to_json`."""
        content = {**cls._field_defaults, **content}
        low, high = content["input_range"]
        if content["colour_order"] != "RGB":
            raise ValueError("its colour order is not RGB")
        return cls(
            Preprocessing.from_json(content["preprocessing"]),
            _text(content, "colour_order"),
            (_finite(low), _finite(high)),
            _text(content, "name"),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        return {
            "kind": "image",
            **self._asdict(),
            "preprocessing": self.preprocessing.to_json(),
        }


class ClassesOutput(NamedTuple):
    """An output of one number for each class.

    Attributes:
        labels: The name of each class, in order.
        values: What the numbers are, such as `PROBABILITIES`; "" if unknown.
        name: What other tools show.
        refusal: When the label of a result is "unknown"; None: never.
    """

    labels: tuple[str, ...]
    values: str = PROBABILITIES
    name: str = "probability"
    refusal: Refusal | None = None

    @property
    def is_multilabel(self) -> bool:
        """Whether an image may have any number of labels, and not just one."""
        return self.values in (MULTILABEL, MULTILABEL_LOGITS)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ClassesOutput":
        """Creates an object from the dict of `to_json`."""
        content = {**cls._field_defaults, **content}
        found = cls(
            tuple(require_label(str(label)) for label in content["labels"]),
            _text(content, "values"),
            _text(content, "name"),
        )
        if content["refusal"] is None:
            return found
        refusal = Refusal.from_json(content["refusal"])
        if found.is_multilabel:
            raise ValueError("it is multi-label, and so has no refusal")
        if len(refusal.thresholds) > len(found.labels):
            raise ValueError("it has more thresholds than labels")
        return found._replace(refusal=refusal)

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        refusal = self.refusal and self.refusal.to_json()
        return {"kind": "classes", **self._asdict(), "refusal": refusal}


class SelfTest(NamedTuple):
    """The prediction of a model for a test image: see `selftest`.

    Attributes:
        recipe: Number of the test image; a reader that does not know it skips the test.
        best_index: Of the most probable label.
        probability: Its probability, 0 to 1.
    """

    recipe: int
    best_index: int
    probability: float

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON."""
        recipe, index, probability = self
        return {"recipe": recipe, "index": index, "probability": probability}


class Manifest(NamedTuple):
    """What is needed to run a model and to identify it.

    Attributes:
        model: The architecture and its size, such as "shufflenet_v2 1.0x".
        version: Free text that identifies the result of this training.
        inputs: In the order of the model's inputs.
        outputs: In the order of the model's outputs.
        data_fingerprint: Identifies the images it was trained on.
        accuracy: Top-1 on the validation split, 0 to 1, by stage: "float", "int8".
        versions: Version by name of the tools that made the file.
        selftest: What the file predicted when it was made; None if not recorded.
        cascade: When a second model is asked; None: no threshold was fitted.
    """

    model: str
    version: str
    inputs: tuple[ImageInput, ...]
    outputs: tuple[ClassesOutput, ...]
    data_fingerprint: str = ""
    # Mapping, because all manifests share the default.
    accuracy: Mapping[str, float] = {}
    versions: Mapping[str, str] = {}
    selftest: SelfTest | None = None
    cascade: Cascade | None = None

    @classmethod
    def of_classifier(
        cls,
        model: str,
        version: str,
        labels: tuple[str, ...],
        preprocessing: Preprocessing,
        **others: Any,
    ) -> "Manifest":
        """Describes a model with one image as input and classes as its only output."""
        inputs, outputs = (ImageInput(preprocessing),), (ClassesOutput(labels),)
        return cls(model, version, inputs, outputs, **others)

    @property
    def image(self) -> ImageInput:
        """The first input."""
        return self.inputs[0]

    @property
    def classes(self) -> ClassesOutput:
        """The first output."""
        return self.outputs[0]

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each class, in order."""
        return self.classes.labels

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes the first input."""
        return self.image.preprocessing

    def with_image(self, **changes: Any) -> "Manifest":
        """Returns a manifest with fields of the first input replaced."""
        first, *others = self.inputs
        return self._replace(inputs=(first._replace(**changes), *others))

    def with_classes(self, **changes: Any) -> "Manifest":
        """Returns a manifest with fields of the first output replaced."""
        first, *others = self.outputs
        return self._replace(outputs=(first._replace(**changes), *others))

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        return {
            **self._asdict(),
            "format": FORMAT,
            "inputs": [image.to_json() for image in self.inputs],
            "outputs": [classes.to_json() for classes in self.outputs],
            "selftest": self.selftest and self.selftest.to_json(),
            "cascade": self.cascade and self.cascade.to_json(),
        }

    def to_format_1(self) -> dict[str, Any]:
        """Returns format 1, for one image and classes; HTTP and audits show it."""
        content = self.to_json()
        image, classes = content.pop("inputs")[0], content.pop("outputs")[0]
        shown = {name: image[name] for name in _IMAGE_FIELDS}
        shown |= {"labels": list(classes["labels"]), "output": classes["values"]}
        shown["refusal"] = classes["refusal"]
        return {**content, **shown, "format": 1}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Manifest":
        """Creates a manifest from format 2 or 1; ignores unknown names.

        Raises:
            AttributeError, KeyError, TypeError, ValueError, OverflowError: `content` is
                something else.
        """
        if int(content["format"]) < FORMAT:
            content = _upgrade(content)
        accuracy = require_small(content.get("accuracy", {}), "accuracy").items()
        versions = require_small(content.get("versions", {}), "versions").items()
        cascade = content.get("cascade")
        return cls(
            _text(content, "model"),
            _text(content, "version"),
            _parse_all(content["inputs"], image=ImageInput),
            _parse_all(content["outputs"], classes=ClassesOutput),
            _text(content, "data_fingerprint", ""),
            {name: _finite(share) for name, share in accuracy},
            {name: require_short(str(text), name) for name, text in versions},
            _parse_selftest(content.get("selftest")),
            None if cascade is None else Cascade.from_json(cascade),
        )


def read_manifest(
    path: str | Path, content: bytes | mmap | None = None
) -> Manifest | None:
    """Reads the manifest of a model file; None if it has none.

    Args:
        path: A `.tflite` file.
        content: Its content; by default, it is read.

    Raises:
        RequestError: The file cannot be read, or its manifest is damaged or of a
            newer format.
    """
    try:
        with reporting_unreadable(path, "check its name"):
            with open_content(path, content) as file:
                text = read_archived(file, MANIFEST_NAME)
    except ARCHIVE_ERRORS as error:
        raise _damaged(path, error) from error
    return None if text is None else parse_manifest(text, path)


def parse_manifest(text: str | bytes, path: str | Path) -> Manifest:
    """Returns the manifest that JSON text describes.

    Args:
        text: The text, as a file carries it.
        path: The file, for errors.

    Raises:
        RequestError: It is damaged or of a newer format.
    """
    try:
        content = json_text.parse(text, parse_constant=_refuse)
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
    """Refuses NaN and Infinity, which Python accepts although JSON has neither."""
    raise ValueError(f"{constant} is not a number")


def _damaged(path: str | Path, error: Exception) -> RequestError:
    # Python's messages quote the content.
    detail = cut(str(error).rstrip("."), _MOST_DETAIL) or type(error).__name__
    return RequestError(
        f"{path}: its manifest is damaged ({detail}); convert the model again, or "
        "give classify or serve --labels=FILE with one label per line."
    )


def _upgrade(content: dict[str, Any]) -> dict[str, Any]:
    """Returns format 2 of a manifest of format 1."""
    image = {name: content[name] for name in _IMAGE_FIELDS if name in content}
    classes = {"labels": content["labels"]}
    if "output" in content:
        classes["values"] = content["output"]
    inputs = [{"kind": "image", **image}]
    outputs = [{"kind": "classes", **classes}]
    return {**content, "inputs": inputs, "outputs": outputs}


def _parse_all(items: list[dict[str, Any]], **type_of: Any) -> tuple[Any, ...]:
    """Parses inputs or outputs by their kind."""
    if not items:
        raise ValueError("it lists no inputs or no outputs")
    unknown = {str(item["kind"]) for item in items} - set(type_of)
    if unknown:
        raise ValueError(f"the kind {min(unknown)!r} is unknown; update corallite")
    return tuple(type_of[item["kind"]].from_json(item) for item in items)


def _text(content: dict[str, Any], name: str, default: str | None = None) -> str:
    text = content[name] if default is None else content.get(name, default)
    if not isinstance(text, str):
        raise TypeError(f"{name} is not text")
    # Written to logs and JSON, which cannot hold half a surrogate pair.
    return printable(require_short(text, name))


def _finite(number: Any) -> float:
    """Returns a number that JSON can have; `float` also takes the text "nan"."""
    if not math.isfinite(found := float(number)):
        raise ValueError(f"{found} is not a number")
    return found


def _parse_selftest(content: Any) -> SelfTest | None:
    if content is None:
        return None
    index, probability = int(content["index"]), _finite(content["probability"])
    return SelfTest(int(content["recipe"]), index, probability)
