"""The boxes of a run, from its images in given splits to the model's input."""

import json
from pathlib import Path

import numpy as np
import pytest

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.boxes.find import read_annotations
from corallite.train.data.boxes.listing import DETECT
from corallite.train.data.load import ImageData, prepare_data
from corallite.train.runs.run import Run

# Labels in each image; cat is the rarest one of all.
_SPLITS = {
    "train/1.png": ("cat", "dog"),
    "train/2.png": ("dog",),
    "valid/3.png": ("dog",),
    "valid/4.png": (),
    "test/5.png": ("dog", "cat"),
    "test/6.png": ("dog",),
}


@pytest.fixture(autouse=True)
def shared(decoded_dir: Path) -> Path:
    return decoded_dir


def write_photos(
    folder: Path, labels: dict[str, tuple[str, ...]], left: int = 10
) -> None:
    """Writes images of 40 x 20 pixels, and boxes of 8 x 8."""
    rng, names = np.random.default_rng(0), ("cat", "dog")
    images, boxes = [], []
    for number, (name, marked) in enumerate(labels.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (20, 40, 3), np.uint8))
        images.append({"id": number, "file_name": name, "width": 40, "height": 20})
        boxes += [
            {"image_id": number, "category_id": names.index(x), "bbox": [left, 4, 8, 8]}
            for x in marked
        ]
    categories = [{"id": n, "name": name} for n, name in enumerate(names)]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content))


def prepare(folder: Path, fit: str = "pad") -> ImageData:
    photos, run = folder / "photos", Run.open(folder / "run")
    marked = DETECT, read_annotations(photos)
    return prepare_data(photos, run, Preprocessing((32, 32), fit), marked=marked)


def test_given_splits_need_every_label_in_train_and_nothing_else(
    tmp_path: Path,
) -> None:
    """No image of train is without boxes, and none has dog as its rarest label."""
    labels = {**_SPLITS, "train/2.png": ("cat", "dog")}
    write_photos(tmp_path / "photos", labels)

    data = prepare(tmp_path)

    assert [len(data.splits[x].labels) for x in ("train", "val", "test")] == [2, 2, 2]
    assert (tmp_path / "run/classes.txt").read_text() == "cat\ndog\n"


def test_label_without_boxes_in_train_is_refused(tmp_path: Path) -> None:
    labels = {**_SPLITS, "train/1.png": ("dog",)}
    write_photos(tmp_path / "photos", labels)

    with pytest.raises(RequestError, match=r"train split .* of cat; .* the label\."):
        prepare(tmp_path)


def test_boxes_and_images_that_are_left_out_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # The crop is from column 10 to 30; the boxes are from 0 to 8.
    write_photos(tmp_path / "photos", _SPLITS, left=0)
    cv2.imwrite(str(tmp_path / "photos/7.png"), np.zeros((20, 40, 3), np.uint8))

    with pytest.raises(RequestError, match="no readable image of cat, dog"):
        prepare(tmp_path, "crop")

    assert "1 of 7 images are not in the annotations and are not used" in caplog.text
    assert "7 of 7 boxes have their centre outside the crop" in caplog.text


def test_nothing_is_logged_if_nothing_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_photos(tmp_path / "photos", _SPLITS, left=0)

    prepare(tmp_path, "pad")

    assert "--fit=pad" not in caplog.text
    assert "not in the annotations" not in caplog.text
