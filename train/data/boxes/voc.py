"""Reads boxes in the format of Pascal VOC: one XML file for each image."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from corallite.device.system.errors import RequestError
from corallite.train.data.boxes.annotations import ImageFinder, Marked, MarkedImage

# Beside the folder of the XML files.
_IMAGE_FOLDERS = ("JPEGImages", "images")


def read_voc(paths: Sequence[Path], finder: ImageFinder) -> Iterator[MarkedImage]:
    """Yields the images, in the order of the files.

    Raises:
        RequestError: A file is not in this format, or belongs to no image.
    """
    for path in paths:
        try:
            root = ElementTree.fromstring(path.read_bytes())
            name, size, boxes = _parse(root)
        except (ElementTree.ParseError, ValueError, OSError) as error:
            raise RequestError(
                f"{path}: is not in the format of Pascal VOC ({error}); export it "
                "again, or remove it."
            ) from error
        near = [path.parent, *(path.parent.parent / x for x in _IMAGE_FOLDERS)]
        yield MarkedImage(finder.find(name or path.stem, path, near), size, boxes, path)


def list_labels(images: Sequence[MarkedImage]) -> list[str]:
    """Returns the labels in alphabetical order: no file lists them."""
    return sorted({box.label for image in images for box in image.boxes})


def _parse(
    root: ElementTree.Element,
) -> tuple[str, tuple[int, int], tuple[Marked, ...]]:
    if root.tag != "annotation":
        raise ValueError(f"its root is <{root.tag}>, not <annotation>")
    size = int(_text(root, "size/width")), int(_text(root, "size/height"))
    boxes = []
    for item in root.iter("object"):
        # Pixels are counted from 1: the first one reaches from 0 to 1.
        left, top = (float(_text(item, f"bndbox/{x}")) - 1 for x in ("xmin", "ymin"))
        right, bottom = (float(_text(item, f"bndbox/{x}")) for x in ("xmax", "ymax"))
        boxes.append(Marked(_text(item, "name"), left, top, right, bottom))
    return root.findtext("filename", "").strip(), size, tuple(boxes)


def _text(element: ElementTree.Element, name: str) -> str:
    text = (element.findtext(name) or "").strip()
    if not text:
        raise ValueError(f"it has no <{name.rpartition('/')[2]}>")
    return text
