"""Fits when the int8 file of a run names no class."""

import numpy as np

from corallite.device.learn.fit_refusal import Wanted, fit_refusal
from corallite.device.learn.head import Judgement
from corallite.device.model.refusal import Refusal
from corallite.train.data.load import ImageData


def fit_run_refusal(
    data: ImageData,
    probabilities: np.ndarray,
    judgement: Judgement | None,
    wanted: Wanted,
) -> Refusal | None:
    """Fits a refusal to images that the model was not trained on.

    Args:
        data: The images of the run.
        probabilities: float32 `[n, classes]`, of the file, for the images of
            `data.judging`.
        judgement: If those were trained on too, as there are few: what heads predict
            for training images that they were not fitted to; None if that is unknown.
        wanted: What the user wants.

    Returns:
        None if no image was left out of the training.
    """
    if not data.is_val_shared:
        labels = data.judging.labels
        return fit_refusal(probabilities, labels, data.class_names, wanted)
    if judgement is None:
        return None
    labels = data.splits["train"].labels
    return fit_refusal(judgement.probabilities, labels, data.class_names, wanted)
