"""Makes the manifest of a model file without one, or overrides fields of it."""

import dataclasses
from pathlib import Path

from corallite.device.engine.pixels import image_size_hw
from corallite.device.engine.runners import litert
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.model.text_bounds import require_label
from corallite.device.system import files
from corallite.device.system.errors import RequestError


def choose_manifest(
    model_path: str | Path,
    *,
    content: bytes | None = None,
    labels_path: str | Path | None = None,
    fit: str | None = None,
    input_range: tuple[float, float] | None = None,
) -> Manifest:
    """Returns a model file's manifest, with the arguments in place of its fields.

    Args:
        model_path: A `.tflite` file.
        content: Its content; by default, it is read.
        labels_path: A file with one label per line; needed if the manifest is missing,
            damaged or of a newer format, because then nothing of it is used.
        fit: "crop", "pad" or "stretch"; without manifest, "crop" by default.
        input_range: Input values of pixels 0 and 255; without manifest, (0, 1).

    Raises:
        RequestError: A file cannot be read or is of another kind, or there are
            neither labels nor a readable manifest.
    """
    try:
        manifest = read_manifest(model_path, content)
    except RequestError:
        if labels_path is None:
            raise
        manifest = None
    if manifest is None:
        # Before the labels: a file that is not a model is the first thing to report.
        runner = litert.load(model_path, content=content)
        preprocessing = Preprocessing(image_size_hw(runner.signature, model_path))
        name = Path(model_path).stem
        manifest = Manifest.of_classifier(name, "", (), preprocessing)
        manifest = manifest.with_classes(values="")
    if labels_path is not None:
        manifest = manifest.with_classes(labels=read_labels(labels_path))
    if not manifest.labels:
        raise RequestError(
            f"{model_path}: carries no manifest; give --labels=FILE with one label "
            "per line."
        )
    if fit is not None:
        preprocessing = dataclasses.replace(manifest.preprocessing, fit=fit)
        manifest = manifest.with_image(preprocessing=preprocessing)
    if input_range is not None:
        # With other input values, the recorded self-test does not apply.
        manifest = manifest.with_image(input_range=input_range)
        manifest = dataclasses.replace(manifest, selftest=None)
    return manifest


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Reads UTF-8 text with one label per line; empty lines at the end do not count.

    Raises:
        RequestError: The file cannot be read, is a pipe or a device, is too large, is
            not UTF-8, has no labels, or a label of more than 256 characters.
    """
    with files.reporting_unreadable(path, "give a text file"):
        files.require_regular(path)
        content = files.read_limited(path)
    try:
        # Windows editors write a byte order mark, which is not part of the first label.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"{path}: is not UTF-8 text; save it with that encoding."
        ) from error
    lines = text.rstrip().splitlines()
    if not lines:
        raise RequestError(f"{path}: has no labels; write one label per line.")
    labels = tuple(line.strip() for line in lines)
    try:
        return tuple(map(require_label, labels))
    except ValueError as error:
        raise RequestError(f"{path}: {error}; shorten it.") from error
