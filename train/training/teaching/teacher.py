"""The teacher of a training: a finished network, and photos without labels."""

import dataclasses
from pathlib import Path
from typing import Any

from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData
from corallite.train.data.unlabelled import Unlabelled, read_unlabelled
from corallite.train.runs.record import hash_file
from corallite.train.runs.stage import Stage
from corallite.train.training.objectives import Objective
from corallite.train.training.teaching.distil import LOSSES, Predict, distil
from corallite.train.training.teaching.open_network import find_model, open_network


@dataclasses.dataclass(frozen=True)
class Teaching:
    """What the user says of a teacher.

    Attributes:
        path: A run or a file that knows the same classes, see `find_model`.
        unlabelled_dir: Folder of photos for the teacher to label; None for those of the
            training split alone.
        loss: One of `distil.LOSSES`.
    """

    path: Path
    unlabelled_dir: Path | None = None
    loss: str = LOSSES[0]

    def to_flags(self) -> dict[str, str]:
        """Returns the flags that say the same."""
        flags = {"teacher": str(self.path.resolve())}
        if self.unlabelled_dir is not None:
            flags["unlabelled_dir"] = str(self.unlabelled_dir.resolve())
        if self.loss != LOSSES[0]:
            flags["teacher_loss"] = self.loss
        return flags

    def require(self) -> None:
        """Raises the errors of `find_model`, before anything takes time."""
        find_model(self.path)


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A finished network that teaches another one; or none, and labels alone teach.

    Attributes:
        predict: See `distil`; None without a teacher.
        digest: What identifies the network.
        loss: One of `distil.LOSSES`.
        unlabelled: Photos without labels, if any.
    """

    predict: Predict | None = None
    digest: str = ""
    loss: str = LOSSES[0]
    unlabelled: Unlabelled | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what a training with it depends on; empty without a teacher."""
        if self.predict is None:
            return {}
        content = {"teacher": self.digest, "teacher_loss": self.loss}
        if self.unlabelled is not None:
            content["unlabelled"] = self.unlabelled.digest[:16]
        return content

    def add_photos(self, data: ImageData) -> ImageData:
        """Returns the data with the photos without labels in the training split."""
        if self.unlabelled is None:
            return data
        images = self.unlabelled.add_to(data.splits["train"])
        return dataclasses.replace(data, splits={**data.splits, "train": images})

    def teach(self, objective: Objective) -> Objective:
        """Returns the objective with this teacher, see `distil`."""
        if self.predict is None:
            return objective
        return distil(objective, self.predict, self.loss)


def load_teacher(teaching: Teaching | None, data: ImageData, stage: Stage) -> Teacher:
    """Opens the teacher's network, and decodes the photos without labels.

    Args:
        teaching: What the user says; None for labels alone.
        data: The images of the student.
        stage: The training; the cache of its run receives the decoded photos.

    Raises:
        RequestError: There is no such network, or one of other classes, or the photos
            cannot be used, or another process is writing into the run.
    """
    if teaching is None:
        return Teacher()
    if data.boxes is not None:
        raise RequestError(
            f"--teacher of train, prune and quantize is for classifiers, and "
            f"{stage.run.path} finds boxes; omit it."
        )
    predict = open_network(teaching.path, data.class_names)
    unlabelled = None
    if teaching.unlabelled_dir is not None:
        with stage.run.lock(stage.kind.verb):
            unlabelled = read_unlabelled(
                teaching.unlabelled_dir,
                stage.run.path / "cache" / "unlabelled",
                data.preprocessing,
            )
    digest = hash_file(find_model(teaching.path))[:16]
    return Teacher(predict, digest, teaching.loss, unlabelled)
