"""Makes thumbnails of images to look at, to embed in a page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from corallite.convert.evaluate.metrics import Mistake
from corallite.device.image.opencv import cv2
from corallite.device.system import files
from corallite.train.data.load import Split

# Sharp on a screen with two device pixels a CSS pixel, and 5 kB as JPEG.
_LONGEST_SIDE = 192
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class Picture:
    """One wrongly predicted image.

    Attributes:
        uri: The image as a data: URI.
        path: Path of the file in the images' folder.
        true: Name of its class.
        predicted: Name of the predicted class.
        confidence: Probability of that class, 0 to 1.
        true_probability: Probability of the right class.
    """

    uri: str
    path: str
    true: str
    predicted: str
    confidence: float
    true_probability: float


def show_mistakes(
    mistakes: Sequence[Mistake], split: Split, class_names: Sequence[str]
) -> list[Picture]:
    """Returns the images of `mistakes`, as the network sees them."""
    return [
        Picture(
            uri=encode_image(split.images_rgb_u8[mistake.row]),
            path=files.printable(split.paths[mistake.row]),
            true=class_names[split.labels[mistake.row]],
            predicted=class_names[mistake.predicted],
            confidence=mistake.confidence,
            true_probability=mistake.true_probability,
        )
        for mistake in mistakes
    ]


@dataclass(frozen=True)
class DoubtfulPicture:
    """One training image whose label may be wrong.

    Attributes:
        uri: The image as a data: URI.
        path: Path of the file in the images' folder.
        label: Name of its class.
        other: Name of the class that it looks like.
        probability: Of its class.
    """

    uri: str
    path: str
    label: str
    other: str
    probability: float


def show_doubtful(
    records: Sequence[dict[str, Any]], split: Split
) -> list[DoubtfulPicture]:
    """Returns the images that a training recorded as doubtful, if they still exist.

    Raises:
        KeyError, TypeError, ValueError: A record is damaged.
    """
    rows = {path: row for row, path in enumerate(split.paths)}
    return [
        DoubtfulPicture(
            uri=encode_image(split.images_rgb_u8[rows[record["path"]]]),
            path=files.printable(record["path"]),
            label=files.printable(record["label"]),
            other=files.printable(record["other"]),
            probability=float(record["probability"]),
        )
        for record in records
        if record["path"] in rows
    ]


def encode_image(image_rgb: np.ndarray) -> str:
    """Returns uint8 `[height, width, 3]` as a data: URI.

    A small image becomes a PNG without loss; others are shrunk and become JPEG.
    """
    longest = max(image_rgb.shape[:2])
    image_bgr = cv2.cvtColor(np.ascontiguousarray(image_rgb), cv2.COLOR_RGB2BGR)
    if longest <= _LONGEST_SIDE // 2:
        return _to_uri("png", cv2.imencode(".png", image_bgr)[1])
    if longest > _LONGEST_SIDE:
        scale = _LONGEST_SIDE / longest
        image_bgr = cv2.resize(
            image_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return _to_uri("jpeg", cv2.imencode(".jpg", image_bgr, options)[1])


def _to_uri(kind: str, content: np.ndarray) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content.tobytes()).decode()}"
