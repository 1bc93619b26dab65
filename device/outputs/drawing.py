"""Encodes a frame as JPEG, with its label and its boxes drawn on it."""

import unicodedata

import numpy as np

from corallite.device.engine.base import Box
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.count.counter import BoxCounter
from corallite.device.loop.detections import to_text

# A phone or a browser column shows no more, and a board encodes no more in time.
_LONGEST_SIDE = 960
_JPEG_QUALITY = 80
_FONT = cv2.FONT_HERSHEY_DUPLEX
# BGR; light, so that black letters can be read on each (Okabe and Ito's palette, which
# people with colour blindness can tell apart).
_COLOURS = (
    *((0, 159, 230), (233, 180, 86), (115, 158, 0), (66, 228, 240)),
    *((0, 94, 213), (167, 121, 204), (255, 255, 255)),
)


def draw_result(
    image_rgb_u8: Image,
    result: Result,
    counter: BoxCounter | None = None,
    number_of: dict[str, int] | None = None,
) -> bytes:
    """Returns a JPEG, at most 960 pixels wide and high, with label and boxes.

    Args:
        image_rgb_u8: The frame, uint8 RGB [height, width, 3]; not changed.
        result: Its result.
        counter: Its zone and its line are drawn, too; None: there are none.
        number_of: Numbers of labels, which choose their colours; new ones are added.
    """
    number_of = {} if number_of is None else number_of
    image = _shrink(image_rgb_u8)
    # The conversion copies, so drawing does not change the frame.
    image_bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if counter is not None:
        _draw_areas(image_bgr, counter)
    factor = image_bgr.shape[1] / image_rgb_u8.shape[1]
    # The most probable last, so that it is not covered.
    for box in reversed(result.boxes or ()):
        number = number_of.setdefault(box.label, len(number_of))
        _draw_box(image_bgr, box, factor, _COLOURS[number % len(_COLOURS)])
    if result.boxes and not result.top:
        _write(image_bgr, _to_ascii(to_text(result.boxes)))
    if result.top:
        first = result.top[0]
        text = _to_ascii(result.label)
        if result.label == first.label:
            text = f"{text}  {first.probability:.0%}"
        _write(image_bgr, text)
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return cv2.imencode(".jpg", image_bgr, quality)[1].tobytes()


def _shrink(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = _LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return image
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)


def _write(image_bgr: Image, text: str) -> None:
    """Draws a line of text on a dark band along the lower edge."""
    height, width = image_bgr.shape[:2]
    scale = max(0.4, min(1.2, width / 700))
    thickness = 1 if scale < 1 else 2
    (text_width, text_height), below = cv2.getTextSize(text, _FONT, scale, thickness)
    margin = max(4, text_height // 2)
    band = image_bgr[max(0, height - text_height - below - 2 * margin) :]
    np.multiply(band, 0.35, out=band, casting="unsafe")
    if text_width > width - 2 * margin:
        scale *= max(0.1, (width - 2 * margin) / text_width)
    where = (margin, height - margin - below)
    white = (255, 255, 255)
    cv2.putText(image_bgr, text, where, _FONT, scale, white, thickness, cv2.LINE_AA)


def _draw_box(
    image_bgr: Image, box: Box, factor: float, colour: tuple[int, int, int]
) -> None:
    """Draws a box with its label on its upper edge.

    Args:
        image_bgr: To draw on.
        box: In pixels of the frame.
        factor: Pixels of `image_bgr` for each of the frame.
        colour: BGR.
    """
    left, top, right, bottom = (round(value * factor) for value in box[2:])
    # With a dark edge, because the colour may be that of the picture.
    for shade, thickness in (((0, 0, 0), 4), (colour, 2)):
        cv2.rectangle(image_bgr, (left, top), (right, bottom), shade, thickness)
    scale = max(0.4, min(0.8, image_bgr.shape[1] / 1000))
    text = f"{_to_ascii(box.label)} {box.score:.0%}"
    (wide, high), below = cv2.getTextSize(text, _FONT, scale, 1)
    x = max(0, min(left, image_bgr.shape[1] - wide - 4))
    y = max(top, high + below + 4)
    corner = x + wide + 4, y - high - below - 4
    cv2.rectangle(image_bgr, (x, y), corner, colour, cv2.FILLED)
    where = (x + 2, y - below)
    cv2.putText(image_bgr, text, where, _FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)


def _draw_areas(image_bgr: Image, counter: BoxCounter) -> None:
    """Draws the zone, and the line as an arrow from its first to its second point."""
    size_wh = np.array(image_bgr.shape[1::-1])
    for shade, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        if counter.zone is not None:
            corners = np.round(np.array(counter.zone.points) * size_wh).astype(np.int32)
            cv2.polylines(image_bgr, [corners], True, shade, thickness, cv2.LINE_AA)
        if counter.line is not None:
            start, end = np.round(np.array(counter.line) * size_wh).astype(int).tolist()
            cv2.arrowedLine(
                image_bgr, start, end, shade, thickness, cv2.LINE_AA, tipLength=0.04
            )


def _to_ascii(text: str) -> str:
    """Removes accents: OpenCV's fonts have only ASCII."""
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return kept.encode("ascii", "replace").decode()
