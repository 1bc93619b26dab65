"""Fits the head of a pretrained network to the training images, in seconds.

A linear head on the features of ImageNet is hard to beat with few photos, and all
layers are then trained from a head that fits (arXiv:2202.10054).
"""

from typing import Any

import numpy as np
from absl import logging

from corallite.device.learn import head
from corallite.device.learn.head import CrossValidation
from corallite.train.data.input_pipeline import evaluation_batches, reporting_unreadable
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras, tf

_BATCH = 32
# Their features take 0.5 GB; more images hardly change a linear head.
_MOST_IMAGES = 100_000


def head_images(split: Split) -> Split:
    """Returns the training images that a head is fitted to: at most 100,000."""
    return split.thin(-(-len(split.labels) // _MOST_IMAGES) or 1)


def fit_head(
    model: keras.Model,
    split: Split,
    *,
    is_balanced: bool,
    embed: keras.Model | None = None,
) -> CrossValidation | None:
    """Sets the weights of the layer `logits` by logistic regression.

    Several views of each image were tried (five, cropped at random): they cost five
    times as much and changed the accuracy by less than half a percentage point.

    Args:
        model: A network whose last dense layer is `logits`; its other layers are not
            changed.
        split: The training images.
        is_balanced: Gives all classes the same total weight.
        embed: Computes the features; by default, what the layer `logits` reads.

    Returns:
        The cross-validation. None if a class has a single image or a single group, so
        that nothing can be held out; then the penalty is 0.01.
    """
    names = [split.groups.get(path, path) for path in split.paths]
    groups = np.unique(names, return_inverse=True)[1]
    layer = model.get_layer("logits")
    embed = embed or keras.Model(model.input, layer.input)
    fitted, validation = head.fit_head(
        *(_embed(embed, split), split.labels, groups, layer.units),
        is_balanced=is_balanced,
    )
    layer.set_weights(list(fitted))
    return validation


def describe_head(validation: CrossValidation) -> dict[str, Any]:
    """Returns the numbers for the record of a stage."""
    names = ("penalty", "folds", "accuracy", "interval")
    return {name: getattr(validation, name) for name in names}


def log_head(validation: CrossValidation | None) -> None:
    """Logs the accuracy of the folds."""
    if validation is None:
        return
    low, high = (100 * end for end in validation.interval)
    logging.info(
        "A head alone classifies %.1f %% of held-out photos correctly (%d folds; "
        "95 %%: %.1f to %.1f).",
        *(100 * validation.accuracy, validation.folds, low, high),
    )


def _embed(base: keras.Model, split: Split) -> np.ndarray:
    """Returns the features of each image, float32 `[n, features]`."""
    embed = tf.function(lambda images: base(images, training=False))
    batches = evaluation_batches(split, _BATCH, lambda labels: labels)
    with reporting_unreadable():
        return np.concatenate([embed(x).numpy() for x, _ in batches])
