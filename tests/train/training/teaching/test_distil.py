"""What a student loses against its teacher, its labels and the weights of classes."""

import dataclasses

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf
from corallite.train.training.objectives import Objective
from corallite.train.training.teaching.distil import (
    LOSSES,
    distil,
    diverge,
    predict_with,
    relate,
)

LABELS = Objective(
    keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
    lambda labels: tf.one_hot(labels, 3),
    metric="accuracy",
    higher_is_better=True,
)
TEACHER = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]], np.float32)
STUDENT = np.array([[0.5, 0.3, 0.2], [0.3, 0.3, 0.4], [0.1, 0.5, 0.4]], np.float32)


def teach(objective, labels):
    assert objective.teach is not None
    return objective.teach(tf.zeros((3, 8, 8, 3)), tf.constant(labels))


def soften(probabilities, temperature):
    powers = probabilities ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def test_kl_is_that_of_the_softened_probabilities_times_the_square():
    wanted, given = soften(TEACHER, 4), soften(STUDENT, 4)
    expected = 16 * np.sum(wanted * np.log(wanted / given), axis=1)
    np.testing.assert_allclose(diverge(TEACHER, STUDENT), expected, rtol=1e-3)


def test_dist_is_one_minus_the_correlations_of_images_and_of_classes():
    of_images = [np.corrcoef(x, y)[0, 1] for x, y in zip(TEACHER, STUDENT, strict=True)]
    columns = zip(TEACHER.T, STUDENT.T, strict=True)
    of_classes = np.mean([np.corrcoef(x, y)[0, 1] for x, y in columns])
    expected = 2 - np.array(of_images) - of_classes
    np.testing.assert_allclose(relate(TEACHER, STUDENT), expected, rtol=1e-4)


@pytest.mark.parametrize("loss", [relate, diverge])
def test_an_equal_student_loses_nothing(loss):
    np.testing.assert_allclose(loss(TEACHER, TEACHER), 0, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    "student",
    [np.eye(3), np.full((3, 3), 1 / 3), np.roll(np.eye(3), 1, 0)],
    ids=["sure", "same", "wrong"],
)
def test_extreme_students_and_teachers_have_finite_losses_and_gradients(name, student):
    """Also where there is no correlation, and where a probability is zero."""
    objective = distil(LABELS, lambda images: TEACHER, name)
    for teacher in (TEACHER, np.eye(3), np.full((3, 3), 1 / 3)):
        targets = tf.constant(np.stack([np.eye(3), teacher], axis=1), tf.float32)
        given = tf.constant(student, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = objective.losses(targets, given)
        assert np.isfinite(loss)
        assert np.isfinite(tape.gradient(loss, given)).all()


@pytest.mark.parametrize(
    ("name", "compare", "of_teacher", "of_labels"),
    [("dist", relate, 1.0, 1.0), ("kl", diverge, 0.9, 0.1)],
)
def test_label_and_teacher_count_and_without_a_label_the_teacher_alone(
    name, compare, of_teacher, of_labels
):
    objective = distil(LABELS, lambda images: TEACHER, name)
    known = np.array([1.0, 0.0, 0.25], np.float32)  # The last one is mixed of both.
    labels = np.eye(3, dtype=np.float32) * known[:, None]
    targets = teach(objective, labels)
    assert targets.shape == (3, 2, 3)
    right = LABELS.losses.call(tf.eye(3), tf.constant(STUDENT)).numpy()
    expected = of_labels * known * right + of_teacher * compare(TEACHER, STUDENT)
    found = objective.losses.call(targets, tf.constant(STUDENT))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_class_weights_count_for_label_and_teacher():
    weights = {0: 2.0, 2: 0.5}  # No image of the class 1: weight 1.
    balanced = dataclasses.replace(LABELS, class_weights=weights)
    plain, weighted = (distil(x, lambda images: TEACHER) for x in (LABELS, balanced))
    assert weighted.class_weights is None
    labels = np.array([[1, 0, 0], [0, 0.4, 0.6], [0, 0, 0]], np.float32)
    targets = teach(plain, labels)
    ratio = weighted.losses.call(targets, STUDENT) / plain.losses.call(targets, STUDENT)
    by_teacher = TEACHER[2] @ [2.0, 1.0, 0.5]
    np.testing.assert_allclose(ratio, [2.0, 0.4 + 0.3, by_teacher], rtol=1e-5)


def test_validation_is_judged_by_labels_alone():
    objective = distil(LABELS, lambda images: TEACHER)
    targets = objective.targets(tf.constant([0, 1, 2]))
    expected = LABELS.losses(targets, STUDENT)
    np.testing.assert_allclose(objective.losses(targets, STUDENT), expected)


def test_accuracy_is_of_the_labels_and_leaves_out_images_without():
    objective = distil(LABELS, lambda images: TEACHER)
    labels = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 0]], np.float32)
    targets = teach(objective, labels)
    assert objective.measure.name == "accuracy"
    objective.measure.update_state(targets, tf.constant(STUDENT))
    assert objective.measure.result() == 0.5


def test_another_loss_is_refused():
    with pytest.raises(RequestError, match="`teacher_loss` to be one of dist, kl"):
        distil(LABELS, lambda images: TEACHER, "l2")


def test_a_network_is_asked_at_its_own_size_and_without_dropout():
    image = keras.Input((16, 16, 3))
    dropped = keras.layers.Dropout(0.9)(keras.layers.GlobalAveragePooling2D()(image))
    predict = predict_with(keras.Model(image, dropped))
    found = predict(tf.ones((2, 8, 8, 3)))
    np.testing.assert_allclose(found, np.ones((2, 3)), rtol=1e-6)
