"""The objective of a training that finds boxes, and maybe classes."""

from typing import Any

from corallite.device.system.errors import RequestError
from corallite.train.data.boxes.augment import build_box_policy
from corallite.train.data.boxes.targets import draw_targets
from corallite.train.data.input_pipeline import one_hot
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import keras, tf
from corallite.train.models.detector import add_boxes
from corallite.train.runs.found import STRIDE
from corallite.train.runs.recipe import Recipe
from corallite.train.training.detect.average_precision import mean_average_precision
from corallite.train.training.detect.losses import BoxLoss, HeatmapLoss
from corallite.train.training.detect.predict_boxes import find_in_split
from corallite.train.training.objectives import Objective, classify

METRIC = "map50"
# Weights of the losses of boxes and of classes; that of the heatmap has 1.
_BOXES, _CLASSES = 2.0, 1.0


def choose_objective(data: ImageData, recipe: Recipe) -> Objective:
    """Returns the objective that fits what is known of the images."""
    return classify(data, recipe) if data.boxes is None else detect(data, recipe)


def complete(classifier: keras.Model, data: ImageData) -> keras.Model:
    """Returns the model for the task of a run: a classifier, or one with boxes."""
    if data.boxes is None:
        return classifier
    classifies = data.boxes.classifies
    return add_boxes(classifier, len(data.boxes.labels), classifies=classifies)


def detect(data: ImageData, recipe: Recipe) -> Objective:
    """Returns the objective of boxes: heatmap, GIoU and, for both, cross-entropy.

    mAP50 on the validation images decides which epoch is the best.

    Raises:
        RequestError: The augmentation of the recipe does not move boxes.
    """
    if data.boxes is None:
        raise ValueError("Expected `data` to have boxes.")
    _check_recipe(recipe)
    height, width = data.preprocessing.size_hw
    grid_hw, num_labels = (height // STRIDE, width // STRIDE), len(data.boxes.labels)
    to_classes = one_hot(len(data.class_names))
    classifies = data.boxes.classifies
    losses: list[Any] = [HeatmapLoss(), BoxLoss()]
    weights = [1.0, _BOXES]
    if classifies:
        smoothing = recipe.label_smoothing
        losses.append(keras.losses.CategoricalCrossentropy(label_smoothing=smoothing))
        weights.append(_CLASSES)

    def targets(labels: tf.Tensor, boxes: tf.Tensor) -> Any:
        drawn = draw_targets(boxes, grid_hw, num_labels)
        return (*drawn, to_classes(labels)) if classifies else drawn

    def evaluate(model: keras.Model, split: Split) -> float:
        found = find_in_split(model, split)
        return mean_average_precision(found, split.require_boxes(), num_labels)

    return Objective(
        losses,
        targets,
        metric=METRIC,
        higher_is_better=True,
        loss_weights=weights,
        evaluate=evaluate,
    )


def _check_recipe(recipe: Recipe) -> None:
    build_box_policy(recipe.augment)
    for field in ("mixup_alpha", "cutmix_alpha"):
        if getattr(recipe, field):
            raise RequestError(
                f"Expected `{field}` to be 0 for boxes, got {getattr(recipe, field)}: "
                "mixed images have no boxes; omit the flag."
            )
