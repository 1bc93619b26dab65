"""Fits when the int8 file of a run names no class."""

import numpy as np

from corallite.device.learn.fit_refusal import Wanted, fit_refusal
from corallite.device.model.refusal import Refusal
from corallite.train.data.load import ImageData
from corallite.train.runs.run import Run
from corallite.train.training.head import read_held_out


def fit_run_refusal(
    run: Run, data: ImageData, probabilities: np.ndarray, wanted: Wanted
) -> Refusal | None:
    """Fits a refusal to images that the model was not trained on.

    Args:
        run: The run.
        data: Its images.
        probabilities: float32 `[n, classes]`, of the file, for the images of
            `data.judging`. If they were trained on too, as there are few, those of the
            folds of the head are used.
        wanted: What the user wants.

    Returns:
        None if no image was left out of the training.
    """
    if not data.is_val_shared:
        labels = data.judging.labels
        return fit_refusal(probabilities, labels, data.class_names, wanted)
    labels, held_out = data.splits["train"].labels, read_held_out(run.first())
    if held_out is None or held_out.shape != (len(labels), len(data.class_names)):
        return None
    return fit_refusal(held_out, labels, data.class_names, wanted)
