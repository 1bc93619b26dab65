"""Opens the network that teaches: of a run, of a Keras file or of a `.tflite` file."""

import threading
from pathlib import Path

import numpy as np

from corallite.device.engine.classifier import Classifier
from corallite.device.engine.first_use import require_no_crash
from corallite.device.engine.runners import litert
from corallite.device.engine.runtime import read_model
from corallite.device.model import identifiers
from corallite.device.model.description.describe import Overrides, describe
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.split import read_split
from corallite.train.framework.keras import tf
from corallite.train.runs.run import Run
from corallite.train.training.model_file import load_model
from corallite.train.training.teaching.distil import Predict, predict_with
from corallite.train.weights.other_kinds import name_other_kind

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SIGNATURE_BYTES = 8
_ACCEPTED = "give a run folder, an .h5 file of Keras (model.save) or a .tflite file"
# How far the sum of probabilities may be from 1. Those of int8 are multiples of 1/256:
# each may be rounded by half of that.
_FLOAT_ERROR = 1e-3
_LEAST_INT8_ERROR, _INT8_ERROR_PER_CLASS = 0.1, 1 / 512
_ANY_SIDE = 32


def find_model(path: Path) -> Path:
    """Returns the file of a teacher's network.

    Args:
        path: A run with a finished float stage, or an `.h5` or `.tflite` file.

    Raises:
        RequestError: It is none of these. A SavedModel and a `.keras` file are refused,
            because they could execute code.
    """
    if (path / "saved_model.pb").exists():
        raise RequestError(f"{path}: is a SavedModel; {_ACCEPTED}.")
    if path.is_dir():
        return Run.open(path).first().require()
    with files.reporting_unreadable(path, _ACCEPTED):
        files.require_regular(path)
        with path.open("rb") as file:
            begin = file.read(_SIGNATURE_BYTES)
    if begin != _HDF5_SIGNATURE and begin[4:] != identifiers.MODEL:
        kind = name_other_kind(path, begin) or "not a model of a known kind"
        raise RequestError(f"{path}: is {kind}; {_ACCEPTED}.")
    return path


def open_network(path: Path, class_names: tuple[str, ...]) -> Predict:
    """Opens what `find_model` accepts.

    A network that is not of Corallite takes RGB in 0 to 1, unless it is a `.tflite`
    file that says otherwise.

    Args:
        path: See `find_model`.
        class_names: Those of the student. A run and a file with labels must have the
            same; any other file must have as many.

    Raises:
        RequestError: It has other classes, is damaged, or gives no probabilities.
    """
    model_path = find_model(path)
    if path.is_dir():
        known = read_split(path / "split.json").class_names
        _require_classes(path, known, class_names)
    if path.is_dir() or _is_hdf5(path):
        return _open_keras(model_path, class_names)
    return _open_tflite(model_path, class_names)


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(_SIGNATURE_BYTES) == _HDF5_SIGNATURE


def _open_keras(path: Path, class_names: tuple[str, ...]) -> Predict:
    model = load_model(path)
    takes, gives = model.input_shape, model.output_shape
    if not _is_classifier(takes, gives):
        raise RequestError(
            f"{path}: takes {takes} and gives {gives}, and a teacher takes (None, "
            "height, width, 3) and gives (None, classes); give another --teacher."
        )
    _require_number(path, gives[-1], class_names)
    predict = predict_with(model)
    size_hw = [side or _ANY_SIDE for side in takes[1:3]]
    _require_probabilities(path, predict, size_hw, _FLOAT_ERROR)
    return predict


def _is_classifier(takes: object, gives: object) -> bool:
    """Tells by the shapes; they are lists if there are several inputs or outputs."""
    return (
        isinstance(takes, tuple)
        and isinstance(gives, tuple)
        and len(takes) == 4
        and takes[-1] == 3
        and len(gives) == 2
    )


def _open_tflite(path: Path, class_names: tuple[str, ...]) -> Predict:
    """Opens a file as a device does; it is given one image at a time, 8 bits each."""
    content = read_model(path)
    description = describe(path, content)
    manifest = description.manifest
    if manifest.labels:
        _require_classes(path, manifest.labels, class_names)
    else:
        _require_number(path, max(2, description.classes), class_names)
        manifest = describe(path, content, Overrides(class_names)).manifest
    require_no_crash(path, content)
    runner = litert.load(path, content=content)
    classifier = Classifier(path, manifest=manifest, runner=runner)
    predict = _ask_one_by_one(classifier, len(class_names))
    size_hw = manifest.preprocessing.size_hw
    error = max(_LEAST_INT8_ERROR, len(class_names) * _INT8_ERROR_PER_CLASS)
    _require_probabilities(path, predict, size_hw, error)
    return predict


def _ask_one_by_one(classifier: Classifier, num_classes: int) -> Predict:
    # Batches are prepared by several threads, and one may use it at a time.
    lock = threading.Lock()

    def classify(images: np.ndarray) -> np.ndarray:
        pixels = np.rint(255 * images).astype(np.uint8)
        with lock:
            return np.stack([classifier.classify(image) for image in pixels])

    def predict(images: tf.Tensor) -> tf.Tensor:
        predictions = tf.numpy_function(classify, [images], tf.float32)
        predictions.set_shape([images.shape[0], num_classes])
        return predictions

    return predict


def _require_classes(
    path: Path, known: tuple[str, ...], class_names: tuple[str, ...]
) -> None:
    if known != class_names:
        raise RequestError(
            f"{path}: knows the classes {', '.join(known)}, and the photos have "
            f"{', '.join(class_names)}; give a --teacher of the same classes."
        )


def _require_number(path: Path, known: int, class_names: tuple[str, ...]) -> None:
    if known != len(class_names):
        raise RequestError(
            f"{path}: knows {known} classes, and the photos have {len(class_names)}; "
            "give a --teacher of the same classes."
        )


def _require_probabilities(
    path: Path, predict: Predict, size_hw: list[int] | tuple[int, ...], error: float
) -> None:
    """Tries it with images of noise."""
    noise = np.random.default_rng(0).random((2, *size_hw, 3), np.float32)
    predictions = np.asarray(predict(tf.constant(noise)), np.float32)
    is_right = np.abs(predictions.sum(axis=1) - 1) <= error
    if not (is_right & (predictions >= 0).all(axis=1)).all():
        raise RequestError(
            f"{path}: its outputs are not probabilities that add up to 1; give a "
            "--teacher that ends in a softmax."
        )
