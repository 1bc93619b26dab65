"""A finished run labels the images of another training."""

import dataclasses
import json

import numpy as np
import pytest

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.run import Run
from corallite.train.training import float_stage
from corallite.train.training.objectives import classify
from corallite.train.training.recipe import Recipe
from corallite.train.training.teaching import Teacher, Teaching, load_teacher

NAMES = ("cat", "dog")


def make_data(names=NAMES, side=8):
    images = np.zeros((4, side, side, 3), np.uint8)
    labels = np.array([0, 1, 0, 1])
    splits = {"train": Split(images, labels, tuple("abcd"))}
    return ImageData(names, Preprocessing((side, side)), "these", splits)


@pytest.fixture
def teacher(tmp_path):
    """Answers by the mean of the image: 0.9 for "dog" if it is white, 0.1 if black."""
    image = keras.Input((16, 16, 3))
    mean = keras.layers.GlobalAveragePooling2D()(image)
    dog = keras.layers.Lambda(lambda x: 0.1 + 0.8 * x[:, :1])(mean)
    cat = keras.layers.Lambda(lambda x: 1 - x)(dog)
    model = keras.Model(image, keras.layers.Concatenate()([cat, dog]))
    (tmp_path / "model.h5").write_bytes(b"weights")
    return Teacher(tmp_path / "model.h5", model)


def test_targets_are_the_mean_of_label_and_answer(teacher):
    """Also where the student's images have another size than the teacher's."""
    objective = teacher.teach(classify(make_data(), Recipe(1)))
    images = tf.stack([tf.zeros((8, 8, 3)), tf.ones((8, 8, 3)), tf.ones((8, 8, 3))])
    targets = objective.teach(images, tf.constant([0, 0, -1], tf.int64))
    expected = [[0.95, 0.05], [0.55, 0.45], [0.1, 0.9]]
    np.testing.assert_allclose(targets.numpy(), expected, atol=1e-6)


def test_validation_is_judged_by_labels_alone(teacher):
    objective = teacher.teach(classify(make_data(), Recipe(1)))
    targets = objective.targets(tf.constant([1], tf.int64)).numpy()
    np.testing.assert_array_equal(targets, [[0, 1]])


def test_a_run_of_other_classes_or_without_a_model_is_refused(finished_run, tmp_path):
    teaching = Teaching(finished_run)
    with pytest.raises(RequestError, match=r"knows the classes .* the photos have cat"):
        load_teacher(teaching, make_data(), tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="has no finished float stage"):
        load_teacher(Teaching(tmp_path / "empty"), make_data(), tmp_path)


@pytest.mark.slow
def test_a_student_learns_from_its_teacher_and_resumes_only_with_it(
    finished_run, squares_dir, tmp_path, few_units
):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(20):
        image = np.full((32, 32, 3), 10 * number, np.uint8)
        cv2.imwrite(str(frames / f"{number}.png"), image)
    network = float_stage.Network("shufflenet_v2", 0.25, (32, 32))
    run = Run.open(tmp_path / "student")
    teaching = Teaching(finished_run, frames)
    recipe = Recipe(epochs=1, batch_size=16, augment="none", learning_rate=0.01)

    def train(teaching):
        return float_stage.train(
            squares_dir, run, network, recipe, transfer=None, teaching=teaching
        )

    with few_units(shufflenet=(1, 1, 1)):
        stage, data = train(teaching)
        inputs = stage.metrics()["inputs"]
        assert {"teacher", "unlabelled"} <= inputs.keys()
        # The images of the run stay those with labels.
        assert data.splits["train"].labels.min() == 0
        command = run.first().command()
        assert f"--teacher={finished_run} --unlabelled_dir={frames}" in command
        for other in (None, dataclasses.replace(teaching, unlabelled_dir=None)):
            with pytest.raises(RequestError, match="unlabelled"):
                train(other)
    record = json.loads((run.path / "run.json").read_text())
    assert record["teacher"] == str(finished_run)
