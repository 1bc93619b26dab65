"""The end of every training: the model, its record, and no state to resume from."""

import dataclasses
from typing import Any

from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras
from corallite.train.framework.trusted_files import is_trusted, trust
from corallite.train.runs.stage import Stage
from corallite.train.training.fit import discard_state
from corallite.train.training.model_file import save_model
from corallite.train.training.predictions import describe_predictions
from corallite.train.training.training_state import Progress


def finish_stage(
    stage: Stage,
    model: keras.Model,
    data: ImageData,
    progress: Progress,
    inputs: dict[str, Any],
    parent: Stage | None = None,
    **metrics: Any,
) -> None:
    """Writes the trained model and the record of its stage, which is then finished.

    The state is deleted last: until then, an interrupted stage resumes.

    Args:
        stage: The stage that was trained.
        model: The model to keep.
        data: The images of the run.
        progress: The epochs of the training.
        inputs: See `Stage.finish`.
        parent: See `Stage.finish`.
        metrics: More keys of the record.
    """
    save_model(model, stage.model_path)
    if parent is not None and is_trusted(parent.model_path):
        trust(stage.model_path)
    trained = {**dataclasses.asdict(progress), **describe_predictions(model, data)}
    stage.finish(inputs, {**metrics, **trained}, parent)
    discard_state(stage.path)
