"""Fits when the int8 file of a run says "unknown"."""

import numpy as np

from corallite.device.learn.fit_refusal import RefusalSettings, fit_refusal
from corallite.device.learn.head import CrossValidation
from corallite.device.model.refusal import Refusal
from corallite.train.data.load import ImageData


def fit_run_refusal(
    data: ImageData,
    probabilities: np.ndarray,
    validation: CrossValidation | None,
    settings: RefusalSettings,
) -> Refusal | None:
    """Fits a refusal on images that the model was not trained on.

    Args:
        data: The images of the run.
        probabilities: float32 `[n, classes]`, of the file, for the images of
            `data.judging`.
        validation: If those were trained on too, as there are few: what heads predict
            for training images that they were not fitted to; None if that is unknown.
        settings: The target precision and the background class.

    Returns:
        The refusal; None if no image was held out.

    Raises:
        RequestError: There is no such background class.
    """
    if not data.is_val_shared:
        labels = data.judging.labels
        return fit_refusal(probabilities, labels, data.class_names, settings)
    if validation is None:
        return None
    labels = data.splits["train"].labels
    return fit_refusal(validation.probabilities, labels, data.class_names, settings)
