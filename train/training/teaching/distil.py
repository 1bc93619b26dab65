"""Knowledge distillation: a network learns from the predictions of another one."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

from corallite.device.system.errors import require_choice
from corallite.train.framework.keras import keras, tf
from corallite.train.training.objectives import Objective

# Probabilities float32 `[batch, classes]` for images float32 `[batch, height, width,
# 3]` in 0 to 1.
Predict = Callable[[tf.Tensor], tf.Tensor]

# A probability below has no logarithm that float32 could tell from noise.
_SMALLEST = 1e-7
# As most comparisons on CIFAR-100 and ImageNet have it (megvii-research/mdistiller).
_TEMPERATURE = 4.0


class _Loss(NamedTuple):
    """How a student is compared with its teacher, and how much that counts.

    Attributes:
        compare: Returns the loss of each image, `[batch]` or the same for all, for the
            probabilities of teacher and student.
        of_teacher: Weight of `compare`.
        of_labels: Weight of the loss of the labels.
    """

    compare: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    of_teacher: float
    of_labels: float


def distil(objective: Objective, predict: Predict, loss: str = "dist") -> Objective:
    """Returns an objective that also compares the predictions with a teacher's.

    The teacher is asked for the images as the student sees them, cropped, flipped and
    mixed (arXiv:2106.05237). Images without a label, of which all targets are zero,
    have the teacher alone. Validation is by labels alone.

    Args:
        objective: A classification with a Keras loss of probabilities.
        predict: The teacher, see `predict_with`.
        loss: One of LOSSES.

    Raises:
        RequestError: There is no such loss.
    """
    require_choice("teacher_loss", loss, LOSSES)

    def teach(images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        return tf.stack([targets, tf.cast(predict(images), tf.float32)], axis=1)

    return dataclasses.replace(
        objective,
        losses=_TaughtLoss(objective.losses, _LOSSES[loss], objective.class_weights),
        measure=_LabelAccuracy(objective.metric),
        teach=teach,
        # Keras weighs by the largest target, and here that may be the teacher's.
        class_weights=None,
    )


def predict_with(model: keras.Model) -> Predict:
    """Returns a function that asks a network; images of another size are resized."""
    size_hw = model.input_shape[1:3]

    def predict(images: tf.Tensor) -> tf.Tensor:
        if None not in size_hw and tuple(images.shape[1:3]) != size_hw:
            images = tf.image.resize(images, size_hw)
        return model(images, training=False)

    return predict


def relate(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """Returns the loss of DIST (arXiv:2205.10536, equation 10), `[batch]`, 0 to 4.

    It is 1 - Pearson's correlation between the classes of an image, plus the mean of
    the same between the images of a class: the student need not be as sure as a much
    larger teacher. Both weights are 1, those of the authors' code for ImageNet.

    Args:
        teacher: Probabilities float32 `[batch, classes]`.
        student: The same of the student.
    """
    between_classes = 1.0 - _correlate(teacher, student, axis=1)
    between_images = 1.0 - _correlate(teacher, student, axis=0)
    return between_classes + tf.reduce_mean(between_images)


def diverge(teacher: tf.Tensor, student: tf.Tensor) -> tf.Tensor:
    """Returns the divergence at temperature T = 4, times T^2, `[batch]`.

    That is Hinton's loss (arXiv:1503.02531, section 2); arguments as `relate`. The
    logarithm of a probability is its logit but for a constant, which a softmax ignores.
    """
    wanted, given = _soften(teacher), _soften(student)
    divergence = tf.reduce_sum(tf.exp(wanted) * (wanted - given), axis=1)
    return _TEMPERATURE**2 * divergence


_LOSSES: Mapping[str, _Loss] = {
    "dist": _Loss(relate, 1.0, 1.0),
    "kl": _Loss(diverge, 0.9, 0.1),
}
LOSSES = tuple(_LOSSES)


class _TaughtLoss(keras.losses.Loss):
    """The loss of the labels, and that of the teacher where there is one.

    Targets are `[batch, 2, classes]`: those of the label and those of the teacher. With
    targets `[batch, classes]`, as in validation, it is the loss of the labels.
    """

    def __init__(
        self,
        of_labels: keras.losses.Loss,
        loss: _Loss,
        class_weights: Mapping[int, float] | None,
    ):
        super().__init__(name="taught")
        self._of_labels = of_labels
        self._loss = loss
        self._class_weights = class_weights

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        if y_true.shape.rank == 2:
            return self._of_labels.call(y_true, y_pred)
        labels, teacher = tf.unstack(tf.cast(y_true, tf.float32), axis=1)
        student = tf.cast(y_pred, tf.float32)
        # 1, or 0 without a label; between them where two such images are mixed.
        known = tf.reduce_sum(labels, axis=1, keepdims=True)
        right = self._of_labels.call(tf.math.divide_no_nan(labels, known), student)
        loss = self._loss.of_labels * known[:, 0] * right
        loss += self._loss.of_teacher * self._loss.compare(teacher, student)
        return loss * self._weigh(labels + (1.0 - known) * teacher)

    def _weigh(self, classes: tf.Tensor) -> tf.Tensor:
        """Returns the weight of each image, for its shares of the classes."""
        if self._class_weights is None:
            return tf.constant(1.0)
        weights = [self._class_weights.get(x, 1.0) for x in range(classes.shape[1])]
        return tf.linalg.matvec(classes, tf.constant(weights, tf.float32))


class _LabelAccuracy(keras.metrics.Mean):
    """The share of the labelled images that are predicted right."""

    def update_state(
        self,
        y_true: tf.Tensor,
        y_pred: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
    ) -> None:
        labels = y_true if y_true.shape.rank == 2 else y_true[:, 0]
        right = keras.metrics.categorical_accuracy(labels, y_pred)
        super().update_state(right, tf.reduce_sum(labels, axis=1))


def _correlate(teacher: tf.Tensor, student: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns Pearson's correlation along an axis; 0 where one of them is constant."""
    normed = [
        tf.math.l2_normalize(x - tf.reduce_mean(x, axis, keepdims=True), axis)
        for x in (teacher, student)
    ]
    return tf.reduce_sum(normed[0] * normed[1], axis)


def _soften(probabilities: tf.Tensor) -> tf.Tensor:
    """Returns the logarithms of the probabilities at the temperature."""
    logits = tf.math.log(tf.clip_by_value(probabilities, _SMALLEST, 1.0))
    return tf.nn.log_softmax(logits / _TEMPERATURE)
