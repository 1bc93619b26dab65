"""What a model predicts on a split, in five numbers that show whether it is useful."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from corallite.device.system import files

# Above this share of one label, the predictions hardly depend on the images. It is
# judged only where no class has more than half of the images.
_MAX_SHARE_OF_ONE_LABEL = 0.9


@dataclasses.dataclass(frozen=True)
class PredictionSummary:
    """What a model predicts on one split of the images.

    Attributes:
        images: How many were shown.
        right: How many of them are predicted right.
        largest_class: Images of the most frequent class.
        label: The class that is predicted most.
        predicted: Images that are predicted as `label`.
    """

    images: int
    right: int
    largest_class: int
    label: str
    predicted: int

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "PredictionSummary":
        """Returns what `dataclasses.asdict` wrote as JSON."""
        counts = ("images", "right", "largest_class", "predicted")
        return cls(
            label=str(content["label"]), **{name: int(content[name]) for name in counts}
        )

    def explain_fault(self, model: str, split: str) -> str:
        """Returns in one sentence why the model is useless; "" if it is useful.

        It is useless if it predicts one label for nearly all images although no class
        has more than half of them, or if always predicting the most frequent class is
        as good. Nothing is known if all images are of one class.

        Args:
            model: Name of the stage or file.
            split: "train", "val" or "test".
        """
        if self.largest_class == self.images:
            return ""
        shown = f"{self.images} {'validation' if split == 'val' else split} images"
        is_constant = self.predicted > _MAX_SHARE_OF_ONE_LABEL * self.images
        if is_constant and 2 * self.largest_class <= self.images:
            return (
                f"{model} predicts {self.label!r} for {self.predicted} of {shown}, "
                f"although no class has more than {self.largest_class}."
            )
        if self.right <= self.largest_class:
            return (
                f"{model} is right for {self.right} of {shown}; always predicting the "
                f"most frequent class is right for {self.largest_class}."
            )
        return ""


def summarize(
    true_counts: Sequence[int],
    predicted_counts: Sequence[int],
    right: int,
    class_names: Sequence[str],
) -> PredictionSummary:
    """Summarizes predictions.

    Args:
        true_counts: Images of each class.
        predicted_counts: Images that are predicted as each class.
        right: How many are predicted right.
        class_names: In the order of the labels.
    """
    most = max(range(len(class_names)), key=lambda i: predicted_counts[i])
    return PredictionSummary(
        images=int(sum(true_counts)),
        right=int(right),
        largest_class=int(max(true_counts)),
        label=files.printable(class_names[most]),
        predicted=int(predicted_counts[most]),
    )
