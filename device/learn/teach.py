"""Makes a model of photos in class folders, without training a network."""

import importlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from corallite.device.learn import former, head
from corallite.device.learn.bursts import join_bursts
from corallite.device.learn.embed import Embedded, embed_photos
from corallite.device.learn.features_file import FeaturesFile
from corallite.device.learn.fit_refusal import (
    DEFAULT_SETTINGS,
    RefusalSettings,
    fit_refusal,
)
from corallite.device.learn.former import Comparison, Former
from corallite.device.learn.head import Array, CrossValidation
from corallite.device.learn.near_duplicates import find_pairs, group_near_duplicates
from corallite.device.learn.photos import Photos, list_photos
from corallite.device.learn.write_taught import describe_taught, write_taught
from corallite.device.model.cpu_fallback import name_compiled
from corallite.device.model.refusal import Refusal
from corallite.device.system import files, log
from corallite.device.system.errors import RequestError


class Taught(NamedTuple):
    """What `teach` did.

    Attributes:
        path: The new file; NAME.rejected.tflite if it was rejected.
        compiled_path: The file for the Edge TPU; None if the features file is not
            compiled.
        former_path: Where the model before it is now; None if there was none.
        class_names: The labels of the model.
        labels: The class of each photo, int `[n]`.
        scenes: Number of photos, near-duplicates counted once.
        validation: The held-out accuracy; None if a class has a single scene.
        refusal: When the label is unknown; None without `validation`.
        comparison: The former model against the new one; None if they cannot be
            compared.
        is_rejected: Whether the held-out accuracy falls; then the former file stays.
    """

    path: Path
    compiled_path: Path | None
    former_path: Path | None
    class_names: tuple[str, ...]
    labels: Array
    scenes: int
    validation: CrossValidation | None
    refusal: Refusal | None
    comparison: Comparison | None
    is_rejected: bool


def teach(
    photos_dir: Path,
    model_path: Path,
    features_path: Path,
    settings: RefusalSettings = DEFAULT_SETTINGS,
) -> Taught:
    """Makes a model; replaces a former one only if its accuracy does not fall.

    The former file becomes NAME.former.tflite; a rejected one is NAME.rejected.tflite.
    If the features file is compiled for the Edge TPU, NAME_edgetpu.tflite is written
    too, in the same way.

    Args:
        photos_dir: A folder for each class.
        model_path: The file to write.
        features_path: The network before the head.
        settings: When the label is unknown.

    Raises:
        RequestError: The photos or a file cannot be used.
    """
    # On a machine that cannot write models, fail before the features are computed.
    importlib.import_module("corallite.device.model.write")
    before = former.read_former(model_path)
    photos, features = list_photos(photos_dir), FeaturesFile.open(features_path)
    _require_ours(before, features, model_path)
    settings.find_background(photos.class_names)
    embedded = embed_photos(photos.paths, features)
    labels = np.array(photos.labels)[embedded.rows]
    _require_each_class(photos_dir, photos, labels)
    _report_shared(photos, embedded, labels)
    groups = _group(embedded, labels, photos)
    classes = len(photos.class_names)
    known = before.find_folds(embedded.sha256) if before else None
    fitted, validation = head.fit_head(
        embedded.features, labels, groups, classes, known
    )
    refusal = validation and fit_refusal(
        validation.probabilities, labels, photos.class_names, settings
    )
    comparison = _compare(before, photos, embedded, labels, validation)
    is_rejected = comparison is not None and comparison.is_fall
    accuracy = validation.accuracy if validation else None
    manifest = describe_taught(
        features, photos.class_names, embedded.sha256, accuracy, refusal
    )
    record = _attach(photos, embedded, validation)
    content, compiled = write_taught(
        features, fitted, embedded.features, manifest, record
    )
    path, former_path = _write(content, compiled, model_path, before, is_rejected)
    scenes = len(np.unique(groups))
    return Taught(
        path,
        name_compiled(path) if compiled else None,
        *(former_path, photos.class_names, labels, scenes, validation, refusal),
        comparison,
        is_rejected,
    )


def _require_each_class(photos_dir: Path, photos: Photos, labels: Array) -> None:
    for number, name in enumerate(photos.class_names):
        if number not in labels:
            raise RequestError(
                f"{photos_dir / name}: none of its photos can be read; add others, or "
                "remove the folder."
            )


def _report_shared(photos: Photos, embedded: Embedded, labels: Array) -> None:
    """Warns of photos that are in two classes, of which one must be wrong."""
    first_of: dict[bytes, int] = {}
    shared = {}
    for row, sha256 in enumerate(embedded.sha256):
        first = first_of.setdefault(sha256.tobytes(), row)
        if labels[first] != labels[row]:
            shared[first] = row
    if shared:
        a, b = (photos.paths[embedded.rows[x]] for x in next(iter(shared.items())))
        log.warning(
            "%d photos are in two classes, such as %s = %s; keep each only in the "
            "class that it shows.",
            *(len(shared), files.printable(a), files.printable(b)),
        )


def _group(embedded: Embedded, labels: Array, photos: Photos) -> Array:
    """Returns the group of each photo; near-duplicates and bursts are in one group."""
    pairs = find_pairs(embedded.hashes.tolist(), list(embedded.thumbnails))
    names = [photos.class_names[label] for label in labels]
    groups, divided = group_near_duplicates(pairs, names)
    for name in divided:
        log.warning(
            "Class %r: most of its photos are near-duplicates, such as frames "
            "of one recording, so the accuracy below is too high. Add photos of other "
            "scenes.",
            name,
        )
    files_of = [photos.paths[row].name for row in embedded.rows]
    groups, recorded_once = join_bursts(groups, files_of, labels)
    for number in recorded_once:
        log.warning(
            "Class %r was recorded in fewer than three bursts, so the accuracy below "
            "may be too high. Record it again, in other places.",
            photos.class_names[number],
        )
    return groups


def _compare(
    before: Former | None,
    photos: Photos,
    embedded: Embedded,
    labels: Array,
    validation: CrossValidation | None,
) -> Comparison | None:
    """Returns None if the classes differ or no photo was taught to both models."""
    if before is None or validation is None or before.class_names != photos.class_names:
        return None
    compared = before.compare(embedded.sha256, validation.predicted, labels)
    return compared if compared.photos else None


def _attach(
    photos: Photos, embedded: Embedded, validation: CrossValidation | None
) -> dict[str, bytes]:
    none = np.zeros(0, np.int64)
    judged = (validation.predicted, validation.fold_of) if validation else (none, none)
    known = embedded.sha256[: len(judged[0])]
    return {former.RECORD_NAME: former.record(photos.class_names, known, *judged)}


def _write(
    content: bytes,
    compiled: bytes | None,
    path: Path,
    before: Former | None,
    is_rejected: bool,
) -> tuple[Path, Path | None]:
    """Writes the files; returns the path of the first and that of the former one."""
    former_path = None
    if is_rejected:
        path = path.with_name(f"{path.stem}.rejected{path.suffix}")
    elif before is not None:
        former_path = former.name_former(path)
        _keep(path, former_path)
        _keep(name_compiled(path), name_compiled(former_path))
    files.write_bytes(path, content)
    if compiled is not None:
        files.write_bytes(name_compiled(path), compiled)
    elif before is not None:  # It would be of the model before.
        name_compiled(path).unlink(missing_ok=True)
    return path, former_path


def _keep(path: Path, target: Path) -> None:
    """Copies a file; without one, there is none at the target either."""
    if path.exists():
        files.write_bytes(target, path.read_bytes())
    else:
        target.unlink(missing_ok=True)


def _require_ours(before: Former | None, features: FeaturesFile, path: Path) -> None:
    """Checks that no file for the Edge TPU is replaced that is of another model."""
    compiled = name_compiled(path)
    if before is None and features.compiled is not None and compiled.exists():
        raise RequestError(
            f"{compiled}: is there, but not {path.name}, so it is not replaced; give "
            "another --model, or remove it."
        )
