"""The manifest of a model file: its inputs, outputs and origin.

The manifest is in a zip archive appended to the `.tflite` file, as TFLite's associated
files are: an interpreter reads only the model before it, and any unzip program opens
it. It holds `corallite.json`, which is the manifest, and `labels.txt`, one label per
line, for other tools: see `write`.
"""

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
from corallite.device.model.tensors import fields
from corallite.device.model.tensors.boxes_output import BoxesOutput as BoxesOutput
from corallite.device.model.tensors.classes_output import FEATURES as FEATURES
from corallite.device.model.tensors.classes_output import LOGITS as LOGITS
from corallite.device.model.tensors.classes_output import MULTILABEL as MULTILABEL
from corallite.device.model.tensors.classes_output import (
    MULTILABEL_LOGITS as MULTILABEL_LOGITS,
)
from corallite.device.model.tensors.classes_output import (
    PROBABILITIES as PROBABILITIES,
)
from corallite.device.model.tensors.classes_output import ClassesOutput as ClassesOutput
from corallite.device.model.tensors.image_input import ImageInput as ImageInput
from corallite.device.model.tensors.parse import (
    IMAGE_FIELDS,
    parse_inputs,
    parse_outputs,
    upgrade,
)
from corallite.device.model.text_bounds import require_short, require_small
from corallite.device.system.errors import ModelFaultError, RequestError
from corallite.device.system.files import reporting_unreadable
from corallite.device.system.storage import json_text
from corallite.device.system.text import cut

MANIFEST_NAME = "corallite.json"
LABELS_NAME = "labels.txt"
# Format 1 had one image and one output of classes, and named neither.
FORMAT = 2
_MOST_DETAIL = 200
_NO_CLASSES = ClassesOutput(())


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
        outputs: What it gives: classes, boxes or both.
        data_fingerprint: Identifies the images it was trained on.
        accuracy: Top-1 on the validation split, 0 to 1, by stage: "float", "int8".
        versions: Version by name of the tools that made the file.
        selftest: What the file predicted when it was made; None if not recorded.
        cascade: When a second model is asked; None: no threshold was fitted.
    """

    model: str
    version: str
    inputs: tuple[ImageInput, ...]
    outputs: tuple[ClassesOutput | BoxesOutput, ...]
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

    @classmethod
    def of_detector(
        cls,
        model: str,
        version: str,
        boxes: BoxesOutput,
        preprocessing: Preprocessing,
        classes: ClassesOutput | None = None,
        **others: Any,
    ) -> "Manifest":
        """Describes a model with one image as input and boxes, maybe classes too."""
        outputs = (boxes,) if classes is None else (classes, boxes)
        return cls(model, version, (ImageInput(preprocessing),), outputs, **others)

    @property
    def image(self) -> ImageInput:
        """The first input."""
        return self.inputs[0]

    @property
    def classes(self) -> ClassesOutput:
        """The output of classes; one without labels if there are only boxes."""
        # Each frame needs it; a loop takes a third of the time of `next`.
        for output in self.outputs:
            if isinstance(output, ClassesOutput):
                return output
        return _NO_CLASSES

    @property
    def boxes(self) -> BoxesOutput | None:
        """The output of boxes; None if the model is not a detector."""
        for output in self.outputs:
            if isinstance(output, BoxesOutput):
                return output
        return None

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each class, in order; of boxes if there are only boxes."""
        return self.classes.labels or (self.boxes.labels if self.boxes else ())

    @property
    def output(self) -> str:
        """What the numbers of classes are, or "boxes" if there are only boxes."""
        has_classes = self.boxes is None or self.classes.labels
        return self.classes.values if has_classes else "boxes"

    @property
    def all_labels(self) -> tuple[str, ...]:
        """The labels of classes and of boxes, each once."""
        of_boxes = self.boxes.labels if self.boxes else ()
        return tuple(dict.fromkeys((*self.classes.labels, *of_boxes)))

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes the first input."""
        return self.image.preprocessing

    def with_image(self, **changes: Any) -> "Manifest":
        """Returns a manifest with fields of the first input replaced."""
        first, *others = self.inputs
        return self._replace(inputs=(first._replace(**changes), *others))

    def with_classes(self, **changes: Any) -> "Manifest":
        """Returns a manifest with fields of the output of classes replaced."""
        return self._with_output(ClassesOutput, changes)

    def with_boxes(self, **changes: Any) -> "Manifest":
        """Returns a manifest with fields of the output of boxes replaced."""
        return self._with_output(BoxesOutput, changes)

    def _with_output(self, kind: type, changes: dict[str, Any]) -> "Manifest":
        outputs = self.outputs
        return self._replace(
            outputs=tuple(
                x._replace(**changes) if isinstance(x, kind) else x for x in outputs
            )
        )

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        return {
            **self._asdict(),
            "format": FORMAT,
            "inputs": [image.to_json() for image in self.inputs],
            "outputs": [output.to_json() for output in self.outputs],
            "selftest": self.selftest and self.selftest.to_json(),
            "cascade": self.cascade and self.cascade.to_json(),
        }

    def to_format_1(self) -> dict[str, Any]:
        """Returns format 1, for one image and classes; HTTP and audits show it.

        That of a detector has the key "boxes" in addition.
        """
        content = self.to_json()
        image, classes, boxes = content.pop("inputs")[0], self.classes, self.boxes
        del content["outputs"]
        shown = {name: image[name] for name in IMAGE_FIELDS}
        shown |= {"labels": list(self.labels), "output": self.output}
        shown["refusal"] = classes.refusal and classes.refusal.to_json()
        if boxes is not None:
            shown["boxes"] = boxes.to_json()
        return {**content, **shown, "format": 1}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Manifest":
        """Creates a manifest from format 2 or 1; ignores unknown names.

        Raises:
            AttributeError, KeyError, TypeError, ValueError, OverflowError: `content` is
                something else.
        """
        if int(content["format"]) < FORMAT:
            content = upgrade(content)
        accuracy = require_small(content.get("accuracy", {}), "accuracy").items()
        versions = require_small(content.get("versions", {}), "versions").items()
        cascade = content.get("cascade")
        return cls(
            fields.text(content, "model"),
            fields.text(content, "version"),
            parse_inputs(content["inputs"]),
            parse_outputs(content["outputs"]),
            fields.text(content, "data_fingerprint", ""),
            {name: fields.finite(share) for name, share in accuracy},
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


def _damaged(path: str | Path, error: Exception) -> ModelFaultError:
    # Python's messages quote the content.
    detail = cut(str(error).rstrip("."), _MOST_DETAIL) or type(error).__name__
    return ModelFaultError(
        f"{path}: its manifest is damaged ({detail}); convert the model again, or "
        "give classify or serve --labels=FILE with one label per line."
    )


def _parse_selftest(content: Any) -> SelfTest | None:
    if content is None:
        return None
    index, probability = int(content["index"]), fields.finite(content["probability"])
    return SelfTest(int(content["recipe"]), index, probability)
