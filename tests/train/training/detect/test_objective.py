"""A network with classes and boxes trains, and the best epoch is that of mAP50."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.boxes.listing import BOTH, DETECT
from corallite.train.data.boxes.run_boxes import RunBoxes
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import keras, tf
from corallite.train.models.detector import add_boxes
from corallite.train.runs.recipe import Recipe
from corallite.train.training.detect.objective import choose_objective, complete
from corallite.train.training.detect.task import VisionTask
from corallite.train.training.distribute.workers import Workers
from corallite.train.training.fit import fit
from corallite.train.training.predictions import describe_predictions

_SIDE = 32


def build_classifier() -> keras.Model:
    """Returns a network of stride 8 that trains in seconds."""
    keras.utils.set_random_seed(0)
    image = keras.Input((_SIDE, _SIDE, 3), name="image")
    x = image
    for number, filters in enumerate((8, 16, 16)):
        x = keras.layers.Conv2D(filters, 3, 2, "same", name=f"conv{number}")(x)
        x = keras.layers.ReLU(6.0, name=f"relu{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(2, name="logits")(x)
    return keras.Model(image, keras.layers.Softmax(name="probabilities")(x))


def make_data(task: str, count: int = 32) -> ImageData:
    """Returns images of red and of green squares on grey: the label of the box.

    The image's class is whether it is bright.
    """
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = np.empty((count, _SIDE, _SIDE, 3), np.uint8)
    images[:] = np.where(labels, 160, 60)[:, np.newaxis, np.newaxis, np.newaxis]
    boxes = np.zeros((count, 1, 5), np.float32)
    for image, box in zip(images, boxes, strict=True):
        side, label = int(rng.integers(8, 16)), int(rng.integers(2))
        left, top = rng.integers(0, _SIDE - side, 2)
        image[top : top + side, left : left + side] = (0, 0, 0)
        image[top : top + side, left : left + side, label] = 255
        box[0] = (label, *np.array([left, top, left + side, top + side]) / _SIDE)
    paths = tuple(f"{number}.png" for number in range(count))
    split = Split(images, labels, paths, boxes=boxes)
    return ImageData(
        ("dark", "bright"),
        Preprocessing((_SIDE, _SIDE)),
        "",
        {"train": split, "val": dataclasses.replace(split, paths=paths[::-1])},
        boxes=RunBoxes(task, ("red", "green"), {}),
    )


def test_classes_and_boxes_are_learned_together(tmp_path: Path) -> None:
    data = make_data(BOTH)
    recipe = Recipe(30, 8, "adamw", 0.01, augment="none", balance_classes=False)
    objective = choose_objective(data, recipe)
    model = complete(build_classifier(), data)

    progress = fit(model, data, recipe, tmp_path, objective=objective, inputs={})
    described = describe_predictions(model, data)

    values = [record["val_map50"] for record in progress.history]
    assert values[progress.best_epoch] == max(values)
    # 120 steps of a tiny network: well above the 0 of a network that finds nothing.
    assert described["boxes"]["map50"] > 0.3
    assert described["predictions"]["right"] > 24


def test_boxes_alone_have_two_outputs() -> None:
    model = complete(build_classifier(), make_data(DETECT))

    assert [x.shape[1:] for x in model.outputs] == [(4, 4, 2), (4, 4, 4)]


def test_maps_of_several_strides_meet_at_stride_8() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((64, 64, 3))
    x = image
    for number in range(5):
        x = keras.layers.Conv2D(8, 3, 2, "same", name=f"conv{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    classifier = keras.Model(image, keras.layers.Dense(2, name="logits")(x))

    model = add_boxes(classifier, 3, classifies=True)

    assert model.get_layer("boxes_from8_add").output_shape[1:3] == (8, 8)
    assert model.get_layer("boxes_from32").input_shape[1:3] == (2, 2)
    assert model.outputs[2] is classifier.output


def test_an_image_that_does_not_fit_the_strides_is_refused() -> None:
    image = keras.Input((40, 40, 3))
    x = image
    for _ in range(4):
        x = keras.layers.Conv2D(8, 3, 2, "same")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    classifier = keras.Model(image, keras.layers.Dense(2)(x))

    with pytest.raises(RequestError, match="multiples of 16 to find boxes, got 40 x"):
        add_boxes(classifier, 3, classifies=True)


def test_a_network_that_keeps_large_maps_is_refused() -> None:
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, 2, "same")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    classifier = keras.Model(image, keras.layers.Dense(2)(x))

    with pytest.raises(RequestError, match="has no map of an eighth of the image"):
        add_boxes(classifier, 3, classifies=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mixup_alpha": 0.2}, "`mixup_alpha` to be 0 for boxes, got 0.2"),
        ({"augment": "rand"}, "none, light, standard for boxes, got 'rand'"),
    ],
)
def test_an_augmentation_that_moves_no_boxes_is_refused(
    change: dict[str, Any], message: str
) -> None:
    recipe = dataclasses.replace(Recipe(1), **change)

    with pytest.raises(RequestError, match=message):
        choose_objective(make_data(DETECT), recipe)


def test_several_workers_or_gpus_train_no_boxes(tmp_path: Path) -> None:
    """mAP50 is no mean over the images, of which each would see its share."""
    data, recipe = make_data(DETECT), Recipe(1, 8, augment="none")
    objective, model = choose_objective(data, recipe), build_classifier()
    workers = Workers(strategy=tf.distribute.OneDeviceStrategy("/cpu:0"))
    inputs: dict[str, Any] = {"objective": objective, "inputs": {}, "workers": workers}

    with pytest.raises(RequestError, match="train without --workers and TF_CONFIG"):
        fit(complete(model, data), data, recipe, tmp_path, **inputs)


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        ((True, False, 1), "--freeze"),
        ((False, True, 1), "--teacher"),
        ((False, False, 2), r"--workers \(or TF_CONFIG\)"),
    ],
)
def test_what_is_for_classes_alone_is_refused(
    arguments: tuple[bool, bool, int], flag: str
) -> None:
    with pytest.raises(RequestError, match=f"{flag} is for classes alone"):
        VisionTask(DETECT).check(*arguments)
