"""What a network is trained to find: classes, boxes or both."""

from dataclasses import dataclass
from pathlib import Path

from corallite.device.system.errors import RequestError
from corallite.train.data.boxes.annotations import Annotations
from corallite.train.data.boxes.find import read_annotations
from corallite.train.data.boxes.listing import BOTH, DETECT

CLASSIFY = "classify"
TASKS = (CLASSIFY, DETECT, BOTH)


@dataclass(frozen=True)
class VisionTask:
    """What a network is to find.

    Attributes:
        name: One of TASKS.
        boxes: The annotations; None if they are in the folder of the images.
    """

    name: str = CLASSIFY
    boxes: Path | None = None

    @property
    def finds_boxes(self) -> bool:
        """Whether it needs boxes."""
        return self.name != CLASSIFY

    @property
    def classifies(self) -> bool:
        """Whether it predicts the class of the image."""
        return self.name != DETECT

    def check(self, is_frozen: bool, has_teacher: bool, workers: int) -> None:
        """Raises `RequestError` for what goes with classes alone."""
        for is_given, flag in (
            (is_frozen, "--freeze"),
            (has_teacher, "--teacher"),
            (workers > 1, "--workers (or TF_CONFIG)"),
        ):
            if is_given:
                raise RequestError(
                    f"{flag} is for classes alone; omit it to train with "
                    f"--task={self.name}."
                )

    def read(self, data_dir: Path) -> tuple[str, Annotations] | None:
        """Returns the task and the boxes for `prepare_data`; None for classes alone.

        Raises:
            RequestError: See `read_annotations`.
        """
        if not self.finds_boxes:
            return None
        return self.name, read_annotations(data_dir, self.boxes)

    def to_json(self) -> dict[str, str]:
        """Returns what identifies it; empty for classes alone, as before."""
        return {"task": self.name} if self.finds_boxes else {}

    def to_flags(self) -> dict[str, str]:
        """Returns the flags that say the same."""
        flags = self.to_json()
        if self.boxes is not None:
            flags["boxes"] = str(self.boxes.resolve())
        return flags


CLASSES_ALONE = VisionTask()
