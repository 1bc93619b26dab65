"""The int8 file for MediaPipe, compared with its ImageClassifier.

MediaPipe reads labels and normalization from the TFLite Metadata of our files, so the
file stays as it is. It has no threshold for "unknown": it gives the probability of each
label. Its packages disagree with ours, so it runs in an environment of its own.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corallite.convert.export import environment
from corallite.convert.export.environment_list import ENVIRONMENTS
from corallite.convert.export.targets.target import Candidate, Target, is_int8
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.overrides import choose_manifest
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

_NAME = "mediapipe"
_MOST_IMAGES = 200
# Their scores are read from a pipe that keeps a MiB, some 40 bytes for each.
_MOST_SCORES = 15_000
_TIMEOUT_S = 600.0
# Takes a model and an array of images; prints the scores of each image.
_CODE = """
import json, sys
import mediapipe, numpy
from mediapipe.tasks.python import vision
found = []
with vision.ImageClassifier.create_from_model_path(sys.argv[1]) as classifier:
    for pixels in numpy.load(sys.argv[2]):
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, pixels)
        (head,) = classifier.classify(image).classifications
        found.append({x.category_name: x.score for x in head.categories})
print(json.dumps(found))
"""


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Returns the int8 file, if MediaPipe predicts the same; see `Target.export`.

    Raises:
        RequestError: MediaPipe cannot be installed or does not take the file, or one of
            its labels differs.
    """
    most = min(_MOST_IMAGES, max(1, _MOST_SCORES // len(data.class_names)))
    path, images = stage.model_path, data.judging.images_rgb_u8[:most]
    theirs, ours = predict(path, images, data.class_names), _predict_by_litert(path)
    expected = np.array([ours(image) for image in images])
    # Equal probabilities may be in any order.
    named = theirs[np.arange(len(images)), expected.argmax(1)]
    different = int((named < theirs.max(1)).sum())
    if different:
        raise RequestError(
            f"{path}: MediaPipe gives another label for {different} of {len(images)} "
            "images; export it for another runtime of convert --list."
        )
    compared = {
        "with": ENVIRONMENTS[_NAME].requirements[0],
        "images": len(images),
        "largest_difference": round(float(np.abs(theirs - expected).max()), 6),
    }
    return Candidate({path.name: path.read_bytes()}, record={"compared": compared})


def predict(path: Path, images: np.ndarray, labels: tuple[str, ...]) -> np.ndarray:
    """Returns what MediaPipe's ImageClassifier gives for each label.

    Args:
        path: A `.tflite` file with TFLite Metadata.
        images: uint8 `[n, height, width, 3]`, RGB, of the input's size.
        labels: The name of each class.

    Returns:
        float `[n, labels]`.

    Raises:
        RequestError: MediaPipe cannot be installed, or does not take the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        array = Path(folder) / "images.npy"
        np.save(array, images)
        arguments = ("-c", _CODE, str(path.absolute()), str(array))
        text = environment.run(_NAME, arguments, timeout_s=_TIMEOUT_S)
    scores = json.loads(text.splitlines()[-1])
    return np.array([[found[label] for label in labels] for found in scores])


def _predict_by_litert(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what gives the file's own numbers: without a temperature."""
    manifest = choose_manifest(path).with_classes(refusal=None)
    return Classifier(path, manifest=manifest).run


TARGETS = (
    Target(
        _NAME,
        "the int8 file, compared with MediaPipe's ImageClassifier, which is installed "
        "into an environment of its own (700 MB, once)",
        accepts=is_int8,
        export=export,
        verified="MediaPipe 1.2.3 on x86-64",
    ),
)
