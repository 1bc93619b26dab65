"""Lists the images of a data set with boxes, as the other rooms take them."""

from collections import Counter
from pathlib import Path

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.boxes.annotations import Annotations, MarkedImage
from corallite.train.data.listing.images import ImageFile, Listing, list_images
from corallite.train.data.listing.layout import is_image, split_of

DETECT, BOTH = "detect", "both"
# Of images without boxes, which have no label to be divided by.
_EMPTY = "no boxes"


def list_marked(data_dir: Path, annotations: Annotations, task: str) -> Listing:
    """Lists the images that a model of this task is trained on.

    Args:
        data_dir: Folder of the images.
        annotations: Their boxes.
        task: DETECT: all images with annotations; each is assigned to a split by its
            rarest label. BOTH: the images of class folders (see `list_images`);
            those without annotations have no boxes.

    Raises:
        RequestError: `list_images` raises it, or no image has both a class and boxes.
    """
    if task == BOTH:
        listing = list_images(data_dir)
        _check_classes(listing, annotations)
        return listing
    _warn_of_unmarked(data_dir, annotations)
    counts = Counter(box.label for x in annotations.images.values() for box in x.boxes)
    splits = {path: _find_split(path) for path in annotations.images}
    if None in splits.values() or "train" not in splits.values():
        splits = dict.fromkeys(splits)
    listed = sorted(annotations.images.items())
    images = tuple(
        ImageFile(path, _find_rarest(image, counts), splits[path])
        for path, image in listed
    )
    names = sorted({image.class_name for image in images})
    return Listing(data_dir, tuple(names), images)


def _warn_of_unmarked(data_dir: Path, annotations: Annotations) -> None:
    found = sum(map(is_image, files.walk(data_dir, set())))
    if missing := found - len(annotations.images):
        logging.warning(
            "%s: %d of %d images are not in the annotations and are not used.",
            *(data_dir, missing, found),
        )


def _find_split(path: str) -> str | None:
    """Returns the split that one of the folders of an image is named as."""
    folders = path.split("/")[:-1]
    return next(filter(None, map(split_of, folders)), None)


def _find_rarest(image: MarkedImage, counts: Counter[str]) -> str:
    labels = {box.label for box in image.boxes}
    return min(labels, key=lambda x: (counts[x], x)) if labels else _EMPTY


def _check_classes(listing: Listing, annotations: Annotations) -> None:
    listed = {file.path for file in listing.files}
    common = listed & annotations.images.keys()
    if not common:
        raise RequestError(
            f"{listing.source}: no image of its class folders has boxes; write paths "
            "such as cat/1.jpg into the annotations, or train with --task=detect."
        )
    if missing := len(listed) - len(common):
        logging.warning(
            "%s: %d of %d images are not in the annotations and count as images "
            "without boxes.",
            *(listing.source, missing, len(listed)),
        )
