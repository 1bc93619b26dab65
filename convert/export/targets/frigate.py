"""The two files of a classification model of Frigate, the video recorder.

Frigate 0.17 (frigate/data_processing/real_time/custom_classification.py) reads
`model.tflite` and `labelmap.txt`, one label per line, from `model_cache/NAME`. It
stretches a crop of the camera's picture to 224x224, and gives it to the model as raw
RGB; the output becomes probabilities when it is divided by its sum. A class `none` is
what it does not report.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.convert.export.targets.target import Candidate, Target, is_int8
from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import Manifest, read_manifest
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

SIDE = 224
MODEL_FILE, LABELS_FILE = "model.tflite", "labelmap.txt"


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Returns the files of the int8 model; see `Target.export`.

    Raises:
        RequestError: The model was trained on images that Frigate does not give it.
    """
    path = stage.model_path
    manifest = read_manifest(path)
    if manifest is None:
        raise RequestError(f"{path}: has no manifest; convert the run again.")
    _check_images(manifest, path)
    # A folder's name, which becomes a label, may hold line ends.
    lines = [" ".join(label.splitlines()) + "\n" for label in data.class_names]
    notes = [
        f"Copy {MODEL_FILE} and {LABELS_FILE} into model_cache/NAME of Frigate, where "
        "NAME is that of the classification model in its configuration."
    ]
    return Candidate(
        {MODEL_FILE: path.read_bytes(), LABELS_FILE: "".join(lines).encode()},
        record={"notes": notes},
    )


def _check_images(manifest: Manifest, path: Path) -> None:
    if manifest.preprocessing == Preprocessing((SIDE, SIDE), "stretch"):
        return
    (height, width), fit = manifest.preprocessing.size_hw, manifest.preprocessing.fit
    raise RequestError(
        f"{path}: was trained on images of {height}x{width} with --fit={fit}, but "
        f"Frigate stretches images to {SIDE}x{SIDE}; train with --image_size={SIDE} "
        "--fit=stretch."
    )


TARGETS = (
    Target(
        "frigate",
        "the two files of a classification model of Frigate",
        accepts=is_int8,
        export=export,
        verified="LiteRT on x86-64, as Frigate does; not in Frigate",
    ),
)
