"""Reads boxes in COCO's format: one JSON file for many images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text
from corallite.train.data.boxes.annotations import ImageFinder, Marked, MarkedImage

_KEYS = ("images", "annotations", "categories")
# Of instances_train2017.json: 449 MB.
_MOST_BYTES = 2 << 30


def is_coco(path: Path) -> bool:
    """Returns whether a file is a JSON with boxes.

    Raises:
        RequestError: It cannot be read, or is not JSON.
    """
    with files.reporting_unreadable(path, "check path and permissions"):
        text = files.read_limited(path, _MOST_BYTES)
    try:
        content = json_text.parse(text.decode())
    except ValueError as error:
        raise RequestError(
            f"{path}: is not valid JSON, so its boxes are unknown ({error}); export it "
            "again, or remove it."
        ) from error
    return isinstance(content, dict) and all(key in content for key in _KEYS)


def read_coco(
    path: Path, finder: ImageFinder
) -> tuple[list[str], Iterator[MarkedImage]]:
    """Returns the labels by rising id, and the images.

    Boxes of crowds are left out. So is a category without boxes that is only the
    super-category of others, which Roboflow writes.

    Raises:
        RequestError: The file is not in this format, or names an unknown image.
    """
    with files.reporting_unreadable(path, "check path and permissions"):
        text = files.read_limited(path, _MOST_BYTES)
    try:
        content = json_text.parse(text.decode())
        names = _read_labels(content)
        images = list(_read_images(path, content, names))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise RequestError(
            f"{path}: is not in COCO's format ({error!r}); export the boxes again as "
            "COCO JSON, with images, annotations and categories."
        ) from error
    return list(dict.fromkeys(names.values())), (
        MarkedImage(finder.find(name, path), size, boxes, path)
        for name, size, boxes in images
    )


def _read_labels(content: dict[str, Any]) -> dict[int, str]:
    categories = sorted(content["categories"], key=lambda x: int(x["id"]))
    used = {int(x["category_id"]) for x in content["annotations"]}
    parents = {str(x.get("supercategory")) for x in categories}
    return {
        int(x["id"]): str(x["name"])
        for x in categories
        if int(x["id"]) in used or str(x["name"]) not in parents
    }


def _read_images(path: Path, content: dict[str, Any], names: dict[int, str]) -> Any:
    boxes: dict[int, list[Marked]] = {int(x["id"]): [] for x in content["images"]}
    for item in content["annotations"]:
        number = int(item["image_id"])
        if number not in boxes:
            raise RequestError(
                f"{path}: annotation {item.get('id')} is of the image {number}, which "
                "is not in its images; remove it, or add the image."
            )
        if not item.get("iscrowd"):
            left, top, width, height = map(float, item["bbox"])
            label = names[int(item["category_id"])]
            boxes[number].append(Marked(label, left, top, left + width, top + height))
    for image in content["images"]:
        size = int(image["width"]), int(image["height"])
        yield str(image["file_name"]), size, tuple(boxes[int(image["id"])])
