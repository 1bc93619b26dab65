"""Fits the head of a pretrained network to the training images, in seconds.

A linear head on the features of ImageNet is hard to beat with few photos, and all
layers are then trained from a head that fits (arXiv:2202.10054).
"""

import dataclasses
from typing import Any

import numpy as np
from absl import logging

from corallite.device.learn.interval import wilson_interval
from corallite.train.data.input_pipeline import evaluation_batches
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras, tf

# Of the mean loss; the best of them is chosen.
_PENALTIES = (3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
_USUAL_PENALTY = 1e-2
_FOLDS = 5
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class FittedHead:
    """A head, and what it predicts for images that it was not fitted to.

    Attributes:
        penalty: Of the squared weights, chosen by the loss of the folds.
        folds: The images were divided into so many parts, and the probabilities of each
            part are those of a head that was fitted to the others.
        accuracy: Top-1 of these probabilities, 0 to 1.
        interval: Its 95 % interval (Wilson, 1927).
        probabilities: float64 `[n, classes]`.
    """

    penalty: float
    folds: int
    accuracy: float
    interval: tuple[float, float]
    probabilities: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Returns the fields but the probabilities."""
        names = ("penalty", "folds", "accuracy", "interval")
        return {name: getattr(self, name) for name in names}


def fit_head(
    model: keras.Model, split: Split, *, is_balanced: bool, seed: int
) -> FittedHead | None:
    """Sets the weights of the layer `logits` by logistic regression.

    Several views of each image were tried (five, cropped at random): they cost five
    times as much and changed the accuracy by less than half a percentage point.

    Args:
        model: A network whose layer `pool` gives the features; its other layers are not
            changed.
        split: The training images.
        is_balanced: Gives all classes the same total weight.
        seed: Divides the images into folds.

    Returns:
        None if a class has a single image, or all its images are of one group: none is
        left to judge by, and the penalty is a usual one.
    """
    labels = split.labels
    features = _embed(model, split)
    mean, scale = features.mean(0), features.std()
    scaled = (features - mean) / scale
    judged = _choose_penalty(scaled, split, is_balanced, seed)
    penalty = judged.penalty if judged else _USUAL_PENALTY
    head = _regression(len(labels), penalty, is_balanced).fit(scaled, labels)
    kernel, bias = _both_classes(head.coef_.T, head.intercept_)
    kernel = kernel / scale
    model.get_layer("logits").set_weights([kernel, bias - mean @ kernel])
    return judged


def _choose_penalty(
    features: np.ndarray, split: Split, is_balanced: bool, seed: int
) -> FittedHead | None:
    labels = split.labels
    parts = _divide(split, seed)
    if parts is None:
        return None
    tried = [_try(features, labels, x, parts, is_balanced) for x in _PENALTIES]
    _, penalty, probabilities = min(tried, key=lambda row: row[0])
    right = int((probabilities.argmax(1) == labels).sum())
    interval = wilson_interval(right, len(labels))
    accuracy = right / len(labels)
    return FittedHead(penalty, len(parts), accuracy, interval, probabilities)


def log_head(head: FittedHead | None) -> None:
    """Logs the accuracy of the folds."""
    if head is None:
        return
    low, high = (100 * end for end in head.interval)
    logging.info(
        "A head alone is right for %.1f %% of photos that it was not fitted to (%d "
        "folds; 95 %%: %.1f to %.1f).",
        *(100 * head.accuracy, head.folds, low, high),
    )


def _embed(model: keras.Model, split: Split) -> np.ndarray:
    """Returns the features of each image, float64 `[n, features]`."""
    base = keras.Model(model.input, model.get_layer("logits").input)
    embed = tf.function(lambda images: base(images, training=False))
    batches = evaluation_batches(split, _BATCH, lambda labels: labels)
    return np.concatenate([embed(x).numpy() for x, _ in batches]).astype(np.float64)


def _divide(split: Split, seed: int) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Returns the rows to fit to and the rows left out, of each fold.

    A group stays together. None if no division leaves images of all classes to fit to.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups = np.array([split.groups.get(path, path) for path in split.paths])
    classes = np.unique(split.labels)
    fewest = min(len(set(groups[split.labels == label])) for label in classes)
    for folds in range(min(_FOLDS, fewest), 1, -1):
        divide = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split
        parts = list(divide(split.paths, split.labels, groups))
        if all(len(np.unique(split.labels[rows])) == len(classes) for rows, _ in parts):
            return parts
    return None


def _try(
    features: np.ndarray,
    labels: np.ndarray,
    penalty: float,
    parts: list[tuple[np.ndarray, np.ndarray]],
    is_balanced: bool,
) -> tuple[float, float, np.ndarray]:
    """Returns the loss of a penalty on left-out images, itself, and probabilities."""
    from sklearn.model_selection import cross_val_predict

    probabilities = cross_val_predict(
        _regression(len(parts[0][0]), penalty, is_balanced),
        features,
        labels,
        cv=parts,
        method="predict_proba",
    )
    loss = -np.log(probabilities[range(len(labels)), labels] + 1e-12).mean()
    return float(loss), penalty, probabilities


def _regression(count: int, penalty: float, is_balanced: bool) -> Any:
    from sklearn.linear_model import LogisticRegression

    # Its C multiplies the sum of the losses.
    return LogisticRegression(
        C=1 / (penalty * count),
        max_iter=300,
        class_weight="balanced" if is_balanced else None,
    )


def _both_classes(
    kernel: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a column for each class; of two, scikit-learn fits only the second."""
    if kernel.shape[1] > 1:
        return kernel, bias
    return np.concatenate([-kernel, kernel], 1) / 2, np.concatenate([-bias, bias]) / 2
