"""Fits the head of a pretrained network to the training images, in seconds.

A linear head on the features of ImageNet is hard to beat with few photos, and all
layers are then trained from a head that fits (arXiv:2202.10054).
"""

import io
from typing import Any

import numpy as np
from absl import logging

from corallite.device.learn import head
from corallite.device.learn.head import Judgement
from corallite.device.system import files
from corallite.train.data.input_pipeline import evaluation_batches
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.stage import Stage

_BATCH = 32
_HELD_OUT_FILE = "held_out.npy"


def fit_head(
    model: keras.Model, split: Split, *, is_balanced: bool
) -> Judgement | None:
    """Sets the weights of the layer `logits` by logistic regression.

    Several views of each image were tried (five, cropped at random): they cost five
    times as much and changed the accuracy by less than half a percentage point.

    Args:
        model: A network whose layer `pool` gives the features; its other layers are not
            changed.
        split: The training images.
        is_balanced: Gives all classes the same total weight.

    Returns:
        What heads predict for images that they were not fitted to. None if a class has
        a single image, or all its images are of one group: none is left to judge by,
        and the penalty is a usual one.
    """
    names = [split.groups.get(path, path) for path in split.paths]
    groups = np.unique(names, return_inverse=True)[1]
    layer = model.get_layer("logits")
    fitted, judgement = head.fit_head(
        *(_embed(model, split), split.labels, groups, layer.units),
        is_balanced=is_balanced,
    )
    layer.set_weights(list(fitted))
    return judgement


def describe_head(judgement: Judgement) -> dict[str, Any]:
    """Returns the numbers for the record of a stage."""
    names = ("penalty", "folds", "accuracy", "interval")
    return {name: getattr(judgement, name) for name in names}


def write_held_out(stage: Stage, probabilities: np.ndarray | None) -> None:
    """Keeps the probabilities of a judgement, `[n, classes]`; None: there are none."""
    path = stage.path / _HELD_OUT_FILE
    if probabilities is None:
        path.unlink(missing_ok=True)
        return
    buffer = io.BytesIO()
    np.save(buffer, probabilities.astype(np.float32), allow_pickle=False)
    files.write_bytes(path, buffer.getvalue())


def read_held_out(stage: Stage) -> np.ndarray | None:
    """Returns what was kept, float32 `[n, classes]`; None if nothing usable was."""
    try:
        with open(stage.path / _HELD_OUT_FILE, "rb") as file:
            # Not `np.load`, which takes other formats too.
            return np.lib.format.read_array(file, allow_pickle=False)
    # MemoryError: a damaged shape.
    except (OSError, ValueError, MemoryError):
        return None


def log_head(judgement: Judgement | None) -> None:
    """Logs the accuracy of the folds."""
    if judgement is None:
        return
    low, high = (100 * end for end in judgement.interval)
    logging.info(
        "A head alone is right for %.1f %% of photos that it was not fitted to (%d "
        "folds; 95 %%: %.1f to %.1f).",
        *(100 * judgement.accuracy, judgement.folds, low, high),
    )


def _embed(model: keras.Model, split: Split) -> np.ndarray:
    """Returns the features of each image, float32 `[n, features]`."""
    base = keras.Model(model.input, model.get_layer("pool").output)
    embed = tf.function(lambda images: base(images, training=False))
    batches = evaluation_batches(split, _BATCH, lambda labels: labels)
    return np.concatenate([embed(x).numpy() for x, _ in batches])
