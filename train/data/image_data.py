"""A data set in memory or on disk: the images of each split, and what they show."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from corallite.device.image.preprocess import Preprocessing
from corallite.train.data import split
from corallite.train.data.boxes.run_boxes import RunBoxes
from corallite.train.data.content import Fault


@dataclass(frozen=True)
class Split:
    """The images of a split, in the order of the split assignment.

    Attributes:
        images_rgb_u8: uint8 `[n, height, width, 3]`, RGB, 0 to 255: a memory map, or a
            `StreamedImages`, which is indexed alike.
        labels: int64 `[n]`, index into the class names.
        paths: File of each image, relative to the data folder.
        faults: What is wrong with the pixels of a path that shows little or nothing.
        groups: Name of the group of each image, by path. Images of a group are alike:
            all of them are in this split, and should be in one fold of it.
        stored: int `[n]`, the rows in the order in which they lie in shards; None for
            files, of which any order costs the same.
        boxes: See `RunBoxes.to_array`; None if the run has no boxes.
    """

    images_rgb_u8: np.ndarray
    labels: np.ndarray
    paths: tuple[str, ...]
    faults: Mapping[str, Fault] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    stored: np.ndarray | None = None
    boxes: np.ndarray | None = None

    @property
    def annotations(self) -> tuple[np.ndarray, ...]:
        """What is known of each image: its label, and its boxes if the run has any."""
        return (self.labels,) if self.boxes is None else (self.labels, self.boxes)

    def require_boxes(self) -> np.ndarray:
        """Returns the boxes; raises `ValueError` if the run has none."""
        if self.boxes is None:
            raise ValueError("Expected a split with boxes.")
        return self.boxes

    def thin(self, step: int, first: int = 0) -> "Split":
        """Returns every `step`-th image, of every class: they are ordered by class.

        Copies no pixels.
        """
        return replace(
            self,
            images_rgb_u8=self.images_rgb_u8[first::step],
            labels=self.labels[first::step],
            paths=self.paths[first::step],
            stored=None,
            boxes=None if self.boxes is None else self.boxes[first::step],
        )


# Half of them, 1,000, bound a measured loss of 1 percentage point to 0.5 to 1.8 (95 %).
_ENOUGH_TO_HALVE = 2_000


@dataclass(frozen=True)
class ImageData:
    """A data set, decoded and divided into "train", "val" and "test".

    Attributes:
        class_names: Sorted.
        preprocessing: How the images were resized.
        fingerprint: See `SplitAssignment`.
        splits: By name.
        unreadable: Files that could not be read or decoded and are in no split.
        group_by: See `SplitAssignment`.
        boxes: Those of a run that finds boxes; None for classes alone.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    fingerprint: str
    splits: Mapping[str, Split]
    unreadable: int = 0
    group_by: str | None = None
    boxes: RunBoxes | None = None

    @property
    def is_val_shared(self) -> bool:
        """Whether the images of "val" are in "train" too, because there are few."""
        validation = set(self.splits["val"].paths)
        return 0 < len(validation & set(self.splits["train"].paths))

    @property
    def is_few(self) -> bool:
        """Whether there are few photos to train with, see `split.are_few`."""
        paths = {name: self.splits[name].paths for name in ("train", "val")}
        return split.are_few(paths, len(self.class_names))

    @property
    def choosing(self) -> Split:
        """The images of "val" that choose the best epoch."""
        return self._halve(0)

    @property
    def judging(self) -> Split:
        """The images of "val" that judge an int8 file.

        Others than `choosing` if "val" has 2,000 or more: the best epoch is partly the
        best by chance on the images that chose it, and int8 loses that advantage.
        """
        return self._halve(1)

    def _halve(self, half: int) -> Split:
        whole = self.splits["val"]
        is_whole = len(whole.labels) < _ENOUGH_TO_HALVE
        return whole if is_whole else whole.thin(2, half)
