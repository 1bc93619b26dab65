"""A finished run labels the images of another training."""

import dataclasses
import json

import numpy as np
import pytest

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import tf
from corallite.train.models.network import Network
from corallite.train.runs.run import Run
from corallite.train.training import float_stage
from corallite.train.training.objectives import classify
from corallite.train.training.recipe import Recipe
from corallite.train.training.teaching.distil import distil
from corallite.train.training.teaching.teacher import Teacher, Teaching, load_teacher

NAMES = ("cat", "dog")


def make_data(names=NAMES, side=8):
    images = np.zeros((4, side, side, 3), np.uint8)
    labels = np.array([0, 1, 0, 1])
    splits = {"train": Split(images, labels, tuple("abcd"))}
    return ImageData(names, Preprocessing((side, side)), "these", splits)


def test_a_teacher_teaches_by_its_loss():
    def predict(images):
        return tf.ones((len(images), 2)) / 2

    labels = classify(make_data(), Recipe(1))
    targets = tf.constant([[[1.0, 0.0], [0.5, 0.5]]])
    losses = {}
    for name in ("dist", "kl"):
        taught = Teacher(predict, "digest", name).teach(labels)
        losses[name] = float(taught.losses(targets, tf.constant([[0.9, 0.1]])))
        expected = distil(labels, predict, name).losses(targets, [[0.9, 0.1]])
        assert losses[name] == pytest.approx(float(expected))
    assert losses["dist"] != losses["kl"]


def test_without_a_teacher_nothing_changes(tmp_path):
    data = make_data()
    teacher = load_teacher(None, data, Run.open(tmp_path).first())
    labels = classify(data, Recipe(1))
    assert teacher.teach(labels) is labels
    assert teacher.add_photos(data) is data
    assert teacher.to_json() == {}


def test_a_run_of_other_classes_or_without_a_model_is_refused(finished_run, tmp_path):
    teaching = Teaching(finished_run)
    with pytest.raises(RequestError, match=r"knows the classes .* the photos have cat"):
        load_teacher(teaching, make_data(), Run.open(tmp_path).first())
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="has no finished float stage"):
        Teaching(tmp_path / "empty").require()


@pytest.mark.slow
def test_a_student_learns_from_its_teacher_and_resumes_only_with_it(
    finished_run, squares_dir, tmp_path, few_units
):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(20):
        image = np.full((32, 32, 3), 10 * number, np.uint8)
        cv2.imwrite(str(frames / f"{number}.png"), image)
    network = Network("shufflenet_v2", 0.25, (32, 32))
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
        assert inputs["teacher_loss"] == "dist"
        # The images of the run stay those with labels.
        assert data.splits["train"].labels.min() == 0
        command = run.first().command()
        assert f"--teacher={finished_run} --unlabelled_dir={frames}" in command
        for other in (None, dataclasses.replace(teaching, unlabelled_dir=None)):
            with pytest.raises(RequestError, match="unlabelled"):
                train(other)
        with pytest.raises(RequestError, match="teacher_loss dist, now kl"):
            train(dataclasses.replace(teaching, loss="kl"))
    record = json.loads((run.path / "run.json").read_text())
    assert record["teacher"] == str(finished_run)
