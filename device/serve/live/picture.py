"""Encodes a frame as JPEG, with its label drawn on it."""

import threading
import unicodedata

import numpy as np

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image
from corallite.device.serve.live.camera import Snapshot

# A phone or a browser column shows no more, and a board encodes no more in time.
_LONGEST_SIDE = 960
_JPEG_QUALITY = 80
_FONT = cv2.FONT_HERSHEY_DUPLEX


class Pictures:
    """Encodes each snapshot once for all clients."""

    def __init__(self) -> None:
        """Starts without a picture."""
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._jpeg = b""

    def encode(self, snapshot: Snapshot) -> bytes:
        """Returns `snapshot` as JPEG; may be called from any thread."""
        with self._lock:
            if snapshot is not self._snapshot:
                self._jpeg = encode_snapshot(snapshot)
                self._snapshot = snapshot
            return self._jpeg


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Returns a JPEG, at most 960 pixels wide and high, with the label."""
    image = _shrink(snapshot.image_rgb_u8)
    # The conversion copies, so drawing does not change the snapshot.
    image_bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if snapshot.result.top:
        first = snapshot.result.top[0]
        text = _to_ascii(snapshot.result.label)
        if snapshot.result.label == first.label:
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


def _to_ascii(text: str) -> str:
    """Removes accents: OpenCV's fonts have only ASCII."""
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return kept.encode("ascii", "replace").decode()
