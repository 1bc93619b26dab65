"""Finds the boxes of a data set, in whichever of three formats they are."""

from collections.abc import Sequence
from pathlib import Path

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.boxes import coco, voc, yolo
from corallite.train.data.boxes.annotations import (
    Annotations,
    ImageFinder,
    MarkedImage,
    collect,
)
from corallite.train.data.listing.layout import is_packed

_FORMATS = (
    "a COCO .json, Pascal VOC .xml files, or YOLO .txt files with a classes.txt or "
    "data.yaml"
)


def read_annotations(data_dir: Path, boxes: Path | None = None) -> Annotations:
    """Reads the boxes of the images in a folder.

    Args:
        data_dir: Folder of the images.
        boxes: A file in COCO's format, or the folder of annotations; by default, they
            are in the folder of the images.

    Raises:
        RequestError: There are none, `data_dir` holds shards, a file is damaged or of
            another format, or a box cannot be used.
    """
    if not data_dir.is_dir():
        raise RequestError(
            f"{data_dir}: is not a folder; boxes need the folder of the images."
        )
    if is_packed(data_dir):
        raise RequestError(
            f"{data_dir}: shards have no boxes; give the folder that they were packed "
            "from."
        )
    place = boxes or data_dir
    if not place.exists():
        raise RequestError(f"{place}: no such file; train with other --boxes.")
    finder = ImageFinder(data_dir, files.walk(data_dir, set()))
    if place.is_file():
        if place.suffix.lower() != ".json":
            raise RequestError(
                f"{place}: is not a .json file; train with --boxes of {_FORMATS}, "
                "these as their folder."
            )
        return _read_coco([place], finder)
    return _read_folder(data_dir, place, finder)


def _read_folder(data_dir: Path, place: Path, finder: ImageFinder) -> Annotations:
    found = list(files.walk(place, set()))
    of_coco, damaged = _list_coco(found)
    if of_coco:
        # It may have the boxes of some of the images.
        if damaged is not None:
            raise damaged
        return _read_coco(of_coco, finder)
    of_voc = [x for x in found if x.suffix.lower() == ".xml"]
    if of_voc:
        images = list(voc.read_voc(of_voc, finder))
        return collect(voc.list_labels(images), images)
    of_yolo = [x for x in found if yolo.is_label_text(x)]
    names = yolo.find_names([place, place.parent, data_dir, *_folders(of_yolo)])
    if of_yolo and names is not None:
        labels = yolo.read_names(names)
        return collect(labels, yolo.read_yolo(of_yolo, labels, finder))
    if of_yolo:
        raise RequestError(
            f"{place}: has .txt files and no names of classes; add a classes.txt with "
            "one name a line."
        )
    if damaged is not None:
        raise damaged
    raise RequestError(
        f"{place}: has no boxes; train with --boxes of {_FORMATS}, these as a folder."
    )


def _list_coco(paths: Sequence[Path]) -> tuple[list[Path], RequestError | None]:
    """Returns the COCO files, and the error of the first damaged .json file."""
    of_coco, damaged = [], None
    for path in paths:
        if path.suffix.lower() == ".json":
            try:
                if coco.is_coco(path):
                    of_coco.append(path)
            except RequestError as error:
                damaged = damaged or error
    return of_coco, damaged


def _folders(paths: Sequence[Path]) -> list[Path]:
    return sorted({path.parent for path in paths})


def _read_coco(paths: Sequence[Path], finder: ImageFinder) -> Annotations:
    labels: dict[str, None] = {}
    images: list[MarkedImage] = []
    for path in paths:
        names, found = coco.read_coco(path, finder)
        labels |= dict.fromkeys(names)
        images += found
    return collect(labels, images)
