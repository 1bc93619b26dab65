"""Lets a finished run teach a smaller network, also with photos without labels.

The teacher sees each image as the student does, cropped and flipped (arXiv:2106.05237).
"""

import dataclasses
from pathlib import Path
from typing import Any

from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData, Split
from corallite.train.data.split import read_split
from corallite.train.data.unlabelled import Unlabelled, read_unlabelled
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.run import Run
from corallite.train.runs.stage import hash_file
from corallite.train.training.model_file import load_model
from corallite.train.training.objectives import Objective


@dataclasses.dataclass(frozen=True)
class Teaching:
    """The teacher of a training, and its unlabelled photos.

    Attributes:
        run_dir: A run whose float model knows the same classes.
        unlabelled_dir: Folder of photos for the teacher to label; None for those of the
            training split alone.
    """

    run_dir: Path
    unlabelled_dir: Path | None = None

    def model_path(self) -> Path:
        """Returns the file of the teacher's network.

        Raises:
            RequestError: The run has no finished float model.
        """
        return Run.open(self.run_dir).first().require()

    def to_json(self) -> dict[str, str]:
        """Returns the paths by the names of their flags."""
        content = {"teacher": str(self.run_dir.resolve())}
        if self.unlabelled_dir is not None:
            content["unlabelled_dir"] = str(self.unlabelled_dir.resolve())
        return content


# The values of `Teacher.to_json` that mean no teacher.
UNTAUGHT = {"teacher": None, "unlabelled": None}


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A finished network that labels images.

    Attributes:
        path: File of its model.
        model: The network.
        unlabelled: Photos without labels, if any.
    """

    path: Path
    model: keras.Model
    unlabelled: Unlabelled | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what a training with it depends on."""
        content = {"teacher": hash_file(self.path)[:16]}
        if self.unlabelled is not None:
            content["unlabelled"] = self.unlabelled.digest[:16]
        return content

    def add_photos(self, training: Split) -> Split:
        """Returns the training split with the photos without labels."""
        return self.unlabelled.add_to(training) if self.unlabelled else training

    def teach(self, objective: Objective) -> Objective:
        """Returns an objective with this teacher's predictions among the targets.

        With a label, the target is the mean of the label and the prediction; without,
        the prediction alone.
        """
        size_hw = self.model.input_shape[1:3]

        def answer(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            if tuple(images.shape[1:3]) != size_hw:
                images = tf.image.resize(images, size_hw)
            answers = self.model(images, training=False)
            # A label of -1 has no one-hot position: all zeros.
            known = objective.targets(labels)
            has_label = tf.reduce_sum(known, -1, keepdims=True)
            return (answers + known) / (1 + has_label)

        return dataclasses.replace(objective, teach=answer)


def load_teacher(teaching: Teaching, data: ImageData, cache_folder: Path) -> Teacher:
    """Loads the teacher's model, and decodes the photos without labels.

    Args:
        teaching: The run that teaches, and its unlabelled photos.
        data: The images of the student.
        cache_folder: Receives the decoded photos.

    Raises:
        RequestError: The run has no float model, or one of other classes, or the photos
            cannot be used.
    """
    model_path = teaching.model_path()
    names = read_split(teaching.run_dir / "split.json").class_names
    if names != data.class_names:
        raise RequestError(
            f"{teaching.run_dir}: knows the classes {', '.join(names)}, and the photos "
            f"have {', '.join(data.class_names)}; give a --teacher of the same classes."
        )
    unlabelled = None
    if teaching.unlabelled_dir is not None:
        unlabelled = read_unlabelled(
            teaching.unlabelled_dir, cache_folder, data.preprocessing
        )
    return Teacher(model_path, load_model(model_path), unlabelled)
