"""Makes a run of a Keras model that was trained elsewhere: its float stage."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.adopt.file.open_file import open_model
from corallite.train.adopt.fit_photos import Fitted, fit_photos
from corallite.train.adopt.head import complete_head
from corallite.train.adopt.labels import find_labels_file
from corallite.train.adopt.standard_layers import predict, standardize
from corallite.train.data.load import ImageData, prepare_data
from corallite.train.framework.keras import keras
from corallite.train.framework.trusted_files import trust
from corallite.train.runs.recipe import TRAIN
from corallite.train.runs.record import hash_file, package_versions
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage
from corallite.train.training.finish_stage import finish_stage
from corallite.train.training.float_stage import cost_metrics
from corallite.train.training.training_state import Progress

_UNTRAINED = dataclasses.replace(
    TRAIN, epochs=0, optimizer="sgd", mixed_precision=False
)
# Probabilities of a standardized model differ by rounding only: 1e-6 was measured.
_MOST_DIFFERENCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Adoption:
    """What the user says of a model.

    Attributes:
        model: Its file or folder.
        image_size: Height and width, if the model leaves them open.
        fit_policy: How a photo is fitted to the model's input.
        input_range: What it takes, see `input_range.RANGES`; None to find it.
        labels: The file of its labels; None for one beside the model, or the order of
            the folders.
        is_trusted: Whether code of the file may be executed.
    """

    model: Path
    image_size: int | None = None
    fit_policy: str = "crop"
    input_range: str | None = None
    labels: Path | None = None
    is_trusted: bool = False

    def to_flags(self) -> dict[str, Any]:
        """Returns the flags of the command, for the run's record."""
        flags: dict[str, Any] = {"model": str(self.model.resolve())}
        if self.image_size is not None:
            flags["image_size"] = self.image_size
        if self.fit_policy != "crop":
            flags["fit"] = self.fit_policy
        if self.input_range is not None:
            flags["input_range"] = self.input_range
        if self.labels is not None:
            flags["labels"] = str(self.labels.resolve())
        return flags | ({"trust": True} if self.is_trusted else {})


def adopt(
    data_dir: Path,
    run: Run,
    adoption: Adoption,
    *,
    group_by: str | None = None,
    overwrite: bool = False,
) -> tuple[Stage, list[str]]:
    """Makes the float stage of a run of a model that was trained elsewhere.

    Nothing is trained. The model is written with layers that Corallite knows, where
    they compute the same, takes pixel/255, and predicts the classes of the photos in
    their order.

    Args:
        data_dir: The labelled images, see `prepare_data`.
        run: The run to begin.
        adoption: The model, and what is known of it.
        group_by: See `prepare_data`.
        overwrite: Replace another model of the run.

    Returns:
        The stage, and what was found, in sentences; none if it was done already.

    Raises:
        RequestError: The model cannot be adopted (see `open_model`, `standardize`,
            `complete_head`, `fit_photos`), the run has other data or another model, or
            another process is writing into it.
    """
    stage = run.first()
    opened = open_model(
        adoption.model,
        image_size=adoption.image_size,
        is_trusted=adoption.is_trusted,
    )
    size_hw = tuple(opened.input_shape[1:3])
    preprocessing = Preprocessing(size_hw, adoption.fit_policy)
    settings = _describe(adoption, preprocessing)
    if not overwrite:
        stage.refuse_other_settings(settings)
    with run.lock("adopt"):
        data = prepare_data(data_dir, run, preprocessing, group_by)
        inputs = {**settings, "data": data.fingerprint}
        record = {
            "network": {
                **inputs,
                "width": 1.0,
                "size_hw": size_hw,
                "adopted": adoption.to_flags(),
                "weights": settings["sha256"],
            },
            "data_dir": str(data_dir.resolve()),
            **({} if group_by is None else {"group_by": group_by}),
            "weights": str(adoption.model.resolve()),
            "versions": package_versions(),
        }
        if stage.is_done(inputs, overwrite):
            _trust(stage, adoption)
            return stage, []
        fitted = _fit(opened, data, adoption)
        stage.reopen()
        run.record(record)
        metrics = {
            **cost_metrics(fitted.model),
            "adopted": {**fitted.record, "notes": fitted.notes},
        }
        finish_stage(stage, fitted.model, data, Progress(), inputs, **metrics)
        _trust(stage, adoption)
    return stage, fitted.notes


def _trust(stage: Stage, adoption: Adoption) -> None:
    """Allows the later stages to load what the user trusted here."""
    if adoption.is_trusted:
        trust(stage.model_path)


def _fit(opened: keras.Model, data: ImageData, adoption: Adoption) -> Fitted:
    flat = standardize(opened)
    _require_same(opened, flat)
    complete, note = complete_head(flat)
    fitted = fit_photos(
        complete,
        data,
        adoption.model,
        input_range=adoption.input_range,
        labels=adoption.labels,
    )
    notes = [*([note] if note else []), *fitted.notes]
    return dataclasses.replace(fitted, notes=notes)


def _require_same(opened: keras.Model, flat: keras.Model) -> None:
    """Compares two models on noise."""
    rng = np.random.default_rng(0)
    noise = rng.random((4, *opened.input_shape[1:]), np.float32)
    before, after = predict(opened, noise), predict(flat, noise)
    scale = max(1.0, float(np.abs(before).max()))
    difference = float(np.abs(before - after).max()) / scale
    if not difference <= _MOST_DIFFERENCE:
        raise RequestError(
            f"The model predicts something else ({difference:.2g}) with the layers "
            "of Corallite; please report this with the model."
        )


def _describe(adoption: Adoption, preprocessing: Preprocessing) -> dict[str, Any]:
    """Returns everything that the stage depends on, but the photos."""
    labels = adoption.labels or find_labels_file(adoption.model)
    return {
        "model": adoption.model.name,
        "sha256": _hash(adoption.model),
        "preprocessing": preprocessing.to_json(),
        "input_range": adoption.input_range,
        "labels": None if labels is None else hash_file(labels)[:16],
        "recipe": dataclasses.asdict(_UNTRAINED),
    }


def _hash(model: Path) -> str:
    """Returns a hash of a file, or of all files of a folder."""
    if not model.is_dir():
        return hash_file(model)[:16]
    digest = hashlib.sha256()
    for path in sorted(x for x in model.rglob("*") if x.is_file()):
        digest.update(f"{path.relative_to(model)}\n{hash_file(path)}\n".encode())
    return digest.hexdigest()[:16]
