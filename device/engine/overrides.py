"""Describes the model that a user asks for, with what the user says of it."""

import re
from pathlib import Path

from corallite.device.engine.runtime import read_model
from corallite.device.model.description.describe import (
    MANIFEST,
    Description,
    Overrides,
    describe,
)
from corallite.device.model.manifest import FEATURES, Manifest
from corallite.device.model.text_bounds import require_label
from corallite.device.system import files, log
from corallite.device.system.errors import RequestError

# As in "0 cat", "0: cat" and "0,cat".
_NUMBERED = r"(\d{1,6})(?:\s*[:,;]\s*|\s+)(\S.*)"


def choose_manifest(
    model_path: str | Path,
    *,
    content: bytes | None = None,
    labels_path: str | Path | None = None,
    fit: str | None = None,
    input_range: tuple[float, float] | None = None,
    output: str | None = None,
    threshold: float | None = None,
    carried: Manifest | None = None,
) -> Manifest:
    """Returns what is needed to run a model file; logs what its file does not say.

    Args:
        model_path: A `.tflite` file.
        content: All of it; default, it is read.
        labels_path: A file with one label a line; needed if the model has no labels, or
            a manifest that is damaged or of a newer format: then nothing of that is
            used.
        fit: "crop", "pad" or "stretch"; without manifest, "crop" by default.
        input_range: What pixels 0 and 255 stand for; default, what the file says.
        output: One of `OUTPUTS`; default, what the file says.
        threshold: The least probability of a box; default, that of the manifest.
        carried: The manifest of the file that was compiled from this one.

    Raises:
        RequestError: A file cannot be read or is of another kind, or the model has no
            labels.
    """
    content = read_model(model_path) if content is None else content
    labels = None if labels_path is None else read_labels(labels_path)
    overrides = Overrides(labels, fit, input_range, output, threshold)
    description = describe(model_path, content, overrides, carried)
    if description.manifest.classes.values == FEATURES:
        raise RequestError(
            f"{model_path}: gives features and names no classes; make a model of it "
            f"with: corallite teach --photos=FOLDER --features={model_path}."
        )
    if not description.manifest.labels:
        raise RequestError(
            f"{model_path}: carries no manifest; give classify or serve --labels=FILE "
            "with one label per line."
        )
    _log_description(model_path, description)
    return description.manifest


def _log_description(path: str | Path, description: Description) -> None:
    """Logs what is known of a model from elsewhere than our manifest."""
    known_from = description.range_from, description.values_from
    if MANIFEST not in (*known_from, description.labels_from):
        log.info("%s: takes %s.", path, description.takes)
        log.info("%s: gives %s.", path, description.gives)
    for warning in description.warnings:
        log.warning("%s", warning)


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Reads UTF-8 text with one label per line; empty lines at the end do not count.

    If all lines begin with a number, as "0 cat", the numbers give the order and are not
    part of the labels.

    Raises:
        RequestError: The file cannot be read, is a pipe or a device, is too large, is
            not UTF-8 or has no labels, or one of more than 256 characters; or it has
            numbers that do not count from 0 or 1.
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
        raise RequestError(f"{path}: has no labels; write one label a line.")
    labels = _sort_numbered([line.strip() for line in lines], path)
    try:
        return tuple(map(require_label, labels))
    except ValueError as error:
        raise RequestError(f"{path}: {error}; shorten it.") from error


def _sort_numbered(lines: list[str], path: str | Path) -> tuple[str, ...]:
    """Takes the numbers off labels, if all have one, and orders by them."""
    found = [m.groups() for line in lines if (m := re.fullmatch(_NUMBERED, line))]
    if len(found) < len(lines):
        return tuple(lines)
    label_of = {int(number): label for number, label in found}
    first = min(label_of)
    if first > 1 or sorted(label_of) != list(range(first, first + len(lines))):
        raise RequestError(
            f"{path}: all its lines begin with a number, but these do not count from 0 "
            "or 1; write a label for each output, or number them, as in: 0 cat."
        )
    return tuple(label_of[number] for number in sorted(label_of))
