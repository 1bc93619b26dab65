"""The boxes of a run's images, in pixels of the decoded images, and their record."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from absl import logging

from corallite.device.image.preprocess import Preprocessing, decode_image
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.files import printable
from corallite.device.system.storage import json_text
from corallite.train.data.boxes.annotations import Annotations, MarkedImage
from corallite.train.data.boxes.listing import BOTH
from corallite.train.data.decoded.reader import folder_reader, map_paths
from corallite.train.data.listing.images import Listing

BOXES_FILE = "boxes.json"
_FORMAT = 1
# By which large images are reduced while they are decoded.
_REDUCTIONS = (1, 2, 4, 8)

# Number of the label, left, top, right, bottom.
Numbers = tuple[int, float, float, float, float]


@dataclass(frozen=True)
class PlacedImage:
    """The boxes of an image.

    Attributes:
        size_hw: Height and width of the decoded image; (0, 0) if it is unreadable.
        boxes: In its pixels.
    """

    size_hw: tuple[int, int]
    boxes: tuple[Numbers, ...] = ()


@dataclass(frozen=True)
class RunBoxes:
    """The boxes of a run.

    Attributes:
        task: DETECT or BOTH.
        labels: In the order of the model's output.
        images: By path.
    """

    task: str
    labels: tuple[str, ...]
    images: Mapping[str, PlacedImage]

    @property
    def classifies(self) -> bool:
        """Whether a model tells the class of the image, too."""
        return self.task == BOTH

    def to_array(
        self, paths: Sequence[str], preprocessing: Preprocessing
    ) -> np.ndarray:
        """Returns the boxes in the model's input.

        Boxes are cut off at its borders, and left out if their centre is outside.

        Returns:
            float32 `[n, most, 5]`: number of the label, -1 where there is no box, then
            left, top, right and bottom as fractions of the input.
        """
        rows = [self._place(path, preprocessing) for path in paths]
        most = max(1, *(len(row) for row in rows)) if rows else 1
        array = np.zeros((len(paths), most, 5), np.float32)
        array[..., 0] = -1
        for number, row in enumerate(rows):
            array[number, : len(row)] = np.array(row).reshape(-1, 5)
        return array

    def _place(self, path: str, preprocessing: Preprocessing) -> list[list[float]]:
        image = self.images.get(path, PlacedImage((0, 0)))
        if not image.boxes or not min(image.size_hw):
            return []
        height, width = preprocessing.size_hw
        placement = preprocessing.place(image.size_hw)
        size = np.array([width, height, width, height])
        placed = []
        for label, *box in image.boxes:
            corners = np.array(placement.to_input(*box)) / size
            centre = (corners[:2] + corners[2:]) / 2
            if np.all((centre >= 0) & (centre < 1)):
                placed.append([label, *np.clip(corners, 0, 1)])
        return placed

    def warn_of_crop(self, preprocessing: Preprocessing) -> None:
        """Logs how many boxes are left out because an image is cropped, if any."""
        if preprocessing.fit != "crop":
            return
        total = sum(len(x.boxes) for x in self.images.values())
        kept = sum(len(self._place(path, preprocessing)) for path in self.images)
        if kept < total:
            logging.warning(
                "%d of %d boxes have their centre outside the crop and are left out; "
                "train with --fit=pad to keep them.",
                *(total - kept, total),
            )

    def digest(self) -> str:
        """Returns a SHA-256 over the task, the labels and the boxes."""
        return hashlib.sha256(self._to_text().encode()).hexdigest()

    def write(self, run_dir: Path) -> None:
        """Writes them into a run, one line an image."""
        files.write_text(run_dir / BOXES_FILE, self._to_text())

    def _to_text(self) -> str:
        head = {"format": _FORMAT, "task": self.task, "labels": list(self.labels)}
        lines = ",\n".join(
            f"    {json.dumps(path)}: {json.dumps([list(x.size_hw), *x.boxes])}"
            for path, x in sorted(self.images.items())
        )
        text = json.dumps(head, indent=2)
        return f'{text[:-2]},\n  "images": {{\n{lines}\n  }}\n}}\n'


def read_run_boxes(run_dir: Path) -> RunBoxes | None:
    """Reads the boxes of a run; None if it has none.

    Raises:
        RequestError: The record is damaged.
    """
    path = run_dir / BOXES_FILE
    if not path.exists():
        return None
    try:
        content = json_text.parse(path.read_text())
        if content["format"] != _FORMAT:
            raise ValueError(f"Expected `format` to be {_FORMAT}.")
        images = {
            image: PlacedImage(tuple(size), tuple(map(tuple, boxes)))
            for image, (size, *boxes) in content["images"].items()
        }
        return RunBoxes(str(content["task"]), tuple(content["labels"]), images)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(
            f"{path}: damaged or from another version; remove it and train again."
        ) from error


def refuse_boxes(run_dir: Path) -> None:
    """Raises `RequestError` if a run was made with boxes."""
    made = read_run_boxes(run_dir)
    if made is not None:
        raise RequestError(
            f"{run_dir}: was made with --task={made.task}; train with it, or choose "
            "a new --run_dir."
        )


def settle_boxes(
    run_dir: Path,
    listing: Listing,
    annotations: Annotations,
    task: str,
    *,
    is_cached: bool,
) -> None:
    """Measures the images, and records the boxes in a run.

    Args:
        run_dir: The run folder.
        listing: Its images.
        annotations: Their boxes.
        task: DETECT or BOTH.
        is_cached: Whether the run has decoded its images before.

    Raises:
        RequestError: An image has another size than its annotations say, or the run has
            other boxes.
    """
    known = read_run_boxes(run_dir)
    paths = [file.path for file in listing.files]
    sizes = {} if known is None else {x: y.size_hw for x, y in known.images.items()}
    new = [path for path in paths if path not in sizes]
    sizes |= dict(map_paths(lambda x: _measure(listing.data_dir, x), new, "Measured"))
    images = {
        path: _to_pixels(path, sizes[path], annotations, listing.data_dir)
        for path in paths
    }
    made = RunBoxes(task, annotations.labels, images)
    if known is None or not is_cached:
        made.write(run_dir)
        if not made.classifies:
            # The listing has the rarest label of each image as its class.
            labels = "".join(f"{label}\n" for label in made.labels)
            files.write_text(run_dir / "classes.txt", labels)
    elif known.digest() != made.digest():
        raise RequestError(
            f"{run_dir}: was made with other boxes than {listing.source} has now, or "
            "another --task; train into a new --run_dir."
        )


def _measure(data_dir: Path, path: str) -> tuple[int, int]:
    """Returns height and width of a decoded image; (0, 0) if it is unreadable."""
    try:
        image = decode_image(folder_reader(data_dir)(path), path)
    except (OSError, RequestError):
        return 0, 0  # It is reported when the images are split.
    height, width = image.shape[:2]
    return height, width


def _to_pixels(
    path: str, size_hw: tuple[int, int], annotations: Annotations, data_dir: Path
) -> PlacedImage:
    marked = annotations.images.get(path)
    if marked is None or not min(size_hw):
        return PlacedImage(size_hw)
    height, width = size_hw
    x_scale, y_scale = float(width), float(height)
    if marked.size_wh is not None:
        _check_size(marked, size_hw, data_dir)
        x_scale, y_scale = width / marked.size_wh[0], height / marked.size_wh[1]
    numbers = {label: number for number, label in enumerate(annotations.labels)}
    boxes = tuple(
        (
            numbers[box.label],
            round(box.left * x_scale, 2),
            round(box.top * y_scale, 2),
            round(box.right * x_scale, 2),
            round(box.bottom * y_scale, 2),
        )
        for box in marked.boxes
    )
    return PlacedImage(size_hw, boxes)


def _check_size(marked: MarkedImage, size_hw: tuple[int, int], data_dir: Path) -> None:
    """Refuses annotations of an image of another size, up to a decoder's reduction."""
    stated_wh = marked.size_wh or (0, 0)
    height, width = size_hw
    fits = any(
        abs(width * x - stated_wh[0]) <= x and abs(height * x - stated_wh[1]) <= x
        for x in _REDUCTIONS
    )
    if not fits or not min(stated_wh):
        raise RequestError(
            f"{marked.source}: says that {printable(marked.path)} has "
            f"{stated_wh[0]} x {stated_wh[1]} pixels, and the image in {data_dir} has "
            f"{width} x {height}; export the boxes again, or restore the image."
        )
