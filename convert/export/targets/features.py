"""The int8 file of a network up to its features, which `corallite teach` uses."""

from collections.abc import Mapping
from typing import Any

from corallite.convert.evaluate.manifest import make_manifest
from corallite.convert.export.targets import int8
from corallite.convert.export.targets.target import Candidate, Target, is_keras
from corallite.convert.tflite.compact import compact
from corallite.convert.tflite.reader import decode
from corallite.convert.tflite.truncate import truncate
from corallite.device.model.manifest import FEATURES, ClassesOutput, Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

FEATURES_FILE = "features_int8.tflite"
(_INT8,) = int8.TARGETS


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Converts a stage to int8 and removes its head; see `Target.export`.

    Raises:
        RequestError: A layer of the model cannot be quantized.
    """
    made = int8.export(stage, data, settings)
    features = remove_head(made.model, make_manifest(stage.run, data, {}))
    return Candidate({FEATURES_FILE: features}, record=made.record)


def remove_head(content: bytes, manifest: Manifest) -> bytes:
    """Returns an int8 classifier up to the input of its last dense layer.

    Args:
        content: Content of a full-int8 `.tflite` file.
        manifest: Of the classifier.

    Raises:
        RequestError: It has no dense layer.
    """
    operators = decode(content).main.operators
    dense = [x.index for x in operators if x.name == "FULLY_CONNECTED"]
    if not dense:
        raise RequestError(
            f"{manifest.model}: has no dense layer, so that its features are unknown; "
            "convert it without --to=features."
        )
    output = ClassesOutput((), FEATURES, FEATURES)
    features = truncate(content, dense[-1])
    return compact(attach_manifest(features, manifest._replace(outputs=(output,))))


TARGETS = (
    Target(
        "features",
        "the network without its head, for corallite teach",
        accepts=is_keras,
        export=export,
        verified=_INT8.verified,
        # It names no classes, so its accuracy cannot be compared.
        runner=None,
        methods=_INT8.methods,
        options=_INT8.options,
    ),
)
