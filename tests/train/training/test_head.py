"""The head of a pretrained network is fitted to its features."""

import dataclasses
import io

import numpy as np
import pytest

from corallite.train.data.load import Split
from corallite.train.framework.keras import keras
from corallite.train.runs.run import Run
from corallite.train.training.head import fit_head, read_held_out, write_held_out

SIZE = 8


def make_split(per_class, noise, classes=3):
    """Images of one grey level for each class, with noise."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), per_class)
    levels = (40 + 80 * labels)[:, None, None, None]
    images = levels + rng.normal(0, noise, (len(labels), SIZE, SIZE, 3))
    paths = tuple(map(str, range(len(labels))))
    return Split(np.clip(images, 0, 255).astype(np.uint8), labels, paths)


def make_model(classes=3):
    """Features are the colour and its square, so that a line divides the levels."""
    image = keras.Input((SIZE, SIZE, 3))
    squares = keras.layers.Multiply()([image, image])
    x = keras.layers.Concatenate()([image, squares])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(image, keras.layers.Softmax()(x))


@pytest.mark.parametrize("classes", [2, 3])
def test_the_model_predicts_what_the_head_was_fitted_to(classes):
    split, model = make_split(20, 30.0, classes), make_model(classes)
    fitted = fit_head(model, split, is_balanced=True)
    assert fitted is not None
    predicted = model.predict(split.images_rgb_u8 / 255, verbose=0).argmax(1)
    assert (predicted == split.labels).mean() > 0.95
    assert fitted.accuracy > 0.95
    assert fitted.interval[0] < fitted.accuracy <= fitted.interval[1]
    np.testing.assert_allclose(fitted.probabilities.sum(1), 1)


@pytest.mark.parametrize(
    ("groups", "folds"),
    [
        # Two recordings of each class.
        ([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3], 2),
        # One of the first class: none is left to judge it by.
        ([0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], None),
        (range(16), 5),
    ],
)
def test_there_are_as_many_folds_as_the_groups_allow(groups, folds):
    split = make_split(8, 30.0, classes=2)
    names = {path: f"g{group}" for path, group in zip(split.paths, groups, strict=True)}
    split = dataclasses.replace(split, groups=names)
    fitted = fit_head(make_model(2), split, is_balanced=True)
    assert (fitted and fitted.folds) == folds


def test_labels_by_chance_are_told_as_such():
    split = make_split(20, 5.0)
    labels = np.random.default_rng(1).permutation(split.labels)
    split = Split(split.images_rgb_u8, labels, split.paths)
    fitted = fit_head(make_model(), split, is_balanced=True)
    assert fitted is not None
    # A third is chance; three standard deviations of 60 images are 0.18.
    assert fitted.accuracy < 0.52


def test_a_class_with_a_single_image_is_fitted_and_not_judged():
    split, model = make_split(2, 5.0), make_model()
    split = Split(split.images_rgb_u8[1:], split.labels[1:], split.paths[1:])
    assert fit_head(model, split, is_balanced=True) is None
    predicted = model.predict(split.images_rgb_u8 / 255, verbose=0).argmax(1)
    assert predicted.tolist() == split.labels.tolist()


@pytest.fixture
def stage(tmp_path):
    return Run.open(tmp_path / "run").first()


# The header of an array of 2**50 numbers.
HUGE = io.BytesIO()
np.lib.format.write_array_header_1_0(
    HUGE, {"descr": "<f4", "fortran_order": False, "shape": (2**50,)}
)


def test_held_out_probabilities_are_read_as_written(stage):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 20)
    write_held_out(stage, probabilities)
    found = read_held_out(stage)
    assert found is not None
    assert np.array_equal(found, probabilities.astype(np.float32))
    # A training without folds leaves none of an earlier one.
    write_held_out(stage, None)
    assert read_held_out(stage) is None


@pytest.mark.parametrize(
    "content", [b"", b"no array", b"PK\3\4" + bytes(100), HUGE.getvalue()]
)
def test_damaged_probabilities_are_as_none(stage, content):
    write_held_out(stage, np.ones((2, 2)))
    (stage.path / "held_out.npy").write_bytes(content)
    assert read_held_out(stage) is None
