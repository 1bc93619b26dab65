"""Fits when the int8 file of a run says "unknown"."""

import numpy as np

from corallite.device.learn.fit_refusal import RefusalSettings, fit_refusal
from corallite.device.model.refusal import Refusal
from corallite.train.data.load import ImageData
from corallite.train.runs.run import Run
from corallite.train.training.head import read_held_out


def fit_run_refusal(
    run: Run, data: ImageData, probabilities: np.ndarray, settings: RefusalSettings
) -> Refusal | None:
    """Fits a refusal on images that the model was not trained on.

    Args:
        run: The run.
        data: Its images.
        probabilities: float32 `[n, classes]`, by the file, of the images of
            `data.judging`. If these were trained on too, the held-out probabilities of
            the head are used instead.
        settings: The target precision and the background class.

    Returns:
        The refusal; None if no image was held out.

    Raises:
        RequestError: There is no such background class.
    """
    if not data.is_val_shared:
        labels = data.judging.labels
        return fit_refusal(probabilities, labels, data.class_names, settings)
    labels, held_out = data.splits["train"].labels, read_held_out(run.first())
    if held_out is None or held_out.shape != (len(labels), len(data.class_names)):
        return None
    return fit_refusal(held_out, labels, data.class_names, settings)
